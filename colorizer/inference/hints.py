"""Color hints: a point of an image, and the color that the thing there is to have."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
import re
from typing import Any, NamedTuple, Sequence

from keras import ops
import numpy as np
from skimage import color as skcolor

from colorizer import color
from colorizer.errors import UserError, brief
from colorizer.files import read_json
from colorizer.inference.upsampling import Upsampler

PATCH_RADIUS = 1  # around a point, in pixels of the network's colors, as in training
SPREAD = 3.0  # in the same pixels: how far around a point its last error is taken out
SIMILAR_LIGHTNESS = 0.1  # in units of l_scaled: 5 L*, within which it is the same thing
SOLVER_STEPS, DAMPING, TINY = 50, 1e-4, 1e-7  # of the weights that take the errors out
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


class HintPoints(NamedTuple):
    """The hints of one image as tensors."""

    rows: Any  # int [n], of the image's pixels
    columns: Any  # int [n]
    ab_scaled: Any  # float [n, 2] in [-1, 1]
    known: Any  # float [n]: 1, or 0 for one that does not count


def hint_points(hints: Sequence[Hint], image_size: tuple[int, int]) -> HintPoints:
    """The hints on an image of this height and width; raises HintError for one outside of it."""
    rows, columns = np.array([hint.place(*image_size) for hint in hints], "int32").T
    return HintPoints(rows, columns, np.array([hint.ab_scaled() for hint in hints], "float32"),
                      np.ones(len(hints), "float32"))


def hint_map(points: HintPoints, image_size: tuple, size: tuple):
    """The network's input: float [1, *size, 3], ab around each point and 1 there, else 0.

    `image_size` is the image's height and width, `size` that of the network's colors: whole
    numbers, or such tensors in a graph.
    """
    near = [ops.abs(ops.arange(side, dtype="int32") - place[:, None]) <= PATCH_RADIUS
            for side, place in zip(size, _small_places(points, image_size, size))]
    inside = ops.expand_dims(near[0], 2) & ops.expand_dims(near[1], 1)  # [n, h, w]
    inside = inside & (points.known > 0.0)[:, None, None]
    # Of two hints in one place the last one counts.
    order = ops.arange(1, ops.shape(points.known)[0] + 1, dtype="int32")
    last = ops.max(ops.where(inside, order[:, None, None], 0), axis=0)
    colors = ops.take(points.ab_scaled, ops.maximum(last - 1, 0), axis=0)
    colors = ops.concatenate([colors, ops.ones_like(colors[..., :1])], axis=-1)
    return ops.expand_dims(ops.where(ops.expand_dims(last, 2) > 0, colors, 0.0), 0)


def meet_hints(points: HintPoints, l_scaled, l_small, ab_small):
    """Takes out what is left of the error at each point, and around it on the same thing.

    The error, that of the enlarged colors, is interpolated by a kernel of distance and of
    lightness: the color is met at the points and fades where the image gets lighter or darker.

    Args:
        points: of `hint_points`.
        l_scaled: float [1, height, width, 1] in [-1, 1], of the whole image.
        l_small: float [1, h, w, 1], the same at the scale of the network's colors.
        ab_small: float [1, h, w, 2], the network's colors.

    Returns:
        float [1, h, w, 2].

    Source: interpolation by radial basis functions; the kernel is that of the bilateral filter
    (Tomasi and Manduchi, ICCV 1998). Its weights are found by conjugate gradients on the normal
    equations (Hestenes and Stiefel, 1952).
    """
    image_size, size = ops.shape(l_scaled)[1:3], ops.shape(ab_small)[1:3]
    rows, columns = _small_places(points, image_size, size)
    same = (rows[:, None] == rows) & (columns[:, None] == columns)
    order = ops.arange(ops.shape(rows)[0], dtype="int32")
    later = same & (order > order[:, None]) & (points.known > 0.0)
    known = points.known * (1.0 - ops.max(ops.cast(later, "float32"), axis=1))

    def distance(axis, side):  # [n, side], squared
        step = ops.arange(side, dtype="float32") - ops.cast(axis, "float32")[:, None]
        return ops.square(step / SPREAD)

    lightness = ops.take(ops.reshape(l_small, (-1,)), rows * size[1] + columns)
    contrast = (l_small - lightness) / SIMILAR_LIGHTNESS  # [1, h, w, n]
    apart = (ops.expand_dims(ops.transpose(distance(rows, size[0])), 1) +
             ops.expand_dims(ops.transpose(distance(columns, size[1])), 0))
    kernel = known * ops.exp(-0.5 * (apart + ops.square(contrast)))
    at_points = ops.take(ops.reshape(l_scaled, (-1, 1)),
                         points.rows * image_size[1] + points.columns, axis=0)

    def enlarged(maps):
        upsampler = Upsampler(l_small, maps, image_size)
        return known[:, None] * upsampler.at(points.rows, points.columns, at_points)

    errors = known[:, None] * points.ab_scaled - enlarged(ab_small)
    return ab_small + ops.matmul(kernel, _solve(enlarged(kernel), errors))


def _solve(matrix, values):
    """The least squares x of `matrix @ x = values`, slightly damped: float [n, c]."""
    def normal(x):
        return ops.matmul(ops.transpose(matrix), ops.matmul(matrix, x)) + DAMPING * x

    def improve(_, state):
        x, residual, direction, size = state
        image = normal(direction)
        step = size / (ops.sum(direction * image, axis=0) + TINY)
        x, residual = x + step * direction, residual - step * image
        new_size = ops.sum(ops.square(residual), axis=0)
        return x, residual, residual + new_size / (size + TINY) * direction, new_size

    start = ops.matmul(ops.transpose(matrix), values)
    state = ops.zeros_like(start), start, start, ops.sum(ops.square(start), axis=0)
    return ops.fori_loop(0, SOLVER_STEPS, improve, state)[0]


def _small_places(points: HintPoints, image_size: tuple, size: tuple) -> list:
    """Rows and columns on the map of the network's colors: int [n] each."""
    return [ops.minimum((2 * place + 1) * small // (2 * side), small - 1) for place, small, side
            in zip(points[:2], size, image_size)]


def _rgb(digits: str) -> tuple[int, int, int]:
    red, green, blue = bytes.fromhex(digits)
    return red, green, blue
