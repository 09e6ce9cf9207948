"""Color hints in training: a few points of each image whose colors the network is shown."""

from __future__ import annotations

import math

from keras import ops
import numpy as np

MAX_POINTS = 40
CONTINUE = 7.0 / 8.0  # chance of one more point: 8 on average
RADII = (0, 1, 2)  # of a patch around its point, in pixels of the colors
NUM_HINT_DRAWS = 2 + 3 * MAX_POINTS
FADE = 4.0  # points that halve what `chroma_gain` adds


def draw_counts(uniform, share: float):
    """How many points each image shows: float [batch, 1], geometric for a share of them, else 0.

    `uniform` is as for `draw_hints`.
    """
    count = 1.0 + ops.floor(ops.log1p(-uniform[:, :1]) / math.log(CONTINUE))
    return ops.where(uniform[:, 1:2] < share, count, 0.0)


def faded_gain(gain: float, counts):
    """The factor on the chroma of each image: float [batch, 1].

    The more colors are known the less is muted, and the less is made up for.
    """
    return 1.0 + (gain - 1.0) * FADE / (FADE + counts)


def draw_hints(ab_scaled, counts, uniform):
    """Shows each image's own colors in small patches around some points.

    Args:
        ab_scaled: float [batch, h, w, 2], the colors to be predicted.
        counts: of `draw_counts`.
        uniform: float [batch, NUM_HINT_DRAWS] in [0, 1).

    Returns:
        float [batch, h, w, 3]: ab of the patches, constant in each, and 1 there; else 0.

    Source: Zhang et al., *Real-Time User-Guided Image Colorization with Learned Deep Priors*,
    SIGGRAPH 2017, section 3.1; there the points lie about the middle, here they are uniform.
    """
    height, width = ab_scaled.shape[1:3]
    row, column, size = ops.split(uniform[:, 2:], 3, axis=1)  # [batch, points] each
    row, column = ops.floor(row * height), ops.floor(column * width)
    radius = ops.take(np.array(RADII, "float32"), ops.cast(size * len(RADII), "int32"))
    shown = ops.arange(MAX_POINTS, dtype="float32") < counts
    covered = ops.logical_and(
        _near(row, height, radius)[..., None], _near(column, width, radius)[:, :, None])
    covered = ops.cast(ops.logical_and(covered, shown[..., None, None]), "float32")
    # Where patches overlap, the last one is on top.
    rank = ops.max(covered * ops.arange(1.0, MAX_POINTS + 1.0)[:, None, None], axis=1)
    top = ops.one_hot(ops.cast(rank, "int32") - 1, MAX_POINTS)  # zeros outside the patches
    place = ops.cast(row * width + column, "int32")
    smooth = ops.average_pool(ab_scaled, 3, strides=1, padding="same")
    flat = ops.reshape(smooth, (-1, height * width, 2))
    ab_points = ops.take_along_axis(flat, place[..., None], axis=1)  # [batch, points, 2]
    ab = ops.einsum("bhwp,bpc->bhwc", top, ab_points)
    return ops.concatenate([ab, ops.cast(rank > 0, ab.dtype)[..., None]], axis=-1)


def _near(center, length: int, radius):
    """Which of `length` places are within the radius of each center: bool [..., length]."""
    return ops.abs(ops.arange(length, dtype="float32") - center[..., None]) <= radius[..., None]
