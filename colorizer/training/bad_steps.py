"""Steps whose numbers are not finite: counted, and too many in a row end the loop."""

from __future__ import annotations

import math
from typing import Any

from absl import logging


class Diverged(Exception):
    """Too many steps in a row had numbers that are not finite."""


class BadSteps:
    """Counts the steps that were dropped because a number was not finite.

    Args:
        most_in_a_row: how many are borne.

    Attributes:
        rate: factor on the learning rates, below 1 once the run had to go back.
    """

    def __init__(self, most_in_a_row: int):
        self._most = most_in_a_row
        self._first = ""
        self.total = 0
        self.in_a_row = 0
        self.too_many = False
        self.rate = 1.0

    def observe(self, step: int, values: dict[str, float]) -> bool:
        """Takes note of a step's numbers; returns whether they are all finite."""
        bad = [name for name, value in values.items() if not math.isfinite(value)]
        if not bad:
            self.in_a_row = 0
            return True
        if not self.in_a_row:
            self._first = f"step {step}: {', '.join(bad)} not finite"
            logging.warning("%s; the step is dropped", self._first)
        self.total += 1
        self.in_a_row += 1
        self.too_many |= self.in_a_row >= self._most
        return False

    def check(self) -> None:
        """Ends the loop when there were too many."""
        if self.too_many:
            raise Diverged(f"{self._first}, and so on for {self._most} steps")

    def state(self) -> dict[str, Any]:
        """The state as JSON values."""
        return {"total": self.total, "in_a_row": self.in_a_row, "rate": self.rate}

    def restore(self, state: dict[str, Any]) -> None:
        """Takes over what `state` returned."""
        self.too_many = False
        self.total = state.get("total", 0)
        self.in_a_row = state.get("in_a_row", 0)
        self.rate = state.get("rate", 1.0)
