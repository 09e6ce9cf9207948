"""One training step: who moves whom, and that devices share a step exactly."""

import keras
import numpy as np
import pytest
from skimage import color as skcolor
import tensorflow as tf

from colorizer import config as config_lib
from colorizer.training import train_step as steps
from tests.references import reference_colorfulness


def tiny_config(**changes):
    return config_lib.TrainConfig().resolve(32).replace(
        **{"width": 4, "batch_size": 8, "image_size": 16, **changes})


def pictures(seed=0, batch=8, size=16):
    # Smooth color ramps with noise: like photographs, neither gray nor saturated.
    rng = np.random.default_rng(seed)
    low = rng.integers(0, 256, (batch, 4, 4, 3)).astype(np.float32)
    smooth = tf.image.resize(low, (size, size)).numpy()
    return np.clip(smooth + rng.normal(0, 5, smooth.shape), 0, 255).astype(np.uint8)


def per_replica(strategy, batch):
    shards = np.split(batch, strategy.num_replicas_in_sync)
    return strategy.experimental_distribute_values_from_function(
        lambda context: tf.constant(shards[context.replica_id_in_sync_group]))


def run(config, strategy, count=1, first=0):
    step = steps.TrainStep(config, strategy)
    for index in range(first, first + count):
        values = step(per_replica(strategy, pictures(index)), tf.constant(index, tf.int64))
    return step, {name: float(value) for name, value in values.items()}


def switch_dropout_off(step):
    for layer in step.generator.layers:
        if isinstance(layer, keras.layers.Dropout):
            layer.rate = 0.0


def weights(model):
    return [variable.numpy() for variable in model.weights]


@pytest.mark.parametrize("variant", [
    {}, dict(disc_norm="spectral", init="normal"),
    pytest.param(dict(gen_norm="instance", disc_norm="instance", generator_steps=2,
                      output_channels="lab"), marks=pytest.mark.slow)])
def test_two_replicas_take_the_same_step_as_one(one_replica, two_replicas, variant):
    results = []
    for strategy in (one_replica, two_replicas):
        step = steps.TrainStep(tiny_config(ema_decay=0.9, **variant), strategy)
        switch_dropout_off(step)  # each replica draws masks of its own
        with strategy.scope():
            # Adam's first step is the gradient's sign: plain descent shows its size as well.
            step.generator_optimizer = keras.optimizers.SGD(0.01)
            step.discriminator_optimizer = keras.optimizers.SGD(0.01)
            step.generator_optimizer.build(step.generator.trainable_variables)
            step.discriminator_optimizer.build(step.discriminator.trainable_variables)
        before = {v.path: v.numpy() for v in step.generator.weights}
        values = step(per_replica(strategy, pictures()), tf.constant(0, tf.int64))
        results.append((step, {name: float(value) for name, value in values.items()}))
    (one, one_values), (two, two_values) = results
    for name in one_values.keys() - {"generator/gradient_norm", "discriminator/gradient_norm"}:
        value = one_values[name]
        assert two_values[name] == pytest.approx(value, rel=1e-4), name
    for model in ("generator", "discriminator", "average"):
        for variable, other in zip(getattr(one, model).weights, getattr(two, model).weights):
            np.testing.assert_allclose(
                variable, other, rtol=1e-4, atol=2e-5, err_msg=variable.path)
    moved = max(np.abs(v.numpy() - before[v.path]).max() for v in one.generator.weights)
    assert moved > 1e-3


def test_generator_loss_moves_only_the_generator(one_replica):
    config = tiny_config(adversarial_weight=0.0)
    before = steps.TrainStep(config, one_replica)
    after, values = run(config, one_replica)
    assert all((a == b).all() for a, b in zip(weights(before.discriminator),
                                              weights(after.discriminator)))
    assert any((a != b).any() for a, b in zip(weights(before.generator), weights(after.generator)))
    assert set(values) == {"generator/loss", "generator/l1", "generator/gradient_norm"}


def test_discriminator_loss_moves_only_the_discriminator(one_replica):
    step = steps.TrainStep(tiny_config(lr=1e-12, disc_lr=1e-2), one_replica)
    generator = [v.numpy() for v in step.generator.trainable_variables]
    kernels = [v for v in step.discriminator.trainable_variables if "kernel" in v.path]
    discriminator = [v.numpy() for v in kernels]
    step.set_rates(1.0)
    step(per_replica(one_replica, pictures()), tf.constant(0, tf.int64))
    for before, variable in zip(generator, step.generator.trainable_variables):
        np.testing.assert_allclose(variable, before, atol=1e-9)
    moved = [np.abs(variable.numpy() - before).max()
             for before, variable in zip(discriminator, kernels)]
    assert min(moved) > 1e-4


def test_reported_losses_are_those_of_the_formulas(one_replica):
    config = tiny_config(label_smoothing=0.1, l1_weight=100.0, adversarial_weight=0.5)
    _, values = run(config, one_replica)
    assert values["generator/loss"] == pytest.approx(
        100 * values["generator/l1"] + 0.5 * values["generator/adversarial"], rel=1e-5)
    assert values["discriminator/loss"] == pytest.approx(
        values["discriminator/real"] + values["discriminator/fake"], rel=1e-5)


@pytest.mark.parametrize("softening", [0.0, 0.03])
def test_the_first_l1_is_that_of_gray_pictures_softened_if_asked(one_replica, softening):
    _, values = run(tiny_config(l1_softening=softening), one_replica)
    off = np.abs(skcolor.rgb2lab(pictures())[..., 1:]) / 110.0
    expected = 0.03 * np.log1p(off / 0.03) if softening else off
    assert values["generator/l1"] == pytest.approx(expected.mean(), rel=1e-3)


@pytest.mark.parametrize("share, softened", [(1.0, True), (0.0, False)])
def test_pictures_with_targets_are_compared_by_l1_never_softened(one_replica, share, softened):
    _, values = run(tiny_config(
        conditional=True, condition_dropout=share, l1_target="original", l1_softening=0.03,
        adversarial_weight=0.0), one_replica)
    off = np.abs(skcolor.rgb2lab(pictures())[..., 1:]) / 110.0
    expected = 0.03 * np.log1p(off / 0.03) if softened else off
    assert values["generator/l1"] == pytest.approx(expected.mean(), rel=1e-3)


@pytest.mark.parametrize("conditional", [False, True])
def test_the_first_pictures_miss_their_originals_colorfulness_by_all_of_it(
        one_replica, conditional):
    config = tiny_config(
        conditional=conditional, condition_dropout=1.0, original_colorfulness_weight=3.0,
        adversarial_weight=0.0)
    _, values = run(config, one_replica)
    inner = pictures()[:, 2:-2, 2:-2]  # without the outer eighth
    originals = reference_colorfulness(inner / 255.0)
    assert values["generator/original_colorfulness"] == pytest.approx(originals.mean(), rel=1e-3)
    assert values["generator/loss"] == pytest.approx(
        100 * values["generator/l1"] + 3 * values["generator/original_colorfulness"], rel=1e-5)


def test_same_seed_and_steps_give_the_same_bits(one_replica):
    first, _ = run(tiny_config(seed=3), one_replica, count=3)
    second, _ = run(tiny_config(seed=3), one_replica, count=3)
    other, _ = run(tiny_config(seed=4), one_replica, count=3)
    assert all((a == b).all() for a, b in zip(weights(first.generator), weights(second.generator)))
    assert any((a != b).any() for a, b in zip(weights(first.generator), weights(other.generator)))


def test_dropout_differs_between_steps_and_replicas(two_replicas):
    step = steps.TrainStep(tiny_config(), two_replicas)
    seeds = []
    for index in range(2):
        @tf.function
        def read():
            def seed():
                step._seed_dropout(tf.constant(index, tf.int64))
                return tf.convert_to_tensor(step._dropouts[0].seed_generator.state.value)
            return two_replicas.run(seed)
        seeds += [tuple(value.numpy()) for value in two_replicas.experimental_local_results(read())]
    assert len(set(seeds)) == 4


def test_average_follows_the_weights(one_replica):
    config = tiny_config(ema_decay=0.5, lr=1e-2)
    step = steps.TrainStep(config, one_replica)
    start = [v.numpy() for v in step.average.weights]
    step(per_replica(one_replica, pictures()), tf.constant(100, tf.int64))
    for average, before, current in zip(step.average.weights, start, step.generator.weights):
        np.testing.assert_allclose(
            average.numpy(), 0.5 * before + 0.5 * current.numpy(), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("picture", [0, 255, 128])
def test_constant_pictures_train_without_a_nan(one_replica, picture):
    step = steps.TrainStep(tiny_config(), one_replica)
    constant = np.full((8, 16, 16, 3), picture, np.uint8)
    for index in range(3):
        values = step(per_replica(one_replica, constant), tf.constant(index, tf.int64))
    assert all(np.isfinite(float(value)) for value in values.values())
    assert all(np.isfinite(w).all() for w in weights(step.generator) + weights(step.discriminator))


@pytest.mark.parametrize("replicas", ["one_replica", "two_replicas"])
def test_mixed_float16_trains(request, replicas):
    strategy = request.getfixturevalue(replicas)
    try:
        step, values = run(tiny_config(precision="mixed_float16"), strategy, count=2)
        assert all(np.isfinite(value) for value in values.values())
        assert step.generator.layers[1].compute_dtype == "float16"
        assert step.generator.layers[1].kernel.dtype == "float32"
    finally:
        keras.config.set_dtype_policy("float32")


@pytest.mark.slow
def test_compiled_step_agrees_with_the_plain_one(one_replica):
    results = []
    for compiled in (False, True):
        step = steps.TrainStep(tiny_config(jit_compile=compiled), one_replica)
        switch_dropout_off(step)  # XLA draws other masks
        values = step(per_replica(one_replica, pictures()), tf.constant(0, tf.int64))
        results.append({name: float(value) for name, value in values.items()})
    for name, value in results[0].items():
        assert results[1][name] == pytest.approx(value, rel=1e-4), name


def test_fixed_targets_add_weighted_distances_to_the_generator_loss(one_replica):
    config = tiny_config(desired_saturation=1.0, saturation_weight=20.0, desired_hue=0.6)
    _, values = run(config, one_replica)
    assert {"generator/saturation", "generator/hue"} <= set(values)
    assert "generator/red" not in values
    assert values["generator/loss"] == pytest.approx(
        100 * values["generator/l1"] + values["generator/adversarial"]
        + 20 * values["generator/saturation"] + values["generator/hue"], rel=1e-5)


def test_a_wanted_saturation_is_learnt(one_replica):
    config = tiny_config(
        desired_saturation=0.5, saturation_weight=100.0, l1_weight=0.1, adversarial_weight=0.0,
        lr=1e-2)
    _, first = run(config, one_replica, count=2)
    _, last = run(config, one_replica, count=25)
    assert last["generator/saturation"] < 0.5 * first["generator/saturation"]


def test_two_replicas_draw_the_targets_that_one_would(one_replica, two_replicas):
    drawn = []
    for strategy in (one_replica, two_replicas):
        step = steps.TrainStep(tiny_config(conditional=True), strategy)

        @tf.function
        def draw(rgb):
            return strategy.run(
                lambda rgb: step._examples(rgb, tf.constant(5, tf.int64)).condition, args=(rgb,))

        parts = strategy.experimental_local_results(draw(per_replica(strategy, pictures())))
        drawn.append(np.concatenate(parts))
    np.testing.assert_allclose(drawn[0], drawn[1], rtol=1e-5, atol=1e-6)
    assert np.abs(drawn[0]).max() > 0


@pytest.mark.parametrize("condition", ["generator", "discriminator", "both"])
def test_conditional_networks_that_see_the_targets_have_the_input(one_replica, condition):
    step, values = run(tiny_config(conditional=True, condition=condition), one_replica)
    assert (len(step.generator.inputs) == 2) == (condition != "discriminator")
    assert (len(step.discriminator.inputs) == 3) == (condition != "generator")
    assert all(np.isfinite(value) for value in values.values())


def examples_of(strategy, rgb, **settings):
    step = steps.TrainStep(tiny_config(conditional=True, **settings), strategy)

    @tf.function
    def examples(rgb):
        return strategy.run(lambda rgb: step._examples(rgb, tf.constant(0, tf.int64)), args=(rgb,))

    return examples(rgb)


def test_without_targets_a_conditional_model_sees_the_originals(one_replica):
    rgb = pictures()
    result = examples_of(one_replica, rgb, condition_dropout=1.0)
    np.testing.assert_allclose(
        result.ab_real * 110.0, skcolor.rgb2lab(rgb)[..., 1:], atol=0.05)
    np.testing.assert_array_equal(result.condition, 0.0)


@pytest.mark.parametrize("l1_target", ["retargeted", "original"])
def test_the_real_pictures_are_at_the_targets_and_l1_compares_with_what_was_chosen(
        one_replica, l1_target):
    rgb = pictures()
    result = examples_of(one_replica, rgb, condition_dropout=0.0, controls="saturation",
                         l1_target=l1_target)
    lab = np.concatenate([50 * (result.l_scaled + 1), 110 * result.ab_real], axis=-1)
    saturation = skcolor.rgb2hsv(skcolor.lab2rgb(lab))[..., 1].mean((1, 2))
    asked = np.asarray(result.targets.values)[:, 0]
    inner = (asked > 0) & (asked < 1)  # beyond amount 1 an end is asked for
    assert inner.any()
    np.testing.assert_allclose(saturation[inner], asked[inner], atol=5e-3)
    compared = skcolor.rgb2lab(rgb)[..., 1:] if l1_target == "original" else lab[..., 1:]
    np.testing.assert_allclose(result.ab_l1 * 110.0, compared, atol=0.05)
    assert np.abs(lab[..., 1:] - skcolor.rgb2lab(rgb)[..., 1:]).max() > 1.0


@pytest.mark.parametrize("replicas, options", [
    (1, {}), (2, {}), (1, {"disc_norm": "spectral", "generator_steps": 2})])
def test_a_step_with_a_nan_changes_nothing(replicas, options, one_replica, two_replicas):
    strategy = {1: one_replica, 2: two_replicas}[replicas]
    step = steps.TrainStep(tiny_config(ema_decay=0.9, width=1, **options), strategy)
    good = pictures().astype(np.float32)
    step(per_replica(strategy, good), tf.constant(0, tf.int64))
    bad = good.copy()
    bad[-1, 3, 4, 1] = np.nan
    before = everything(step)
    values = step(per_replica(strategy, bad), tf.constant(1, tf.int64))
    assert not np.isfinite(values["generator/loss"].numpy())
    after = everything(step)
    assert before.keys() == after.keys()
    assert [name for name in before if (before[name] != after[name]).any()] == []
    values = step(per_replica(strategy, good), tf.constant(2, tf.int64))
    assert np.isfinite([value.numpy() for value in values.values()]).all()
    assert any((before[name] != value).any() for name, value in everything(step).items())


def everything(step):
    """All that a checkpoint holds, but for the dropout masks' seeds, which the next step sets."""
    return {f"{name}/{variable.path}": variable.numpy().copy()
            for name, part in step.state().items()
            for variable in (part.weights if isinstance(part, keras.Model) else part.variables)
            if "seed_generator" not in variable.path}


# --------------------------------------------------------------------------- published variants

def take_steps(step, strategy, count, first=0):
    for index in range(first, first + count):
        values = step(per_replica(strategy, pictures(index)), tf.constant(index, tf.int64))
    return {name: float(value) for name, value in values.items()}


def largest_singular_value(kernel):
    return np.linalg.svd(np.reshape(kernel, (-1, kernel.shape[-1])), compute_uv=False)[0]


def test_spectral_norm_holds_every_kernel_of_d_at_1_while_it_trains(two_replicas):
    step = steps.TrainStep(tiny_config(disc_norm="spectral", gen_norm="instance"), two_replicas)
    take_steps(step, two_replicas, 60)  # one power iteration a pass needs about that many
    # What the optimizer left is normalized by the next forward pass, before it is used.
    with two_replicas.scope():
        step.discriminator([tf.zeros((1, 16, 16, 1)), tf.zeros((1, 16, 16, 2))], training=True)
    layers = [layer for layer in step.discriminator.layers
              if isinstance(layer, keras.layers.SpectralNormalization)]
    assert len(layers) == 5
    for layer in layers:
        kernel = layer.layer.kernel.numpy()
        assert largest_singular_value(kernel) == pytest.approx(1.0, abs=0.02), layer.name
        copies = two_replicas.experimental_local_results(layer.vector_u.value)
        np.testing.assert_array_equal(*[copy.numpy() for copy in copies])


def test_two_generator_updates_follow_one_of_the_discriminator(one_replica):
    step = steps.TrainStep(tiny_config(generator_steps=2), one_replica)
    values = take_steps(step, one_replica, 3)
    assert step.generator_optimizer.iterations.numpy() == 6
    assert step.discriminator_optimizer.iterations.numpy() == 3
    assert {"generator/loss", "generator/l1", "generator/adversarial", "discriminator/loss",
            "discriminator/real", "discriminator/fake", "generator/gradient_norm",
            "discriminator/gradient_norm"} == set(values)


@pytest.mark.parametrize("generator_steps, sees_the_update", [(1, False), (2, True)])
def test_with_several_updates_the_generator_faces_the_updated_discriminator(
        one_replica, generator_steps, sees_the_update):
    moved = []
    for disc_lr in (1e-12, 1e-2):
        config = tiny_config(generator_steps=generator_steps, disc_lr=disc_lr, l1_weight=0.0,
                             disc_norm="none", init="normal")
        step = steps.TrainStep(config, one_replica)
        step.set_rates(1.0)
        step(per_replica(one_replica, pictures()), tf.constant(0, tf.int64))
        moved.append(step.generator.get_layer("ab").kernel.numpy())
    assert (np.abs(moved[0] - moved[1]).max() > 1e-6) == sees_the_update


def test_every_pass_of_a_step_has_its_own_dropout(one_replica):
    step = steps.TrainStep(tiny_config(generator_steps=2), one_replica)

    @tf.function
    def read(index, turn):
        def seed():
            step._seed_dropout(index, turn)
            return tf.convert_to_tensor(step._dropouts[0].seed_generator.state.value)
        return one_replica.run(seed)

    seeds = {tuple(read(tf.constant(index, tf.int64), turn).numpy())
             for index in range(2) for turn in range(3)}
    assert len(seeds) == 6


@pytest.mark.parametrize("channels, mean", [
    ("ab", lambda lab: np.abs(lab[..., 1:] / 110).mean()),
    ("lab", lambda lab: np.abs(lab / [50, 110, 110] - [1, 0, 0]).mean())])
def test_l1_is_taken_over_the_channels_that_the_generator_predicts(one_replica, channels, mean):
    # The generator begins with zeros: the loss is the mean of the original's own channels.
    _, values = run(tiny_config(output_channels=channels), one_replica)
    assert values["generator/l1"] == pytest.approx(mean(skcolor.rgb2lab(pictures())), rel=1e-3)


def test_the_networks_see_luma_where_asked_and_the_lightness_stays(one_replica):
    step = steps.TrainStep(tiny_config(input_channel="luma"), one_replica)
    rgb = pictures()
    examples = one_replica.run(
        lambda: step._examples(tf.constant(rgb), tf.constant(0, tf.int64)))
    luma = rgb @ [0.299, 0.587, 0.114]
    np.testing.assert_allclose(examples.gray[..., 0], luma / 127.5 - 1, atol=1e-5)
    lightness = skcolor.rgb2lab(rgb)[..., 0]
    np.testing.assert_allclose(examples.l_scaled[..., 0], lightness / 50 - 1, atol=1e-4)


def test_each_network_has_its_rate_and_no_rate_falls_below_the_least(one_replica):
    step = steps.TrainStep(tiny_config(lr=3e-4, disc_lr=6e-5, min_lr=1e-6), one_replica)
    rates = []
    for factor in (1.0, 0.1, 1e-5):
        step.set_rates(factor)
        rates.append((step.generator_optimizer.learning_rate.numpy(),
                      step.discriminator_optimizer.learning_rate.numpy()))
    assert rates == [pytest.approx((3e-4, 6e-5)), pytest.approx((3e-5, 6e-6)),
                     pytest.approx((1e-6, 1e-6))]
    step.config = tiny_config(lr=1e-7, min_lr=1e-6)
    step.set_rates(0.5)
    assert step.generator_optimizer.learning_rate.numpy() == pytest.approx(1e-7)
