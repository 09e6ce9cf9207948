"""Color hints: a point of an image, and the color that the thing there is to have."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
import re
from typing import Sequence

import numpy as np
from skimage import color as skcolor

from colorizer import color
from colorizer.errors import UserError, brief
from colorizer.files import read_json
from colorizer.inference.upsampling import Upsampler

PATCH_RADIUS = 1  # around a point, in pixels of the network's colors, as in training
SPREAD = 3.0  # in the same pixels: how far around a point its last error is taken out
SIMILAR_LIGHTNESS = 0.1  # in units of l_scaled: 5 L*, within which it is the same thing
REPEATS = 10  # enlarging moves colors a little: the error that is left is taken out again
MET = 0.002  # in units of ab_scaled: an error that nobody sees
HINT = re.compile(r"(?P<x>[^,]+),(?P<y>[^,]+),#?(?P<color>[0-9a-fA-F]{6})")


class HintError(UserError):
    """A hint that cannot be understood, or that the model or the image cannot take."""


@dataclass(frozen=True)
class Hint:
    """The color of one point; the model finds out how far it reaches.

    Attributes:
        x, y: the point, in pixels from the left and the top, at least 0; or, with `relative`, as
            shares of width and height in [0, 1].
        rgb: sRGB in 0..255. Its lightness does not count: the image's stays.

    Example:
        >>> colorizer(image, hints=[Hint(120, 80, (192, 57, 43))])
    """

    x: float
    y: float
    rgb: tuple[int, int, int]
    relative: bool = False

    def place(self, height: int, width: int) -> tuple[int, int]:
        """Row and column of the pixel; raises HintError where it is outside of the image."""
        inside = 0.0 <= min(self.x, self.y) and (
            max(self.x, self.y) <= 1.0 if self.relative else self.x < width and self.y < height)
        if not inside:
            raise HintError(f"a hint must lie in the image, {width} x {height} pixels. "
                            f"Received: x={self.x:g}, y={self.y:g}")
        scale_y, scale_x = (height, width) if self.relative else (1, 1)
        return min(int(self.y * scale_y), height - 1), min(int(self.x * scale_x), width - 1)

    def ab_scaled(self) -> np.ndarray:
        """a* and b* of the color: float64 [2] in [-1, 1]."""
        return skcolor.rgb2lab(np.array(self.rgb, np.uint8))[1:] / color.AB_RANGE


def parse_hint(text: str) -> Hint:
    """Reads `x,y,#rrggbb`, both numbers in pixels or both in percent: `120,80,#c0392b`.

    Raises:
        HintError: it is of another form.
    """
    found = HINT.fullmatch(text.strip())
    try:
        if found is None:
            raise ValueError
        relative = [found[name].strip().endswith("%") for name in "xy"]
        x, y = (float(found[name].strip().removesuffix("%")) for name in "xy")
        if relative[0] != relative[1] or not (np.isfinite(x) and np.isfinite(y)):
            raise ValueError
    except ValueError:
        raise HintError("a hint must be x,y,#rrggbb, in pixels as 120,80,#c0392b or in percent as "
                        f"50%,30%,#c0392b. Received: {brief(text)}") from None
    scale = 0.01 if relative[0] else 1.0
    return Hint(x * scale, y * scale, _rgb(found["color"]), relative[0])


def read_hints(path: str | Path) -> list[Hint]:
    """Reads a JSON file of hints, a list of texts as `parse_hint` takes them.

    Raises:
        UserError: it cannot be read, or holds something else.
    """
    texts = read_json(path)
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise HintError('a file of hints must be a list such as ["120,80,#c0392b"]. '
                        f"Received: {path}")
    return [parse_hint(text) for text in texts]


def hint_map(
    hints: Sequence[Hint], image_size: tuple[int, int], size: tuple[int, int]
) -> np.ndarray:
    """The network's input: float32 [1, *size, 3], ab around each point and 1 there, else 0.

    `image_size` is the image's height and width, `size` that of the network's colors.
    """
    result = np.zeros((1, *size, 3), np.float32)
    for hint in hints:
        row, column = _small_place(hint, image_size, size)
        rows, columns = (slice(max(0, middle - PATCH_RADIUS), middle + PATCH_RADIUS + 1)
                         for middle in (row, column))
        result[0, rows, columns] = *hint.ab_scaled(), 1.0
    return result


def meet_hints(
    hints: Sequence[Hint], l_scaled: np.ndarray, l_small: np.ndarray, ab_small: np.ndarray
) -> np.ndarray:
    """Takes out what is left of the error at each point, and around it on the same thing.

    The error, that of the enlarged colors, is interpolated by a kernel of distance and of
    lightness: the color is met at the points and fades where the image gets lighter or darker.

    Args:
        hints: colors of points of the image.
        l_scaled: float [1, height, width, 1] in [-1, 1], of the whole image.
        l_small: float [1, h, w, 1], the same at the scale of the network's colors.
        ab_small: float [1, h, w, 2], the network's colors.

    Returns:
        float32 [1, h, w, 2].

    Source: interpolation by radial basis functions; the kernel is that of the bilateral filter
    (Tomasi and Manduchi, ICCV 1998).
    """
    if not hints:
        return ab_small
    (height, width), image_size = ab_small.shape[1:3], l_scaled.shape[1:3]
    # Of two hints in one place the last one counts.
    chosen = {_small_place(hint, image_size, (height, width)): hint for hint in hints}
    rows, columns = np.array(list(chosen)).T
    grid = np.stack([*np.mgrid[:height, :width] / SPREAD,
                     np.asarray(l_small)[0, ..., 0] / SIMILAR_LIGHTNESS], axis=-1)
    points = grid[rows, columns]
    kernel = np.exp(-0.5 * ((grid[:, :, None] - points) ** 2).sum(-1))  # [h, w, points]
    for _ in range(REPEATS):
        upsampler = Upsampler(l_small, ab_small, image_size)
        errors = []
        for hint in chosen.values():
            row, column = hint.place(*image_size)
            line = upsampler.rows(row, l_scaled[:, row:row + 1])
            errors.append(hint.ab_scaled() - np.asarray(line)[0, 0, column])
        if np.abs(errors).max() < MET:
            break
        weights = np.linalg.lstsq(kernel[rows, columns], np.stack(errors), rcond=1e-3)[0]
        ab_small = (np.asarray(ab_small) + kernel @ weights).astype(np.float32)
    return ab_small


def _small_place(
    hint: Hint, image_size: tuple[int, int], size: tuple[int, int]
) -> tuple[int, int]:
    place = hint.place(*image_size)
    row, column = ((2 * at + 1) * small // (2 * side)
                   for at, small, side in zip(place, size, image_size))
    return row, column


def _rgb(digits: str) -> tuple[int, int, int]:
    red, green, blue = bytes.fromhex(digits)
    return red, green, blue
