"""How far a colorized image is from its original, one value an image.

Every metric takes finished 8-bit sRGB images, as the user gets them, and its name carries the
space that it is measured in. The functions are NumPy: a metric is never differentiated.
"""

from __future__ import annotations

from typing import Mapping

import numpy as np
from skimage import color as skcolor
import tensorflow as tf

RGB_RANGE = 255.0
MIN_SQUARED_ERROR = 1.0 / 12.0  # variance of the error that rounding to 8 bits makes
AB_TO_L_THRESHOLD = 2.2  # the released code: a, b span 220 units where L spans 100
ACCURACIES = ("acc2_rgb", "acc5_rgb", "acc2_lab", "acc5_lab")


def per_example(original: np.ndarray, result: np.ndarray) -> dict[str, np.ndarray]:
    """Every metric of a batch.

    Args:
        original, result: uint8 [batch, h, w, 3], sRGB; at least 11 pixels a side, for SSIM.

    Returns:
        float64 [batch] for each of
        `mae_rgb`: mean absolute difference of the channels, 0-255;
        `acc2_rgb`, `acc5_rgb`: share of the channels that differ by at most 2 or 5 % of 255;
        `acc2_lab`, `acc5_lab`, `psnr`, `colorfulness`, `original_colorfulness`: see below;
        `ssim`: Wang et al. 2004, 11 x 11 Gaussian window, mean of the channels;
        `delta_e`: mean CIEDE2000 over the pixels.

    Example:
        >>> black = np.zeros((1, 16, 16, 3), np.uint8)
        >>> float(per_example(black, black + 51)["mae_rgb"][0])
        51.0
    """
    difference = np.abs(original.astype(np.float64) - result)
    lab_original, lab_result = skcolor.rgb2lab(original), skcolor.rgb2lab(result)
    return {
        "mae_rgb": _mean(difference),
        "acc2_rgb": _mean(difference <= 0.02 * RGB_RANGE),
        "acc5_rgb": _mean(difference <= 0.05 * RGB_RANGE),
        "acc2_lab": acc_lab(lab_original, lab_result, 2.0),
        "acc5_lab": acc_lab(lab_original, lab_result, 5.0),
        "psnr": psnr(original, result),
        "ssim": tf.image.ssim(original, result, max_val=255).numpy().astype(np.float64),
        "delta_e": _mean(skcolor.deltaE_ciede2000(lab_original, lab_result)),
        "colorfulness": colorfulness(result),
        "original_colorfulness": colorfulness(original),
    }


def psnr(original: np.ndarray, result: np.ndarray) -> np.ndarray:
    """The peak signal-to-noise ratio, 10 log10(255^2 / mean squared error): float64 [batch], dB.

    An image equal to its original would have an infinite ratio. The mean squared error is
    therefore at least 1/12, the variance of rounding to 8 bits, and the ratio at most 58.9 dB.
    """
    squared_error = _mean((original.astype(np.float64) - result)**2)
    return 10.0 * np.log10(RGB_RANGE**2 / np.maximum(squared_error, MIN_SQUARED_ERROR))


def acc_lab(lab_original: np.ndarray, lab_result: np.ndarray, threshold: float) -> np.ndarray:
    """The released code's accuracy: pixels whose rounded L, a and b are all close.

    Args:
        lab_original, lab_result: float [batch, h, w, 3], L* in [0, 100], a*, b*.
        threshold: largest difference of L, in L* units; a and b may differ by 2.2 times that.

    Returns:
        float64 [batch], the share of such pixels in [0, 1].

    Source: ImagingLab/Colorizing-with-GANs, pixelwise accuracy, thresholds 2 and 5.
    """
    difference = np.abs(np.round(lab_original) - np.round(lab_result))
    limits = threshold * np.array([1.0, AB_TO_L_THRESHOLD, AB_TO_L_THRESHOLD])
    return _mean(np.all(difference <= limits, axis=-1))


def colorfulness(rgb8: np.ndarray) -> np.ndarray:
    """Colorfulness M3 of uint8 [batch, h, w, 3], sRGB: float64 [batch].

    0 is gray, about 15 slightly, 33 moderately, 59 quite colorful.

    Source: Hasler and Suesstrunk, Measuring colorfulness in natural images, SPIE 2003, section 5.
    """
    red, green, blue = np.moveaxis(rgb8.astype(np.float64), -1, 0)
    red_green, yellow_blue = red - green, 0.5 * (red + green) - blue
    axes = (1, 2)
    spread = np.hypot(red_green.std(axis=axes), yellow_blue.std(axis=axes))
    center = np.hypot(red_green.mean(axis=axes), yellow_blue.mean(axis=axes))
    return spread + 0.3 * center


def summarize(values: Mapping[str, np.ndarray]) -> dict[str, float]:
    """The means over all images of the values from `per_example`, accuracies in percent.

    In place of `original_colorfulness` there is `colorfulness_ratio`, the mean colorfulness of
    the results over that of the originals.
    """
    means = {name: float(np.mean(value)) for name, value in values.items()}
    means.update({name: 100.0 * means[name] for name in ACCURACIES})
    original = means.pop("original_colorfulness")
    return {**means, "colorfulness_ratio": means["colorfulness"] / max(original, 1e-12)}


def _mean(values: np.ndarray) -> np.ndarray:
    """Mean of everything in each image: [batch, ...] -> float64 [batch]."""
    return values.reshape(len(values), -1).mean(axis=1, dtype=np.float64)
