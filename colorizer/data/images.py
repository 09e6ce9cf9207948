"""Picture files: read them, write them, bring them to size.

Arrays are uint8 RGB [H, W, 3] in 0..255 unless a name or docstring says otherwise. Embedded ICC
profiles are not applied: stored values are taken as sRGB.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
import os
from pathlib import Path
import re
import uuid

from PIL import Image, UnidentifiedImageError
import numpy as np

from colorizer.errors import UserError

MAX_PIXELS = 100_000_000
GRAY_TOLERANCE = 2.0  # of 255: JPEG noise stays below, a faint sepia does not

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
PICTURE_SUFFIXES = frozenset(WRITE_FORMATS) | {
    ".jpe", ".jfif", ".gif", ".dib", ".pbm", ".pgm", ".ppm", ".pnm", ".jp2", ".avif", ".heic",
    ".heif"}
PICTURE_MAGIC = re.compile(
    rb"\xff\xd8\xff|\x89PNG\r\n\x1a\n|GIF8[79]a|BM.{4}\0{4}|RIFF.{4}WEBP|II\*\0|MM\0\*", re.DOTALL)

EXIF_ORIENTATION = 0x0112
UPRIGHT = {2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180,
           4: Image.Transpose.FLIP_TOP_BOTTOM, 5: Image.Transpose.TRANSPOSE,
           6: Image.Transpose.ROTATE_270, 7: Image.Transpose.TRANSVERSE,
           8: Image.Transpose.ROTATE_90}


# One limit, not two: Pillow's own (89 megapixels) would warn about pictures we accept.
Image.MAX_IMAGE_PIXELS = MAX_PIXELS


class ImageError(UserError):
    """A picture that cannot be used. The message is one line, "<path>: <reason>"."""


@dataclass(frozen=True, eq=False)
class Picture:
    """A decoded picture.

    Attributes:
        rgb: float32 [H, W, 3], sRGB in [0, 1].
        alpha: uint8 [H, W], 0 (transparent) to 255, or None where the file has no transparency.
        format: Pillow's name of the format the bytes are in, such as "JPEG".
    """

    rgb: np.ndarray
    alpha: np.ndarray | None
    format: str


def read_picture(path: str | os.PathLike) -> Picture:
    """Reads a picture file as it should be displayed; of an animation, the first frame.

    The bytes decide the format, not the name. EXIF orientation is applied. 16-bit gray keeps its
    precision. 32-bit integers are taken as 0..65535 and floats as 0..1; where a value lies outside,
    the picture's own range is stretched to 0..1.

    Raises:
        ImageError: The file is missing, unreadable, empty, not a picture, damaged or truncated, or
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
            with Image.open(file, formats=READ_FORMATS) as image:
                if image.width * image.height > MAX_PIXELS:
                    raise image_error(path, _too_large(image.width * image.height))
                name = image.format or ""
                image.load()
                return Picture(*_decode(_upright(image)), name)
    except ImageError:
        raise
    except UnidentifiedImageError as error:
        known = PICTURE_MAGIC.match(head)
        raise image_error(path, "damaged: its header cannot be read" if known else
                          "not an image (bytes not recognized)") from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        pixels = re.search(r"\d+", str(error))
        raise image_error(path, _too_large(int(pixels[0])) if pixels else str(error)) from error
    except Exception as error:  # damaged bytes make decoders raise nearly anything
        cause = error.strerror if isinstance(error, OSError) else None
        raise image_error(path, cause or f"damaged: {error or type(error).__name__}") from error


def image_error(path: Path, reason: str) -> ImageError:
    """Makes the error that names a file and says, in one line, why it cannot be used."""
    return ImageError(" ".join(f"{path}: {reason}".splitlines()))


def _too_large(pixels: int) -> str:
    return (f"{ceil(pixels / 1e6)} megapixels exceeds the limit of "
            f"{MAX_PIXELS // 1_000_000}")


def _upright(image: Image.Image) -> Image.Image:
    # ImageOps.exif_transpose also rewrites the EXIF block and fails where that block is odd.
    try:
        method = UPRIGHT.get(image.getexif().get(EXIF_ORIENTATION, 1))
    except Exception:  # damaged metadata is no reason to refuse sound pixels
        method = None
    return image if method is None else image.transpose(method)


def _decode(image: Image.Image) -> tuple[np.ndarray, np.ndarray | None]:
    if image.mode == "F" or image.mode.startswith("I"):
        values = np.asarray(image)
        transparent = image.info.get("transparency")
        alpha = None if transparent is None else np.where(
            values == transparent, 0, 255).astype(np.uint8)
        gray = _deep_gray_to_unit(values, 1.0 if image.mode == "F" else 65535.0)
        return np.repeat(gray[..., np.newaxis], 3, axis=-1), alpha
    if image.has_transparency_data:
        rgba = np.asarray(image.convert("RGBA"))
        return np.divide(rgba[..., :3], 255, dtype=np.float32), rgba[..., 3].copy()
    return np.divide(np.asarray(image.convert("RGB")), 255, dtype=np.float32), None


def _deep_gray_to_unit(values: np.ndarray, full_scale: float) -> np.ndarray:
    if not np.isfinite(values).all():
        raise ValueError("pixel values are not all finite")
    low, high = float(values.min()), float(values.max())
    if low >= 0 and high <= full_scale:
        low, high = 0.0, full_scale
    unit = (values.astype(np.float64) - low) / max(high - low, np.finfo(np.float64).tiny)
    return unit.astype(np.float32)


def read_rgb(path: str | os.PathLike) -> np.ndarray:
    """Reads a file as uint8 [H, W, 3] sRGB, rounded; alpha is ignored (not composited).

    Raises:
        ImageError: As `read_picture`.
    """
    return np.rint(read_picture(path).rgb * 255).astype(np.uint8)


def is_gray(rgb: np.ndarray) -> np.ndarray:
    """Tells pictures that hold no color, such as a gray JPEG stored as RGB.

    Args:
        rgb: uint8 [..., H, W, 3].

    Returns:
        bool [...] (a scalar for one picture): whether the largest minus the smallest channel,
        averaged over the pixels, is below `GRAY_TOLERANCE`.
    """
    r, g, b = np.moveaxis(rgb, -1, 0)
    spread = np.maximum(np.maximum(r, g), b) - np.minimum(np.minimum(r, g), b)
    return spread.mean(axis=(-2, -1)) < GRAY_TOLERANCE


def resize_and_crop(rgb: np.ndarray, size: int) -> np.ndarray:
    """Scales the short side to `size` pixels and keeps the central square.

    Args:
        rgb: uint8 [H, W, 3].
        size: Side of the result in pixels.

    Returns:
        uint8 [size, size, 3]. Antialiased Lanczos when reducing, bicubic when enlarging.
    """
    height, width = rgb.shape[:2]
    side = min(height, width)
    # Cropping first gives the same square and spares a 3 x 2000 strip its enlargement. Whole
    # pixels, so that a picture already of this size comes through unblurred.
    left, top = (width - side) // 2, (height - side) // 2
    resample = Image.Resampling.LANCZOS if size < side else Image.Resampling.BICUBIC
    square = Image.fromarray(rgb).resize(
        (size, size), resample, box=(left, top, left + side, top + side))
    return np.asarray(square)


def write_picture(path: str | os.PathLike, rgb: np.ndarray,
                  alpha: np.ndarray | None = None) -> None:
    """Writes a picture file; a reader sees the old file or the whole new one, never a part.

    The suffix decides the format, PNG if it is not one of `WRITE_FORMATS`. Lossless but for JPEG
    (quality 95, 4:4:4). Missing folders are made.

    Args:
        path: The file.
        rgb: uint8 [H, W, 3].
        alpha: uint8 [H, W] or None.

    Raises:
        ValueError: Wrong shape or dtype, or `alpha` given for a format that has none.
        OSError: The file cannot be written.
    """
    path = Path(path)
    picture_format = WRITE_FORMATS.get(path.suffix.lower(), "PNG")
    if rgb.dtype != np.uint8 or rgb.ndim != 3 or rgb.shape[-1] != 3:
        raise ValueError("`rgb` must be uint8 [H, W, 3]. "
                         f"Received: rgb.dtype={rgb.dtype}, rgb.shape={rgb.shape}")
    image = Image.fromarray(rgb)
    if alpha is not None:
        if picture_format not in ALPHA_FORMATS:
            raise ValueError(f"`alpha` needs one of the formats {ALPHA_FORMATS}. "
                             f"Received: path={str(path)!r} (see `image_paths.output_path`)")
        image.putalpha(Image.fromarray(alpha))
    path.parent.mkdir(parents=True, exist_ok=True)
    # Not tempfile: its files are readable by their owner only, and os.replace keeps that.
    temporary = path.parent / f".{uuid.uuid4().hex}.tmp"
    try:
        with open(temporary, "xb") as file:
            image.save(file, picture_format, **WRITE_OPTIONS.get(picture_format, {}))
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
