"""Images in memory and in files: read them, write them, bring them to size (no TensorFlow).

Arrays are uint8 RGB [H, W, 3] in 0..255 unless a name or docstring says otherwise. Embedded ICC
profiles are not applied: stored values are taken as sRGB.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
import os
from pathlib import Path
import re
import threading
from typing import BinaryIO

from PIL import Image, ImageOps, UnidentifiedImageError
import numpy as np

from colorizer.errors import UserError
from colorizer.files import write_with

MAX_PIXELS = 100_000_000
MAX_CHANNELS = 4
GRAY_TOLERANCE = 2.0  # of 255: JPEG noise stays below, a faint sepia does not
FULL_SCALE = {"uint8": 255.0, "uint16": 65535.0, "float16": 1.0, "float32": 1.0, "float64": 1.0}

# Only formats whose bytes announce themselves. Pillow would also run Ghostscript on an EPS file.
READ_FORMATS = ("JPEG", "PNG", "GIF", "BMP", "WEBP", "TIFF", "PPM", "JPEG2000", "AVIF")
WRITE_FORMATS = {".jpg": "JPEG", ".jpeg": "JPEG", ".png": "PNG", ".webp": "WEBP", ".bmp": "BMP",
                 ".tif": "TIFF", ".tiff": "TIFF"}
WRITE_OPTIONS: dict[str, dict[str, object]] = {
    "JPEG": {"quality": 95, "subsampling": 0},
    "WEBP": {"lossless": True, "exact": True},  # exact: colors under transparency too
    "TIFF": {"compression": "tiff_adobe_deflate"}}
ALPHA_FORMATS = ("PNG", "WEBP", "TIFF")
# Some of these Pillow cannot read (.heic): listed, so that they are reported and not lost.
IMAGE_SUFFIXES = frozenset(WRITE_FORMATS) | {
    ".jpe", ".jfif", ".gif", ".dib", ".pbm", ".pgm", ".ppm", ".pnm", ".jp2", ".avif", ".heic",
    ".heif"}
IMAGE_MAGIC = re.compile(
    rb"\xff\xd8\xff|\x89PNG\r\n\x1a\n|GIF8[79]a|BM.{4}\0{4}|RIFF.{4}WEBP|II\*\0|MM\0\*", re.DOTALL)


class ImageError(UserError):
    """An image file or array that cannot be used; of a file, "<path>: <reason>" in one line."""


@dataclass(frozen=True, eq=False)
class DecodedImage:
    """An image as read from a file."""

    rgb: np.ndarray  # float32 [H, W, 3], sRGB in [0, 1]
    alpha: np.ndarray | None  # uint8 [H, W], 0 is transparent; None if the file has none
    format: str  # Pillow's name of the file's format, such as "JPEG"


def read_image(path: str | os.PathLike) -> DecodedImage:
    """Reads an image file as it should be displayed; of an animation, the first frame.

    The bytes decide the format, not the name. EXIF orientation is applied. 16-bit gray keeps its
    precision. 32-bit integers are taken as 0..65535 and floats as 0..1; where a value lies outside,
    the image's own range is stretched to 0..1.

    Example:
        rgb = read_image("photo.jpg").rgb

    Raises:
        ImageError: The file is missing, unreadable, empty, not an image, damaged or truncated, or
            its header announces more than `MAX_PIXELS` (refused before decoding).
    """
    path = Path(path)
    head = b""
    try:
        if path.exists() and not path.is_file():  # opening a named pipe would wait forever
            raise image_error(path, "not a regular file")
        with open(path, "rb") as file:
            head = file.read(16)
            if not head:
                raise image_error(path, "empty file")
            file.seek(0)
            with _open(file) as image:
                name = image.format or ""
                image.load()
                with contextlib.suppress(Exception):  # damaged metadata; the pixels may be sound
                    # In place, the pixels are turned before the metadata are written anew.
                    ImageOps.exif_transpose(image, in_place=True)
                return DecodedImage(*_decode(image), name)
    except ImageError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise image_error(path, f"more than {MAX_PIXELS // 10**6} megapixels") from error
    except UnidentifiedImageError as error:
        known = IMAGE_MAGIC.match(head)
        raise image_error(path, "damaged: its header cannot be read" if known else
                          "not an image (bytes not recognized)") from error
    except Exception as error:  # damaged bytes make decoders raise nearly anything
        cause = error.strerror if isinstance(error, OSError) else None
        raise image_error(path, cause or f"damaged: {error or type(error).__name__}") from error


def image_error(path: Path, reason: str) -> ImageError:
    """Makes the error that names a file and says, in one line, why it cannot be used."""
    return ImageError(" ".join(f"{path}: {reason}".splitlines()))


_open_lock = threading.Lock()


def _open(file: BinaryIO) -> Image.Image:
    """Reads an image's header, under our limit in the place of Pillow's 89 megapixels."""
    with _open_lock:  # Pillow's limit is a constant of its module, the same for all threads
        pillow_limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, MAX_PIXELS
        try:
            image = Image.open(file, formats=READ_FORMATS)
        finally:
            Image.MAX_IMAGE_PIXELS = pillow_limit
    if image.width * image.height > MAX_PIXELS:  # up to twice its limit Pillow only warns
        raise Image.DecompressionBombError
    return image


def _decode(image: Image.Image) -> tuple[np.ndarray, np.ndarray | None]:
    """Returns an image's float32 RGB and uint8 alpha."""
    if image.mode == "F" or image.mode.startswith("I"):
        values = np.asarray(image)
        if not np.isfinite(values).all():
            raise ValueError("pixel values are not all finite")
        low, high = float(values.min()), float(values.max())
        full_scale = 1.0 if image.mode == "F" else 65535.0
        if low >= 0 and high <= full_scale:
            low, high = 0.0, full_scale
        gray = (values.astype(np.float64) - low) / max(high - low, np.finfo(np.float64).tiny)
        transparent = image.info.get("transparency")
        alpha = None if transparent is None else np.where(
            values == transparent, 0, 255).astype(np.uint8)
        return np.repeat(gray.astype(np.float32)[..., np.newaxis], 3, axis=-1), alpha
    if image.has_transparency_data:
        rgba = np.asarray(image.convert("RGBA"))
        return np.divide(rgba[..., :3], 255, dtype=np.float32), rgba[..., 3].copy()
    return np.divide(np.asarray(image.convert("RGB")), 255, dtype=np.float32), None


def read_rgb(path: str | os.PathLike) -> np.ndarray:
    """Reads a file as uint8 [H, W, 3], as `read_image`; alpha is ignored (not composited)."""
    return np.rint(read_image(path).rgb * 255).astype(np.uint8)


def write_image(path: str | os.PathLike, rgb: np.ndarray, alpha: np.ndarray | None = None) -> None:
    """Writes uint8 [H, W, 3] and perhaps alpha [H, W]; a reader never sees a part of the file.

    The suffix decides the format, PNG if it is not one of `WRITE_FORMATS`. Lossless but for JPEG
    (quality 95, 4:4:4). Missing folders are made.

    Raises:
        ValueError: Wrong shape or dtype.
        OSError: The file cannot be written; a JPEG file cannot hold `alpha` (see `output_path`).
    """
    path = Path(path)
    image_format = WRITE_FORMATS.get(path.suffix.lower(), "PNG")
    if rgb.dtype != np.uint8 or rgb.ndim != 3 or rgb.shape[-1] != 3:
        raise ValueError("`rgb` must be uint8 [H, W, 3]. "
                         f"Received: rgb.dtype={rgb.dtype}, rgb.shape={rgb.shape}")
    image = Image.fromarray(rgb)
    if alpha is not None:
        image.putalpha(Image.fromarray(alpha))
    path.parent.mkdir(parents=True, exist_ok=True)
    options = WRITE_OPTIONS.get(image_format, {})
    write_with(path, lambda file: image.save(file, image_format, **options))


def is_gray(rgb: np.ndarray) -> np.ndarray:
    """Tells images that hold no color, such as a gray JPEG stored as RGB: [..., H, W, 3] -> [...].

    Their largest minus smallest channel, averaged over the pixels, is below `GRAY_TOLERANCE`.
    """
    r, g, b = np.moveaxis(rgb, -1, 0)
    spread = np.maximum(np.maximum(r, g), b) - np.minimum(np.minimum(r, g), b)
    return spread.mean(axis=(-2, -1)) < GRAY_TOLERANCE


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


def as_batch(array: np.ndarray) -> tuple[np.ndarray, bool]:
    """Brings one image or a batch into one layout; the values stay as they are.

    Args:
        array: uint8, uint16 or float in [0, 1]; [H, W], [H, W, 1 or 3], [N, H, W] or
            [N, H, W, 1 or 3]. Of three axes, the last one is the channels if it is up to 4.

    Returns:
        (the same values [N, H, W, 1 or 3], whether they are one image only).

    Raises:
        ImageError: Another type or shape, no pixels, or a float outside [0, 1].
    """
    array = np.asarray(array)
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


def unit_rgb(batch: np.ndarray) -> np.ndarray:
    """Scales values to sRGB: `as_batch`'s [N, H, W, 1 or 3] -> float32 [N, H, W, 3] in [0, 1]."""
    rgb = np.divide(batch, FULL_SCALE[batch.dtype.name], dtype=np.float32)
    return np.broadcast_to(rgb, (*rgb.shape[:-1], 3))
