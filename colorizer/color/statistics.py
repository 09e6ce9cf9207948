"""Color statistics of images, and the range of each that is achievable at a given lightness.

Statistics are measured on RGB in [0, 1] of colors inside the gamut (`color.to_gamut`). Each is a
function float [batch, h, w, 3] -> float [batch] with finite gradients everywhere, gray images
included.
"""

from __future__ import annotations

import functools
import math
import sys

from keras import ops
import numpy as np
from skimage import color as skcolor

from colorizer.color import controls
from colorizer.color.lab import rgb_to_lab

COLORFULNESS_RANGE = 100.0  # Hasler and Suesstrunk: 109 is "extremely colorful"
WARMTH_RANGE = 50.0  # mean b* of -50 ... 50 -> 0 ... 1
L_BINS = 4  # per unit of L*, in the tables of achievable values
GRAY_CHROMA = 1e-4  # of [0, 1]: below it there is no hue (the white points of sRGB and Lab differ)
EPSILON = 1e-6
MIN_VALUE = 0.5 / 255.0  # of [0, 1]: darker pixels are black, and their saturation noise
L_MARGIN = 0.01  # the 8-bit colors next to black and white are 0.02 away


def measure(control: controls.Control, rgb):
    """The statistic of a control. RGB float [batch, h, w, 3] in [0, 1] -> float [batch]."""
    return getattr(sys.modules[__name__], control.name)(rgb)


def distance(control: controls.Control, value, target):
    """|value - target|, around the circle (at most 0.5) for a circular control."""
    difference = ops.abs(value - target)
    if not control.circular:
        return difference
    difference = difference - ops.floor(difference)
    return ops.minimum(difference, 1.0 - difference)


def saturation(rgb):
    """Mean HSV saturation, (max - min) / max, 0 for black; float [batch] in [0, 1].

    Source: Smith, Color gamut transform pairs, SIGGRAPH 1978.
    """
    highest, lowest = ops.max(rgb, axis=-1), ops.min(rgb, axis=-1)
    return _pixel_mean((highest - lowest) / ops.maximum(highest, MIN_VALUE))


def hue(rgb):
    """Circular mean of the HSV hue, weighted by chroma (max - min); float [batch] in [0, 1).

    0 red, 1/3 green, 2/3 blue. Gray pixels have no weight; a gray image gives 0.
    """
    cosine, sine = _hue_vector(rgb)
    return _angle_to_hue(_pixel_mean(cosine), _pixel_mean(sine))


def linear_hue(rgb):
    """The published hue term: the plain mean of the HSV hue, 0 for gray pixels; float [batch].

    It breaks at the wrap (0.98 and 0.02 average to 0.5) and counts gray pixels as red.
    """
    return _pixel_mean(_angle_to_hue(*_hue_vector(rgb)))


def red(rgb):
    """Mean of the red channel; float [batch] in [0, 1]."""
    return _pixel_mean(rgb[..., 0])


def green(rgb):
    """Mean of the green channel; float [batch] in [0, 1]."""
    return _pixel_mean(rgb[..., 1])


def blue(rgb):
    """Mean of the blue channel; float [batch] in [0, 1]."""
    return _pixel_mean(rgb[..., 2])


def colorfulness(rgb):
    """Colorfulness M3, divided by 100; float [batch]: 0 gray, 0.33 moderate, 0.82 high.

    Source: Hasler and Suesstrunk, Measuring colorfulness in natural images, SPIE 2003, section 5.
    """
    scaled = rgb * (255.0 / COLORFULNESS_RANGE)
    red_green = scaled[..., 0] - scaled[..., 1]
    yellow_blue = 0.5 * (scaled[..., 0] + scaled[..., 1]) - scaled[..., 2]
    spread = _root(_variance(red_green) + _variance(yellow_blue))
    mean = _root(ops.square(_pixel_mean(red_green)) + ops.square(_pixel_mean(yellow_blue)))
    return spread + 0.3 * mean


def warmth(rgb):
    """Mean b*, with -50 ... 50 as 0 ... 1; float [batch]: below 0.5 blue, above it yellow."""
    return 0.5 + _pixel_mean(rgb_to_lab(rgb)[..., 2]) / (2.0 * WARMTH_RANGE)


def achievable_range(control: controls.Control, l_star):
    """The range of a statistic that any ab at all could give at an image's lightness.

    `l_star` is float [batch, h, w], L* in [0, 100]. Returns (minimum, maximum), float [batch]
    each; 0 and 1 for statistics that are no mean over pixels.
    """
    if not control.per_pixel:
        return ops.zeros_like(l_star[:, 0, 0]), ops.ones_like(l_star[:, 0, 0])
    index = ops.cast(_l_bin(l_star, ops), "int32")
    minimum, maximum = (ops.convert_to_tensor(column) for column in _range_table(control.name))
    return _pixel_mean(ops.take(minimum, index)), _pixel_mean(ops.take(maximum, index))


def _pixel_mean(values):
    return ops.mean(values, axis=(1, 2))


def _variance(values):
    return _pixel_mean(ops.square(values - ops.mean(values, axis=(1, 2), keepdims=True)))


def _root(squared):
    """A square root whose gradient at 0 is 0, not infinite."""
    return ops.where(squared > EPSILON**2, ops.sqrt(ops.maximum(squared, EPSILON**2)), 0.0)


def _hue_vector(rgb):
    """(cos, sin) of each pixel's HSV hue, times its chroma: float [..., h, w] each."""
    highest, lowest = ops.max(rgb, axis=-1), ops.min(rgb, axis=-1)
    chroma = highest - lowest
    r, g, b = (rgb[..., i] for i in range(3))
    safe = ops.maximum(chroma, EPSILON)
    sextant = ops.where(r >= highest, (g - b) / safe,
                        ops.where(g >= highest, 2.0 + (b - r) / safe, 4.0 + (r - g) / safe))
    angle = sextant * (math.pi / 3.0)
    return chroma * ops.cos(angle), chroma * ops.sin(angle)


def _angle_to_hue(cosine, sine):
    """The angle as a share of a turn, in [0, 1); 0 with a zero gradient where there is none."""
    none = ops.abs(cosine) + ops.abs(sine) < GRAY_CHROMA
    angle = ops.arctan2(ops.where(none, 0.0, sine), ops.where(none, 1.0, cosine))
    turn = angle / (2.0 * math.pi)
    turn = turn - ops.floor(turn)
    return ops.where(turn < 1.0, turn, 0.0)  # a tiny negative angle rounds up to a whole turn


def _l_bin(l_star, namespace):
    """The table's row of a lightness. Black and white, which have no colors, have their own."""
    row = namespace.round(namespace.clip(l_star * L_BINS, 0, 100 * L_BINS)) + 1
    row = namespace.where(l_star < L_MARGIN, 0, row)
    return namespace.where(l_star > 100.0 - L_MARGIN, 100 * L_BINS + 2, row)


_PIXEL_VALUES = {  # the statistics of single pixels, in NumPy
    "saturation": lambda rgb, lab: np.ptp(rgb, axis=-1) / np.maximum(rgb.max(axis=-1), MIN_VALUE),
    "red": lambda rgb, lab: rgb[..., 0],
    "green": lambda rgb, lab: rgb[..., 1],
    "blue": lambda rgb, lab: rgb[..., 2],
    "warmth": lambda rgb, lab: 0.5 + lab[..., 2] / (2.0 * WARMTH_RANGE),
}


@functools.lru_cache(maxsize=None)
def _range_table(name: str) -> tuple[np.ndarray, np.ndarray]:
    """The extremes of one pixel's statistic at each L*: float32 [100 * L_BINS + 3] twice."""
    bins, rgb, lab = _extreme_colors()
    values = _PIXEL_VALUES[name](rgb, lab)
    minimum = np.full(100 * L_BINS + 3, np.inf, "float32")
    maximum = -minimum
    np.minimum.at(minimum, bins, values)
    np.maximum.at(maximum, bins, values)
    return minimum, maximum


@functools.lru_cache(maxsize=None)
def _extreme_colors():
    """The colors at which a statistic is extreme: the faces of the RGB cube, and the grays.

    Returns their rows in the table, int [n], and them as RGB and as Lab, float32 [n, 3] each.
    """
    levels = np.linspace(0.0, 1.0, 257, dtype="float32")
    faces = [np.roll(np.stack(np.meshgrid(levels, levels, [value], indexing="ij"), -1)
                     .reshape(-1, 3), channel, axis=-1)
             for channel in range(3) for value in (0.0, 1.0)]
    grays = np.repeat(np.linspace(0.0, 1.0, 1001, dtype="float32")[:, None], 3, axis=1)
    rgb = np.concatenate([*faces, grays]).astype("float32")
    lab = skcolor.rgb2lab(rgb).astype("float32")  # NumPy: a network may be being traced
    return _l_bin(lab[:, 0], np).astype(int), rgb, lab
