"""The targets of a conditional model's training images, and the images that answer them."""

from __future__ import annotations

from typing import Sequence

from keras import ops
import numpy as np

from colorizer import color, models
from colorizer.color.controls import Control

DESIRED_SHARE = 0.3  # of the controls, for an image with targets; at least one
# Edits are drawn a little beyond amount 1. There a control desired alone gets the end of its range,
# so that a model learns what to do with targets that the original cannot be moved to.
MAX_DRAWN_AMOUNT = 1.15


def num_draws(controls: Sequence[Control]) -> int:
    """How many uniform numbers the targets of an image need."""
    return 1 + 2 * len(controls)


def draw_targets(controls: Sequence[Control], lab, uniform, condition_dropout: float):
    """Draws an edit for each real image; some statistics of the edited image are its targets.

    Any subset of them can be met together, and the edited image is the answer to them: the L1 loss
    and the control losses do not contradict each other.

    Args:
        controls: the controls to choose from, at least one an image.
        lab: float [batch, h, w, 3], the originals.
        uniform: float [batch, num_draws(controls)] in [0, 1).
        condition_dropout: share of the images without a target, which stay as they are.

    Returns:
        (RGB float [batch, h, w, 3] in [0, 1] of the edited images, `models.Targets`).
    """
    count = len(controls)
    conditional = uniform[:, :1] >= condition_dropout
    chances = uniform[:, 1:1 + count]
    share = ops.maximum(DESIRED_SHARE, ops.min(chances, axis=1, keepdims=True))
    desired = ops.cast(ops.logical_and(conditional, chances <= share), "float32")
    amounts = MAX_DRAWN_AMOUNT * (2.0 * uniform[:, 1 + count:] - 1.0)
    directions = np.array([control.edit for control in controls], "float32")
    rgb = color.apply_edit(lab, ops.matmul(desired * amounts, directions))
    values = ops.stack([color.measure(control, rgb) for control in controls], axis=1)
    alone = ops.logical_and(ops.sum(desired, axis=1, keepdims=True) == 1.0,
                            ~np.array([control.circular for control in controls]))
    values = ops.where(ops.logical_and(alone, amounts > 1.0), 1.0, values)
    values = ops.where(ops.logical_and(alone, amounts < -1.0), 0.0, values)
    return rgb, models.Targets(values, desired)
