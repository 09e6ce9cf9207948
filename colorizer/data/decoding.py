"""From the bytes of an image file to its pixels in sRGB (no TensorFlow).

The budget of one image, whatever its header says, is about 2 GB of memory and 10 s.
"""

from __future__ import annotations

import contextlib
import dataclasses
from dataclasses import dataclass
import io
import logging
import os
from pathlib import Path
import re
import threading

from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError
import numpy as np

from colorizer.data import profiles
from colorizer.data.metadata import Metadata, read_metadata
from colorizer.errors import UserError

MAX_PIXELS, MAX_BYTES = 100_000_000, 800_000_000
MAX_SIDE = 1_000_000
# WebP, AVIF and JPEG 2000 are decoded whole several times over, and a JPEG once more a scan.
COSTLY_FORMATS, COSTLY_PIXELS = ("WEBP", "AVIF", "JPEG2000", "HEIF"), 40_000_000
MAX_SCANNED_PIXELS = 2_000_000_000
LARGE_PIXELS = 10_000_000  # more than these are in the memory of one thread at a time
# Only formats whose bytes announce themselves. Pillow would also run Ghostscript on an EPS file.
READ_FORMATS = ("JPEG", "PNG", "GIF", "BMP", "WEBP", "TIFF", "PPM", "JPEG2000", "AVIF")
IMAGE_MAGIC = re.compile(
    rb"\xff\xd8\xff|\x89PNG\r\n\x1a\n|GIF8[79]a|BM.{4}\0{4}|RIFF.{4}WEBP|II\*\0|MM\0\*", re.DOTALL)
JPEG_FORMATS = ("JPEG", "MPO")  # MPO: a JPEG with others behind it, as telephones write them
JPEG_SCAN = re.compile(rb"\xff\xda\0[\x06\x08\x0a\x0c][\x01-\x04]")  # the header of a scan
PNG_MAGIC, JPEG_END = b"\x89PNG\r\n\x1a\n", b"\xff\xd9"
PNG_PIXELS = (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND")
HEIC_MAGIC = re.compile(rb".{4}ftyp(hei[cxms]|hev[cx]|mif1|msf1)", re.DOTALL)
BITS, PHOTOMETRIC, SAMPLE_FORMAT, SUBFILE = 258, 262, 339, 254  # tags of TIFF


class ImageError(UserError):
    """An image file or array that cannot be used; of a file, "<path>: <reason>" in one line."""


class UnsupportedImage(ImageError):
    """Pixels that are sound, of a kind that is not read."""


@dataclass(frozen=True, eq=False)
class DecodedImage:
    """An image as read from a file."""

    rgb: np.ndarray  # uint8 or, of deeper files, uint16 [H, W, 3], sRGB
    alpha: np.ndarray | None  # uint8 [H, W], 0 is transparent; None if the file has none
    format: str  # Pillow's name of the file's format, such as "JPEG"
    metadata: Metadata = Metadata()
    warnings: tuple[str, ...] = ()  # what of the file was left out

    @property
    def rgb8(self) -> np.ndarray:
        """`rgb` as uint8 [H, W, 3]."""
        return self.rgb if self.rgb.dtype == np.uint8 else to_uint8(self.rgb)


def to_uint8(rgb16: np.ndarray) -> np.ndarray:
    """Rounds uint16 of any shape, 0 to 65535, to uint8, 0 to 255."""
    scaled = np.divide(rgb16, 257, dtype=np.float32)  # no value is near to a half
    return np.rint(scaled, out=scaled).astype(np.uint8)


def read_image(path: str | os.PathLike) -> DecodedImage:
    """Reads an image file as it should be displayed; of several frames or pages, the first.

    The bytes decide the format, not the name. EXIF orientation and color profiles are applied. Gray
    of more than 8 bits keeps its precision: integers are taken as shares of their type's largest
    value (of 32 bits: of 65535 where no value is larger), floats as 0 to 1, 255 or 65535.

    Example:
        rgb = read_image("photo.jpg").rgb

    Raises:
        ImageError: The file is missing, unreadable, empty, not an image, damaged or truncated, or
            of more bytes or pixels than the limits of this module (refused before decoding).
    """
    path = Path(path)
    try:
        if path.exists() and not path.is_file():  # opening a named pipe would wait forever
            raise image_error(path, "not a regular file")
        if path.stat().st_size > MAX_BYTES:
            raise image_error(path, f"a file of more than {MAX_BYTES // 10**6} MB")
        content = path.read_bytes()
    except OSError as error:
        raise image_error(path, error.strerror or str(error)) from error
    return read_content(content, path)


def read_content(
    content: bytes, name: str | os.PathLike, max_pixels: int = MAX_PIXELS
) -> DecodedImage:
    """Reads the bytes of an image file, as `read_image` does; `name` is for messages.

    Raises ImageError as `read_image`, also for an image of more than `max_pixels`.
    """
    path = Path(name)
    try:
        if not content:
            raise image_error(path, "empty file")
        return _read(content, max_pixels)
    except UnsupportedImage as error:
        raise image_error(path, str(error)) from error
    except ImageError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise image_error(path, str(error)) from error
    except UnidentifiedImageError as error:
        raise image_error(path, _unidentified(content)) from error
    except Exception as error:  # damaged bytes make decoders raise nearly anything
        cause = error.strerror if isinstance(error, OSError) else None
        raise image_error(path, cause or f"damaged: {error or type(error).__name__}") from error


def image_error(path: Path, reason: str) -> ImageError:
    """Makes the error that names a file and says, in one line, why it cannot be used."""
    return ImageError(" ".join(f"{path}: {reason}".splitlines()))


def _unidentified(content: bytes) -> str:
    if HEIC_MAGIC.match(content):
        return "not supported: a HEIC image; after `pip install pillow-heif` it is"
    if content.startswith((b"II*\0", b"MM\0*")):
        with contextlib.suppress(Exception):
            import tifffile

            tifffile.logger().setLevel(logging.CRITICAL)  # it would report each wrong tag
            with tifffile.TiffFile(io.BytesIO(content)) as file:
                page = file.pages[0]
                return f"not supported: a TIFF of shape {page.shape} and type {page.dtype}"
    return ("damaged: its header cannot be read" if IMAGE_MAGIC.match(content) else
            "not an image (bytes not recognized)")


_open_lock, _large_lock = threading.Lock(), threading.Lock()


def _open(content: bytes, max_pixels: int = MAX_PIXELS) -> Image.Image:
    """Reads an image's header, under our limits in the place of Pillow's 89 megapixels."""
    formats = list(READ_FORMATS)
    if HEIC_MAGIC.match(content):
        with contextlib.suppress(ImportError):
            import pillow_heif

            pillow_heif.register_heif_opener()
            formats.append("HEIF")
    with _open_lock:  # Pillow's limit is a constant of its module, the same for all threads
        pillow_limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        try:
            image = Image.open(io.BytesIO(content), formats=formats)
        finally:
            Image.MAX_IMAGE_PIXELS = pillow_limit
    _check_size(image, content, max_pixels)
    return image


def _check_size(image: Image.Image, content: bytes, max_pixels: int) -> None:
    pixels = image.width * image.height
    limit = min(max_pixels, COSTLY_PIXELS if image.format in COSTLY_FORMATS else MAX_PIXELS)
    if pixels > limit:
        raise Image.DecompressionBombError(
            f"more than {limit // 10**6} megapixels, the most of {image.format or 'an image'}")
    if max(image.size) > MAX_SIDE:
        raise Image.DecompressionBombError(f"a side of more than {MAX_SIDE} pixels")
    if image.format in JPEG_FORMATS and (
            pixels * len(JPEG_SCAN.findall(content)) > MAX_SCANNED_PIXELS):
        raise Image.DecompressionBombError("too many progressive scans")


def _read(content: bytes, max_pixels: int) -> DecodedImage:
    try:
        return _read_all(content, max_pixels)
    except ValueError:
        if not content.startswith(PNG_MAGIC):
            raise
        decoded = _read_all(_png_pixels(content), max_pixels)
        problem = "its metadata cannot be read and are left out"
        return dataclasses.replace(decoded, warnings=(problem, *decoded.warnings))


def _read_all(content: bytes, max_pixels: int) -> DecodedImage:
    image = _open(content, max_pixels)
    left_out = [_choose(image, max_pixels)]
    with image, _large_lock if image.width * image.height > LARGE_PIXELS else (
            contextlib.nullcontext()):
        name = image.format or ""
        try:
            image.load()
        except OSError:
            if name not in JPEG_FORMATS or content.endswith(JPEG_END):
                raise
            image = _without_end(content)
            left_out.append("its last bytes are missing; all pixels are there")
        with contextlib.suppress(Exception):  # damaged metadata; the pixels may be sound
            # In place, the pixels are turned before the metadata are written anew.
            ImageOps.exif_transpose(image, in_place=True)
        rgb, alpha, problem = decode(image)
        kept = read_metadata(image)
    return DecodedImage(rgb, alpha, name, kept, tuple(filter(None, (*left_out, problem))))


def _choose(image: Image.Image, max_pixels: int) -> str | None:
    """Goes to the page of a TIFF that is no thumbnail; returns what is left out."""
    count = getattr(image, "n_frames", 1)
    if count == 1 or image.format == "MPO":  # whose others are previews, or for stereo
        return None
    if image.format != "TIFF":
        return f"only the first of its {count} frames is read"
    pages = []
    for page in range(min(count, 1000)):
        image.seek(page)
        if not image.tag_v2.get(SUBFILE, 0) & 1:  # type: ignore[attr-defined]
            pages.append(page)
    image.seek(pages[0] if pages else 0)
    _check_size(image, b"", max_pixels)
    return f"only the first of its {len(pages)} pages is read" if len(pages) > 1 else None


def _png_pixels(content: bytes) -> bytes:
    """A PNG file without what is not needed for its pixels."""
    kept, place = [PNG_MAGIC], len(PNG_MAGIC)
    while place < len(content):
        end = place + 12 + int.from_bytes(content[place:place + 4])
        if content[place + 4:place + 8] in PNG_PIXELS:
            kept.append(content[place:end])
        place = end
    return b"".join(kept)


def _without_end(content: bytes) -> Image.Image:
    """Decodes a JPEG whose end is missing, if no pixel is.

    Pixels that are missing take values from whatever follows; whole ones do not.
    """
    images = []
    for filler in (b"", b"\xa5" * 64):
        images.append(_open(content.removesuffix(b"\xff") + filler + JPEG_END))
        images[-1].load()
    if images[0].tobytes() != images[1].tobytes():
        raise OSError("image file is truncated")
    return images[0]


def decode(image: Image.Image) -> tuple[np.ndarray, np.ndarray | None, str | None]:
    """The pixels of a loaded image in sRGB.

    Returns:
        (uint8 or uint16 [H, W, 3], alpha uint8 [H, W] or None, a problem of its profile or None).
    """
    transparent = image.info.get("transparency")
    if image.mode == "F" or image.mode.startswith("I"):
        gray = _deep_gray(image)
        alpha = None if not isinstance(transparent, int) else np.where(
            np.asarray(image) == transparent, 0, 255).astype(np.uint8)
        gray, problem = profiles.apply_to_gray16(gray, image.info)
        return np.repeat(gray[..., np.newaxis], 3, axis=-1), alpha, problem
    alpha = None
    if image.has_transparency_data:
        alpha = np.asarray(image.convert("RGBA").getchannel("A")).copy()
        image = _opaque(image)
    try:
        rgb, problem = profiles.to_srgb(image)
    except ImageCms.PyCMSError as error:
        rgb, problem = image.convert("RGB"), f"its color profile cannot be used: {error}"
    return np.asarray(rgb), alpha, problem


def _opaque(image: Image.Image) -> Image.Image:
    """The colors, those beneath transparency too."""
    info = {key: value for key, value in image.info.items() if key != "transparency"}
    image = image.convert("L") if image.mode in ("LA", "La", "L", "1") else (
        image.convert("RGBA").convert("RGB"))
    image.info = info
    return image


def _deep_gray(image: Image.Image) -> np.ndarray:
    """Gray of more than 8 bits as uint16 [H, W], black 0, white 65535."""
    tags = getattr(image, "tag_v2", {})
    bits = tags.get(BITS, (16,))[0]
    signed = tags.get(SAMPLE_FORMAT, (1,))[0] == 2
    values = np.asarray(image)
    if image.mode == "I" and bits == 32 and not signed:
        values = values.view(np.uint32)
    if not np.isfinite(values).all():
        raise UnsupportedImage("not supported: pixel values that are not all finite")
    low, high = float(values.min()), float(values.max())
    if image.mode == "F":
        # A resampled image overshoots its range a little.
        scales = [scale for scale in (1.0, 255.0, 65535.0) if high <= 1.5 * scale]
        margin = 0.5
    else:
        scales = [2.0 ** (bits - signed) - 1.0]
        if bits == 32 and high <= 65535:
            scales = [65535.0]
        margin = 0.0
    if not scales or low < -margin * scales[0]:
        raise UnsupportedImage(
            f"not supported: pixel values from {low:g} to {high:g}, of no known scale")
    gray = np.multiply(values, 65535.0 / scales[0], dtype=np.float32)
    np.clip(np.rint(gray, out=gray), 0.0, 65535.0, out=gray)
    if tags.get(PHOTOMETRIC) == 0:  # WhiteIsZero
        gray = 65535.0 - gray
    return gray.astype(np.uint16)
