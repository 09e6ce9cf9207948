"""What an image file says beside its pixels: date, caption, artist, place, resolution, texts."""

from __future__ import annotations

from collections.abc import Mapping
import contextlib
from dataclasses import dataclass, field
from typing import Any

from PIL import ExifTags, Image
from PIL.PngImagePlugin import PngInfo

ORIENTATION = 0x0112  # of EXIF: the pixels are turned as they are read
# Of a TIFF, whose other tags say how its pixels are stored: what a person or a camera noted.
NOTES = frozenset(tag.value for tag in (
    ExifTags.Base.ImageDescription, ExifTags.Base.Make, ExifTags.Base.Model,
    ExifTags.Base.Software, ExifTags.Base.DateTime, ExifTags.Base.Artist,
    ExifTags.Base.HostComputer, ExifTags.Base.Copyright))
XMP_TAG, XMP_KEYWORD = 700, "XML:com.adobe.xmp"  # of TIFF, of PNG
MAX_SEGMENT = 65_000  # bytes of EXIF, XMP or a comment that a JPEG can hold
MAX_JPEG_HEADER = 60_000  # bytes of all three: Pillow before 13 writes them from one buffer
MAX_DPI = 100_000.0


@dataclass(frozen=True)
class Metadata:
    """The metadata that an image file keeps when its colors change."""

    exif: bytes = b""  # without the orientation and the thumbnail
    xmp: bytes = b""
    dpi: tuple[float, float] | None = None
    comment: bytes = b""  # of JPEG and GIF
    text: Mapping[str, str] = field(default_factory=dict)  # of PNG

    def save_options(self, image_format: str) -> dict[str, Any]:
        """The arguments of `Image.save` that write it, as far as a format can hold it."""
        options: dict[str, Any] = {"dpi": self.dpi} if self.dpi else {}
        if image_format in ("PNG", "WEBP", "JPEG") and self.exif:
            options["exif"] = self.exif
        if self.xmp and (image_format == "WEBP" or (
                image_format == "JPEG" and len(self.xmp) <= MAX_SEGMENT)):
            options["xmp"] = self.xmp
        if image_format == "JPEG" and self.comment:
            room = MAX_JPEG_HEADER - sum(len(options.get(name, b"")) for name in ("exif", "xmp"))
            options["comment"] = self.comment[:max(0, room)]
        if image_format == "TIFF":
            exif = Image.Exif()
            exif.load(self.exif)
            noted, exif = _notes(exif).tobytes(), Image.Exif()
            exif.load(noted)  # else Pillow cannot write what is nested
            options["exif"] = exif
            if self.xmp:
                exif[XMP_TAG] = self.xmp
            if exif:
                options["compression"] = "raw"  # else Pillow cannot write the place or XMP
        if image_format == "PNG":
            options["pnginfo"] = info = PngInfo()
            for key, value in self.text.items():
                info.add_itxt(key, value)
            if self.xmp:
                info.add_itxt(XMP_KEYWORD, self.xmp.decode("utf-8", "replace"))
            if self.comment:
                info.add_itxt("Comment", self.comment.decode("utf-8", "replace"))
        return options


def read_metadata(image: Image.Image) -> Metadata:
    """Reads what is kept, of an image whose pixels are loaded; what is damaged is left out."""
    values: dict[str, Any] = {"exif": _exif(image)}
    with contextlib.suppress(Exception):
        xmp = image.info.get("xmp", b"")
        values["xmp"] = xmp.encode() if isinstance(xmp, str) else bytes(xmp)
    with contextlib.suppress(Exception):
        dpi = tuple(float(value) for value in image.info["dpi"])
        # 1 stands for an unknown unit, and what is no number is not in any range.
        if len(dpi) == 2 and all(1.0 < value <= MAX_DPI for value in dpi):
            values["dpi"] = dpi
    with contextlib.suppress(Exception):
        comment = image.info.get("comment", b"")
        values["comment"] = comment.encode() if isinstance(comment, str) else bytes(comment)
    text = getattr(image, "text", {})
    values["text"] = {str(key): str(value) for key, value in text.items()
                      if key != XMP_KEYWORD and not key.startswith("Raw profile")}
    return Metadata(**values)


def _exif(image: Image.Image) -> bytes:
    with contextlib.suppress(Exception):
        exif = image.getexif()
        if image.format == "TIFF":
            exif = _notes(exif)
        exif.pop(ORIENTATION, None)
        content = exif.tobytes() if len(exif) else b""
        return content if len(content) <= MAX_SEGMENT else b""
    return b""


def _notes(exif: Image.Exif) -> Image.Exif:
    """What of EXIF does not say how the pixels are stored, which a TIFF says in the same place."""
    kept = Image.Exif()
    for tag in NOTES & set(exif):
        kept[tag] = exif[tag]
    for ifd in (ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo):
        if values := exif.get_ifd(ifd):
            kept[ifd] = dict(values)
    return kept
