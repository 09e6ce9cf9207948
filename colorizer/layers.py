"""The layers that the networks are made of, in the variants of the published systems."""

from __future__ import annotations

from typing import Any, Callable

import keras
from keras import layers

KERNEL_SIZE = 4
BATCH_NORM_MOMENTUM = 0.99
INSTANCE_NORM_EPSILON = 1e-5
NORMAL_STDDEV = 0.02

_KERNELS: dict[str, Callable[[], keras.Initializer]] = {
    "normal": lambda: keras.initializers.RandomNormal(stddev=NORMAL_STDDEV),
    "lecun": lambda: keras.initializers.VarianceScaling(1.0, "fan_in", "truncated_normal"),
    "uniform": lambda: keras.initializers.VarianceScaling(1.0 / 3.0, "fan_in", "uniform"),
}


class Recipe:
    """Makes the convolutions and normalizations of one network.

    Args:
        norm: `batch`; `instance`, each channel of each picture by its own mean and variance,
            without gain and shift (Ulyanov et al., arXiv:1607.08022); `spectral` (Miyato et al.,
            ICLR 2018); `none`.
        init: how kernels begin. `he` is this project's own choice (He et al., ICCV 2015, where
            `default` names no other); `normal` N(0, 0.02), and N(1, 0.02) for the gain of batch
            norm (Radford et al., ICLR 2016, section 3); `lecun` variance 1 / fan_in, as the
            paper's released code; `uniform` +-1 / sqrt(fan_in), as PyTorch. Biases begin at 0.
        synchronized: batch statistics over all replicas, not each replica's own.

    Of `spectral`: Keras's layer divides a kernel by its largest singular value, found by one power
    iteration, and writes it back before each use in training. Miyato et al. (equation 9) keep the
    undivided kernel and differentiate through the division.
    """

    def __init__(self, norm: str = "batch", init: str = "he", synchronized: bool = False):
        self._norm = norm
        self._init = init
        self._synchronized = synchronized

    def conv(
        self, channels: int, size: int = KERNEL_SIZE, *, strides: int = 1, name: str,
        default: str = "he_normal", dtype: str | None = None, **options: Any,
    ) -> keras.Layer:
        """A convolution; `default` initializes it where `init` is `he`."""
        spectral = self._norm == "spectral"
        layer = layers.Conv2D(
            channels, size, strides=strides, padding="same", dtype=dtype,
            kernel_initializer=self._kernel(default), name="conv" if spectral else name, **options)
        return layers.SpectralNormalization(layer, name=name, dtype=dtype) if spectral else layer

    def conv_transpose(self, channels: int, *, strides: int, name: str) -> keras.Layer:
        """A transposed convolution, never spectrally normalized: discriminators have none."""
        return layers.Conv2DTranspose(
            channels, KERNEL_SIZE, strides=strides, padding="same",
            kernel_initializer=self._kernel("he_normal"), name=name)

    def normalize(self, x, name: str):
        """`x` after batch or instance norm; as it is where the recipe has neither."""
        if self._norm == "batch":
            gain = keras.initializers.RandomNormal(1.0, NORMAL_STDDEV)
            return layers.BatchNormalization(
                momentum=BATCH_NORM_MOMENTUM, synchronized=self._synchronized, name=name,
                gamma_initializer=gain if self._init == "normal" else "ones")(x)
        if self._norm == "instance":
            return layers.GroupNormalization(
                -1, epsilon=INSTANCE_NORM_EPSILON, center=False, scale=False, name=name)(x)
        return x

    def _kernel(self, default: str) -> keras.Initializer:
        return keras.initializers.get(default) if self._init == "he" else _KERNELS[self._init]()
