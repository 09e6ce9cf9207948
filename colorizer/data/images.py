"""Images in memory: bring them to one type, layout and size, tell gray ones (no TensorFlow).

Arrays are uint8 RGB [H, W, 3] in 0..255 unless a name or docstring says otherwise.
"""

from __future__ import annotations

import os

from PIL import Image, ImageOps
import numpy as np

from colorizer.data.decoding import ImageError, decode, read_image

MAX_CHANNELS = 4
GRAY_TOLERANCE = 2.0  # of 255: JPEG noise stays below, a faint sepia does not
TONED_SIDE, TONED_SHARE, TONED_TOLERANCE = 64, 0.95, 6  # pixels of the short side; of 255
TONED_COSINE = 0.7  # of the angle between two hues that are about the same
FULL_SCALE = {"uint8": 255.0, "uint16": 65535.0, "float16": 1.0, "float32": 1.0, "float64": 1.0}


def read_rgb(path: str | os.PathLike) -> np.ndarray:
    """Reads a file as uint8 [H, W, 3], as `read_image`; alpha is ignored (not composited)."""
    return read_image(path).rgb8


def is_gray(rgb: np.ndarray) -> np.ndarray:
    """Tells images that hold no color, such as a gray JPEG stored as RGB: [..., H, W, 3] -> [...].

    Their largest minus smallest channel, averaged over the pixels, is below `GRAY_TOLERANCE`.
    """
    r, g, b = np.moveaxis(rgb, -1, 0)
    spread = np.maximum(np.maximum(r, g), b) - np.minimum(np.minimum(r, g), b)
    return spread.mean(axis=(-2, -1)) < GRAY_TOLERANCE


def is_toned(rgb: np.ndarray) -> bool:
    """Tells whether uint8 [H, W, 3] is a gray image but for its tone, as sepia, or for an edge.

    Such an image has about one hue, and its lightness decides how much of it. So it is toned if
    nearly all pixels (`TONED_SHARE`) have about the mean color of those of their lightness, and
    these have about the hue of all. A tenth at each edge does not count.
    """
    top, left = rgb.shape[0] // 10, rgb.shape[1] // 10
    inner = rgb[top:rgb.shape[0] - top, left:rgb.shape[1] - left]
    step = max(1, min(inner.shape[:2]) // TONED_SIDE)
    r, g, b = np.moveaxis(inner[::step, ::step].reshape(-1, 3).astype(np.float32), -1, 0)
    level = ((2 * r + 5 * g + b) // (8 * 8)).astype(int)  # 32 levels of luma
    count = np.bincount(level)
    if np.count_nonzero(count > 0.01 * len(level)) < 4:  # a drawing
        return False
    chroma = np.stack([r - g, b - g])
    mean = np.stack([np.bincount(level, one) for one in chroma])[:, level] / count[level]
    overall = chroma.mean(axis=1)
    hue = (overall @ mean) / np.maximum(np.hypot(*overall) * np.hypot(*mean), 1e-6)  # cosine
    odd = (abs(chroma - mean).max(axis=0) > TONED_TOLERANCE) | (
        (hue < TONED_COSINE) & (np.hypot(*mean) > TONED_TOLERANCE))
    return bool(odd.mean() < 1.0 - TONED_SHARE)


def resize_and_crop(rgb: np.ndarray, size: int) -> np.ndarray:
    """Scales the short side of uint8 [H, W, 3] to `size` pixels and keeps the central square."""
    height, width = rgb.shape[:2]
    side = min(height, width)
    # Cropped first, so that the rest of a 3 x 2000 strip is not enlarged, and at whole pixels, so
    # that an image already of this size comes through unblurred.
    left, top = (width - side) // 2, (height - side) // 2
    resample = Image.Resampling.LANCZOS if size < side else Image.Resampling.BICUBIC
    return np.asarray(Image.fromarray(rgb).resize(
        (size, size), resample, box=(left, top, left + side, top + side)))


def as_batch(array: np.ndarray | Image.Image) -> tuple[np.ndarray, bool]:
    """Brings one image or a batch into one layout; the values stay as they are.

    Args:
        array: a PIL image of any mode, which is turned upright; or uint8, uint16 or float in
            [0, 1]; [H, W], [H, W, 1 or 3], [N, H, W] or [N, H, W, 1 or 3]. Of three axes, the last
            one is the channels if it is up to 4.

    Returns:
        (the same values [N, H, W, 1 or 3], whether they are one image only).

    Raises:
        ImageError: Another type or shape, no pixels, or a float outside [0, 1].
    """
    array = _pil_pixels(array) if isinstance(array, Image.Image) else np.asarray(array)
    has_channels = array.ndim == 4 or (array.ndim == 3 and array.shape[-1] <= MAX_CHANNELS)
    channels = array.shape[-1] if has_channels else 1
    if (array.dtype.name not in FULL_SCALE or array.ndim not in (2, 3, 4)
            or channels not in (1, 3) or not array.size):
        raise ImageError(
            "an image must be uint8, uint16 or float in [0, 1]; [H, W], [H, W, 1] or [H, W, 3], a "
            "batch [N, H, W], [N, H, W, 1] or [N, H, W, 3]; without alpha and not empty. "
            f"Received: dtype={array.dtype}, shape={list(array.shape)}")
    if array.dtype.kind == "f" and not (array.min() >= 0.0 and array.max() <= 1.0):
        raise ImageError("an image's floats must be in [0, 1]. "
                         f"Received: {array.min():g} to {array.max():g}")
    if not has_channels:
        array = array[..., None]
    return (array[None], True) if array.ndim == 3 else (array, False)


def _pil_pixels(image: Image.Image) -> np.ndarray:
    try:
        return decode(ImageOps.exif_transpose(image))[0]
    except OSError as error:  # it is read only now
        raise ImageError(f"an image must be one that can be read. Received: {error}") from error


def unit_rgb(batch: np.ndarray) -> np.ndarray:
    """Scales values to sRGB: `as_batch`'s [N, H, W, 1 or 3] -> float32 [N, H, W, 3] in [0, 1]."""
    rgb = np.divide(batch, FULL_SCALE[batch.dtype.name], dtype=np.float32)
    return np.broadcast_to(rgb, (*rgb.shape[:-1], 3))
