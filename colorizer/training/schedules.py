"""What a run adapts as it goes: its learning rates, and its answer to numbers that are not finite;
and its length.

The rates fall smoothly as in the released code, or by a tenth at plateaus as in the paper.
"""

from __future__ import annotations

import math
from typing import Any

from absl import logging
import keras

from colorizer.config import OptimizerConfig, TrainConfig

DECAY = 0.1  # of the rates, in `lr_decay_steps` steps or at a plateau
PLATEAU_PATIENCE = 10  # epochs without a lower training L1
PLATEAU_TOLERANCE = 1e-3  # relative: a smaller fall of the L1 counts as none
MAX_PLATEAUS = 5
MAX_BAD_STEPS = 10  # in a row


class LearningRates:
    """The learning rates of both networks, and all that is needed to resume them.

    Source: arXiv:1803.05400, section 4 (a tenth when the loss plateaus); released code:
    exponential decay, the discriminator's rate a tenth of the generator's with its floor.

    Example:
        >>> LearningRates(OptimizerConfig(lr=1e-3, lr_decay_steps=100)).rates(100)
        (0.0001, 0.0001)
    """

    def __init__(self, config: OptimizerConfig):
        assert config.lr
        disc_min_lr = config.min_lr if config.disc_min_lr is None else config.disc_min_lr
        self._rates = ((config.lr, config.min_lr), (config.disc_lr or config.lr, disc_min_lr))
        self._exponential = keras.optimizers.schedules.ExponentialDecay(
            1.0, config.lr_decay_steps, DECAY) if config.lr_decay_steps else None
        self._best: float | None = None
        self._waited = 0
        self._plateaus = 0
        self._epoch_sum = 0.0
        self._epoch_steps = 0

    def rates(self, step: int) -> tuple[float, float]:
        """The rates of generator and discriminator for the step after `step` finished ones."""
        if self._exponential:
            factor = float(self._exponential(step))
        else:
            factor = DECAY ** self._plateaus
        generator, discriminator = (
            max(factor * rate, min(floor, rate)) for rate, floor in self._rates)
        return generator, discriminator

    def observe(self, l1: float) -> None:
        """Takes note of the training L1 of one step."""
        if math.isfinite(l1):
            self._epoch_sum += l1
            self._epoch_steps += 1

    def end_epoch(self) -> bool:
        """Closes an epoch; returns whether the rates fall now."""
        if self._exponential or not self._epoch_steps:
            return False
        mean = self._epoch_sum / self._epoch_steps
        self._epoch_sum, self._epoch_steps = 0.0, 0
        if self._best is None or mean < self._best * (1.0 - PLATEAU_TOLERANCE):
            self._best, self._waited = mean, 0
            return False
        self._waited += 1
        if self._waited < PLATEAU_PATIENCE or self._plateaus == MAX_PLATEAUS:
            return False
        self._waited = 0
        self._plateaus += 1
        return True

    def state(self) -> dict[str, Any]:
        """The state as JSON values."""
        return {"best": self._best, "waited": self._waited, "plateaus": self._plateaus,
                "epoch_sum": self._epoch_sum, "epoch_steps": self._epoch_steps}

    def restore(self, state: dict[str, Any]) -> None:
        """Takes over what `state` returned."""
        self._best, self._waited = state["best"], state["waited"]
        self._plateaus = state["plateaus"]
        self._epoch_sum, self._epoch_steps = state["epoch_sum"], state["epoch_steps"]


class Diverged(Exception):
    """Too many steps in a row had numbers that are not finite."""


class BadSteps:
    """Counts the steps that were dropped because a number was not finite.

    Attributes:
        rate: factor on the learning rates, below 1 once the run had to go back.
    """

    def __init__(self) -> None:
        self._first = ""
        self.total = 0
        self.in_a_row = 0
        self.rate = 1.0

    def observe(self, step: int, values: dict[str, float]) -> bool:
        """Takes note of a step's numbers; returns whether they are all finite.

        Raises:
            Diverged: `MAX_BAD_STEPS` in a row were not.
        """
        bad = [name for name, value in values.items() if not math.isfinite(value)]
        if not bad:
            self.in_a_row = 0
            return True
        if not self.in_a_row:
            self._first = f"step {step}: {', '.join(bad)} not finite"
            logging.warning("%s; the step is dropped", self._first)
        self.total += 1
        self.in_a_row += 1
        if self.in_a_row >= MAX_BAD_STEPS:
            raise Diverged(f"{self._first}, and so on for {self.in_a_row} steps")
        return False

    def state(self) -> dict[str, Any]:
        """The state as JSON values."""
        return {"total": self.total, "in_a_row": self.in_a_row, "rate": self.rate}

    def restore(self, state: dict[str, Any]) -> None:
        """Takes over what `state` returned."""
        self.total, self.in_a_row, self.rate = state["total"], state["in_a_row"], state["rate"]


def total_steps(config: TrainConfig, train_size: int) -> int:
    """The number of steps of a whole run: `epochs` over the images, at most `max_steps`."""
    assert config.optimizer.epochs and config.optimizer.batch_size
    count = math.ceil(config.optimizer.epochs * train_size / config.optimizer.batch_size)
    return min(count, config.optimizer.max_steps or count)
