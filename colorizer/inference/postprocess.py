"""What is done to a network's colors before they are enlarged: targets met, chroma scaled."""

from __future__ import annotations

from typing import Mapping

from keras import ops
import numpy as np

from colorizer import color

STEPS = 0.5 ** np.arange(5, dtype="float32")  # shares of the first step
SECANTS, MORE_SECANTS = 2, 10  # steps after these; of several targets, one moves the others
MET = 5e-4  # a statistic this near to its target is there
FIRST_STEP = 8.0  # amount by statistic: what is left of the way to the targets may take this much
# Statistic by amount. An edit that gains less is not made, unless it makes the image grayer: a
# target beyond the gamut would be followed to where the last differences between colors are torn
# apart.
MIN_GAIN = 0.01
EPSILON = 1e-6


def scale_chroma(l_scaled, ab_scaled, factor: float):
    """Multiplies the chroma of the colors that are displayed; L* and hue stay.

    `l_scaled` is float [batch, h, w, 1] in [-1, 1]; `ab_scaled`, float [batch, h, w, 2] in [-1, 1],
    is first mapped into the gamut. `factor` is at least 0; 1 leaves colors inside the gamut as they
    are. Returns float [batch, h, w, 2], which may lie outside the gamut.
    """
    lab = color.to_gamut(color.scaled_to_lab(l_scaled, ab_scaled))
    return factor * color.lab_to_scaled(lab)[1]


def meet_targets(lab, targets: Mapping[str, float], desired=None):
    """Edits images until their statistics are the targets, or the nearest that edits achieve.

    A conditional network comes near its targets. The rest of the way is made by the edits that
    made its training images (`color.apply_edit`), one for the whole image, so that flat regions
    stay flat. It is found by halved steps: each control in turn tries a step towards its target,
    and keeps it if that brings its statistic nearer. The first step is larger the farther an image
    is from its targets, at most 1; the last ones are as long as the rest of the error, by the slope
    of the steps before. It ends for an image when all its statistics are within `MET` of their
    targets, but not before each control had its first step: a small spot of color is near to gray.

    Args:
        lab: float [batch, h, w, 3], L* in [0, 100]; colors outside the gamut are mapped into it.
        targets: control -> target in [0, 1], a number or float [batch].
        desired: float [targets], 1 for those that count and 0 for the others, where that is only
            known in a graph; by default all count. In the order of `color.CONTROLS`.

    Returns:
        RGB float [batch, h, w, 3] in [0, 1], of the L* of the input. Gray images, which have no
        hue, stay gray within 0.02 whatever the desired saturation.

    Source: Hooke and Jeeves, "Direct search" solution of numerical and statistical problems,
    Journal of the ACM 8, 1961; here with a known sign and one criterion a control.
    """
    lab = color.to_gamut(lab)
    given = [control for control in color.CONTROLS if control.name in targets]
    directions = np.array([control.edit for control in given], "float32")
    if desired is None:
        desired, count = np.ones(len(given), "float32"), len(given)
        order = np.arange(count, dtype="int32")
    else:
        count = ops.cast(ops.sum(desired), "int32")
        place = ops.arange(len(given), dtype="float32")  # those that count come first
        order = ops.cast(ops.argsort(place + len(given) * (1.0 - desired)), "int32")
    rounds = len(STEPS) + ops.where(count > 1, MORE_SECANTS, SECANTS)
    aims = []
    for control in given:
        lowest, highest = color.achievable_range(control, lab[..., 0])
        aims.append(ops.minimum(ops.maximum(targets[control.name], lowest), highest))

    def edited(amounts):
        return color.apply_edit(lab, ops.matmul(amounts, directions))

    def errors(amounts):
        """Target - statistic, float [batch, given]; the shorter way round if circular."""
        rgb = edited(amounts)
        left = [aim - color.measure(control, rgb) for control, aim in zip(given, aims)]
        return desired * ops.stack([part - ops.round(part) if control.circular else part
                                    for control, part in zip(given, left)], axis=1)

    grayer = ops.convert_to_tensor(directions[:, 3] > 0.0)  # where less makes an image gray
    order, steps = ops.convert_to_tensor(order), ops.convert_to_tensor(STEPS)

    def is_open(i, amounts, left, slope):
        return (i < rounds * count) & ((i < count) | ops.any(ops.abs(left) > MET))

    def try_step(i, amounts, left, slope):
        """Each control in turn tries a step of one size, before the next size."""
        turn = ops.cast(
            ops.arange(len(given), dtype="int32") == ops.take(order, i % count), "float32")
        step = first * ops.take(steps, ops.minimum(i // count, len(STEPS) - 1))
        secant = ops.abs(left) / ops.maximum(slope, ops.abs(left) / step + EPSILON)
        step = turn * ops.where(i // count < len(STEPS), step, secant)
        trial = amounts + step * ops.sign(left)
        trial_left = errors(trial)
        gain = ops.abs(left) - ops.abs(trial_left)
        rise = ops.sign(left) * (left - trial_left) / (step + EPSILON)
        slope = ops.where(step > 0.0, rise, slope)
        min_gain = ops.where(grayer & (left < 0.0), 0.0, MIN_GAIN * step)
        better = ops.any((step > 0.0) & (gain > min_gain), axis=1, keepdims=True)
        better &= (i < count) | ops.any(ops.abs(left) > MET, axis=1, keepdims=True)
        amounts, left = ops.where(better, trial, amounts), ops.where(better, trial_left, left)
        return i + 1, amounts, left, slope

    amounts = ops.zeros_like(ops.stack(aims, axis=1))
    left = errors(amounts)
    first = ops.minimum(1.0, FIRST_STEP * ops.max(ops.abs(left), axis=1, keepdims=True))
    first = ops.where(grayer & (left < 0.0), 1.0, first)  # a faint tint is a whole step from gray
    state = 0, amounts, left, ops.zeros_like(left)
    return edited(ops.while_loop(is_open, try_step, state)[1])
