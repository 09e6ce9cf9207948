"""The paper's U-Net generator as a functional Keras model.

Source: Nazeri et al., arXiv:1803.05400, section 3.1 and figure 2; channel counts, kernel sizes and
dropout from the released code (ImagingLab/Colorizing-with-GANs).
"""

from __future__ import annotations

import math

import keras
from keras import layers

from colorizer.config import TrainConfig
from colorizer.models.conditioning import condition_input, condition_size, film
from colorizer.models.layers import LEAKY_SLOPE, LayerFactory, SelfAttention

DROPOUT = 0.5  # of the decoder's first two layers, up to 64 px
MIN_MAP = 2  # pixels at the bottleneck
CONTEXT_CHANNELS = 256
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


def size_multiple(image_size: int, num_downsamples: int | None = None) -> int:
    """Sides that a generator built for `image_size` can take are multiples of this, in pixels."""
    return 2**num_downsamples if num_downsamples else image_size // MIN_MAP


def build_generator(
    image_size: int, base_channels: int = 64, *, num_downsamples: int | None = None,
    init: str = "he", predict_lightness: bool = False, attention_resolution: int | None = None,
    global_context: bool = False, condition_size: int = 0, synchronized: bool = False,
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
        global_context: whether a summary of the whole image modulates the decoder.
        condition_size: length of the control vector of a conditional model; 0 for none.
        synchronized: batch statistics over all replicas, not each replica's own.
        fixed_size: False builds it for images of any size whose sides are multiples of
            `size_multiple(image_size, num_downsamples)`.

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
    if global_context:
        embedding = _add_context(factory, x, embedding)

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
    assert config.data.image_size and model.base_channels
    return build_generator(
        config.data.image_size, model.base_channels, num_downsamples=model.num_downsamples,
        init=model.init, predict_lightness=model.predict_lightness,
        attention_resolution=model.attention_resolution, global_context=model.global_context,
        condition_size=condition_size(config.controls.supported()), synchronized=synchronized,
        fixed_size=fixed_size)


def _add_context(factory: LayerFactory, deepest, embedding):
    """Adds a summary of the deepest map to the embedding; zero at first, so that a trained
    conditional network can be given it.

    Source: the global features of Iizuka, Simo-Serra and Ishikawa, Let there be Color!, ACM
    Transactions on Graphics 35(4), 2016, section 3.2. There they are concatenated, here they
    modulate the decoder (`conditioning.film`).
    """
    x = factory.conv(CONTEXT_CHANNELS, 1, name="context_features")(deepest)
    x = layers.ReLU(name="context_relu")(x)
    x = layers.GlobalAveragePooling2D(name="context_mean")(x)
    if embedding is None:
        return layers.Dense(CONTEXT_CHANNELS // 4, name="context")(x)
    x = layers.Dense(embedding.shape[-1], kernel_initializer="zeros", name="context")(x)
    return layers.Add(name="context_added")([embedding, x])
