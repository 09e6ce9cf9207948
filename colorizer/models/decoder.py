"""The generator of photographs: a U-Net whose encoder was trained on ImageNet beforehand.

The encoder sees the gray image as sRGB. The decoder has one convolution a scale and gives ab at
1/4 of the image, which inference enlarges along the edges of the lightness. Targets and hints
reach the decoder only, so that the encoder's maps serve any number of them.

Source: the U-Net of Ronneberger et al., MICCAI 2015; for hints, Zhang et al., *Real-Time
User-Guided Image Colorization with Learned Deep Priors*, SIGGRAPH 2017, section 3.2.
"""

from __future__ import annotations

import math

import keras
from keras import layers, ops

from colorizer import color
from colorizer.models.conditioning import condition_input, film
from colorizer.models.encoder import MAPS, load_efficientnet
from colorizer.models.layers import LayerFactory

STRIDE = 4  # the colors are at this fraction of the image
HINT_INPUTS = 3  # a and b of a hint, and where it is
# Of each scale from 1/32 to 1/4: channels of the decoder, and of the hints that join it there.
CHANNELS, HINT_CHANNELS = (256, 160, 96, 56), (64, 48, 32, 16)
UPPER = ("stage_5", "stage_6", "head")  # what `encoder_trainable=upper` trains


class GrayRGB(keras.Layer):
    """`l_scaled`, float [batch, h, w, 1] in [-1, 1], to gray sRGB, [batch, h, w, 3] in [0, 1]."""

    def call(self, l_scaled):
        l_star = (l_scaled + 1.0) * color.L_HALF_RANGE
        return color.lab_to_rgb(ops.pad(l_star, ((0, 0), (0, 0), (0, 0), (0, 2))))

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], 3)


class Enlarge(keras.Layer):
    """Twice the size, bilinear: float [batch, h, w, c] -> [batch, 2 h, 2 w, c].

    Height and width may be unknown in a graph, which `ops.image.resize` does not allow.
    """

    def call(self, x):
        batch, height, width, channels = ops.shape(x)
        if isinstance(height, int) and isinstance(width, int):
            return ops.image.resize(x, (2 * height, 2 * width))
        before = ops.concatenate([x[:, :1], x[:, :-1]], axis=1)
        after = ops.concatenate([x[:, 1:], x[:, -1:]], axis=1)
        x = ops.stack([0.75 * x + 0.25 * before, 0.75 * x + 0.25 * after], axis=2)
        x = ops.reshape(x, (batch, 2 * height, width, channels))
        before = ops.concatenate([x[:, :, :1], x[:, :, :-1]], axis=2)
        after = ops.concatenate([x[:, :, 1:], x[:, :, -1:]], axis=2)
        x = ops.stack([0.75 * x + 0.25 * before, 0.75 * x + 0.25 * after], axis=3)
        return ops.reshape(x, (batch, 2 * height, 2 * width, channels))

    def compute_output_shape(self, input_shape):
        batch, height, width, channels = input_shape
        return batch, height and 2 * height, width and 2 * width, channels


class HintAttention(keras.Layer):
    """Carries hints to the places that look like theirs and lie near: cross-attention.

    Each place of the maps asks all hinted ones, or none of them where nothing fits.

    Call: maps, float [batch, h, w, c], and hints, float [batch, 4 h, 4 w, HINT_INPUTS]. Returns
    float [batch, h, w, HEADS * HINT_INPUTS]: a, b and the share of attention, of each head.

    Source: scaled dot-product attention of Vaswani et al., *Attention Is All You Need*, 2017, with
    a learned penalty for the distance.
    """

    HEADS, SIZE, POOL = 4, 16, 4
    STEEPNESS = (-4.0, -2.0, 0.0, 2.0)  # at first, of each head: from everywhere to near by

    def build(self, maps_shape, hints_shape):
        shape = (maps_shape[-1], self.HEADS * self.SIZE)
        self.query = self.add_weight(name="query", shape=shape)
        self.key = self.add_weight(name="key", shape=shape)
        self.steepness = self.add_weight(
            name="steepness", shape=(self.HEADS,),
            initializer=lambda shape, dtype: ops.convert_to_tensor(self.STEEPNESS, dtype))
        self.none = self.add_weight(name="none", shape=(self.HEADS,), initializer="zeros")

    def call(self, maps, hints):
        batch, height, width, _ = ops.shape(maps)
        hints = ops.average_pool(hints, self.POOL)
        known = ops.reshape(hints[..., 2:], (batch, 1, 1, -1)) > 0
        values = hints / ops.maximum(hints[..., 2:], 1e-6)
        values = ops.reshape(values, (batch, height * width, HINT_INPUTS))
        query, key = (
            ops.reshape(maps @ kernel, (batch, height * width, self.HEADS, self.SIZE))
            for kernel in (self.query, self.key))
        logits = ops.einsum("bqhs,bkhs->bhqk", query, key) / math.sqrt(self.SIZE)
        row = ops.cast(ops.repeat(ops.arange(height), width), "float32") / self.POOL
        column = ops.cast(ops.tile(ops.arange(width), [height]), "float32") / self.POOL
        distance = (row[:, None] - row) ** 2 + (column[:, None] - column) ** 2
        logits -= ops.softplus(self.steepness)[:, None, None] * distance
        logits = ops.where(known, logits, -1e4)
        none = ops.zeros_like(logits[..., :1]) + self.none[:, None, None]
        attention = ops.softmax(ops.concatenate([none, logits], axis=-1))[..., 1:]
        carried = ops.einsum("bhqk,bkv->bqhv", attention, values)
        return ops.reshape(carried, (batch, height, width, self.HEADS * HINT_INPUTS))

    def compute_output_shape(self, maps_shape, hints_shape):
        return (*maps_shape[:-1], self.HEADS * HINT_INPUTS)


def build_encoder(trainable: str = "none") -> keras.Model:
    """The pretrained encoder: `l_scaled` float [batch, h, w, 1] in [-1, 1] -> maps, deepest first.

    Its maps are at 1/32, 1/16, 1/8 and 1/4 of the image. `trainable` is `none`, `upper` (from 1/32
    on) or `all`.
    """
    classifier = load_efficientnet()
    for layer in classifier.layers:
        layer.trainable = trainable == "all" or (
            trainable == "upper" and layer.name.startswith(UPPER))
    maps = keras.Model(classifier.inputs[0],
                       [classifier.get_layer(name).output for name in reversed(MAPS)])
    l_scaled = keras.Input((None, None, 1), name="l_scaled")
    gray_rgb = GrayRGB(name="gray_rgb", dtype="float32")(l_scaled)
    return keras.Model(l_scaled, maps(gray_rgb), name="encoder")


def build_decoder(
    map_channels: list[int], *, condition_size: int = 0, hints: bool = False,
    synchronized: bool = False,
) -> keras.Model:
    """The decoder: [maps, deepest first (, `condition`) (, `hints`)] -> `ab_scaled` at 1/4.

    `map_channels` are those of the maps; for the others see `build_photo_generator`.
    """
    maps = [keras.Input((None, None, count), name=f"map_{index}")
            for index, count in enumerate(map_channels)]
    condition, embedding = condition_input(condition_size)
    hint_inputs, hint_maps = _hint_maps() if hints else ([], [[]] * len(maps))
    factory = LayerFactory("batch", synchronized=synchronized)

    def block(x, channels: int, size: int, name: str):
        x = factory.conv(channels, size, use_bias=False, name=name)(x)
        x = film(factory.normalize(x, f"{name}_norm"), embedding, name)
        return layers.ReLU(name=f"{name}_relu")(x)

    x = None
    for index, (image_map, hint_map) in enumerate(zip(maps, hint_maps)):
        parts = [image_map, *hint_map]
        if x is None:
            image_map = block(image_map, CHANNELS[0], 1, "decoder_reduce")
            parts[0] = image_map
        else:
            x = Enlarge(name=f"decoder_{index}_up")(x)
            parts.insert(0, x)
            if hints and index == 1:
                seen = layers.Concatenate(name="hint_attention_maps")([x, image_map])
                parts.append(HintAttention(name="hint_attention", dtype="float32")(
                    seen, hint_inputs[0]))
        x = layers.Concatenate(name=f"decoder_{index}_skip")(parts) if len(parts) > 1 else parts[0]
        x = block(x, CHANNELS[index], 3, f"decoder_{index}")
    ab_scaled = factory.conv(
        2, 3, default="zeros", activation="tanh", dtype="float32", name="ab")(x)
    return keras.Model([*maps, *condition, *hint_inputs], ab_scaled, name="decoder")


def build_photo_generator(
    *, trainable: str = "none", condition_size: int = 0, hints: bool = False,
    synchronized: bool = False,
) -> keras.Model:
    """Builds the generator on the pretrained encoder, for images of any size.

    Args:
        trainable: which part of the encoder is trained: `none`, `upper` or `all`.
        condition_size: length of the control vector of a conditional model; 0 for none.
        hints: whether it takes colors at points.
        synchronized: batch statistics over all replicas, not each replica's own.

    Returns:
        A functional model: [`l_scaled` float [batch, h, w, 1] in [-1, 1], sides multiples of
        `config.ENCODER_MULTIPLE` (, `condition` float [batch, condition_size]) (, `hints` float
        [batch, h / 4, w / 4, 3]: scaled ab, and 1 where a hint is)] -> `ab_scaled` float32
        [batch, h / 4, w / 4, 2] in [-1, 1]. Its layers `encoder` and `decoder` are models.

    Example:
        >>> build_photo_generator(hints=True).output_shape
        (None, None, None, 2)
    """
    l_scaled = keras.Input((None, None, 1), name="l_scaled")
    others = [keras.Input((condition_size,), name="condition")] if condition_size else []
    if hints:
        others.append(keras.Input((None, None, HINT_INPUTS), name="hints"))
    maps = build_encoder(trainable)(l_scaled)
    decoder = build_decoder([one.shape[-1] for one in maps], condition_size=condition_size,
                            hints=hints, synchronized=synchronized)
    ab_scaled = decoder([*maps, *others])
    return keras.Model([l_scaled, *others] if others else l_scaled, ab_scaled, name="generator")


def _hint_maps():
    """The hints' input, in a list, and their maps at each scale of the decoder, deepest first."""
    hints = keras.Input((None, None, HINT_INPUTS), name="hints")
    x, maps = hints, []
    for index, channels in reversed(list(enumerate(HINT_CHANNELS))):
        stride = 1 if x is hints else 2
        x = layers.Conv2D(channels, 3, stride, padding="same", activation="relu",
                          kernel_initializer="he_normal", name=f"hints_{index}")(x)
        maps.append([x])
    return [hints], maps[::-1]
