"""Desired, limit, achieved: whether results have the color statistics of fixed targets."""

from __future__ import annotations

from dataclasses import dataclass
import math
from typing import Mapping

import numpy as np
from scipy import stats

from colorizer import color, data
from colorizer.color.controls import Control, select

MIN_SATURATION = 0.02  # mean HSV saturation above which an image has a hue


@dataclass(frozen=True)
class Achieved:
    """One control's target, and the mean statistics of results, all in [0, 1].

    Attributes:
        desired: the target.
        limit: the mean of the nearest values that any colors can give at the images' lightness.
        means: row name -> mean statistic of its results; none where no image has a hue.
    """

    desired: float
    limit: float
    means: Mapping[str, float]

    def text(self) -> str:
        """All of it in one line: `desired 1.00, limit 0.96, achieved 0.91 (model)`."""
        means = ", ".join(f"{mean:.2f} ({row})" for row, mean in self.means.items())
        return f"desired {self.desired:.2f}, limit {self.limit:.2f}, achieved {means}"

    def short(self, row: str) -> str:
        """One row of it, short enough for a progress bar: `0.91 of 1, limit 0.96`."""
        return f"{self.means.get(row, math.nan):.2f} of {self.desired:g}, limit {self.limit:.2f}"


def short_texts(achieved: Mapping[str, Achieved], row: str = "model") -> dict[str, str]:
    """What one row achieves of each control, as `Achieved.short`."""
    return {name: found.short(row) for name, found in achieved.items()}


class TargetMeter:
    """Gathers over batches what becomes one `Achieved` a control."""

    def __init__(self, desired: Mapping[str, float]):
        self._desired = {control: desired[control.name] for control in select(list(desired))}
        self._limits: dict[Control, list] = {control: [] for control in self._desired}
        self._values: dict[tuple[Control, str], list] = {}

    def add_original(self, rgb8: np.ndarray) -> None:
        """Takes note of originals, uint8 [batch, h, w, 3]."""
        for control, target in self._desired.items():
            self._limits[control].append(limit(control, rgb8, target))

    def add_result(self, row: str, rgb8: np.ndarray) -> None:
        """Takes note of results of one row of the table, uint8 [batch, h, w, 3]."""
        for control in self._desired:
            self._values.setdefault((control, row), []).append(statistic(control, rgb8))

    def results(self) -> dict[str, Achieved]:
        """Control -> what was achieved."""
        results = {}
        for control, target in self._desired.items():
            means = {row: mean_and_spread(np.concatenate(values), control.circular)[0]
                     for (of, row), values in self._values.items() if of == control}
            results[control.name] = Achieved(
                target, mean_and_spread(np.concatenate(self._limits[control]))[0],
                {row: mean for row, mean in means.items() if not math.isnan(mean)})
        return results


def statistic(control: Control, rgb8: np.ndarray) -> np.ndarray:
    """The statistic of each image, float64 [batch]; NaN where an image has no hue."""
    rgb = data.unit_rgb(rgb8)
    value = np.asarray(color.measure(control, rgb), np.float64)
    if not control.circular:
        return value
    return np.where(np.asarray(color.saturation(rgb)) > MIN_SATURATION, value, np.nan)


def limit(control: Control, rgb8: np.ndarray, target: float) -> np.ndarray:
    """The nearest to the target that any colors can give at each image's lightness: [batch]."""
    l_star = color.rgb_to_lab(data.unit_rgb(rgb8))[..., 0]
    return np.clip(target, *map(np.asarray, color.achievable_range(control, l_star)))


def mean_and_spread(values: np.ndarray, circular: bool = False) -> tuple[float, float]:
    """Mean and standard deviation of what is not NaN; circular ones of shares of a turn."""
    values = values[~np.isnan(values)]
    if not len(values):
        return math.nan, math.nan
    if circular:
        return float(stats.circmean(values, high=1.0)), float(stats.circstd(values, high=1.0))
    return float(np.mean(values, dtype=np.float64)), float(np.std(values))
