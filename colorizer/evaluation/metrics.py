"""How far a colorized picture is from its original, one value a picture.

Every metric takes finished 8-bit sRGB pictures, as the user gets them, and its name carries the
space it is measured in. The functions are NumPy: a metric is judged, never differentiated.
"""

from __future__ import annotations

from typing import Mapping

import numpy as np
from skimage import color as skcolor
import tensorflow as tf

RGB_RANGE = 255.0
AB_TO_L_THRESHOLD = 2.2  # the released code: a, b span 220 units where L spans 100


def per_example(original: np.ndarray, result: np.ndarray) -> dict[str, np.ndarray]:
    """Every metric of a batch.

    Args:
        original: uint8 [batch, h, w, 3], sRGB.
        result: uint8 [batch, h, w, 3], sRGB.

    Returns:
        float64 [batch] for each of `mae_rgb`, `acc2_rgb`, `acc5_rgb`, `acc2_lab`, `acc5_lab`,
        `mse_rgb`, `ssim`, `delta_e`, `colorfulness` and `original_colorfulness`.
    """
    difference = np.abs(original.astype(np.float64) - result)
    lab_original, lab_result = skcolor.rgb2lab(original), skcolor.rgb2lab(result)
    return {
        "mae_rgb": _mean(difference),
        "acc2_rgb": _mean(difference <= 0.02 * RGB_RANGE),
        "acc5_rgb": _mean(difference <= 0.05 * RGB_RANGE),
        "acc2_lab": acc_lab(lab_original, lab_result, 2.0),
        "acc5_lab": acc_lab(lab_original, lab_result, 5.0),
        "mse_rgb": _mean(difference**2),
        "ssim": tf.image.ssim(original, result, max_val=255).numpy().astype(np.float64),
        "delta_e": _mean(skcolor.deltaE_ciede2000(lab_original, lab_result)[..., None]),
        "colorfulness": colorfulness(result),
        "original_colorfulness": colorfulness(original),
    }


def acc_lab(lab_original: np.ndarray, lab_result: np.ndarray, threshold: float) -> np.ndarray:
    """The released code's accuracy: pixels whose rounded L, a and b are all close.

    Args:
        lab_original: float [batch, h, w, 3], L* in [0, 100], a*, b*.
        lab_result: the same shape and units.
        threshold: largest difference of L, in L* units; a and b may differ by 2.2 times that.

    Returns:
        float64 [batch], the share of such pixels in [0, 1].

    Source: ImagingLab/Colorizing-with-GANs, pixelwise accuracy, thresholds 2 and 5.
    """
    difference = np.abs(np.round(lab_original) - np.round(lab_result))
    limits = threshold * np.array([1.0, AB_TO_L_THRESHOLD, AB_TO_L_THRESHOLD])
    return _mean(np.all(difference <= limits, axis=-1, keepdims=True))


def colorfulness(rgb: np.ndarray) -> np.ndarray:
    """Colorfulness M3 of Hasler and Suesstrunk.

    Args:
        rgb: uint8 [batch, h, w, 3], sRGB.

    Returns:
        float64 [batch]: 0 for gray, about 15 slightly, 33 moderately, 59 quite colorful.

    Source: Hasler and Suesstrunk, Measuring colorfulness in natural images, SPIE 2003, section 5.
    """
    red, green, blue = np.moveaxis(rgb.astype(np.float64), -1, 0)
    red_green, yellow_blue = red - green, 0.5 * (red + green) - blue
    axes = (1, 2)
    spread = np.hypot(red_green.std(axis=axes), yellow_blue.std(axis=axes))
    center = np.hypot(red_green.mean(axis=axes), yellow_blue.mean(axis=axes))
    return spread + 0.3 * center


def summarize(values: Mapping[str, np.ndarray]) -> dict[str, float]:
    """One number a metric for a whole split.

    Args:
        values: float [n] a metric, as from `per_example`, joined over the batches.

    Returns:
        The means, with `psnr` (dB) from the pooled MSE in place of it, `mae_rgb_percent` (of 255),
        accuracies in percent, and `colorfulness_ratio`, the result's over the originals'.
    """
    mean = {name: float(np.mean(value)) for name, value in values.items()}
    mse = mean["mse_rgb"]
    accuracies = ("acc2_rgb", "acc5_rgb", "acc2_lab", "acc5_lab")
    return {
        "mae_rgb": mean["mae_rgb"],
        "mae_rgb_percent": 100.0 * mean["mae_rgb"] / RGB_RANGE,
        **{name: 100.0 * mean[name] for name in accuracies},
        "psnr": float(10.0 * np.log10(RGB_RANGE**2 / mse)) if mse > 0 else float("inf"),
        "ssim": mean["ssim"],
        "delta_e": mean["delta_e"],
        "colorfulness": mean["colorfulness"],
        "colorfulness_ratio": mean["colorfulness"] / max(mean["original_colorfulness"], 1e-12),
    }


def _mean(values: np.ndarray) -> np.ndarray:
    return values.reshape(len(values), -1).mean(axis=1, dtype=np.float64)
