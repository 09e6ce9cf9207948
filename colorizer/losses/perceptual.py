"""The content loss: how far two pictures are apart in the features of a trained classifier."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any, Callable, NamedTuple, Sequence
import warnings

import keras
from keras import ops

from colorizer.training import checkpoints
from colorizer.models import classifier
from colorizer.color import lab as color
from colorizer.errors import UserError

CIFAR10, VGG19 = "cifar10", "vgg19"
# The last features of each block, after their ReLU, as Zhang et al. take them of VGG.
CIFAR10_LAYERS = [f"block_{index}" for index in range(len(classifier.BLOCKS))]
VGG19_LAYERS = ["block1_conv2", "block2_conv2", "block3_conv4", "block4_conv4", "block5_conv4"]
VGG_SMALLEST = 32  # pixels that keras.applications asks for
EPSILON = 1e-6  # under the root of a feature vector's length


class PerceptualError(UserError):
    """The network of the content loss cannot be had or cannot be used."""


class _Network(NamedTuple):
    """A trained network, and how it wants its pictures."""

    model: keras.Model
    layers: Sequence[str] | None  # to compare where none are named; None: the last map
    preprocess: Callable[[Any], Any]  # what RGB in [0, 1] goes through first
    smallest: int  # pixels of a side


class ContentLoss:
    """Compares pictures by the features of one frozen network.

    Args:
        network: `cifar10`, the classifier that comes with the package; `vgg19`, of
            keras.applications with its ImageNet weights, downloaded at first use; the path of a
            `.keras` file, a classifier of RGB pictures in [0, 1] that is loaded without running
            code of the file; or the path of a `.h5` file with VGG19's weights.
        layers: names of the layers to compare, separated by commas. Default: each block's last
            features; of a `.keras` file, the last layer that gives a map.

    Attributes:
        features: the network, RGB in [0, 1] -> the layers' features. Nothing of it is trainable.

    Raises:
        PerceptualError: no such network, no weights, or no such layers.

    The distance is that of Zhang et al., The Unreasonable Effectiveness of Deep Features as a
    Perceptual Metric, CVPR 2018, equation 1 with all w = 1: it does not depend on the features'
    scale, so that one weight suits any network. Johnson et al., ECCV 2016, equation 2, who
    introduced the loss, leave the features as they are.
    """

    def __init__(self, network: str = VGG19, layers: str | None = None):
        with _float32():
            self._network = _load(network)
            names = layers.split(",") if layers else self._network.layers
            self.features = keras.Model(
                self._network.model.inputs[0], _outputs(self._network.model, names, network))
        self.features.trainable = False

    def __call__(self, l_fake, ab_fake, l_real, ab_real):
        """The distance of two pictures.

        Args:
            l_fake: float [batch, h, w, 1] in [-1, 1], scaled L* of the first.
            ab_fake: float [batch, h, w, 2] in [-1, 1], its ab; mapped into the gamut.
            l_real: the same of the second.
            ab_real: the same of the second.

        Returns:
            float [batch]: over the layers, the sum of the squared distances between the feature
            vectors, each divided by its length; the mean over the positions. 0 for equal pictures,
            and for features that are never negative at most 2 a layer.
        """
        distance = 0.0
        for fake, real in zip(self._features(l_fake, ab_fake), self._features(l_real, ab_real)):
            squared = ops.sum((_unit(fake) - _unit(real))**2, axis=-1)
            distance += ops.mean(squared, axis=tuple(range(1, len(squared.shape))))
        return distance

    def _features(self, l_scaled, ab_scaled) -> Sequence:
        lab = color.scaled_to_lab(ops.cast(l_scaled, "float32"), ops.cast(ab_scaled, "float32"))
        rgb = color.lab_to_rgb(color.to_gamut(lab))
        features = self.features(self._network.preprocess(self._resize(rgb)), training=False)
        return features if isinstance(features, (list, tuple)) else [features]

    def _resize(self, rgb):
        """The picture at the size that the network takes; as it is if that is any size."""
        height, width = self.features.inputs[0].shape[1:3]
        size = (height or max(rgb.shape[1], self._network.smallest),
                width or max(rgb.shape[2], self._network.smallest))
        if size == tuple(rgb.shape[1:3]):
            return rgb
        return ops.image.resize(rgb, size, antialias=True)


def _load(network: str) -> _Network:
    if network == CIFAR10:
        model = classifier.build_classifier()
        checkpoints.load_weights(model, classifier.WEIGHTS)
        return _Network(model, CIFAR10_LAYERS, _unchanged, classifier.IMAGE_SIZE)
    if network == VGG19:
        return _Network(_vgg19(), VGG19_LAYERS, _as_vgg19, VGG_SMALLEST)
    path = Path(network)
    if path.suffix not in (".keras", ".h5"):
        raise PerceptualError(
            f"`perceptual_network` must be {CIFAR10}, {VGG19}, or the path of a .keras file or of "
            f"a .h5 file with VGG19's weights. Received: perceptual_network={network}")
    if not path.is_file():
        raise PerceptualError(f"`perceptual_network` must be a file that exists. "
                              f"Received: perceptual_network={network}")
    if path.suffix == ".h5":
        return _Network(_vgg19(network), VGG19_LAYERS, _as_vgg19, VGG_SMALLEST)
    return _Network(_keras_file(network), None, _unchanged, 1)


def _vgg19(path: str | None = None) -> keras.Model:
    """VGG19 without its top, with the weights of a file or, for None, downloaded ones."""
    try:
        if path is None:
            return keras.applications.VGG19(include_top=False, weights="imagenet")
        model = keras.applications.VGG19(include_top=False, weights=None)
        before = model.get_weights()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of layers without weights that the file lacks, too
            model.load_weights(path)
        kept = [weight.path for weight, old in zip(model.weights, before)
                if weight.path.endswith("kernel") and (weight.numpy() == old).all()]
        if kept:
            raise ValueError(f"{', '.join(kept)} not in the file")
        return model
    except Exception as error:  # a failed download is a plain Exception in Keras
        reason = " ".join(str(error).split())[:300]
    if path is None:
        raise PerceptualError(
            f"perceptual_network={VGG19} needs its ImageNet weights (80 MB), which could not be "
            f"downloaded ({reason}): give the path of "
            "vgg19_weights_tf_dim_ordering_tf_kernels_notop.h5 as --perceptual_network, or use "
            f"--perceptual_network={CIFAR10}, which comes with the package")
    raise PerceptualError(
        "a .h5 file as `perceptual_network` must hold the weights of keras.applications' VGG19 "
        f"without its top ({reason}). Received: perceptual_network={path}")


def _keras_file(path: str) -> keras.Model:
    try:
        model = keras.saving.load_model(path, compile=False, safe_mode=True)
    except Exception as error:  # damaged and hostile files raise nearly anything
        raise PerceptualError(
            "`perceptual_network` must be a .keras file that Keras loads in safe mode "
            f"({type(error).__name__}: {' '.join(str(error).split())[:200]}). "
            f"Received: perceptual_network={path}")
    shapes = [tuple(tensor.shape) for tensor in getattr(model, "inputs", None) or []]
    if len(shapes) != 1 or len(shapes[0]) != 4 or shapes[0][-1] != 3:
        raise PerceptualError(
            "`perceptual_network` must take one picture, [batch, height, width, 3]. "
            f"Received: inputs of {shapes} in {path}")
    return model


def _outputs(model: keras.Model, names: Sequence[str] | None, network: str) -> list:
    maps = [layer.name for layer in model.layers
            if not isinstance(layer, keras.layers.InputLayer) and _is_map(layer)]
    names = [name.strip() for name in names] if names else maps[-1:]
    unknown = [name for name in names if name not in maps]
    if unknown or not names:
        raise PerceptualError(
            f"`perceptual_layers` must be names of layers of {network} that give maps: "
            f"{', '.join(maps) or 'it has none'}. Received: {', '.join(unknown) or 'none'}")
    return [model.get_layer(name).output for name in names]


def _is_map(layer: keras.Layer) -> bool:
    output = getattr(layer, "output", None)
    return isinstance(output, keras.KerasTensor) and len(output.shape) == 4


def _unit(features):
    """Each feature vector divided by its length."""
    features = ops.cast(features, "float32")
    return features / ops.sqrt(ops.sum(features**2, axis=-1, keepdims=True) + EPSILON)


def _unchanged(rgb):
    return rgb


def _as_vgg19(rgb):
    return keras.applications.vgg19.preprocess_input(255.0 * rgb)


@contextlib.contextmanager
def _float32():
    """Layers that are built within calculate in float32, whatever the networks' precision."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("float32")
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)
