"""The paper's U-Net generator as a functional Keras model.

Source: Nazeri et al., arXiv:1803.05400, section 3.1 and figure 2; channel counts, kernel sizes and
dropout from the released code (ImagingLab/Colorizing-with-GANs).
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
import math
from pathlib import Path

import keras
from keras import layers

from colorizer.config import ENCODER_MULTIPLE, TrainConfig
from colorizer.models.conditioning import condition_input, condition_size, film
from colorizer.models.decoder import STRIDE, build_photo_generator
from colorizer.models.layers import LEAKY_SLOPE, LayerFactory, SelfAttention
from colorizer.models.weights import check_architecture, load_weights, weights_path

DROPOUT = 0.5  # of the decoder's first two layers, up to 64 px
MIN_MAP = 2  # pixels at the bottleneck
WIDE_IMAGE_SIZE = 128  # from here on, one more thin layer before the widening, and no dropout


def generator_channels(
    image_size: int, base_channels: int = 64, num_downsamples: int | None = None
) -> list[int]:
    """Channels of the encoder's layers; all but the first halve the image.

    32 px: 64, 128, 256, 512, 512. 256 px: 64, 64, 128, 256, 512, 512, 512, 512.
    Other sizes follow the same rule: down to 2 x 2 pixels, or `num_downsamples` times.
    """
    num_downsamples = num_downsamples or int(math.log2(image_size // MIN_MAP))
    head = [1, 1, 2, 4] if 2**num_downsamples * MIN_MAP >= WIDE_IMAGE_SIZE else [1, 2, 4]
    factors = (head + [8] * num_downsamples)[: num_downsamples + 1]
    return [base_channels * factor for factor in factors]


def build_generator(
    image_size: int, base_channels: int = 64, *, num_downsamples: int | None = None,
    init: str = "he", predict_lightness: bool = False, attention_resolution: int | None = None,
    condition_size: int = 0, synchronized: bool = False,
    fixed_size: bool = True,
) -> keras.Model:
    """Builds the U-Net that predicts ab from L.

    Args:
        image_size: side of the training images in pixels, a power of two; it sets the depth.
        base_channels: channels of the first layer (the paper's: 64).
        num_downsamples: layers that halve the image; default: down to 2 x 2 pixels.
        init: how kernels are initialized, see `layers.LayerFactory`; with `he` the last layer
            begins at zeros, so that training begins with gray images.
        predict_lightness: predict L as well as ab.
        attention_resolution: side in pixels, of a square training image, of the decoder's map
            that gets self-attention: 4, 8 ... `image_size`; None for none.
        condition_size: length of the control vector of a conditional model; 0 for none.
        synchronized: batch statistics over all replicas, not each replica's own.
        fixed_size: False builds it for images of any size whose sides are multiples of
            `size_multiple`.

    Returns:
        A functional model: `l_scaled` float [batch, h, w, 1] in [-1, 1] (with a condition:
        [`l_scaled`, `condition` float [batch, condition_size]]) -> `ab_scaled` float32
        [batch, h, w, 2] in [-1, 1]; with `predict_lightness` [batch, h, w, 3], the scaled L first.

    Example:
        >>> build_generator(32).count_params()
        16659586
    """
    side = image_size if fixed_size else None
    l_scaled = keras.Input((side, side, 1), name="l_scaled")
    condition, embedding = condition_input(condition_size)
    channels = generator_channels(image_size, base_channels, num_downsamples)
    factory = LayerFactory("batch", init, synchronized)

    x, skips = l_scaled, []
    for index, count in enumerate(channels):
        x = factory.conv(count, strides=1 if index == 0 else 2, name=f"encoder_{index}")(x)
        x = factory.normalize(x, f"encoder_{index}_norm")
        x = layers.LeakyReLU(LEAKY_SLOPE, name=f"encoder_{index}_relu")(x)
        skips.append(x)

    map_side = image_size // 2 ** (len(channels) - 1)
    dropouts = 2 if image_size < WIDE_IMAGE_SIZE else 0
    for index, skip in enumerate(reversed(skips[:-1])):
        x = factory.conv_transpose(skip.shape[-1], strides=2, name=f"decoder_{index}")(x)
        x = factory.normalize(x, f"decoder_{index}_norm")
        x = film(x, embedding, f"decoder_{index}")
        x = layers.ReLU(name=f"decoder_{index}_relu")(x)
        if index < dropouts:
            x = layers.Dropout(DROPOUT, seed=index, name=f"decoder_{index}_dropout")(x)
        map_side *= 2
        if map_side == attention_resolution:
            x = SelfAttention(factory, "attention")(x)
        x = layers.Concatenate(name=f"decoder_{index}_skip")([x, skip])

    name = "lab" if predict_lightness else "ab"
    x = film(x, embedding, name)
    output = factory.conv(
        len(name), 1, default="zeros", activation="tanh", dtype="float32", name=name)(x)
    return keras.Model([l_scaled, *condition] if condition else l_scaled, output, name="generator")


def generator_from_config(
    config: TrainConfig, *, synchronized: bool = False, fixed_size: bool = True
) -> keras.Model:
    """Builds the generator of a run from its resolved settings."""
    model = config.model
    condition = condition_size(config.controls.supported())
    if model.encoder != "none":
        return build_photo_generator(
            trainable=model.encoder_trainable, condition_size=condition,
            hints=config.controls.hint_share > 0, synchronized=synchronized)
    assert config.data.image_size and model.base_channels
    return build_generator(
        config.data.image_size, model.base_channels, num_downsamples=model.num_downsamples,
        init=model.init, predict_lightness=model.predict_lightness,
        attention_resolution=model.attention_resolution,
        condition_size=condition, synchronized=synchronized, fixed_size=fixed_size)


def load_generator(folder: Path, config: TrainConfig) -> keras.Model:
    """Builds the generator of a model on disk, for images of any size, with its weights.

    Args:
        folder: the model's, as from `find_model`.
        config: its settings, as from `read_model_config(folder)`.

    Raises:
        UserError: its weights are missing, damaged or of another architecture than the settings.

    Example:
        >>> folder = find_model("cifar10")
        >>> generator = load_generator(folder, read_model_config(folder))
    """
    path = weights_path(folder)
    if config.model.encoder == "none":  # settings of unknown origin may describe a huge network
        # In a thread of its own: Keras keeps a list, of each thread, of variables without values,
        # and gives values to all of them when some other scope ends.
        with ThreadPoolExecutor(1) as thread:
            thread.submit(_check_shapes, config, path).result()
    generator = generator_from_config(config, fixed_size=False)
    load_weights(generator, path)
    return generator


def _check_shapes(config: TrainConfig, path: Path) -> None:
    with keras.StatelessScope(initialize_variables=False):  # variables have shapes, but no values
        check_architecture(generator_from_config(config, fixed_size=False), path)


def color_stride(config: TrainConfig) -> int:
    """Pixels of the image, a side, for each pixel of the generator's colors."""
    return 1 if config.model.encoder == "none" else STRIDE


def size_multiple(config: TrainConfig) -> int:
    """Sides of images that the generator can take are multiples of this, in pixels."""
    assert config.data.image_size
    if config.model.encoder != "none":
        return ENCODER_MULTIPLE
    downsamples = config.model.num_downsamples
    return 2**downsamples if downsamples else config.data.image_size // MIN_MAP
