"""One training step: which network it updates, from what, and that devices share it exactly."""

import keras
import numpy as np
import pytest
from skimage import color as skcolor
import tensorflow as tf

from colorizer.color.controls import CONTROL_NAMES
from colorizer.config import TrainConfig
from colorizer.training.batches import BatchPreparation
from colorizer.training.schedules import BadSteps
from tests.references import REFERENCES, circular
from tests.training.conftest import variables

SIZE, BATCH = 16, 4
STEP = tf.constant(5, tf.int64)
PLAIN = dict(ema_decay=0.5, adversarial_weight=0.5)
RELEASED = dict(update_schedule="d_g_g", predict_lightness=True, disc_norm="spectral")
CONTROLLED = dict(conditional=True, update_schedule="joint", disc_norm="spectral")
FIXED = dict(desired_saturation=0.5, desired_hue=0.6, control_weight=20.0, adversarial_weight=0.0,
             perceptual_weight=2.0, perceptual_network="cifar10")
# Every pair of (update schedule, predicted channels, conditional, norm) is in one of them.
VARIANTS = [
    PLAIN, RELEASED, CONTROLLED, dict(predict_lightness=True, conditional=True),
    dict(update_schedule="d_g_g", conditional=True), dict(disc_norm="spectral"),
    dict(update_schedule="joint", predict_lightness=True, ema_decay=0.5)]


def some_images(seed=0):
    # Smooth color ramps with noise: like photographs, neither gray nor saturated.
    rng = np.random.default_rng(seed)
    low = rng.integers(0, 256, (BATCH, 4, 4, 3)).astype(np.float32)
    smooth = tf.image.resize(low, (SIZE, SIZE)).numpy()
    return np.clip(smooth + rng.normal(0, 5, smooth.shape), 0, 255).astype(np.uint8)


def per_replica(strategy, images):
    if strategy.num_replicas_in_sync == 1:
        return tf.constant(images)  # as a data set of one device gives it
    shards = np.split(images, strategy.num_replicas_in_sync)
    return strategy.experimental_distribute_values_from_function(
        lambda context: tf.constant(shards[context.replica_id_in_sync_group]))


def take(step, images=None, index=0):
    """Takes one step; returns its values as floats."""
    images = some_images(index) if images is None else images
    values = step(per_replica(step.strategy, images), tf.constant(index, tf.int64))
    return {name: float(value) for name, value in values.items()}


def everything(step):
    """All that a checkpoint holds, but for the dropout masks' seeds, which the next step sets."""
    return {name: np.array(variable) for name, variable in variables(step).items()
            if "seed" not in name}


def changed(before, step, part=""):
    """Names of the variables that differ now."""
    return [name for name, value in everything(step).items()
            if name.startswith(part) and (value != before[name]).any()]


@pytest.fixture
def make(steps, one_replica, two_replicas):
    """Makes the step of these settings, with its first weights."""
    def make(replicas=1, **settings):
        config = TrainConfig().resolve(32).replace(
            **{"base_channels": 1, "num_downsamples": 1, "batch_size": BATCH, "image_size": SIZE,
               **settings})
        return steps(config, {1: one_replica, 2: two_replicas}[replicas])
    return make


# ------------------------------------------------------------------------------------ the formulas

def test_losses_are_those_of_the_paper(make, untraced):
    step = make(**PLAIN)
    step.set_learning_rates(1e-3, 0.0)
    logits = step.discriminator.get_layer("logits")
    logits.kernel.assign(tf.zeros_like(logits.kernel.value))
    logits.bias.assign([3.0])
    values = take(step)
    # Cross-entropy of a logit of 3 with a label y is log(1 + e^3) - 3 y; real images have y = 0.9.
    terms = {"discriminator/real": 0.9, "discriminator/fake": 0.0, "generator/adversarial": 1.0}
    for name, label in terms.items():
        assert values[name] == pytest.approx(np.log1p(np.exp(3)) - 3 * label, abs=1e-4), name
    # The generator begins with gray: its first L1 is the mean of the originals' |ab|.
    ab = skcolor.rgb2lab(some_images())[..., 1:] / 110
    assert values["generator/l1"] == pytest.approx(np.abs(ab).mean(), rel=1e-3)
    assert values["generator/loss"] == pytest.approx(
        100 * values["generator/l1"] + 0.5 * values["generator/adversarial"], rel=1e-5)
    assert values["discriminator/loss"] == pytest.approx(
        values["discriminator/real"] + values["discriminator/fake"], rel=1e-5)


def test_controls_and_the_perceptual_loss_add_to_the_generators_and_are_learned(make, untraced):
    step = make(**FIXED)
    step.set_learning_rates(5e-2, 0.0)
    before, values = everything(step), take(step, some_images(), 2000)  # after the ramp
    assert set(values) == {f"generator/{name}" for name in (
        "loss", "l1", "saturation", "hue", "perceptual", "gradient_norm")}
    assert values["generator/loss"] == pytest.approx(
        100 * values["generator/l1"] + 2 * values["generator/perceptual"]
        + 20 * (values["generator/saturation"] + values["generator/hue"]), rel=1e-5)
    assert values["generator/perceptual"] > 0.01
    assert changed(before, step, "generator/") and not changed(before, step, "discriminator/")
    *_, last = [take(step, some_images(), 2000)["generator/saturation"] for _ in range(3)]
    assert last < 0.9 * values["generator/saturation"]


def test_before_the_discriminator_joins_the_generator_trains_alone(make, untraced):
    step = make(**PLAIN)
    before = everything(step)
    values = step(tf.constant(some_images()), tf.constant(0, tf.int64), False)
    assert set(values) == {f"generator/{name}" for name in ("loss", "l1", "gradient_norm")}
    assert changed(before, step, "generator/") and not changed(before, step, "discriminator/")


def test_constant_images_train_without_a_nan(make, untraced):
    step = make(**FIXED)
    levels = np.uint8([0, 255, 128, 1])[:, None, None, None]
    for index in range(2):
        values = take(step, np.tile(levels, (1, SIZE, SIZE, 3)), index)
    assert np.isfinite(list(values.values())).all()
    assert all(np.isfinite(value).all() for value in everything(step).values())


def test_the_released_codes_networks_see_luma_and_predict_the_lightness(make, untraced):
    step, rgb = make(**RELEASED), some_images()
    lab, batch = skcolor.rgb2lab(rgb), prepare(step)
    np.testing.assert_allclose(
        batch.gray[..., 0], rgb @ [0.299, 0.587, 0.114] / 127.5 - 1, atol=1e-5)
    np.testing.assert_allclose(batch.l_scaled[..., 0], lab[..., 0] / 50 - 1, atol=1e-4)
    # The generator begins with zeros: the loss is the mean of the original's own channels.
    step.set_learning_rates(0.0, 0.0)
    assert take(step)["generator/l1"] == pytest.approx(
        np.abs(lab / [50, 110, 110] - [1, 0, 0]).mean(), rel=1e-3)


# ------------------------------------------------------------------------------ the update schedule

def test_each_update_changes_its_network_only(make, untraced):
    for rates, moves, rests in (((1e-2, 0.0), "generator", "discriminator"),
                                ((0.0, 1e-2), "discriminator", "generator")):
        step = make(**PLAIN)
        step.set_learning_rates(*rates)
        before = everything(step)
        take(step)
        assert any("kernel" in name for name in changed(before, step, f"{moves}/"))
        assert all("moving" in name for name in changed(before, step, f"{rests}/"))


@pytest.mark.parametrize("settings, updates, sees_the_update", [
    (dict(update_schedule="d_g", **PLAIN), (1, 1), True), (RELEASED, (2, 1), True),
    (dict(update_schedule="joint"), (1, 1), False)])
def test_the_generator_faces_the_updated_discriminator_unless_the_update_is_joint(
        make, untraced, settings, updates, sees_the_update):
    losses = []
    for disc_lr in (0.0, 0.1):
        step = make(**settings)
        step.set_learning_rates(1e-9, disc_lr)
        losses.append(take(step)["generator/adversarial"])
    assert (abs(losses[0] - losses[1]) > 1e-3) == sees_the_update
    assert updates == (step.generator_optimizer.iterations.numpy(),
                       step.discriminator_optimizer.iterations.numpy())


def test_dropout_differs_between_steps_updates_and_replicas(make, untraced):
    step = make(2, **VARIANTS[-1])

    def seeds(index, update):
        def read():
            step._seed_dropout(tf.constant(index, tf.int64), 3, update)
            return tf.convert_to_tensor(step._dropouts[0].seed_generator.state.value)
        return step.strategy.experimental_local_results(step.strategy.run(read))

    found = {tuple(seed.numpy()) for index in (0, 1) for update in range(3)
             for seed in seeds(index, update)}
    assert len(found) == 2 * 3 * 2  # steps, updates, replicas


def test_the_average_follows_the_weights_once_a_step(make, untraced):
    step = make(**PLAIN)
    before = everything(step)
    take(step, index=100)
    after = everything(step)
    for name, value in after.items():
        if name.startswith("average/"):
            current = after[name.replace("average/", "generator/", 1)]
            np.testing.assert_allclose(
                value, 0.5 * before[name] + 0.5 * current, rtol=1e-5, atol=1e-6)


# ----------------------------------------------------------------- numbers that are not finite

def nan_at(step, monkeypatch, update):
    """Makes the generator's loss NaN in one of its updates of a step."""
    loss, counts = step._generator_loss, iter(range(9))

    def spoilt(*arguments):
        total, terms = loss(*arguments)
        return total * (np.nan if next(counts) == update else 1.0), terms
    monkeypatch.setattr(step, "_generator_loss", spoilt)


@pytest.mark.parametrize("update", [0, 1])
def test_a_number_that_is_not_finite_in_either_of_two_updates_is_reported(
        make, untraced, monkeypatch, update):
    step, bad_steps = make(**RELEASED), BadSteps()
    nan_at(step, monkeypatch, update)
    values = take(step)
    assert not bad_steps.observe(1, values) and bad_steps.total == 1
    assert np.isnan(values["generator/loss"]) and np.isfinite(values["discriminator/loss"])
    assert step.generator_optimizer.iterations.numpy() == 1  # the other update


@pytest.mark.parametrize("settings", VARIANTS)
def test_a_step_with_a_nan_changes_nothing_and_the_next_one_both_networks(
        make, untraced, monkeypatch, settings):
    step = make(**settings)
    before, mean = everything(step), step._mean
    with monkeypatch.context() as context:
        context.setattr(step, "_mean", lambda loss: np.nan * mean(loss))
        values = take(step)
    assert not np.isfinite([values["generator/loss"], values["discriminator/loss"]]).any()
    assert changed(before, step) == []
    assert np.isfinite(list(take(step).values())).all()
    for network in ("generator/", "discriminator/"):
        assert any("kernel" in name for name in changed(before, step, network))


# --------------------------------------------------------------------------------------- devices

@pytest.mark.parametrize("settings", [VARIANTS[-1], pytest.param(
    dict(conditional=True, predict_lightness=True, disc_norm="spectral"), marks=pytest.mark.soak)])
def test_two_replicas_take_the_same_step_as_one(make, untraced, monkeypatch, settings):
    results = []
    for replicas in (1, 2):
        step = make(replicas, **settings)
        for layer in step._dropouts:  # each replica draws masks of its own
            monkeypatch.setattr(layer, "rate", 0.0)
        for optimizer in (step.generator_optimizer, step.discriminator_optimizer):
            # Else the first step of Adam is the gradient's sign: this shows its size as well.
            monkeypatch.setattr(optimizer, "epsilon", 1.0)
        step.set_learning_rates(0.01, 0.01)
        values = take(step)
        results.append((values, everything(step)))
    for name, value in values.items():
        if not name.endswith("gradient_norm"):
            assert value == pytest.approx(results[0][0][name], rel=1e-4), name
    for (name, one), two in zip(*(list(after.items()) for _, after in results)):
        np.testing.assert_allclose(two[1], one, rtol=1e-4, atol=2e-5, err_msg=name)
    for name, variable in variables(step).items():
        if "seed" not in name:
            first, second = step.strategy.experimental_local_results(variable.value)
            np.testing.assert_array_equal(first, second, err_msg=name)


def test_a_traced_step_of_two_replicas_in_half_precision_trains_or_changes_nothing(make):
    step = make(2, precision="mixed_float16", adversarial_weight=0.0)
    keras.config.set_dtype_policy("float32")
    layer = step.generator.get_layer("encoder_0")
    assert layer.compute_dtype == "float16" and layer.kernel.dtype == "float32"
    before, good = everything(step), some_images().astype(np.float32)
    assert not np.isfinite(take(step, good * np.nan)["generator/loss"])
    assert changed(before, step) == []
    assert np.isfinite(list(take(step, good).values())).all()
    assert changed(before, step, "generator/")


@pytest.mark.soak
def test_a_traced_conditional_step_is_the_untraced_one(make, request):
    settings = dict(conditional=True, adversarial_weight=0.0)
    traced = make(**settings)
    values, after = take(traced), everything(traced)
    request.getfixturevalue("untraced")
    untraced = make(**settings)
    for name, value in take(untraced).items():
        assert values[name] == pytest.approx(value, rel=1e-3), name
    for name, value in everything(untraced).items():
        np.testing.assert_allclose(after[name], value, rtol=1e-2, atol=1e-3, err_msg=name)


def test_the_seed_alone_decides_the_first_weights(make):
    plain, other, seeded = (everything(make(**settings)) for settings in (
        PLAIN, FIXED, dict(FIXED, seed=1)))
    kernels = [name for name in plain if name in other and "encoder_0/kernel" in name]
    assert len(kernels) == 1
    for name in kernels:
        assert (plain[name] == other[name]).all() and (plain[name] != seeded[name]).any()


# --------------------------------------------------------------------------------------- targets

def prepare(step, **changes):
    """The batch that each step makes of its images, of all replicas."""
    prepare_batch = BatchPreparation(step.config.replace(**changes), step.replicas)
    batches = step.strategy.run(
        prepare_batch, args=(per_replica(step.strategy, some_images()), STEP))
    return tf.nest.map_structure(
        lambda part: None if part is None else np.concatenate(
            step.strategy.experimental_local_results(part)), batches)


def test_two_replicas_draw_the_targets_that_one_would(make, untraced):
    one, two = (prepare(make(replicas, **VARIANTS[3])).condition for replicas in (1, 2))
    np.testing.assert_allclose(one, two, rtol=1e-5, atol=1e-6)
    assert np.abs(one).max() > 0


def test_without_targets_a_conditional_model_sees_the_originals(make, untraced):
    batch = prepare(make(**CONTROLLED), condition_dropout=1.0)
    ab = skcolor.rgb2lab(some_images())[..., 1:]
    np.testing.assert_allclose(batch.ab_real * 110, ab, atol=0.05)
    np.testing.assert_array_equal(batch.condition, 0.0)


@pytest.mark.parametrize("l1_target", ["retargeted", "original"])
def test_the_real_images_are_at_the_targets_and_l1_compares_with_what_was_chosen(
        make, untraced, l1_target):
    batch = prepare(make(**CONTROLLED), condition_dropout=0.0, l1_target=l1_target)
    lab = np.concatenate([50 * (batch.l_scaled + 1), 110 * batch.ab_real], axis=-1)
    rgb, values = skcolor.lab2rgb(lab), batch.targets.values
    inner = (batch.targets.desired > 0) & (values > 0) & (values < 1)  # beyond, an end is desired
    assert inner.sum() >= BATCH
    for index, name in enumerate(CONTROL_NAMES):
        np.testing.assert_allclose(
            REFERENCES[name](rgb)[inner[:, index]], values[inner[:, index], index], atol=5e-3)
    original = skcolor.rgb2lab(some_images())
    assert np.abs(lab - original).max() > 1.0
    expected = original if l1_target == "original" else lab
    np.testing.assert_allclose(batch.ab_l1 * 110, expected[..., 1:], atol=0.05)
    np.testing.assert_allclose(skcolor.rgb2lab(batch.rgb_l1), expected, atol=0.1)


def test_fixed_targets_are_met_by_what_l1_and_discriminator_take_as_real(make, untraced):
    batch = prepare(make(**FIXED))
    np.testing.assert_array_equal(batch.ab_real, batch.ab_l1)
    lab = np.concatenate([50 * (batch.l_scaled + 1), 110 * batch.ab_l1], axis=-1)
    rgb = skcolor.lab2rgb(lab)
    np.testing.assert_allclose(REFERENCES["saturation"](rgb), 0.5, atol=0.02)
    errors = circular(REFERENCES["hue"](rgb), 0.6)
    assert np.sort(errors)[-2] < 0.02  # an image of all hues has a mean that no turn leads to 0.6
    np.testing.assert_allclose(batch.rgb_l1, rgb, atol=2e-3)


def test_in_the_published_form_the_originals_are_real_and_the_targets_only_a_loss(make, untraced):
    batch = prepare(make(**FIXED), l1_target="original")
    ab = skcolor.rgb2lab(some_images())[..., 1:]
    for part in (batch.ab_real, batch.ab_l1):
        np.testing.assert_allclose(part * 110, ab, atol=0.05)
    np.testing.assert_array_equal(batch.targets.desired, 1.0)


def test_the_weight_of_a_fixed_target_grows_from_nothing_but_not_in_the_published_form(
        make, untraced):
    step = make(**FIXED)
    first, later = (take(step, index=index)["generator/saturation"] for index in (0, 1000))
    assert first == 0 < later
    published = make(**dict(FIXED, l1_target="original"))
    assert take(published, index=0)["generator/saturation"] > 0
