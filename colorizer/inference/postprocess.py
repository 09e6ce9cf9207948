"""Moves a model's colors the last step to what was asked: the loop is closed when it colors.

A conditional network comes near its targets. What it misses is measured and removed by the edits
that made its training pictures (`edits.apply_edit`), at the picture's own lightness: one turn,
one shift and one gain for the whole picture, so that flat regions stay flat.
"""

from __future__ import annotations

from typing import Mapping

from keras import ops
import numpy as np

from colorizer.color import lab as color
from colorizer.color import controls
from colorizer.color import transforms as edits
from colorizer.color import statistics

STEPS = 0.5 ** np.arange(13, dtype="float32")  # of an amount: up to 2 either way, to 2.4e-4
REPEATS = 2  # of each step if several controls are asked for: each moves the others a little
# Statistic by amount; an edit that gains less is not made, but for one towards gray. Else a target
# beyond the gamut would be followed to where the last differences between colors are torn apart.
MIN_GAIN = 0.01


def meet_targets(lab, targets: Mapping[str, float]):
    """Edits pictures until their statistics are the targets, or the nearest that edits reach.

    A search by halved steps: each control in turn tries a step towards its target, and keeps it
    if that brings its statistic nearer.

    Args:
        lab: float [batch, h, w, 3], L* in [0, 100]; colors outside the gamut are mapped into it.
        targets: control -> target in [0, 1], a number or float [batch]; only what is asked for.

    Returns:
        RGB float [batch, h, w, 3] in [0, 1], of the L* of the input. Gray pictures, which have no
        hue, are given none: they stay gray within 0.02 whatever saturation is asked for.

    Source: Hooke and Jeeves, "Direct search" solution of numerical and statistical problems,
    Journal of the ACM 8, 1961; here with a sign that is known and one criterion a control.
    """
    lab = color.to_gamut(lab)
    asked = [control for control in controls.CONTROLS if control.name in targets]
    directions = np.array([control.edit for control in asked], "float32")
    aims = []
    for control in asked:
        lowest, highest = statistics.reach(control, lab[..., 0])
        aims.append(ops.minimum(ops.maximum(targets[control.name], lowest), highest))

    def edited(amounts):
        return edits.apply_edit(lab, ops.matmul(amounts, directions))

    def missing(amounts):
        """Target - statistic, float [batch, asked]; the shorter way round for a circular control.
        """
        rgb = edited(amounts)
        left = [aim - statistics.measure(control, rgb) for control, aim in zip(asked, aims)]
        return ops.stack([part - ops.round(part) if control.circular else part
                          for control, part in zip(asked, left)], axis=1)

    pales = ops.convert_to_tensor(directions[:, 3] > 0.0)  # where less makes a picture gray
    repeats = REPEATS if len(asked) > 1 else 1
    steps = np.repeat(STEPS, repeats * len(asked))
    turns = np.tile(np.eye(len(asked), dtype="float32"), (repeats * len(STEPS), 1))
    trials = ops.convert_to_tensor(steps[:, None] * turns)  # [tried, asked], one control a row

    def try_step(i, state):
        amounts, left = state
        step = ops.take(trials, i, axis=0)
        trial = amounts + step * ops.sign(left)
        trial_left = missing(trial)
        gain = ops.abs(left) - ops.abs(trial_left)
        least = ops.where(pales & (left < 0.0), 0.0, MIN_GAIN * step)
        better = ops.any((step > 0.0) & (gain > least), axis=1, keepdims=True)
        return ops.where(better, trial, amounts), ops.where(better, trial_left, left)

    start = ops.zeros_like(ops.stack(aims, axis=1))
    return edited(ops.fori_loop(0, len(steps), try_step, (start, missing(start)))[0])
