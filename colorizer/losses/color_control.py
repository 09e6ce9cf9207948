"""The loss of the color controls: how far each image is from its targets."""

from __future__ import annotations

from typing import Any, Mapping, Sequence

from keras import ops

from colorizer import color
from colorizer.color.controls import Control


def control_losses(
    controls: Sequence[Control], rgb, l_star, values, desired, hue_mean: str = "circular"
) -> Mapping[str, Any]:
    """How far images are from their targets: control -> float [batch], 0 without a target.

    It is |statistic - target|, around the circle for a circular control. A target that no color of
    the image's lightness can give counts as the nearest that one can.

    Args:
        controls: those that have targets.
        rgb: float [batch, h, w, 3] in [0, 1], inside the gamut.
        l_star: float [batch, h, w], L* in [0, 100].
        values: float [batch, controls], the targets in [0, 1].
        desired: float [batch, controls], 1 where a target is given, else 0.
        hue_mean: "circular", or "linear" for the published term, mean and distance.

    Source: the term |mean - target| of the published work on controlled parameters. The achievable
    range and the circular hue are ours.
    """
    losses = {}
    for index, control in enumerate(controls):
        target = values[:, index]
        if control.per_pixel:
            target = ops.clip(target, *color.achievable_range(control, l_star))
        if control.name == "hue" and hue_mean == "linear":
            error = ops.abs(color.linear_hue(rgb) - target)
        else:
            error = color.distance(control, color.measure(control, rgb), target)
        losses[control.name] = desired[:, index] * error
    return losses
