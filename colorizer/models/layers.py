"""The layers that the networks are made of, in the variants of the published systems."""

from __future__ import annotations

from typing import Any, Callable

import keras
from keras import layers, ops

KERNEL_SIZE = 4
LEAKY_SLOPE = 0.2
BATCH_NORM_MOMENTUM = 0.99
NORMAL_STDDEV = 0.02
QUERY_SHARE, VALUE_SHARE = 8, 2  # of a map's channels: C / 8 and C / 2

_KERNELS: dict[str, Callable[[], keras.Initializer]] = {
    "normal": lambda: keras.initializers.RandomNormal(stddev=NORMAL_STDDEV),
    "lecun": lambda: keras.initializers.VarianceScaling(1.0, "fan_in", "truncated_normal"),
    "uniform": lambda: keras.initializers.VarianceScaling(1.0 / 3.0, "fan_in", "uniform"),
}


class LayerFactory:
    """Makes the convolutions and normalizations of one network.

    Args:
        norm: `batch` (Ioffe and Szegedy, ICML 2015) or `spectral` (Miyato et al., ICLR 2018).
        init: how kernels are initialized; biases begin at 0. `he`: He et al., ICCV 2015, where
            `conv` is given no other default; `normal`: N(0, 0.02), and N(1, 0.02) for the gain of
            batch norm (Radford et al., ICLR 2016, section 3); `lecun`: variance 1 / fan_in, as the
            paper's released code; `uniform`: +-1 / sqrt(fan_in), as PyTorch.
        synchronized: batch statistics over all replicas, not each replica's own.

    With `spectral`, Keras's layer projects: it divides a kernel by its largest singular value,
    found by one power iteration, and writes it back before each use in training. Miyato et al.
    (equation 9) keep the undivided kernel and differentiate through the division.
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
        """`x` after batch norm; as it is with `spectral`."""
        if self._norm != "batch":
            return x
        gain = keras.initializers.RandomNormal(1.0, NORMAL_STDDEV)
        return layers.BatchNormalization(
            momentum=BATCH_NORM_MOMENTUM, synchronized=self._synchronized, name=name,
            gamma_initializer=gain if self._init == "normal" else "ones")(x)

    def _kernel(self, default: str) -> keras.Initializer:
        return keras.initializers.get(default) if self._init == "he" else _KERNELS[self._init]()


class SelfAttention(keras.Layer):
    """Adds to each position what it attends to in the whole map: x + gamma * o, gamma 0 at first.

    Queries and keys are 1 x 1 convolutions to C / 8 channels, values to C / 2; a fourth one brings
    the result back to C. Keys and values are max-pooled 2 x 2, so that n positions need a matrix of
    n * n / 4. No convolution has a bias, and the products are not divided by sqrt(C / 8).
    `factory` makes the convolutions; where its `init` is `he` they begin as Glorot's. A call takes
    float [batch, h, w, C], any h and w, and returns the same shape.

    Source: Zhang et al., Self-Attention Generative Adversarial Networks, ICML 2019, section 3;
    C / 2 value channels, pooling and initializer from its released code (the paper has C / 8
    throughout and does not pool).
    """

    def __init__(self, factory: LayerFactory, name: str):
        super().__init__(name=name)
        self._factory = factory
        self._pool = layers.MaxPooling2D(2, padding="same", name="pool")
        self._softmax = layers.Softmax(dtype="float32", name="softmax")

    def build(self, input_shape):
        channels = input_shape[-1]
        few, half = (max(1, channels // share) for share in (QUERY_SHARE, VALUE_SHARE))
        self._query, self._key, self._value, self._output = (
            self._factory.conv(count, 1, default="glorot_uniform", use_bias=False, name=name)
            for name, count in (("query", few), ("key", few), ("value", half),
                                ("output", channels)))
        for layer in (self._query, self._key, self._value):
            layer.build(input_shape)
        self._output.build((*input_shape[:-1], half))
        self.gamma = self.add_weight(shape=(), initializer="zeros", name="gamma")

    def call(self, x):
        query = _positions(self._query(x))
        key, value = (_positions(self._pool(layer(x))) for layer in (self._key, self._value))
        attention = self._softmax(ops.matmul(query, ops.swapaxes(key, 1, 2)))
        attended = ops.matmul(ops.cast(attention, value.dtype), value)
        attended = ops.reshape(attended, (*ops.shape(x)[:-1], attended.shape[-1]))
        return x + self.gamma * self._output(attended)

    def compute_output_shape(self, input_shape):
        return input_shape


def _positions(x):
    """[batch, h, w, channels] -> [batch, h * w, channels]."""
    batch, height, width, channels = ops.shape(x)
    return ops.reshape(x, (batch, height * width, channels))
