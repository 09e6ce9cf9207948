"""ab at full size along the edges of the lightness, and its speckle smoothed where that is flat.

Around every pixel ab is taken as a linear function of L, `ab = slope * L + offset`: the local
linear model of K. He, J. Sun, X. Tang, *Guided Image Filtering*, ECCV 2010. `Upsampler` finds the
coefficients at the network's scale and enlarges them to the image's, as in K. He, J. Sun, *Fast
Guided Filter*, arXiv:1505.00996. One deviation: the offset is not averaged over the window but
chosen so that the small ab itself is met at every pixel. The published filter also smooths, which
on true ab loses more than its edges gain. So does bilinear enlarging: the coefficients are enlarged
by bicubic interpolation.
"""

from __future__ import annotations

import functools

from keras import ops

MAX_ASPECT = 8  # a longer side than this many short ones is squeezed for the network
WINDOW = 3  # pixels of the small scale a side, around each pixel
SLOPE_EPSILON = 0.01  # in squared units of l_scaled: 5 L* of contrast halve the slope
FLAT_VARIANCE = 0.001  # of l_scaled: at 1.6 L* of contrast half of the speckle is taken out


def working_size(height, width, image_size: int, multiple: int) -> tuple:
    """The size at which a network sees an image: short side as trained, both ones it can take.

    `height` and `width` of the image are whole numbers, or such tensors in a graph, as are those
    returned. `multiple` is `models.size_multiple`.
    """
    short = ops.minimum(height, width)

    def side(pixels):
        twice = 2 * image_size * ops.minimum(pixels, MAX_ASPECT * short)
        rounded = (twice + multiple * short) // (2 * multiple * short)
        return ops.maximum(multiple * rounded, image_size)

    return side(height), side(width)


def smooth_flat(l_scaled, ab_scaled):
    """Takes the speckle out of ab where the lightness is flat; textures and edges keep theirs.

    Transposed convolutions leave checkerboards, which show in skies and walls. `l_scaled` is float
    [batch, h, w, 1], `ab_scaled` and the result [batch, h, w, 2], in [-1, 1]. ab moves towards its
    local mean by `FLAT_VARIANCE / (FLAT_VARIANCE + variance of L in the window)`.
    """
    flatness = FLAT_VARIANCE / (FLAT_VARIANCE + _variance(l_scaled))
    return ab_scaled + flatness * (_mean(_mean(ab_scaled)) - ab_scaled)


class Upsampler:
    """ab at full size, computed for any band of rows, so that memory stays bounded.

    Sizes may be unknown in a graph, where they are tensors.

    Args:
        l_scaled: float [batch, h, w, 1] in [-1, 1], the lightness at the small scale.
        ab_scaled: float [batch, h, w, c], the colors there, or any other maps (c = 2 in `rows`).
        size: height and width of the full images in pixels; larger or smaller.

    Source: He, Sun and Tang, equations 5 and 8, with ridge `SLOPE_EPSILON`.
    """

    def __init__(self, l_scaled, ab_scaled, size: tuple):
        covariance = _mean(l_scaled * ab_scaled) - _mean(l_scaled) * _mean(ab_scaled)
        slope = _mean(covariance / (_variance(l_scaled) + SLOPE_EPSILON))
        self._coefficients = ops.concatenate([slope, ab_scaled - slope * l_scaled], axis=-1)
        height, width = ops.shape(ab_scaled)[1:3]
        self._weights = resize_weights(height, size[0]), resize_weights(width, size[1])

    @functools.cached_property
    def _wide(self):
        """The coefficients of the small rows at full width: float [batch, h, width, 2 c]."""
        return ops.matmul(self._weights[1], self._coefficients)

    def rows(self, start: int, l_scaled):
        """ab from row `start` on: float [batch, rows, width, 2]; it may exceed [-1, 1] a little.

        `l_scaled` is the full-size lightness there, float [batch, rows, width, 1] in [-1, 1].
        """
        batch, count, width, _ = ops.shape(l_scaled)
        small_rows = ops.shape(self._wide)[1]
        enlarged = ops.matmul(self._weights[0][start:start + count],
                              ops.reshape(self._wide, (batch, small_rows, -1)))
        slope, offset = ops.split(ops.reshape(enlarged, (batch, count, width, 4)), 2, axis=-1)
        return slope * l_scaled + offset

    def at(self, rows, columns, l_scaled):
        """The maps of one image at some pixels: float [points, c].

        `rows` and `columns` are int [points], `l_scaled` is the lightness there, float [points, 1].
        """
        near = ops.matmul(ops.take(self._weights[1], columns, axis=0), self._coefficients[0])
        far = ops.take(self._weights[0], rows, axis=0)  # [points, h]; near is [h, points, 2 c]
        found = ops.sum(ops.expand_dims(ops.transpose(far), 2) * near, axis=0)
        slope, offset = ops.split(found, 2, axis=-1)
        return slope * l_scaled + offset


def resize_weights(source, target, kernel: str = "bicubic"):
    """Resizing along one axis as a matrix: float32 [target, source], rows add up to 1.

    Bicubic (Keys, a = -0.5) or "bilinear", antialiased where it reduces; between equal sizes the
    identity. `source` and `target` are whole numbers, or such tensors in a graph.
    """
    share = ops.cast(source, "float32") / ops.cast(target, "float32")
    centers = (ops.arange(target, dtype="float32") + 0.5) * share
    distance = ops.arange(source, dtype="float32") + 0.5 - centers[:, None]
    x = ops.abs(distance) / ops.maximum(share, 1.0)
    if kernel == "bilinear":
        weights = ops.maximum(1.0 - x, 0.0)
    else:
        weights = ops.where(x < 1.0, (1.5 * x - 2.5) * x * x + 1.0,
                            ((2.5 - 0.5 * x) * x - 4.0) * x + 2.0)
        weights = ops.where(x < 2.0, weights, 0.0)
    return weights / ops.sum(weights, axis=1, keepdims=True)


def _variance(x):
    """Variance in the window; the difference of two means, so at least 0 by force."""
    return ops.maximum(_mean(x * x) - _mean(x)**2, 0.0)


def _mean(x):
    """Mean over the window, rows then columns; at a border over the part inside the image."""
    for window in ((WINDOW, 1), (1, WINDOW)):
        x = ops.average_pool(x, window, strides=1, padding="same")
    return x
