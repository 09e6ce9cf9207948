"""The perceptual loss: how far two images are apart in the features of a trained classifier."""

from __future__ import annotations

from collections.abc import Iterator
import contextlib
from pathlib import Path
from typing import Any, Callable, Sequence

import keras
from keras import ops

from colorizer import models
from colorizer.errors import UserError

CIFAR10, EFFICIENTNET, VGG19 = "cifar10", "efficientnet_lite0", "vgg19"
# The last features of each size: of VGG after their ReLU, as Zhang et al. take them.
CIFAR10_LAYERS = ("block_0", "block_1", "block_2", "block_3")
VGG19_LAYERS = ("block1_conv2", "block2_conv2", "block3_conv4", "block4_conv4", "block5_conv4")
EFFICIENTNET_LAYERS = ("map_4", "map_8", "map_16", "map_32")
MIN_VGG_SIZE = 32  # pixels that keras.applications needs
EFFICIENTNET_SIZE = 224  # pixels that it was trained at: it knows little of smaller images
EPSILON = 1e-6  # under the root of a feature vector's length


class PerceptualLoss:
    """Compares images by the features of one frozen network.

    Args:
        network: `efficientnet_lite0` or `cifar10`, the classifiers of ImageNet and of CIFAR-10 that
            come with the package; `vgg19`, of keras.applications with its ImageNet weights,
            downloaded at first use; or the path of a `.keras` file, a classifier of RGB images in
            [0, 1] that is loaded without running code of the file, and whose last feature map is
            compared. Smaller images are enlarged to 224 px a side for `efficientnet_lite0`, to
            32 px for `vgg19`.

    Attributes:
        features: the network, RGB in [0, 1] -> the layers' features. Nothing of it is trainable.

    Raises:
        UserError: no such network, or no weights.

    Source: Zhang et al., The Unreasonable Effectiveness of Deep Features as a Perceptual Metric,
    CVPR 2018, equation 1 with all w = 1. It does not depend on the features' scale, so that one
    weight suits any network. Johnson et al., ECCV 2016, equation 2, who introduced the loss, leave
    the features as they are.

    Example:
        >>> loss = PerceptualLoss("cifar10")
        >>> float(loss(rgb, rgb)[0])
        0.0
    """

    def __init__(self, network: str = VGG19):
        with _float32():
            model, names, self._preprocess, self._min_size = _load(network)
            self.features = keras.Model(
                model.inputs[0], [model.get_layer(name).output for name in names])
        self.features.trainable = False

    def __call__(self, rgb_fake, rgb_real):
        """The distance of two images, float [batch, h, w, 3] in [0, 1]; returns float [batch].

        It is the squared distance of the feature vectors, each divided by its length, as mean over
        the positions and sum over the layers. 0 for equal images, at most 2 a layer for features
        that are never negative.
        """
        distance = 0.0
        for fake, real in zip(self._features(rgb_fake), self._features(rgb_real)):
            squared = ops.sum((_unit(fake) - _unit(real))**2, axis=-1)
            distance += ops.mean(squared, axis=tuple(range(1, len(squared.shape))))
        return distance

    def _features(self, rgb) -> Sequence:
        height, width = self.features.inputs[0].shape[1:3]
        size = (height or max(rgb.shape[1], self._min_size),
                width or max(rgb.shape[2], self._min_size))
        rgb = ops.cast(rgb, "float32")
        if size != tuple(rgb.shape[1:3]):
            rgb = ops.image.resize(rgb, size, antialias=True)
        features = self.features(self._preprocess(rgb), training=False)
        return features if isinstance(features, (list, tuple)) else [features]


def _load(network: str) -> tuple[keras.Model, Sequence[str], Callable[[Any], Any], int]:
    """The network, the layers to compare, how it takes RGB in [0, 1], and the smallest side."""
    if network == CIFAR10:
        return models.load_classifier(), CIFAR10_LAYERS, lambda rgb: rgb, 1
    if network == EFFICIENTNET:
        return models.load_efficientnet(), EFFICIENTNET_LAYERS, lambda rgb: rgb, EFFICIENTNET_SIZE
    if network == VGG19:
        return _vgg19(), VGG19_LAYERS, lambda rgb: keras.applications.vgg19.preprocess_input(
            255.0 * rgb), MIN_VGG_SIZE
    if not network.endswith(".keras") or not Path(network).is_file():
        raise UserError(
            f"`perceptual_network` must be {EFFICIENTNET}, {CIFAR10}, {VGG19}, or the path of a "
            f".keras file. Received: perceptual_network={network}")
    model = _keras_file(network)
    return model, [_last_map(model, network)], lambda rgb: rgb, 1


def _vgg19() -> keras.Model:
    try:
        return keras.applications.VGG19(include_top=False, weights="imagenet")
    except Exception as error:  # a failed download is a plain Exception in Keras
        raise UserError(
            f"perceptual_network={VGG19} needs its ImageNet weights (80 MB), which could not be "
            f"downloaded ({' '.join(str(error).split())[:300]}): use "
            f"--perceptual_network={EFFICIENTNET} or --perceptual_network={CIFAR10}, which come "
            "with the package, or a .keras file")


def _keras_file(path: str) -> keras.Model:
    try:
        model = keras.saving.load_model(path, compile=False, safe_mode=True)
    except Exception as error:  # damaged and hostile files raise nearly anything
        raise UserError(
            "`perceptual_network` must be a .keras file that Keras loads in safe mode "
            f"({type(error).__name__}: {' '.join(str(error).split())[:200]}). "
            f"Received: perceptual_network={path}")
    shapes = [tuple(tensor.shape) for tensor in getattr(model, "inputs", None) or []]
    if len(shapes) != 1 or len(shapes[0]) != 4 or shapes[0][-1] != 3:
        raise UserError(
            "`perceptual_network` must take one image, [batch, height, width, 3]. "
            f"Received: inputs of {shapes} in {path}")
    return model


def _last_map(model: keras.Model, path: str) -> str:
    """The name of the last layer whose output is [batch, height, width, channels]."""
    for layer in reversed(model.layers):
        output = getattr(layer, "output", None)
        if isinstance(output, keras.KerasTensor) and len(output.shape) == 4 and not isinstance(
                layer, keras.layers.InputLayer):
            return layer.name
    raise UserError("`perceptual_network` must have a layer that gives a feature map. "
                    f"Received: perceptual_network={path}")


def _unit(features):
    """Each feature vector divided by its length."""
    features = ops.cast(features, "float32")
    return features / ops.sqrt(ops.sum(features**2, axis=-1, keepdims=True) + EPSILON)


@contextlib.contextmanager
def _float32() -> Iterator[None]:
    """Layers that are built within calculate in float32, whatever the networks' precision."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("float32")
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)
