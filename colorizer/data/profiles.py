"""Color profiles: from what an image file says its values mean, to sRGB (with LittleCMS)."""

from __future__ import annotations

from collections.abc import Mapping
import functools
import io
from typing import Any

from PIL import Image, ImageCms
import numpy as np

SRGB_GAMMA = 1 / 2.2  # what PNG's gAMA says of sRGB, which it only approximates
SAME_GAMMA = 0.05  # relative; such a gAMA means sRGB
EXACT = ImageCms.Flags.NOOPTIMIZE  # LittleCMS's own tables are coarse in the shadows
GRAY_MODES = ("1", "L", "LA", "La")


@functools.cache
def srgb_profile() -> bytes:
    """The sRGB profile that results carry, the same bytes each time."""
    content = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    content[24:36] = bytes((7, 208, 0, 1, 0, 1, 0, 0, 0, 0, 0, 0))  # made on January 1, 2000
    content[84:100] = bytes(16)  # its digest, over the date too: none
    return bytes(content)


def to_srgb(image: Image.Image) -> tuple[Image.Image, str | None]:
    """An opaque 8-bit image of any mode in sRGB: (mode RGB, a problem or None).

    Raises ImageCms.PyCMSError if its profile is damaged.
    """
    profile = _profile(image.info)
    if image.mode == "LAB":
        profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB"))
    if profile is None:
        rgb = image.convert("RGB")
        curve = _gamma_curve(image.info)
        return (rgb.point(_table8(curve) * 3) if curve is not None else rgb), None
    space = profile.profile.xcolor_space.strip()
    if space == "GRAY" and image.mode in GRAY_MODES:
        return image.convert("L").convert("RGB").point(_table8(_gray_curve(profile)) * 3), None
    mode = {"RGB": "RGB", "CMYK": "CMYK", "Lab": "LAB"}.get(space)
    if mode == "RGB" and image.mode not in ("CMYK", "LAB"):
        image = image.convert("RGB")
    if image.mode != mode:
        return image.convert("RGB"), f"its color profile is for {space}, not for {image.mode}"
    srgb = ImageCms.createProfile("sRGB")
    transform = ImageCms.buildTransform(profile, srgb, image.mode, "RGB")
    return transform.apply(image), None


def apply_to_gray16(
    gray: np.ndarray, info: Mapping[Any, Any]
) -> tuple[np.ndarray, str | None]:
    """Gray of 16 bits in sRGB: (uint16 of the same shape, a problem or None)."""
    try:
        profile = _profile(info)
        if profile is None:
            curve = _gamma_curve(info)
        elif profile.profile.xcolor_space.strip() == "GRAY":
            curve = _gray_curve(profile)
        else:
            return gray, "its color profile is not for gray"
    except ImageCms.PyCMSError as error:
        return gray, f"its color profile cannot be used: {error}"
    return (gray if curve is None else np.rint(65535 * curve).astype(np.uint16)[gray]), None


def _profile(info: Mapping[Any, Any]) -> ImageCms.ImageCmsProfile | None:
    """The profile of an image, None if it has none or it is sRGB."""
    content = info.get("icc_profile")
    if not content:
        return None
    try:
        profile = ImageCms.ImageCmsProfile(io.BytesIO(content))
    except OSError as error:
        raise ImageCms.PyCMSError("damaged") from error
    return None if "sRGB" in ImageCms.getProfileDescription(profile) else profile


def _gray_curve(profile: ImageCms.ImageCmsProfile) -> np.ndarray:
    """sRGB in [0, 1] for each 16-bit gray of a profile: float [65536].

    LittleCMS gives 8 bits through Pillow: each of the 256 levels is taken as exact in the middle of
    the grays that become it, and the rest is interpolated.
    """
    ramp = Image.fromarray(np.arange(65536, dtype=np.uint16).reshape(256, 256))
    transform = ImageCms.buildTransform(
        profile, ImageCms.createProfile("sRGB"), "I;16", "RGB", flags=EXACT)
    level = np.asarray(transform.apply(ramp))[..., 0].ravel()
    count = np.bincount(level, minlength=256)
    total = np.bincount(level, np.arange(65536), minlength=256)
    found = np.flatnonzero(count)
    middle = total[found] / count[found]
    middle[0], middle[-1] = 0.0, 65535.0
    return np.interp(np.arange(65536), middle, found / 255.0)


def _gamma_curve(info: Mapping[Any, Any]) -> np.ndarray | None:
    """The same for PNG's gAMA; None if it is not given or means sRGB."""
    gamma = info.get("gamma")
    if "srgb" in info or not isinstance(gamma, float) or not 0.01 < gamma < 100.0 or (
            abs(gamma / SRGB_GAMMA - 1.0) < SAME_GAMMA):
        return None
    light = np.linspace(0.0, 1.0, 65536) ** (1.0 / gamma)
    # IEC 61966-2-1.
    return np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)


def _table8(curve: np.ndarray) -> list[int]:
    """The curve of 16-bit grays for 8-bit ones."""
    return np.rint(255 * curve[::257]).astype(int).tolist()
