"""The networks' layers in their published variants, against NumPy."""

import keras
from keras import layers
import numpy as np
import pytest
import tensorflow as tf

from colorizer import models
from colorizer.models.layers import LayerFactory, SelfAttention


def noise(*shape, seed=0):
    return np.random.default_rng(seed).normal(0.3, 2.0, shape).astype(np.float32)


@pytest.mark.parametrize("init, spread", [
    ("he", lambda fan_in: np.sqrt(2 / fan_in)), ("normal", lambda fan_in: 0.02),
    ("lecun", lambda fan_in: np.sqrt(1 / fan_in)), ("uniform", lambda fan_in: (3 * fan_in)**-0.5)])
def test_weights_begin_with_the_spread_of_their_initializer(init, spread):
    model = models.build_generator(16, 16, init=init)
    for layer in [layer for layer in model.layers if hasattr(layer, "kernel")][1:-1]:
        kernel = layer.kernel.numpy()
        fan_in = np.prod(kernel.shape[:3])
        assert kernel.std() == pytest.approx(spread(fan_in), rel=0.03), layer.name
        assert np.abs(kernel.mean()) < 0.02 * spread(fan_in) + 1e-3
        np.testing.assert_array_equal(layer.bias, 0)
        if init == "uniform":
            assert np.abs(kernel).max() <= fan_in**-0.5
    last = model.get_layer("ab").kernel.numpy()
    assert (last == 0).all() if init == "he" else last.std() > 0
    gains = np.concatenate([layer.gamma.numpy() for layer in model.layers
                            if isinstance(layer, layers.BatchNormalization)])
    assert gains.mean() == pytest.approx(1.0, abs=0.005)
    assert gains.std() == pytest.approx(0.02 if init == "normal" else 0.0, rel=0.1)


def test_spectral_norm_divides_a_kernel_by_its_largest_singular_value():
    layer = LayerFactory("spectral").conv(8, name="conv")
    x = tf.constant(noise(1, 4, 4, 3))
    layer.build(x.shape)
    before = layer.layer.kernel.numpy()
    for _ in range(50):
        layer(x, training=True)
    kernel = layer.layer.kernel.numpy()
    largest = np.linalg.norm(before.reshape(-1, 8), 2)  # singular value
    np.testing.assert_allclose(kernel, before / largest, atol=0.02)
    np.testing.assert_array_equal(layer(x, training=False), layer(x, training=False))
    np.testing.assert_array_equal(layer.layer.kernel, kernel)  # only training changes it


def test_spectral_norm_is_of_every_convolution_and_its_vectors_are_saved_but_not_trained(tmp_path):
    model, restored = (models.build_discriminator(16, 2, norm="spectral") for _ in range(2))
    kinds = [type(layer) for layer in model.layers]
    assert kinds.count(layers.SpectralNormalization) == 5
    assert layers.Conv2D not in kinds and layers.BatchNormalization not in kinds
    assert sum(w.path.endswith("vector_u") for w in model.non_trainable_weights) == 5
    model([noise(2, 16, 16, 1), noise(2, 16, 16, 2)], training=True)
    path = tf.train.Checkpoint(discriminator=model).write(str(tmp_path / "state"))
    tf.train.Checkpoint(discriminator=restored).read(path).assert_existing_objects_matched()
    for one, other in zip(model.weights, restored.weights):
        np.testing.assert_array_equal(one, other, err_msg=one.path)


def attention(channels, gamma):
    layer = SelfAttention(LayerFactory(), "attention")
    layer.build((None, None, None, channels))
    layer.gamma.assign(gamma)
    return layer


def attended(x, kernels, gamma):
    """Self-attention of [h, w, C], position by position."""
    query, key, value, output = (kernel[0, 0] for kernel in kernels)
    height, width, channels = x.shape

    def pooled(y):
        return np.array([y[i:i + 2, j:j + 2].max((0, 1)) for i in range(0, height, 2)
                         for j in range(0, width, 2)])

    keys, values = pooled(x @ key), pooled(x @ value)
    result = np.zeros_like(x)
    for i in range(height):
        for j in range(width):
            scores = np.exp(keys @ (x[i, j] @ query))
            result[i, j] = x[i, j] + gamma * ((scores / scores.sum()) @ values) @ output
    return result


@pytest.mark.parametrize("height, width", [(4, 4), (6, 10), (3, 5)])
def test_self_attention_is_that_of_numpy(height, width):
    layer = attention(16, 0.7)
    x = noise(2, height, width, 16) / 2
    named = {weight.path.split("/")[-2]: weight.numpy() for weight in layer.weights[1:]}
    kernels = [named[name] for name in ("query", "key", "value", "output")]
    assert [kernel.shape for kernel in kernels] == [
        (1, 1, 16, 2), (1, 1, 16, 2), (1, 1, 16, 8), (1, 1, 8, 16)]
    expected = np.stack([attended(image.astype(np.float64), kernels, 0.7) for image in x])
    assert np.abs(expected - x).max() > 0.1
    np.testing.assert_allclose(layer(x), expected, atol=1e-4)


def test_self_attention_begins_as_the_identity_and_learns():
    layer = attention(8, 0.0)
    x = tf.constant(noise(2, 4, 4, 8))
    with tf.GradientTape() as tape:
        y = layer(x)
        loss = tf.reduce_sum(y**2)
    np.testing.assert_array_equal(y, x)
    assert abs(float(tape.gradient(loss, layer.gamma.value))) > 1e-3


@pytest.mark.parametrize("side", [8, 16])
def test_attention_is_at_the_generators_map_of_its_size(side):
    model = models.build_generator(16, 2, attention_resolution=side, num_downsamples=2)
    assert model.get_layer("attention").output.shape[1:3] == (side, side)
    free = models.build_generator(
        16, 2, attention_resolution=side, num_downsamples=2, fixed_size=False)
    free.set_weights(model.get_weights())
    assert free(noise(1, 24, 40, 1)).shape == (1, 24, 40, 2)


def test_attention_of_half_precision_is_close_to_that_of_float32(mixed_float16):
    half = attention(16, 0.5)
    keras.config.set_dtype_policy("float32")
    full = attention(16, 0.5)
    half.set_weights(full.get_weights())
    y = half(noise(2, 8, 8, 16))
    assert y.dtype == tf.float16
    np.testing.assert_allclose(y, full(noise(2, 8, 8, 16)), atol=0.05)
