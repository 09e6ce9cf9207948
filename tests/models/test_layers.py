"""The networks' layers in their published variants, against NumPy."""

import keras
from keras import layers
import numpy as np
import pytest
import tensorflow as tf

from colorizer.models import generator as networks
from colorizer.models.layers import Recipe, SelfAttention


def kinds(model):
    return [type(layer) for layer in model.layers]


def convolutions(model):
    """Every convolution of a network, unwrapped."""
    found = [getattr(layer, "layer", layer) for layer in model.layers]
    return [layer for layer in found if isinstance(layer, (layers.Conv2D, layers.Conv2DTranspose))]


def largest_singular_value(kernel):
    return np.linalg.svd(np.reshape(kernel, (-1, kernel.shape[-1])), compute_uv=False)[0]


def noise(*shape, seed=0):
    return np.random.default_rng(seed).normal(0.3, 2.0, shape).astype(np.float32)


# ------------------------------------------------------------------------------------------ norms

@pytest.mark.parametrize("norm, counts", [
    ("batch", (3, 0, 0)), ("instance", (0, 3, 0)), ("spectral", (0, 0, 5)), ("none", (0, 0, 0))])
@pytest.mark.parametrize("condition_size", [0, 6])
def test_discriminator_has_the_norm_it_was_asked_for(norm, counts, condition_size):
    model = networks.build_discriminator(32, width=2, norm=norm, condition_size=condition_size)
    kind = kinds(model)
    assert counts == (kind.count(layers.BatchNormalization), kind.count(layers.GroupNormalization),
                      kind.count(layers.SpectralNormalization))
    assert len(convolutions(model)) == 5
    inputs = [noise(3, 32, 32, 1), noise(3, 32, 32, 2)]
    inputs += [noise(3, condition_size)] if condition_size else []
    assert model(inputs, training=True).shape == (3, 4, 4, 1)


@pytest.mark.parametrize("condition_size", [0, 6])
def test_generator_has_instance_norm_where_it_had_batch_norm(condition_size):
    model = networks.build_generator(
        32, width=2, norm="instance", condition_size=condition_size, fixed_size=False)
    kind = kinds(model)
    assert kind.count(layers.GroupNormalization) == 9 and layers.BatchNormalization not in kind
    inputs = [noise(2, 48, 80, 1)] + ([noise(2, condition_size)] if condition_size else [])
    assert model(inputs if condition_size else inputs[0]).shape == (2, 48, 80, 2)


def test_instance_norm_has_mean_0_and_variance_1_in_each_channel_of_each_picture():
    x = noise(3, 6, 5, 4)
    y = Recipe("instance").normalize(x, "norm")
    mean, variance = x.mean((1, 2), keepdims=True), x.var((1, 2), keepdims=True)
    np.testing.assert_allclose(y, (x - mean) / np.sqrt(variance + 1e-5), atol=1e-5)


def test_a_generator_with_instance_norm_colors_a_picture_the_same_in_training():
    model = networks.build_generator(32, width=2, norm="instance", init="normal", dropout=0.0)
    x = noise(2, 32, 32, 1)
    np.testing.assert_allclose(model(x, training=True), model(x, training=False), atol=1e-6)


# ------------------------------------------------------------------------------------- first values

@pytest.mark.parametrize("init, spread", [
    ("he", lambda fan_in: np.sqrt(2 / fan_in)), ("normal", lambda fan_in: 0.02),
    ("lecun", lambda fan_in: np.sqrt(1 / fan_in)), ("uniform", lambda fan_in: (3 * fan_in)**-0.5)])
def test_kernels_begin_with_the_spread_of_the_recipe(init, spread):
    model = networks.build_generator(32, width=16, init=init)
    for layer in convolutions(model)[1:-1]:
        kernel = layer.kernel.numpy()
        fan_in = kernel.shape[0] * kernel.shape[1] * kernel.shape[2]
        assert kernel.std() == pytest.approx(spread(fan_in), rel=0.03), layer.name
        assert np.abs(kernel.mean()) < 0.02 * spread(fan_in) + 1e-3
        np.testing.assert_array_equal(layer.bias, 0)
        if init == "uniform":
            assert np.abs(kernel).max() <= fan_in**-0.5
    last = model.get_layer("ab").kernel.numpy()
    assert (last == 0).all() if init == "he" else last.std() > 0


@pytest.mark.parametrize("init, spread", [("normal", 0.02), ("he", 0.0)])
def test_batch_norm_begins_at_gain_1_with_the_spread_of_the_recipe(init, spread):
    model = networks.build_discriminator(32, width=64, init=init)
    gains = np.concatenate([layer.gamma.numpy() for layer in model.layers
                            if isinstance(layer, layers.BatchNormalization)])
    assert gains.std() == pytest.approx(spread, rel=0.1)
    assert gains.mean() == pytest.approx(1.0, abs=0.005)


def test_normal_init_is_that_of_the_logits_too():
    model = networks.build_discriminator(32, width=32, init="normal")
    assert [layer.kernel.numpy().std() for layer in convolutions(model)] == pytest.approx(
        [0.02] * 5, rel=0.06)


# --------------------------------------------------------------------------------- spectral norm

def test_spectral_norm_divides_by_the_largest_singular_value():
    model = networks.build_discriminator(32, width=4, norm="spectral")
    inputs = [noise(2, 32, 32, 1), noise(2, 32, 32, 2)]
    before = [layer.kernel.numpy() for layer in convolutions(model)]
    for _ in range(50):
        model(inputs, training=True)
    for layer, first in zip(convolutions(model), before):
        kernel = layer.kernel.numpy()
        assert largest_singular_value(kernel) == pytest.approx(1.0, abs=0.02), layer.name
        np.testing.assert_allclose(kernel, first / largest_singular_value(first), atol=0.02)
    same = model(inputs, training=False)
    np.testing.assert_array_equal(same, model(inputs, training=False))


def test_spectral_norms_vectors_are_weights_that_are_saved_but_not_trained(tmp_path):
    models = [networks.build_discriminator(16, width=2, norm="spectral") for _ in range(2)]
    model, restored = models
    vectors = [w for w in model.non_trainable_weights if w.path.endswith("vector_u")]
    assert len(vectors) == len(convolutions(model)) == 5
    model([noise(2, 16, 16, 1), noise(2, 16, 16, 2)], training=True)
    path = tf.train.Checkpoint(discriminator=model).write(str(tmp_path / "state"))
    tf.train.Checkpoint(discriminator=restored).read(path).assert_existing_objects_matched()
    for one, other in zip(model.weights, restored.weights):
        np.testing.assert_array_equal(one, other, err_msg=one.path)


def test_spectrally_normalized_logits_stay_float32_in_mixed_precision():
    try:
        keras.config.set_dtype_policy("mixed_float16")
        model = networks.build_discriminator(16, width=2, norm="spectral")
        logits = model([noise(2, 16, 16, 1), noise(2, 16, 16, 2)], training=True)
        assert logits.dtype == tf.float32 and np.isfinite(logits).all()
        assert {w.dtype for w in model.weights} == {"float32"}
    finally:
        keras.config.set_dtype_policy("float32")


# ----------------------------------------------------------------------------------------- output

def test_a_generator_of_lab_has_three_channels_and_its_discriminator_takes_them():
    generator = networks.build_generator(16, width=2, output_channels="lab")
    picture = generator(noise(2, 16, 16, 1))
    assert picture.shape == (2, 16, 16, 3)
    judge = networks.build_discriminator(16, width=2, output_channels="lab")
    assert judge([noise(2, 16, 16, 1), picture.numpy()]).shape == (2, 4, 4, 1)
    assert convolutions(judge)[0].kernel.shape[2] == 4


# --------------------------------------------------------------------------------- self-attention

def attention(channels, gamma):
    layer = SelfAttention(Recipe(), "attention")
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
    expected = np.stack([attended(picture.astype(np.float64), kernels, 0.7) for picture in x])
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


@pytest.mark.parametrize("side", [4, 16, 32])
def test_attention_is_at_the_generators_map_of_its_size(side):
    model = networks.build_generator(32, width=2, attention_resolution=side)
    (layer,) = [layer for layer in model.layers if isinstance(layer, SelfAttention)]
    assert layer.output.shape[1:3] == (side, side) and float(layer.gamma.value) == 0.0
    free = networks.build_generator(32, width=2, attention_resolution=side, fixed_size=False)
    free.set_weights(model.get_weights())
    assert free(noise(1, 48, 80, 1)).shape == (1, 48, 80, 2)


@pytest.mark.parametrize("side", [4, 16])
def test_attention_in_the_discriminator_is_spectrally_normalized_with_it(side):
    model = networks.build_discriminator(32, width=8, norm="spectral", attention_resolution=side)
    (layer,) = [layer for layer in model.layers if isinstance(layer, SelfAttention)]
    assert layer.output.shape[1:3] == (side, side)
    for _ in range(60):
        model([noise(2, 32, 32, 1), noise(2, 32, 32, 2)], training=True)
    kernels = [w for w in layer.trainable_weights if w.path.endswith("kernel")]
    assert [largest_singular_value(kernel.numpy()) for kernel in kernels] == pytest.approx(
        [1.0] * 4, abs=0.02)


def test_attention_of_half_precision_is_close_to_that_of_float32():
    x = noise(2, 8, 8, 16)
    full = attention(16, 0.5)
    try:
        keras.config.set_dtype_policy("mixed_float16")
        half = attention(16, 0.5)
    finally:
        keras.config.set_dtype_policy("float32")
    half.set_weights(full.get_weights())
    y = half(x)
    assert y.dtype == tf.float16
    np.testing.assert_allclose(y, full(x), atol=0.05)
