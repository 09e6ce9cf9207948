"""Image files out: sRGB of 8 or 16 bits, with the metadata of the file that it comes from."""

from __future__ import annotations

import io
import os
from pathlib import Path
import struct
from typing import Any, BinaryIO
import zlib

from PIL import Image, PngImagePlugin
import numpy as np

from colorizer.data.decoding import to_uint8
from colorizer.data.metadata import Metadata
from colorizer.data.profiles import srgb_profile
from colorizer.files import write_with

WRITE_FORMATS = {".jpg": "JPEG", ".jpeg": "JPEG", ".png": "PNG", ".webp": "WEBP", ".bmp": "BMP",
                 ".tif": "TIFF", ".tiff": "TIFF"}
WRITE_OPTIONS: dict[str, dict[str, object]] = {
    "JPEG": {"quality": 95, "subsampling": 0},
    "WEBP": {"lossless": True, "exact": True},  # exact: colors under transparency too
    "TIFF": {"compression": "tiff_adobe_deflate"}}
ALPHA_FORMATS = ("PNG", "WEBP", "TIFF")
DEEP_FORMATS = ("PNG", "TIFF")  # that can hold 16 bits a channel


def write_image(
    path: str | os.PathLike, rgb: np.ndarray, alpha: np.ndarray | None = None,
    metadata: Metadata | None = None, *, exclusive: bool = False,
) -> None:
    """Writes uint8 [H, W, 3] and perhaps alpha [H, W]; a reader never sees a part of the file.

    The suffix decides the format, PNG if it is not one of `WRITE_FORMATS`. Lossless but for JPEG
    (quality 95, 4:4:4). uint16 is written as 16 bits to PNG and TIFF, to others as 8. With
    `metadata`, which may be empty, the file also says that it is sRGB. Missing folders are made.

    Raises:
        ValueError: Wrong shape or dtype.
        FileExistsError: With `exclusive`, there is such a file already.
        OSError: The file cannot be written; a JPEG file cannot hold `alpha`.
    """
    path = Path(path)
    image_format = WRITE_FORMATS.get(path.suffix.lower(), "PNG")
    if rgb.dtype not in (np.uint8, np.uint16) or rgb.ndim != 3 or rgb.shape[-1] != 3:
        raise ValueError("`rgb` must be uint8 or uint16 [H, W, 3]. "
                         f"Received: rgb.dtype={rgb.dtype}, rgb.shape={rgb.shape}")
    options = dict(WRITE_OPTIONS.get(image_format, {}))
    if metadata is not None:
        options.update(metadata.save_options(image_format), icc_profile=srgb_profile())
    path.parent.mkdir(parents=True, exist_ok=True)
    if rgb.dtype == np.uint16 and image_format not in DEEP_FORMATS:
        rgb = to_uint8(rgb)
    if rgb.dtype == np.uint16:
        write = _write_png16 if image_format == "PNG" else _write_tiff16
        pixels = rgb if alpha is None else np.dstack([rgb, alpha * np.uint16(257)])
        write_with(path, lambda file: write(file, pixels, options), exclusive=exclusive)
        return
    image = Image.fromarray(rgb)
    if alpha is not None:
        image.putalpha(Image.fromarray(alpha))
    write_with(path, lambda file: image.save(file, image_format, **options), exclusive=exclusive)


def _write_png16(file: BinaryIO, pixels: np.ndarray, options: dict[str, Any]) -> None:
    """Writes uint16 [H, W, 3 or 4], which Pillow cannot: the rows of the PNG specification.

    Pillow writes the file around them, of one pixel: its first chunk, the header, and the pixels
    are replaced.
    """
    height, width, channels = pixels.shape
    row_bytes = np.ascontiguousarray(pixels, ">u2").view(np.uint8).reshape(height, -1)
    rows = np.empty((height, 1 + row_bytes.shape[1]), np.uint8)
    rows[:, 0] = 1  # filter "sub": the difference from the pixel to the left
    rows[:, 1:] = row_bytes
    rows[:, 1 + 2 * channels:] -= row_bytes[:, :-2 * channels]
    small = _chunks(options)
    header = struct.pack(">IIBBBBB", width, height, 16, 2 if channels == 3 else 6, 0, 0, 0)
    file.write(b"\x89PNG\r\n\x1a\n")
    for name, content in small:
        content = {b"IHDR": header, b"IDAT": zlib.compress(rows.data, 6)}.get(name, content)
        PngImagePlugin.putchunk(file, name, content)


def _chunks(options: dict[str, Any]) -> list[tuple[bytes, bytes]]:
    """Names and contents of what Pillow writes for one pixel."""
    buffer = io.BytesIO()
    Image.new("RGB", (1, 1)).save(buffer, "PNG", **options)
    content, place, chunks = buffer.getvalue(), 8, []
    while place < len(content):
        length = int.from_bytes(content[place:place + 4])
        chunks.append((content[place + 4:place + 8], content[place + 8:place + 8 + length]))
        place += 12 + length
    return chunks


def _write_tiff16(file: BinaryIO, pixels: np.ndarray, options: dict[str, Any]) -> None:
    """Writes uint16 [H, W, 3 or 4], which Pillow cannot."""
    import tifffile

    tags = [(tag, "s", 0, value, True) if isinstance(value, str) else
            (tag, "B", len(value), value, True)
            for tag, value in options.get("exif", {}).items() if isinstance(value, (str, bytes))]
    dpi = options.get("dpi")
    tifffile.imwrite(
        file, pixels, photometric="rgb", compression="zlib", metadata=None, software=False,
        extrasamples=["unassalpha"] if pixels.shape[-1] == 4 else None, extratags=tags,
        iccprofile=options.get("icc_profile"), resolution=dpi, resolutionunit=2 if dpi else None)
