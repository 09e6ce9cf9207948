"""The networks against the paper's table, counted by hand, and what they compute."""

import keras
from keras import layers
import numpy as np
import pytest
import tensorflow as tf

from colorizer import models
from colorizer.config import TrainConfig
from colorizer.models.generator import generator_channels
from tests.gradients import gradient

NORM = 4  # parameters a channel: gain, shift, mean, variance


def of_kind(model, kind):
    return [layer for layer in model.layers if type(layer) is kind]


def noise(batch=2, height=16, width=16, channels=1, seed=0):
    rng = np.random.default_rng(seed)
    return rng.uniform(-1, 1, (batch, height, width, channels)).astype(np.float32)


def as_if_trained(model, seed=0):
    """Batch statistics that are not 0 and 1, and no last layer, context or FiLM of zeros."""
    rng = np.random.default_rng(seed)
    last = of_kind(model, layers.Conv2D)[-1]
    last.kernel.assign(rng.normal(0, last.kernel.shape[2] ** -0.5, last.kernel.shape))
    for layer in of_kind(model, layers.BatchNormalization):
        layer.moving_mean.assign(rng.normal(0, 0.2, layer.moving_mean.shape))
        layer.moving_variance.assign(rng.uniform(0.5, 1.5, layer.moving_variance.shape))
    for layer in model.layers:
        if layer.name == "context" or layer.name.endswith(("_gamma", "_beta")):
            layer.kernel.assign(rng.normal(0, 0.1, layer.kernel.shape))
    return model


@pytest.fixture(scope="module")
def trained():
    """A small generator for 16 px, which no test changes."""
    keras.utils.set_random_seed(0)
    return as_if_trained(models.build_generator(16, 4))


@pytest.fixture(scope="module")
def paper():
    """The paper's networks for 32 px."""
    return models.build_generator(32), models.build_discriminator(32)


def convolution(size, inputs, outputs):
    return size * size * inputs * outputs + outputs


def discriminator_parameters(channels):
    pairs = [(channels, 2 * channels), (2 * channels, 4 * channels), (4 * channels, 8 * channels)]
    return convolution(4, 3, channels) + convolution(4, 8 * channels, 1) + sum(
        convolution(4, i, o) + NORM * o for i, o in pairs)


# ---------------------------------------------------------------------------------- architecture

def test_the_networks_have_the_papers_parameter_counts(paper):
    encoder = [(1, 64), (64, 128), (128, 256), (256, 512), (512, 512)]
    # Inputs of the decoder: the bottleneck, then each output joined with its mirrored skip.
    decoder = [(512, 512), (512 + 512, 256), (256 + 256, 128), (128 + 128, 64)]
    count = sum(convolution(4, i, o) + NORM * o for i, o in encoder + decoder)
    assert count + convolution(1, 64 + 64, 2) == paper[0].count_params() == 16_659_586
    assert discriminator_parameters(64) == paper[1].count_params() == 2_768_321


@pytest.mark.parametrize("size, encoder, decoder", [
    (32, [1, 2, 4, 8, 8], [8, 4, 2, 1]),
    (256, [1, 1, 2, 4, 8, 8, 8, 8], [8, 8, 8, 4, 2, 1, 1]),
])
def test_the_generators_layers_are_the_papers(size, encoder, decoder):
    model = models.build_generator(size, 1)
    assert generator_channels(size) == [64 * factor for factor in encoder]
    *down, last = of_kind(model, layers.Conv2D)
    up = of_kind(model, layers.Conv2DTranspose)
    assert [layer.filters for layer in down] == encoder
    assert [layer.filters for layer in up] == decoder
    assert {layer.kernel_size for layer in down + up} == {(4, 4)}
    assert [layer.strides for layer in down] == [(1, 1)] + [(2, 2)] * (len(encoder) - 1)
    assert {layer.strides for layer in up} == {(2, 2)}
    assert [layer.negative_slope for layer in of_kind(model, layers.LeakyReLU)] == [0.2] * len(down)
    assert len(of_kind(model, layers.ReLU)) == len(decoder)
    assert len(of_kind(model, layers.BatchNormalization)) == len(encoder) + len(decoder)
    assert down[-1].output.shape[1:3] == (2, 2)
    # Each decoder layer is joined with the encoder layer of its size.
    outputs = [layer.output for layer in of_kind(model, layers.LeakyReLU)]
    assert [join.input[1] for join in of_kind(model, layers.Concatenate)] == outputs[-2::-1]
    dropouts = of_kind(model, layers.Dropout)  # of the first two decoder layers, for small images
    assert [(layer.rate, layer.output.shape[1]) for layer in dropouts] == (
        [(0.5, 4), (0.5, 8)] if size == 32 else [])
    assert last.kernel_size == (1, 1) and last.activation is keras.activations.tanh
    assert last.output is model.output and model.output_shape == (None, size, size, 2)


@pytest.mark.parametrize("size", [64, 128, 256])
def test_the_discriminator_has_the_layers_of_32_px_at_every_size(size, paper):
    model = models.build_discriminator(size, 1)
    kinds = [type(layer) for layer in model.layers]
    block = [layers.Conv2D, layers.BatchNormalization, layers.LeakyReLU]
    # No norm on the first layer; never squashed.
    assert kinds[kinds.index(layers.Conv2D):] == (
        [layers.Conv2D, layers.LeakyReLU] + block * 3 + [layers.Conv2D])
    assert kinds == [type(layer) for layer in paper[1].layers]
    assert of_kind(model, layers.Concatenate)[0].input == model.inputs  # lightness and color
    convolutions = of_kind(model, layers.Conv2D)
    assert [layer.filters for layer in convolutions] == [1, 2, 4, 8, 1]
    assert [layer.strides[0] for layer in convolutions] == [2, 2, 2, 1, 1]
    assert {layer.kernel_size for layer in convolutions} == {(4, 4)}
    assert {layer.negative_slope for layer in of_kind(model, layers.LeakyReLU)} == {0.2}
    assert convolutions[-1].activation is keras.activations.linear
    assert model.output_shape == (None, size // 8, size // 8, 1)
    assert model.count_params() == discriminator_parameters(1)


@pytest.mark.parametrize("size", [128, 256])
def test_each_logit_judges_a_patch_of_70_by_70_pixels(size):
    model = models.build_discriminator(size, 1)
    l_scaled = tf.constant(noise(1, size, size))
    center = size // 16
    seen = gradient(lambda ab: model([l_scaled, ab])[:, center, center],
                    noise(1, size, size, 2))[0].any(axis=-1)
    rows, columns = np.flatnonzero(seen.any(axis=1)), np.flatnonzero(seen.any(axis=0))
    assert rows[-1] - rows[0] + 1 == columns[-1] - columns[0] + 1 == 70


def test_a_config_sets_what_the_networks_are_made_of():
    config = TrainConfig().replace(
        base_channels=2, conditional=True, disc_norm="spectral", predict_lightness=True,
        attention_resolution=8, num_downsamples=2).resolve(16)
    generator = models.generator_from_config(config, fixed_size=False)
    discriminator = models.discriminator_from_config(config)
    size = models.condition_size(config.controls.supported())
    assert size == 7 * 2 + 1
    assert generator.input_shape == [(None, None, None, 1), (None, size)]
    assert generator.output_shape == (None, None, None, 3)
    assert "attention" in [layer.name for layer in generator.layers]
    assert len(of_kind(generator, layers.Conv2DTranspose)) == 2
    assert discriminator.input_shape == [(None, 16, 16, 1), (None, 16, 16, 3), (None, size)]
    first, *others = of_kind(discriminator, layers.SpectralNormalization)
    assert len(others) == 4 and first.layer.kernel.shape == (4, 4, 1 + 3, 2)


# -------------------------------------------------------------------------------------- behavior

@pytest.mark.parametrize("size, depth", [(16, {}), (64, {"num_downsamples": 3})])
def test_a_generator_of_free_size_equals_the_fixed_one_and_takes_multiples(trained, size, depth):
    free = models.build_generator(size, 4, fixed_size=False, **depth)
    free.set_weights(trained.get_weights())
    assert models.size_multiple(TrainConfig().replace(image_size=size, **depth)) == 8
    assert free(noise(1, 8, 24)).shape == (1, 8, 24, 2)
    np.testing.assert_allclose(free(noise()), trained(noise()), atol=1e-6)


def test_an_untrained_generator_gives_gray_and_any_other_stays_within_tanh(trained):
    np.testing.assert_array_equal(models.build_generator(16, 1)(noise()), 0)
    ab = np.abs(trained(noise() * 1e4))
    assert 0.9 < ab.max() <= 1.0


def test_an_image_depends_on_the_others_and_on_chance_in_training_only(trained):
    x, ab = noise(4), noise(4, channels=2)
    judge = as_if_trained(models.build_discriminator(16, 2))
    assert np.abs(trained(x, training=True) - trained(x, training=True)).max() > 1e-3
    together = trained(x, training=False)
    np.testing.assert_array_equal(together, trained(x, training=False))
    others = np.concatenate([x[:1], noise(2, seed=9) * 5])
    for batch in (x[:1], others):
        np.testing.assert_allclose(together[:1], trained(batch, training=False)[:1], atol=1e-5)
    for training in (False, True):
        alone, beside = (judge([x[:count], ab[:count]], training=training)[0] for count in (1, 4))
        assert (np.abs(beside - alone).max() > 1e-3) == training


def test_mixed_precision_gives_float32_results_close_to_float32(trained, mixed_float16):
    half = models.build_generator(16, 4)
    half.set_weights(trained.get_weights())
    assert of_kind(half, layers.Conv2D)[0].compute_dtype == "float16"
    ab = half(noise()).numpy()
    np.testing.assert_allclose(ab, trained(noise()), atol=0.02)
    for norm in ("batch", "spectral"):
        model = models.build_discriminator(16, 2, norm=norm)
        logits = model([noise(), ab], training=True).numpy()
        assert ab.dtype == logits.dtype == np.float32 and np.isfinite(logits).all()
        assert {weight.dtype for weight in half.weights + model.weights} == {"float32"}
