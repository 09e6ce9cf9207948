"""The networks' layers in their published variants, against NumPy."""

import keras
from keras import layers
import numpy as np
import pytest
import tensorflow as tf

from colorizer import networks
from colorizer.layers import Recipe


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


def test_a_generator_with_instance_norm_colours_a_picture_the_same_in_training():
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
