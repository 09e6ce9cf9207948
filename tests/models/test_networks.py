"""The networks against the paper's table, counted by hand."""

import keras
from keras import layers
import numpy as np
import pytest
import tensorflow as tf

from colorizer.training import checkpoints
from colorizer.models import generator as networks


@pytest.fixture
def mixed_float16():
    before = keras.mixed_precision.dtype_policy()
    keras.mixed_precision.set_dtype_policy("mixed_float16")
    yield
    keras.mixed_precision.set_dtype_policy(before)


def of_kind(model, kind):
    return [layer for layer in model.layers if type(layer) is kind]


def pictures(batch=2, height=32, width=32, channels=1, seed=0):
    rng = np.random.default_rng(seed)
    return rng.uniform(-1, 1, (batch, height, width, channels)).astype(np.float32)


def as_if_trained(model, seed=0):
    """Batch statistics that are not 0 and 1, and a last layer that is not zero."""
    rng = np.random.default_rng(seed)
    last = of_kind(model, layers.Conv2D)[-1]
    last.kernel.assign(rng.normal(0, last.kernel.shape[2] ** -0.5, last.kernel.shape))
    for layer in of_kind(model, layers.BatchNormalization):
        layer.moving_mean.assign(rng.normal(0, 0.2, layer.moving_mean.shape))
        layer.moving_variance.assign(rng.uniform(0.5, 1.5, layer.moving_variance.shape))
    return model


def convolution(size, inputs, outputs):
    return size * size * inputs * outputs + outputs


# ---------------------------------------------------------------------------------- architecture

def test_generator_channels_are_the_papers():
    assert networks.generator_channels(32) == [64, 128, 256, 512, 512]
    assert networks.generator_channels(256) == [64, 64, 128, 256, 512, 512, 512, 512]
    assert networks.generator_channels(32, width=16) == [16, 32, 64, 128, 128]


def test_discriminator_channels_are_the_papers():
    assert networks.discriminator_channels(32) == [(64, 2), (128, 2), (256, 2), (512, 1)]


def test_generator_has_the_papers_parameter_count():
    norm = 4  # gain, shift, mean, variance a channel
    encoder = [(1, 64), (64, 128), (128, 256), (256, 512), (512, 512)]
    # Inputs of the decoder: the bottleneck, then each output joined with its mirrored skip.
    decoder = [(512, 512), (512 + 512, 256), (256 + 256, 128), (128 + 128, 64)]
    count = sum(convolution(4, i, o) + norm * o for i, o in encoder + decoder)
    count += convolution(1, 64 + 64, 2)
    assert count == 16_659_586
    assert networks.build_generator(32).count_params() == count


def test_discriminator_has_the_papers_parameter_count():
    norm = 4
    count = convolution(4, 3, 64)
    count += sum(convolution(4, i, o) + norm * o for i, o in [(64, 128), (128, 256), (256, 512)])
    count += convolution(4, 512, 1)
    assert count == 2_768_321
    assert networks.build_discriminator(32).count_params() == count


@pytest.mark.parametrize("size, encoder, decoder", [
    (32, [64, 128, 256, 512, 512], [512, 256, 128, 64]),
    (256, [64, 64, 128, 256, 512, 512, 512, 512], [512, 512, 512, 256, 128, 64, 64]),
])
def test_generator_layers_are_the_papers(size, encoder, decoder):
    model = networks.build_generator(size)
    *down, last = of_kind(model, layers.Conv2D)
    up = of_kind(model, layers.Conv2DTranspose)
    assert [layer.filters for layer in down] == encoder
    assert [layer.filters for layer in up] == decoder
    assert {layer.kernel_size for layer in down + up} == {(4, 4)}
    assert [layer.strides for layer in down] == [(1, 1)] + [(2, 2)] * (len(encoder) - 1)
    assert {layer.strides for layer in up} == {(2, 2)}
    assert {layer.negative_slope for layer in of_kind(model, layers.LeakyReLU)} == {0.2}
    assert len(of_kind(model, layers.LeakyReLU)) == len(encoder)
    assert len(of_kind(model, layers.ReLU)) == len(decoder)
    assert len(of_kind(model, layers.BatchNormalization)) == len(encoder) + len(decoder)
    # The bottleneck is 2 x 2 pixels.
    assert down[-1].output.shape[1:3] == (2, 2)
    assert last.kernel_size == (1, 1) and last.filters == 2
    assert last.activation is keras.activations.tanh and last.output is model.output
    assert model.output.shape == (None, size, size, 2)


def test_skips_join_layers_of_the_same_size_mirrored():
    model = networks.build_generator(32)
    skips = of_kind(model, layers.Concatenate)
    assert [[x.shape[1:] for x in layer.input] for layer in skips] == [
        [(4, 4, 512)] * 2, [(8, 8, 256)] * 2, [(16, 16, 128)] * 2, [(32, 32, 64)] * 2]
    encoder = [layer.output for layer in of_kind(model, layers.LeakyReLU)]
    assert [layer.input[1] for layer in skips] == encoder[-2::-1]


def test_dropout_is_on_the_first_two_decoder_layers_at_32_px_only():
    small = of_kind(networks.build_generator(32), layers.Dropout)
    assert [layer.rate for layer in small] == [0.5, 0.5]
    assert [layer.output.shape[1:] for layer in small] == [(4, 4, 512), (8, 8, 256)]
    assert of_kind(networks.build_generator(256, width=4), layers.Dropout) == []


@pytest.mark.parametrize("size", [16, 32, 64, 128, 256])
def test_discriminator_judges_4_by_4_patches(size):
    model = networks.build_discriminator(size, width=4)
    assert model.output.shape == (None, 4, 4, 1)
    *hidden, last = of_kind(model, layers.Conv2D)
    assert {layer.kernel_size for layer in hidden + [last]} == {(4, 4)}
    assert last.strides == (1, 1)
    # Never squashed: the logits come straight from the last convolution.
    assert last.activation is keras.activations.linear and last.output is model.output


def test_discriminator_has_no_norm_on_its_first_layer():
    model = networks.build_discriminator(32)
    kinds = [type(layer) for layer in model.layers]
    first = kinds.index(layers.Conv2D)
    block = [layers.Conv2D, layers.BatchNormalization, layers.LeakyReLU]
    assert kinds[first:] == [layers.Conv2D, layers.LeakyReLU] + block * 3 + [layers.Conv2D]
    assert {layer.negative_slope for layer in of_kind(model, layers.LeakyReLU)} == {0.2}
    assert [layer.strides[0] for layer in of_kind(model, layers.Conv2D)] == [2, 2, 2, 1, 1]


def test_discriminator_sees_lightness_and_color():
    model = networks.build_discriminator(16, width=4)
    l_scaled, ab = pictures(1, 16, 16), pictures(1, 16, 16, channels=2)
    base = model([l_scaled, ab]).numpy()
    assert not np.allclose(base, model([l_scaled + 0.5, ab]))
    for channel in (0, 1):
        changed = ab.copy()
        changed[..., channel] += 0.5
        assert not np.allclose(base, model([l_scaled, changed]))


@pytest.mark.parametrize("size", [16, 32, 64, 128, 256])
def test_generator_gives_back_the_size_it_takes(size):
    model = networks.build_generator(size, width=1)
    assert model(pictures(1, size, size)).shape == (1, size, size, 2)


# -------------------------------------------------------------------------------------- behavior

def test_free_size_generator_equals_the_fixed_one_and_takes_other_sizes():
    fixed = as_if_trained(networks.build_generator(32, width=8))
    free = networks.build_generator(32, width=8, fixed_size=False)
    free.set_weights(fixed.get_weights())
    x = pictures()
    assert np.std(fixed(x)) > 0.01
    np.testing.assert_allclose(free(x), fixed(x), atol=1e-6)
    assert networks.size_multiple(32) == 16
    assert free(pictures(1, 48, 80)).shape == (1, 48, 80, 2)


@pytest.mark.parametrize("size", [16, 32, 128])
def test_free_size_generator_takes_any_multiple_of_its_size_multiple(size):
    multiple = networks.size_multiple(size)
    free = networks.build_generator(size, width=1, fixed_size=False)
    height, width = multiple, 3 * multiple
    assert free(pictures(1, height, width)).shape == (1, height, width, 2)


def test_a_shallow_generator_has_the_weights_of_a_small_pictures_and_takes_finer_sizes():
    small = as_if_trained(networks.build_generator(32, width=4))
    shallow = networks.build_generator(128, width=4, num_downsamples=4, fixed_size=False)
    shallow.set_weights(small.get_weights())
    assert networks.size_multiple(128, num_downsamples=4) == 16
    assert shallow(pictures(1, 128, 144)).shape == (1, 128, 144, 2)
    np.testing.assert_allclose(shallow(pictures()), small(pictures()), atol=1e-6)


def test_an_untrained_generator_colors_nothing():
    np.testing.assert_array_equal(networks.build_generator(32, width=4)(pictures()), 0)


def test_output_lies_between_minus_one_and_one_whatever_the_input():
    model = as_if_trained(networks.build_generator(32, width=4))
    ab = model(pictures() * 1e4).numpy()
    assert np.abs(ab).max() <= 1.0 and np.abs(ab).max() > 0.9


def test_inference_is_deterministic_and_independent_of_the_other_pictures():
    model = as_if_trained(networks.build_generator(32, width=8))
    x = pictures(4)
    together = model(x, training=False).numpy()
    assert together.std() > 0.01
    np.testing.assert_array_equal(together, model(x, training=False))
    np.testing.assert_allclose(together[:1], model(x[:1], training=False), atol=1e-5)
    others = np.concatenate([x[:1], pictures(3, seed=9) * 5])
    np.testing.assert_allclose(together[:1], model(others, training=False)[:1], atol=1e-5)


def test_training_draws_new_dropout_and_depends_on_the_batch():
    model = as_if_trained(networks.build_generator(32, width=8))
    x = pictures(4)
    assert np.abs(model(x, training=True) - model(x, training=True)).max() > 1e-3
    without_dropout = as_if_trained(networks.build_generator(128, width=1))
    y = pictures(2, 128, 128)
    alone = without_dropout(np.concatenate([y[:1], y[:1]]), training=True)
    assert np.abs(without_dropout(y, training=True)[0] - alone[0]).max() > 1e-3


def test_discriminator_in_inference_is_independent_of_the_other_pictures():
    model = as_if_trained(networks.build_discriminator(32, width=8))
    l_scaled, ab = pictures(3), pictures(3, channels=2)
    np.testing.assert_allclose(
        model([l_scaled, ab], training=False)[:1],
        model([l_scaled[:1], ab[:1]], training=False), atol=1e-4)


def test_mixed_precision_gives_float32_results_close_to_float32(mixed_float16):
    generator = as_if_trained(networks.build_generator(32, width=4))
    discriminator = networks.build_discriminator(32, width=4)
    assert of_kind(generator, layers.Conv2D)[0].compute_dtype == "float16"
    x = tf.constant(pictures())
    ab = generator(x)
    logits = discriminator([x, ab])
    assert ab.dtype == tf.float32 and logits.dtype == tf.float32
    assert {w.dtype for w in generator.weights} == {"float32"}
    keras.mixed_precision.set_dtype_policy("float32")
    full = networks.build_generator(32, width=4)
    full.set_weights(generator.get_weights())
    assert np.std(ab) > 0.01
    np.testing.assert_allclose(ab, full(x), atol=0.02)


def test_same_weights_after_the_same_seed():
    first, second = (
        (keras.utils.set_random_seed(3), networks.build_generator(16, width=2).get_weights())[1]
        for _ in range(2))
    for one, other in zip(first, second, strict=True):
        np.testing.assert_array_equal(one, other)


def test_targets_scale_and_shift_every_feature_map_and_nothing_at_first():
    model = as_if_trained(networks.build_generator(32, width=2, condition_size=3))
    maps = keras.Model(model.inputs, [model.get_layer(f"decoder_0_{part}").output
                                      for part in ("norm", "film")])
    picture = pictures()
    wishes = np.float32([[0.5, -1.0, 2.0], [1.0, 0.3, -0.7]])
    plain, modulated = maps([picture, wishes])
    np.testing.assert_array_equal(modulated, plain)
    np.testing.assert_array_equal(model([picture, wishes]), model([picture, 0 * wishes]))

    rng = np.random.default_rng(1)
    for part in ("gamma", "beta"):
        for weight in model.get_layer(f"decoder_0_{part}").weights:
            weight.assign(rng.normal(0, 0.3, weight.shape))
    weights = {name: [weight.numpy() for weight in model.get_layer(name).weights]
               for name in ("condition_embed", "decoder_0_gamma", "decoder_0_beta")}
    embedding = np.maximum(
        wishes @ weights["condition_embed"][0] + weights["condition_embed"][1], 0)
    gamma, beta = (embedding @ weights[name][0] + weights[name][1]
                   for name in ("decoder_0_gamma", "decoder_0_beta"))
    plain, modulated = maps([picture, wishes])
    expected = plain * (1 + gamma[:, None, None]) + beta[:, None, None]
    np.testing.assert_allclose(modulated, expected, rtol=1e-4, atol=1e-5)
    colors = [np.asarray(model([picture, wish])) for wish in (wishes, 0 * wishes)]
    assert np.abs(colors[0] - colors[1]).max() > 1e-3


# ---------------------------------------------------------------------------------------- context

def far_corner_moves(model, *condition):
    """By how much the first pixel's colors change with the far corner of a picture of 96 px."""
    picture = pictures(1, 96, 96)
    other = picture.copy()
    other[:, 64:, 64:] = 0.9
    first, second = (
        np.asarray(tf.nest.flatten(model([one, *condition] if condition else one))[0])[0, 0, 0]
        for one in (picture, other))
    return np.abs(first - second).max()


def give_random_context(model, seed=4):
    rng = np.random.default_rng(seed)
    for layer in model.layers:
        if layer.name == "context" or layer.name.endswith(("_gamma", "_beta")):
            layer.kernel.assign(rng.normal(0, 0.1, layer.kernel.shape))


@pytest.mark.parametrize("condition_size", [0, 3])
def test_with_context_every_pixel_sees_the_whole_picture(condition_size):
    keras.utils.set_random_seed(0)
    condition = [np.zeros((1, condition_size), np.float32)] if condition_size else []
    build = dict(width=4, num_downsamples=2, condition_size=condition_size, fixed_size=False)
    without = as_if_trained(networks.build_generator(32, **build))
    give_random_context(without)
    assert far_corner_moves(without, *condition) == 0.0
    model = as_if_trained(networks.build_generator(32, global_context=True, **build))
    give_random_context(model)
    assert far_corner_moves(model, *condition) > 1e-3


def test_context_is_the_mean_over_the_deepest_map():
    model = networks.build_generator(32, width=2, num_downsamples=2, condition_size=3, global_context=True)
    give_random_context(model)
    deepest, context = keras.Model(model.inputs, [
        model.get_layer("encoder_2_relu").output, model.get_layer("context").output])(
            [pictures(), np.zeros((2, 3), np.float32)])
    weights = {name: [weight.numpy() for weight in model.get_layer(name).weights]
               for name in ("context_features", "context")}
    (conv, conv_bias), (last, last_bias) = weights.values()
    features = np.maximum(np.asarray(deepest) @ conv[0, 0] + conv_bias, 0).mean((1, 2))
    expected = features @ last + last_bias
    np.testing.assert_allclose(context, expected, rtol=1e-4, atol=1e-5)


def test_a_trained_conditional_generator_colors_the_same_when_it_is_given_context(tmp_path):
    before = as_if_trained(networks.build_generator(32, width=2, condition_size=3))
    checkpoints.save_weights(before, tmp_path / "weights.npz")
    after = networks.build_generator(32, width=2, condition_size=3, global_context=True)
    left = checkpoints.load_matching_weights(after, tmp_path / "weights.npz")
    assert left and all(name.startswith(("context", "colorfulness")) for name in left)
    inputs = [pictures(), np.float32([[0.5, -1.0, 2.0], [1.0, 0.3, -0.7]])]
    colors, foretold = after(inputs)
    np.testing.assert_array_equal(colors, before(inputs))
    np.testing.assert_allclose(foretold, [[0.33], [0.33]], rtol=1e-5)


@pytest.mark.parametrize("condition_size", [0, 3])
def test_context_is_learnt_from_the_first_steps(condition_size):
    keras.utils.set_random_seed(0)
    model = networks.build_generator(
        16, width=2, condition_size=condition_size, global_context=True)
    inputs = [pictures(8, 16, 16), np.ones((8, 3), np.float32)]
    before = [model.get_layer(name).kernel.numpy() for name in ("context", "colorfulness")]
    model.compile("adam", ["mse", "mse"])
    model.fit(inputs if condition_size else inputs[0],
              [pictures(8, 16, 16, 2), np.linspace(0, 1, 8, dtype=np.float32)[:, None]],
              epochs=4, batch_size=8, verbose=0)
    for name, kernel in zip(("context", "colorfulness"), before):
        assert np.abs(model.get_layer(name).kernel.numpy() - kernel).max() > 1e-4
