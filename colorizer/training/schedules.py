"""Learning-rate decay: by steps as in the released code, or at a plateau as in the paper."""

from __future__ import annotations

import math
from typing import Any

from colorizer.settings import OptimizerConfig

MIN_FACTOR = 1e-5  # of the first rate
PLATEAU_TOLERANCE = 1e-3  # relative: a smaller fall of the L1 counts as none


class Decay:
    """The factor on both learning rates, and all that is needed to resume it.

    Args:
        config: `lr_decay`, `lr_decay_rate`, `lr_decay_steps` and `plateau_patience` are used.

    Source: arXiv:1803.05400, section 4 (a tenth when the loss plateaus); released code:
    exponential decay.
    """

    def __init__(self, config: OptimizerConfig):
        self._config = config
        self._best: float | None = None
        self._waited = 0
        self._plateaus = 0
        self._epoch_sum = 0.0
        self._epoch_steps = 0

    def factor(self, step: int) -> float:
        """The factor in (0, 1] on the rates for the step after `step` finished ones."""
        rate = self._config.lr_decay_rate
        if self._config.lr_decay == "exponential" and self._config.lr_decay_steps:
            decays = step / self._config.lr_decay_steps
        else:
            decays = float(self._plateaus)
        return max(MIN_FACTOR, rate**decays)

    def observe(self, l1: float) -> None:
        """Takes note of the training L1 of one step."""
        if math.isfinite(l1):
            self._epoch_sum += l1
            self._epoch_steps += 1

    def end_epoch(self) -> bool:
        """Closes an epoch; returns whether the rates fall now."""
        if self._config.lr_decay != "plateau" or not self._epoch_steps:
            return False
        mean = self._epoch_sum / self._epoch_steps
        self._epoch_sum, self._epoch_steps = 0.0, 0
        if self._best is None or mean < self._best * (1.0 - PLATEAU_TOLERANCE):
            self._best, self._waited = mean, 0
            return False
        self._waited += 1
        if self._waited < self._config.plateau_patience:
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
