"""Pictures in memory: which arrays are pictures, and their values as sRGB in [0, 1]."""

from __future__ import annotations

import numpy as np

from colorizer.errors import UserError

FULL_SCALE = {"uint8": 255.0, "uint16": 65535.0, "float16": 1.0, "float32": 1.0, "float64": 1.0}
MAX_CHANNELS = 4


class PictureError(UserError):
    """An array that is no picture."""


def as_batch(array: np.ndarray) -> tuple[np.ndarray, bool]:
    """Brings one picture or a batch into one layout; the values stay as they are.

    The axes tell what is meant. A last axis of up to 4 counts as channels, so that [H, W, 3] is
    one picture and [N, H, W] are N gray ones; give gray pictures of 1 to 4 pixels' width as
    [N, H, W, 1].

    Args:
        array: uint8, uint16 or float in [0, 1]; [H, W], [H, W, 1], [H, W, 3], [N, H, W],
            [N, H, W, 1] or [N, H, W, 3].

    Returns:
        (the same values [N, H, W, 1 or 3], whether they are one picture only).

    Raises:
        PictureError: another type or shape, no pixels, or a float outside [0, 1].
    """
    array = np.asarray(array)
    received = f"Received: dtype={array.dtype}, shape={list(array.shape)}"
    if array.dtype.name not in FULL_SCALE:
        raise PictureError(
            f"a picture's values must be uint8, uint16 or float in [0, 1]. {received}")
    has_channels = array.ndim == 4 or (array.ndim == 3 and array.shape[-1] <= MAX_CHANNELS)
    channels = array.shape[-1] if has_channels else 1
    if array.ndim not in (2, 3, 4) or channels not in (1, 3) or not array.size:
        raise PictureError(
            "a picture must be [H, W], [H, W, 1] or [H, W, 3], a batch [N, H, W], [N, H, W, 1] or "
            f"[N, H, W, 3], without alpha and not empty. {received}")
    if array.dtype.kind == "f" and not (array.min() >= 0.0 and array.max() <= 1.0):
        raise PictureError("a picture's floats must be in [0, 1]. "
                           f"Received: {array.min():g} to {array.max():g}")
    if not has_channels:
        array = array[..., None]
    return (array[None], True) if array.ndim == 3 else (array, False)


def unit_rgb(batch: np.ndarray) -> np.ndarray:
    """The values as sRGB: `as_batch`'s [N, H, W, 1 or 3] -> float32 [N, H, W, 3] in [0, 1]."""
    rgb = np.divide(batch, FULL_SCALE[batch.dtype.name], dtype=np.float32)
    return np.broadcast_to(rgb, (*rgb.shape[:-1], 3))
