"""The paper's U-Net generator and patch discriminator as functional Keras models.

Source: Nazeri et al., arXiv:1803.05400, section 3.1 and figure 2; channel counts, kernel sizes and
dropout from the released code (ImagingLab/Colorizing-with-GANs).
"""

from __future__ import annotations

import math

import keras
from keras import layers

from colorizer.models.layers import Recipe, SelfAttention

LEAKY_SLOPE = 0.2
SMALLEST_GENERATOR_MAP = 2  # pixels at the bottleneck
SMALLEST_DISCRIMINATOR_MAP = 4
MODERATE_COLORFULNESS = 0.33  # of Hasler and Suesstrunk's scale: what a head foretells at first
CONDITION_WIDTH = 64  # channels that the control vector, and the context, are embedded in
WIDE_IMAGE_SIZE = 128  # from here on, one more thin layer before the widening


def generator_channels(
    image_size: int, width: int = 64, num_downsamples: int | None = None
) -> list[int]:
    """Channels of the encoder's layers; all but the first halve the picture.

    32 px: 64, 128, 256, 512, 512. 256 px: 64, 64, 128, 256, 512, 512, 512, 512 (`width` 64).
    Other sizes follow the same rule: down to 2 x 2 pixels, or `num_downsamples` times.
    """
    num_downsamples = num_downsamples or int(math.log2(image_size // SMALLEST_GENERATOR_MAP))
    head = [1, 1, 2, 4] if 2**num_downsamples * SMALLEST_GENERATOR_MAP >= WIDE_IMAGE_SIZE else [1, 2, 4]
    return [width * factor for factor in (head + [8] * num_downsamples)[: num_downsamples + 1]]


def discriminator_channels(image_size: int, width: int = 64) -> list[tuple[int, int]]:
    """(channels, stride) of the discriminator's layers: down to 4 x 4, and at least four layers.

    32 px: 64, 128, 256 (stride 2), 512 (stride 1). 256 px: 64, 128, 256, 512, 512, 512 (stride 2).
    """
    num_downsamples = int(math.log2(image_size // SMALLEST_DISCRIMINATOR_MAP))
    count = max(4, num_downsamples)
    return [
        (width * min(2**index, 8), 2 if index < num_downsamples else 1) for index in range(count)
    ]


def build_generator(
    image_size: int, width: int = 64, *, dropout: float = 0.5, num_downsamples: int | None = None,
    norm: str = "batch", init: str = "he", output_channels: str = "ab",
    attention_resolution: int | None = None, global_context: bool = False,
    condition_size: int = 0, synchronized: bool = False, fixed_size: bool = True,
) -> keras.Model:
    """Builds the U-Net that predicts ab from L.

    Args:
        image_size: side of the training pictures in pixels, a power of two; it sets the depth.
        width: channels of the first layer (the paper's: 64).
        dropout: rate in the first two decoder layers of networks for up to 64 px.
        num_downsamples: layers that halve the picture; default: down to 2 x 2 pixels.
        norm: `batch` or `instance`, see `layers.Recipe`.
        init: see `layers.Recipe`; with `he` the last layer begins at zeros.
        output_channels: `ab`, or `lab` to predict the lightness as well.
        attention_resolution: side in pixels, of a square training picture, of the decoder's map
            that gets self-attention: 4, 8 ... `image_size`; None for none.
        global_context: whether a summary of the whole picture modulates the decoder, and foretells
            how colorful the picture is.
        condition_size: length of the control vector of a conditional model; 0 for none.
        synchronized: batch statistics over all replicas, not each replica's own.
        fixed_size: False builds it for pictures of any size whose sides are multiples of
            `size_multiple(image_size, num_downsamples)`.

    Returns:
        A functional model: `l_scaled` float [batch, h, w, 1] in [-1, 1] (with a condition:
        [`l_scaled`, `condition` float [batch, condition_size]]) -> `ab_scaled` float32
        [batch, h, w, 2] in [-1, 1], or with `lab` [batch, h, w, 3], the scaled L first. With
        `global_context` a list of that and of the foretold `statistics.colorfulness`, float32
        [batch, 1], above 0.
    """
    side = image_size if fixed_size else None
    l_scaled = keras.Input((side, side, 1), name="l_scaled")
    condition, embedding = _condition_input(condition_size)
    channels = generator_channels(image_size, width, num_downsamples)
    recipe = Recipe(norm, init, synchronized)

    x, skips = l_scaled, []
    for index, count in enumerate(channels):
        x = recipe.conv(count, strides=1 if index == 0 else 2, name=f"encoder_{index}")(x)
        x = recipe.normalize(x, f"encoder_{index}_norm")
        x = layers.LeakyReLU(LEAKY_SLOPE, name=f"encoder_{index}_relu")(x)
        skips.append(x)
    foretold = None
    if global_context:
        embedding, foretold = _add_context(recipe, x, embedding)

    map_side = image_size // 2 ** (len(channels) - 1)
    dropouts = 2 if image_size < WIDE_IMAGE_SIZE and dropout > 0 else 0
    for index, skip in enumerate(reversed(skips[:-1])):
        x = recipe.conv_transpose(skip.shape[-1], strides=2, name=f"decoder_{index}")(x)
        x = recipe.normalize(x, f"decoder_{index}_norm")
        x = _film(x, embedding, f"decoder_{index}")
        x = layers.ReLU(name=f"decoder_{index}_relu")(x)
        if index < dropouts:
            x = layers.Dropout(dropout, seed=index, name=f"decoder_{index}_dropout")(x)
        map_side *= 2
        if map_side == attention_resolution:
            x = SelfAttention(recipe, "attention")(x)
        x = layers.Concatenate(name=f"decoder_{index}_skip")([x, skip])

    x = _film(x, embedding, output_channels)
    # He initialization would begin with saturated colors, which take long to unlearn; zeros begin
    # with gray.
    output = recipe.conv(
        len(output_channels), 1, default="zeros", activation="tanh", dtype="float32",
        name=output_channels)(x)
    inputs = [l_scaled, *condition] if condition else l_scaled
    outputs = output if foretold is None else [output, foretold]
    return keras.Model(inputs, outputs, name="generator")


def build_discriminator(
    image_size: int, width: int = 64, *, norm: str = "batch", init: str = "he",
    output_channels: str = "ab", attention_resolution: int | None = None,
    condition_size: int = 0, synchronized: bool = False,
) -> keras.Model:
    """Builds the patch discriminator.

    Args:
        image_size: side of the pictures in pixels, a power of two.
        width: channels of the first layer (the paper's: 64).
        norm: `batch` or `instance`, on all but the first and the last layer; `spectral`, of every
            convolution; `none`. See `layers.Recipe`.
        init: see `layers.Recipe`.
        output_channels: what the generator predicts and this network judges, `ab` or `lab`.
        attention_resolution: side in pixels of the map that gets self-attention (of two, the
            first): 4, 8 ... half of `image_size`; None for none.
        condition_size: length of the control vector of a conditional model; 0 for none.
        synchronized: batch statistics over all replicas, not each replica's own.

    Returns:
        A functional model: [`l_scaled` float [batch, h, w, 1], `ab_scaled` float [batch, h, w, 2],
        or with `lab` `lab_scaled` [batch, h, w, 3]] (and `condition` float [batch,
        condition_size]) -> logits float32 [batch, 4, 4, 1], never squashed.
    """
    l_scaled = keras.Input((image_size, image_size, 1), name="l_scaled")
    judged = keras.Input(
        (image_size, image_size, len(output_channels)), name=f"{output_channels}_scaled")
    condition, embedding = _condition_input(condition_size)
    recipe = Recipe(norm, init, synchronized)
    x = layers.Concatenate(name="lab")([l_scaled, judged])
    side = image_size
    for index, (count, stride) in enumerate(discriminator_channels(image_size, width)):
        x = recipe.conv(count, strides=stride, name=f"conv_{index}")(x)
        if index > 0:
            x = recipe.normalize(x, f"conv_{index}_norm")
            x = _film(x, embedding, f"conv_{index}")
        x = layers.LeakyReLU(LEAKY_SLOPE, name=f"conv_{index}_relu")(x)
        side //= stride
        if side == attention_resolution and stride > 1:
            x = SelfAttention(recipe, "attention")(x)
    logits = recipe.conv(1, default="glorot_normal", dtype="float32", name="logits")(x)
    return keras.Model([l_scaled, judged, *condition], logits, name="discriminator")


def size_multiple(image_size: int, num_downsamples: int | None = None) -> int:
    """Sides that a generator built for `image_size` can take are multiples of this, in pixels."""
    return 2**num_downsamples if num_downsamples else image_size // SMALLEST_GENERATOR_MAP


def _condition_input(size: int):
    """The control vector's input, as a list of one or none, and its embedding."""
    if not size:
        return [], None
    condition = keras.Input((size,), name="condition")
    embedding = layers.Dense(
        CONDITION_WIDTH, activation="relu", kernel_initializer="he_normal", name="condition_embed"
    )(condition)
    return [condition], embedding


def _add_context(recipe: Recipe, deepest, embedding):
    """A summary of the deepest map, added to the control vector's embedding: what a picture shows
    as a whole moves its colors by the same way as what is asked of them. And what it foretells.

    Source: the global features of Iizuka, Simo-Serra and Ishikawa, Let there be Color!, ACM
    Transactions on Graphics 35(4), 2016, sections 3.2 and 3.4, there trained to classify as well;
    here they modulate (`_film`), and foretell how colorful the picture is. Beside a control vector
    they begin at zero, so that a trained conditional network can be given them.
    """
    x = recipe.conv(4 * CONDITION_WIDTH, 1, name="context_features")(deepest)
    x = layers.ReLU(name="context_relu")(x)
    x = layers.GlobalAveragePooling2D(name="context_mean")(x)
    foretold = layers.Dense(
        1, activation="exponential", dtype="float32", name="colorfulness",
        kernel_initializer="zeros",
        bias_initializer=keras.initializers.Constant(math.log(MODERATE_COLORFULNESS)))(x)
    if embedding is None:
        return layers.Dense(CONDITION_WIDTH, name="context")(x), foretold
    x = layers.Dense(CONDITION_WIDTH, kernel_initializer="zeros", name="context")(x)
    return layers.Add(name="context_added")([embedding, x]), foretold


def _film(x, embedding, name: str):
    """Feature-wise linear modulation, x * (1 + gamma) + beta; the identity at first.

    Source: Perez et al., FiLM: Visual Reasoning with a General Conditioning Layer, AAAI 2018,
    equation 2, with gamma offset by 1 as in their section 7.2.
    """
    if embedding is None:
        return x
    channels = x.shape[-1]
    gamma, beta = (
        layers.Reshape((1, 1, channels), name=f"{name}_{part}_map")(
            layers.Dense(channels, kernel_initializer="zeros", name=f"{name}_{part}")(embedding))
        for part in ("gamma", "beta"))
    scaled = layers.Multiply(name=f"{name}_scaled")([x, gamma])
    return layers.Add(name=f"{name}_film")([x, scaled, beta])
