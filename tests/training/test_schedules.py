"""Decay of the learning rates, simulated by hand."""

import json
import math

import pytest

from colorizer.training import schedules
from colorizer.config import TrainConfig
from colorizer.settings import OptimizerConfig


def exponential(rate=0.1, steps=10_000):
    return schedules.Decay(OptimizerConfig(
        lr_decay="exponential", lr_decay_rate=rate, lr_decay_steps=steps))


def plateau(patience=2, rate=0.1):
    return schedules.Decay(OptimizerConfig(
        lr_decay="plateau", lr_decay_rate=rate, plateau_patience=patience))


def epoch(decay, *l1):
    for value in l1:
        decay.observe(value)
    return decay.end_epoch()


# The state after each epoch, with patience 2: best, epochs waited, whether the rates fall.
SEQUENCE = [
    (0.50, False),  # first: the best
    (0.40, False),  # better
    (0.45, False),  # waited 1
    (0.41, True),   # waited 2: fall
    (0.42, False),  # waited 1 again
    (0.30, False),  # better
    (0.30, False),  # waited 1
    (0.31, True),   # waited 2: fall
]


@pytest.mark.parametrize("rate, steps, step, expected", [
    (0.1, 10_000, 0, 1.0), (0.1, 10_000, 10_000, 0.1), (0.1, 10_000, 20_000, 0.01),
    (0.1, 10_000, 5_000, 1 / math.sqrt(10)), (0.5, 4, 12, 0.125), (0.5, 4, 2, math.sqrt(0.5)),
    (1.0, 5, 1_000_000, 1.0),
])
def test_exponential_decay_is_the_rate_to_the_power_of_steps(rate, steps, step, expected):
    assert exponential(rate, steps).factor(step) == pytest.approx(expected)


def test_exponential_decay_never_reaches_zero():
    assert exponential(0.1, 1).factor(10**9) > 0


def test_exponential_decay_does_not_heed_the_loss():
    decay = exponential()
    assert not any(epoch(decay, 1.0) for _ in range(50))
    assert decay.factor(10_000) == pytest.approx(0.1)


def test_no_decay_stays_at_one():
    decay = schedules.Decay(OptimizerConfig(lr_decay="none", plateau_patience=1))
    assert not any(epoch(decay, 1.0) for _ in range(5))
    assert decay.factor(0) == decay.factor(10**9) == 1.0


def test_resolved_default_falls_at_a_plateau():
    decay = schedules.Decay(TrainConfig().resolve(32).optimizer)
    fell = [epoch(decay, 0.5) for _ in range(11)]
    assert fell == [False] * 10 + [True]  # ten epochs without a lower L1
    assert decay.factor(123) == pytest.approx(0.1)


def test_plateau_falls_as_simulated_by_hand():
    decay = plateau()
    assert [epoch(decay, l1) for l1, _ in SEQUENCE] == [falls for _, falls in SEQUENCE]
    assert decay.factor(0) == decay.factor(10**6) == pytest.approx(0.01)


def test_plateau_compares_the_mean_of_an_epoch():
    decay = plateau(patience=1)
    assert not epoch(decay, 0.2, 0.6)
    # Mean 0.35 is lower than 0.4, though neither the first nor the last step is the lowest.
    assert not epoch(decay, 0.3, 0.4)
    assert epoch(decay, 0.1, 0.7)


def test_plateau_takes_a_tiny_fall_as_none():
    decay = plateau(patience=1)
    assert not epoch(decay, 0.5)
    assert epoch(decay, 0.5 * (1 - 1e-6))


def test_tiny_falls_add_up_to_a_real_one():
    # Each is below the tolerance, measured from the best they soon are not.
    decay = plateau(patience=5)
    assert not any(epoch(decay, 0.5 * (1 - 4e-4) ** index) for index in range(40))


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_plateau_leaves_out_values_that_are_not_finite(bad):
    decay = plateau(patience=1)
    assert not epoch(decay, 0.5)
    assert not epoch(decay, bad, 0.4)
    assert not epoch(decay, bad)
    assert epoch(decay, 0.45)


def test_an_epoch_without_steps_changes_nothing():
    decay = plateau(patience=1)
    assert not decay.end_epoch() and not decay.end_epoch()
    assert decay.factor(0) == 1.0


@pytest.mark.parametrize("cut", range(len(SEQUENCE)))
def test_state_goes_on_as_if_never_cut(cut):
    decay = plateau()
    for l1, _ in SEQUENCE[:cut]:
        epoch(decay, l1)
    decay.observe(SEQUENCE[cut][0] - 0.1)  # cut in mid-epoch: the mean is right with this
    resumed = plateau()
    resumed.restore(json.loads(json.dumps(decay.state())))
    assert resumed.factor(7) == decay.factor(7)
    assert epoch(resumed, SEQUENCE[cut][0] + 0.1) == SEQUENCE[cut][1]
    for l1, falls in SEQUENCE[cut + 1:]:
        assert epoch(resumed, l1) == falls
    assert resumed.factor(0) == pytest.approx(0.01)


def test_state_is_strict_json():
    decay = plateau()
    for state in (decay.state(), (decay.observe(math.nan), decay.state())[1]):
        assert json.loads(json.dumps(state, allow_nan=False)) == state
