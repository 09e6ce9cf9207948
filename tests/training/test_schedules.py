"""The learning rates, simulated by hand, and the answer to numbers that are not finite."""

import json
import math

from absl import flags as absl_flags
import pytest

from colorizer import cli
from colorizer.config import OptimizerConfig, TrainConfig
from colorizer.training import schedules
from tests.references import ROOT

PATIENCE = schedules.PLATEAU_PATIENCE


def of_flagfile(name):
    values = absl_flags.FlagValues()
    cli.define_settings(values)
    cli.parse(["train.py", f"--flagfile={ROOT / 'configs' / name}.flags"], values, "")
    return schedules.LearningRates(
        cli.build_config(values, TrainConfig()).resolve(32).optimizer)


def plateau():
    return schedules.LearningRates(OptimizerConfig(lr=1.0))


def epochs(rates, *means):
    """Whether the rates fall after each epoch, of one step, with this L1."""
    fell = []
    for mean in means:
        rates.observe(mean)
        fell.append(rates.end_epoch())
    return fell


@pytest.mark.parametrize("name, step, expected", [
    ("nazeri_cifar10", 10**6, (2e-4, 2e-4)),  # the paper: until a plateau
    ("nazeri_cifar10_released", 0, (3e-4, 3e-5)),  # a tenth for the discriminator
    ("nazeri_cifar10_released", 5_000, (3e-4 / 10**0.5, 3e-5 / 10**0.5)),
    ("nazeri_cifar10_released", 10_000, (3e-5, 3e-6)),
    ("nazeri_cifar10_released", 78_125, (1e-6, 1e-7)),  # max(1e-6, decay) / 10
    ("hars_batch", 60_000, (3e-5, 6e-6)), ("hars_batch", 312_500, (1e-6, 1e-6)),
    ("hars_spectral", 40_000, (2e-5, 2e-5))])
def test_the_rates_of_the_published_recipes(name, step, expected):
    assert of_flagfile(name).rates(step) == pytest.approx(expected, rel=1e-5)


def test_a_floor_above_the_rate_leaves_the_rate():
    rates = schedules.LearningRates(OptimizerConfig(lr=1e-7, min_lr=1e-6, lr_decay_steps=10))
    assert rates.rates(100) == (1e-7, 1e-7)


def test_exponential_decay_does_not_heed_the_loss():
    rates = schedules.LearningRates(OptimizerConfig(lr=1.0, lr_decay_steps=10))
    assert not any(epochs(rates, *[1.0] * 30))
    assert rates.rates(10) == pytest.approx((0.1, 0.1))


def test_the_rates_fall_to_a_tenth_after_ten_epochs_without_a_lower_l1():
    rates = plateau()
    assert epochs(rates, 0.5) == [False]
    assert epochs(rates, *[0.5] * PATIENCE) == [False] * (PATIENCE - 1) + [True]
    assert rates.rates(0) == rates.rates(10**6) == pytest.approx((0.1, 0.1))
    assert epochs(rates, 0.4, *[0.45] * PATIENCE) == [False] * PATIENCE + [True]
    assert rates.rates(0) == pytest.approx((0.01, 0.01))


def test_a_plateau_is_of_means_over_an_epoch_and_takes_a_tiny_fall_as_none():
    rates = plateau()
    rates.observe(0.2)
    epochs(rates, 0.6)  # mean 0.4
    assert epochs(rates, *[0.4 * (1 - 1e-6)] * (PATIENCE - 1)) == [False] * (PATIENCE - 1)
    rates.observe(0.1)
    assert epochs(rates, 0.7) == [True]  # mean 0.4 again, though a step was lower


def test_tiny_falls_add_up_to_a_real_one():
    # Each is below the tolerance; measured from the best they soon are not.
    assert not any(epochs(plateau(), *[0.5 * (1 - 4e-4) ** index for index in range(40)]))


def test_a_plateau_leaves_out_values_that_are_not_finite_and_empty_epochs():
    rates = plateau()
    assert not rates.end_epoch()
    rates.observe(math.nan)
    assert epochs(rates, 0.5) == [False]
    rates.observe(math.inf)
    assert not rates.end_epoch()
    assert json.loads(json.dumps(rates.state(), allow_nan=False)) == rates.state()


@pytest.mark.parametrize("cut", [1, 5, PATIENCE, PATIENCE + 3])
def test_a_state_goes_on_as_if_never_cut(cut):
    sequence = [0.5, 0.4] + [0.45] * 2 * PATIENCE
    whole, parts = plateau(), plateau()
    expected = epochs(whole, *sequence)
    found = epochs(parts, *sequence[:cut])
    parts.observe(sequence[cut] - 0.1)  # cut in mid-epoch: the mean is right with this
    resumed = plateau()
    resumed.restore(json.loads(json.dumps(parts.state())))
    found += epochs(resumed, sequence[cut] + 0.1, *sequence[cut + 1:])
    assert found == expected and resumed.rates(0) == whole.rates(0) == pytest.approx((0.01, 0.01))


def test_bad_steps_in_a_row_end_the_loop_and_single_ones_do_not():
    good, bad = {"generator/loss": 1.0}, {"generator/loss": math.nan}
    steps = schedules.BadSteps()
    for step in range(3 * schedules.MAX_BAD_STEPS):
        assert steps.observe(step, bad if step % 2 else good) == (step % 2 == 0)
    other = schedules.BadSteps()
    other.restore(json.loads(json.dumps(steps.state())))
    assert other.total == 3 * schedules.MAX_BAD_STEPS // 2
    other.observe(0, good)
    with pytest.raises(schedules.Diverged, match="step 100: generator/loss not finite, and so on"):
        for step in range(100, 100 + schedules.MAX_BAD_STEPS):
            other.observe(step, bad)
