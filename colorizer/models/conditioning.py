"""Targets of a batch: how they are drawn in training, encoded for the networks, and missed.

A target vector is `values` and `asked`, float [batch, controls] each, in the order of the controls
that the model obeys (`ControlsConfig.obeyed`); `asked` is 1 where one is asked for, else 0.
"""

from __future__ import annotations

import math
from typing import Any, Mapping, NamedTuple, Sequence

from keras import ops
import numpy as np

from colorizer.color import lab as color
from colorizer.color import transforms as edits
from colorizer.color import statistics
from colorizer.color.controls import Control
from colorizer.settings import ControlsConfig

ASKED_SHARE = 0.3  # of the controls, for a picture with targets; at least one
# Edits are drawn a little beyond amount 1; there a control asked for alone is asked for its end of
# the range, so that a model learns what to do with targets that the original cannot be moved to.
MAX_DRAW = 1.15
COARSE_SIDE = 32  # cells a side, on whose averages the original's colorfulness is compared
MIN_COLORFULNESS = 0.03  # a picture of less counts as this: one that hardly shows a tint


def condition_size(obeyed: Sequence[Control]) -> int:
    """Length of the control vector."""
    return sum(3 if control.circular else 2 for control in obeyed)


def draws(obeyed: Sequence[Control]) -> int:
    """How many uniform numbers the targets of a picture need."""
    return 1 + 2 * len(obeyed)


def condition_sizes(settings: ControlsConfig) -> tuple[int, int]:
    """Lengths of the control vectors that the generator and the discriminator take; 0 for none."""
    if not settings.conditional:
        return 0, 0
    size = condition_size(settings.obeyed())
    return (size * (settings.condition != "discriminator"),
            size * (settings.condition != "generator"))


class Targets(NamedTuple):
    """What is asked of each picture: float [batch, controls] each."""

    values: Any
    asked: Any

    @property
    def any_asked(self):
        """float [batch], 1 for a picture of which anything is asked, else 0."""
        return ops.max(self.asked, axis=1)


def fixed_targets(
    obeyed: Sequence[Control], wanted: Mapping[str, float | None], batch: int
) -> Targets:
    """The same targets for every picture.

    Args:
        obeyed: the controls of the target vector.
        wanted: control -> target in [0, 1]; absent or None for what is not asked for.
        batch: number of pictures.
    """
    values = [wanted.get(control.name) for control in obeyed]
    row = np.array([0.0 if value is None else value for value in values], "float32")
    asked = np.array([value is not None for value in values], "float32")
    return Targets(*(ops.tile(ops.convert_to_tensor(part[None]), (batch, 1))
                     for part in (row, asked)))


def draw_targets(obeyed: Sequence[Control], lab, uniform, condition_dropout: float):
    """Draws an edit for each real picture and asks for some of what it leads to.

    The statistics of the edited picture are the targets, so that any subset of them can be
    reached together and the picture is the answer to them: the L1 loss and the control losses do
    not contradict each other.

    Args:
        obeyed: the controls to choose from, at least one a picture.
        lab: float [batch, h, w, 3], the originals.
        uniform: float [batch, draws(obeyed)] in [0, 1).
        condition_dropout: share of the pictures without a target, which stay as they are.

    Returns:
        (RGB float [batch, h, w, 3] in [0, 1] of the edited pictures, `Targets`).
    """
    count = len(obeyed)
    conditional = uniform[:, :1] >= condition_dropout
    chances = uniform[:, 1:1 + count]
    share = ops.maximum(ASKED_SHARE, ops.min(chances, axis=1, keepdims=True))
    asked = ops.cast(ops.logical_and(conditional, chances <= share), "float32")
    amounts = MAX_DRAW * (2.0 * uniform[:, 1 + count:] - 1.0)
    directions = np.array([control.edit for control in obeyed], "float32")
    rgb = edits.apply_edit(lab, ops.matmul(asked * amounts, directions))
    values = ops.stack([statistics.measure(control, rgb) for control in obeyed], axis=1)
    alone = ops.logical_and(ops.sum(asked, axis=1, keepdims=True) == 1.0,
                            ~np.array([control.circular for control in obeyed]))
    values = ops.where(ops.logical_and(alone, amounts > 1.0), 1.0, values)
    values = ops.where(ops.logical_and(alone, amounts < -1.0), 0.0, values)
    return rgb, Targets(values, asked)


def encode(obeyed: Sequence[Control], targets: Targets):
    """The control vector: of each value 2 v - 1, times whether it is asked for; and whether.

    Returns:
        float [batch, condition_size(obeyed)]; a circular value is given as its cosine and sine.
    """
    parts = []
    for index, control in enumerate(obeyed):
        value, asked = targets.values[:, index], targets.asked[:, index]
        if control.circular:
            angle = 2.0 * math.pi * value
            parts += [asked * ops.cos(angle), asked * ops.sin(angle)]
        else:
            parts.append(asked * (2.0 * value - 1.0))
        parts.append(asked)
    return ops.stack(parts, axis=1)


def original_colorfulness_loss(l_fake, ab_fake, l_real, ab_real, targets: Targets):
    """How far the colorfulness of a picture that is asked for nothing is from its original's.

    Args:
        l_fake, ab_fake: float [batch, h, w, 1] and [batch, h, w, 2], in [-1, 1], measured after
            mapping into the gamut.
        l_real, ab_real: the original's.
        targets: what is asked for.

    Returns:
        float [batch], |colorfulness - original's|, 0 where anything is asked for. The network does
        not know the original's, so the least mean is at the median of those that the lightness
        leaves possible: a picture that may well be gray is not painted, one that hardly is, is.

        Both are measured on averages over about 1/32 of the picture, without the outer eighth of
        it: else a stripe along the border, which a network finds by its padding, or lines a pixel
        wide buy what colors at the right places should.

    Source: ours. The colorfulness loss of DDColor (Kang et al., ICCV 2023) rewards colorfulness in
        every picture instead.
    """
    fake = _colorfulness(_inner_averages(l_fake), _inner_averages(ab_fake))
    real = _colorfulness(_inner_averages(l_real), _inner_averages(ab_real))
    return (1.0 - targets.any_asked) * ops.abs(fake - real)


def foretelling_loss(foretold, l_real, ab_real, targets: Targets):
    """How far the colorfulness that a network foretells a picture is from the original's.

    Args:
        foretold: float [batch, 1], above 0.
        l_real, ab_real: the original, float [batch, h, w, 1] and [batch, h, w, 2] in [-1, 1].
        targets: what is asked for.

    Returns:
        float [batch], the square of the difference of the logarithms, which are spread evenly where
        the colorfulness is not; 0 where anything is asked for, for then the original was moved.
    """
    real = ops.maximum(_colorfulness(l_real, ab_real), MIN_COLORFULNESS)
    return (1.0 - targets.any_asked) * ops.square(ops.log(foretold[:, 0]) - ops.log(real))


def _inner_averages(scaled):
    """Averages over COARSE_SIDE cells a side, or over pixels, without the outer eighth."""
    cell = max(1, min(scaled.shape[1:3]) // COARSE_SIDE)
    averages = ops.average_pool(scaled, cell, strides=cell)
    height, width = averages.shape[1:3]
    return averages[:, height // 8:height - height // 8, width // 8:width - width // 8]


def _colorfulness(l_scaled, ab_scaled):
    lab = color.to_gamut(color.scaled_to_lab(l_scaled, ab_scaled))
    return statistics.colorfulness(color.lab_to_rgb(lab))


def control_losses(
    obeyed: Sequence[Control], l_scaled, ab_scaled, targets: Targets, names: Sequence[str],
    hue_mean: str = "circular",
):
    """How far a picture is from its targets, or from what its lightness allows of them.

    Args:
        obeyed: the controls of the target vector.
        l_scaled: float [batch, h, w, 1] in [-1, 1].
        ab_scaled: float [batch, h, w, 2] in [-1, 1], measured after mapping into the gamut.
        targets: what is asked for.
        names: the controls to measure.
        hue_mean: "circular", or "linear" for the published term, mean and distance.

    Returns:
        Name -> float [batch], |statistic - target| (circular where the control is), 0 where it is
        not asked for. A target beyond the reach of any ab, where that is known, counts as the
        nearest within.
    """
    lab = color.scaled_to_lab(l_scaled, ab_scaled)
    rgb = color.lab_to_rgb(color.to_gamut(lab))
    losses = {}
    for index, control in enumerate(obeyed):
        if control.name not in names:
            continue
        aim = targets.values[:, index]
        if control.per_pixel:
            aim = ops.clip(aim, *statistics.reach(control, lab[..., 0]))
        if control.name == "hue" and hue_mean == "linear":
            missed = ops.abs(statistics.linear_hue(rgb) - aim)
        else:
            missed = statistics.distance(control, statistics.measure(control, rgb), aim)
        losses[control.name] = targets.asked[:, index] * missed
    return losses
