"""Edits that move the colors of images to a target, at their own lightness.

`apply_edit` makes the images that a conditional model learns from. At inference it corrects what
the model leaves of the way to a target (`inference/postprocess.py`).
"""

from __future__ import annotations

import math

from keras import ops
import numpy as np

from colorizer.color import controls
from colorizer.color.lab import RGB_TO_XYZ, lab_to_linear, linear_to_srgb
from colorizer.color.statistics import measure

LUMINANCE = RGB_TO_XYZ[1].astype("float32")  # Y of linear red, green, blue
VIVID_OCTAVES = 8.0  # of gain on small relative saturations at vividness 1
TINT = 0.004  # of linear RGB: pixels nearer to gray take the image's own dominant tint
TINT_SOFT = 1e-3  # of linear RGB: a weaker mean tint is noise, and is not blown up to TINT
FOLD_SHARE = 0.03  # of linear RGB: what the lowest channel counts as above itself
BISECTIONS = 14
HUE_STARTS, HUE_CORRECTIONS = 12, 12
MAX_AMOUNT = 2.0  # of an edit that `retarget` tries
EPSILON = 1e-6


def apply_edit(lab, edit):
    """Rotates, shifts and vivifies the colors of images at their own lightness.

    Vividness v changes the relative saturation r of a pixel, which is 1 - min / Y in linear RGB.
    Y is the pixel's luminance and stays. Below 0, r becomes r * (1 + v): gray at -1. Above 0, it
    becomes g r / (1 + (g - 1) r) with g = 2 ** (8 v): close to 1 at 1, and with a bounded slope at
    r = 0, so that noise in grays stays small. What a channel then has above 1 is handed to the
    others at the same Y. Pixels next to gray take the image's dominant tint, not the hue of their
    noise, so that flat grays stay flat.

    Args:
        lab: float [batch, h, w, 3], inside the gamut.
        edit: float [batch, 4]: rotation of ab in half-turns, shift of a* and of b* in Lab units,
            vividness, which is clipped to [-1, 1].

    Returns:
        RGB float [batch, h, w, 3] in [0, 1] of the same L*; the input's colors for zeros.
    """
    rotation, shift_a, shift_b, vivid = (ops.reshape(edit[:, i], (-1, 1, 1, 1)) for i in range(4))
    vivid = ops.clip(vivid, -1.0, 1.0)
    linear = lab_to_linear(_rotate_and_shift(lab, rotation, shift_a, shift_b))
    luminance = ops.sum(linear * LUMINANCE, axis=-1, keepdims=True)
    tint = ops.mean(linear - luminance, axis=(1, 2), keepdims=True)
    tint = TINT * ops.clip(vivid, 0.0, 1.0) * tint / (
        ops.max(ops.abs(tint), axis=-1, keepdims=True) + TINT_SOFT)
    offset = linear - luminance + tint * luminance

    relative = -ops.min(offset, axis=-1, keepdims=True) / ops.maximum(luminance, EPSILON)
    relative = ops.maximum(relative, EPSILON)
    before = ops.minimum(relative, 1.0)
    gain = 2.0 ** (VIVID_OCTAVES * ops.maximum(vivid, 0.0))
    after = ops.where(vivid < 0.0, before * (1.0 + vivid),
                      gain * before / (1.0 + (gain - 1.0) * before))
    return linear_to_srgb(_fold_excess(luminance + offset * after / relative))


def _rotate_and_shift(lab, rotation, shift_a, shift_b):
    a, b = lab[..., 1:2], lab[..., 2:3]
    cosine, sine = ops.cos(math.pi * rotation), ops.sin(math.pi * rotation)
    return ops.concatenate(
        [lab[..., :1], cosine * a - sine * b + shift_a, sine * a + cosine * b + shift_b], axis=-1)


def _fold_excess(linear):
    """Hands what a channel has above 1 to the others, at the same luminance.

    The middle channel takes most, so that the lowest stays low. The nearer the two, the more equal
    their shares, so that noise does not turn a color next to pure red to orange or magenta.
    """
    for _ in range(2):  # at most two channels can exceed
        excess = ops.sum(ops.maximum(linear - 1.0, 0.0) * LUMINANCE, axis=-1, keepdims=True)
        linear = ops.minimum(linear, 1.0)
        share = linear - ops.min(linear, axis=-1, keepdims=True) + FOLD_SHARE
        share = ops.where(linear < 1.0, share, 0.0)
        taken = ops.sum(share * LUMINANCE, axis=-1, keepdims=True)
        linear = linear + excess * share / ops.maximum(taken, EPSILON)
    return linear


def retarget(lab, control: controls.Control, target):
    """Moves images to a target at their own lightness, as near as the control's edit gets.

    Nearly every photograph meets a saturation of 0.5 within 0.005. At a target of 1 the mean is
    0.87 on CIFAR-10, where any ab could give 0.97: near-grays must not turn to noise. `lab` is
    float [batch, h, w, 3] inside the gamut, `target` float [batch] in [0, 1]. Returns RGB float
    [batch, h, w, 3] in [0, 1].

    Example:
        >>> half = retarget(lab, select(["saturation"])[0], np.full(len(lab), 0.5, "float32"))
    """
    direction = np.asarray(control.edit, "float32")

    def edited(amount):
        return apply_edit(lab, amount[:, None] * direction)

    def error(amount):
        difference = target - measure(control, edited(amount))
        return difference - ops.round(difference) if control.circular else difference

    search = _search_circle if control.circular else _bisect
    return edited(search(error, ops.zeros_like(target)))


def _bisect(error, start):
    """The amount at which a rising statistic meets its target; `error` is positive below it."""
    def halve(_, bracket):
        low, high = bracket
        middle = 0.5 * (low + high)
        short = error(middle) > 0.0
        return ops.where(short, middle, low), ops.where(short, high, middle)

    low, high = ops.fori_loop(0, BISECTIONS, halve, (start - MAX_AMOUNT, start + MAX_AMOUNT))
    return 0.5 * (low + high)


def _search_circle(error, start):
    """The best of some rotations around the circle, then corrected by its remaining error.

    Lab angles and HSV hue do not change in step, so that one correction is not enough.
    """
    # Below HUE_STARTS the rotations to try; afterwards the gains on the remaining error.
    plan = np.concatenate([np.arange(HUE_STARTS) * 2.0 / HUE_STARTS,
                           np.tile([2.0, 1.0, 0.5, 0.25], HUE_CORRECTIONS // 4)])
    plan = ops.convert_to_tensor(plan.astype("float32"))

    def improve(i, best):
        amount, smallest = best
        step = ops.take(plan, i)
        trial = ops.where(i < HUE_STARTS, step * ops.ones_like(amount), amount + step * smallest)
        trial_error = error(trial)
        better = ops.abs(trial_error) < ops.abs(smallest)
        return ops.where(better, trial, amount), ops.where(better, trial_error, smallest)

    return ops.fori_loop(0, HUE_STARTS + HUE_CORRECTIONS, improve, (start, start + 1.0))[0]
