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
import numpy as np

WINDOW = 3  # pixels of the small scale a side, around each pixel
SLOPE_EPSILON = 0.01  # in squared units of l_scaled: 5 L* of contrast halve the slope
FLAT_VARIANCE = 0.001  # of l_scaled: at 1.6 L* of contrast half of the speckle is taken out


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

    Args:
        l_scaled: float [batch, h, w, 1] in [-1, 1], the lightness at the small scale.
        ab_scaled: float [batch, h, w, 2] in [-1, 1], the colors there.
        size: height and width of the full images in pixels; larger or smaller.

    Source: He, Sun and Tang, equations 5 and 8, with ridge `SLOPE_EPSILON`.
    """

    def __init__(self, l_scaled, ab_scaled, size: tuple[int, int]):
        covariance = _mean(l_scaled * ab_scaled) - _mean(l_scaled) * _mean(ab_scaled)
        slope = _mean(covariance / (_variance(l_scaled) + SLOPE_EPSILON))
        coefficients = ops.concatenate([slope, ab_scaled - slope * l_scaled], axis=-1)
        self._wide = ops.matmul(
            resize_weights(ab_scaled.shape[2], size[1]), coefficients)  # [batch, h, width, 4]
        self._weights = resize_weights(ab_scaled.shape[1], size[0])

    def rows(self, start: int, l_scaled):
        """ab from row `start` on: float [batch, rows, width, 2]; it may exceed [-1, 1] a little.

        `l_scaled` is the full-size lightness there, float [batch, rows, width, 1] in [-1, 1].
        """
        weights = self._weights[start:start + l_scaled.shape[1]]
        slope, offset = ops.split(ops.einsum("yh,bhwc->bywc", weights, self._wide), 2, axis=-1)
        return slope * l_scaled + offset


@functools.lru_cache(maxsize=16)
def resize_weights(source: int, target: int) -> np.ndarray:
    """Resizing along one axis as a matrix: float32 [target, source], rows add up to 1.

    Bicubic (Keys, a = -0.5), antialiased where it reduces; between equal sizes the identity.
    """
    identity = ops.eye(source)[..., None]
    return ops.convert_to_numpy(ops.image.resize(
        identity, (target, source), interpolation="bicubic", antialias=True))[..., 0]


def _variance(x):
    """Variance in the window; the difference of two means, so at least 0 by force."""
    return ops.maximum(_mean(x * x) - _mean(x)**2, 0.0)


def _mean(x):
    """Mean over the window, rows then columns; at a border over the part inside the image."""
    for window in ((WINDOW, 1), (1, WINDOW)):
        x = ops.average_pool(x, window, strides=1, padding="same")
    return x
