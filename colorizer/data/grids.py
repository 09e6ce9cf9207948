"""Grids of images for comparison, with headings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import ceil
import os

from PIL import Image, ImageDraw, ImageFont
import numpy as np

from colorizer.data.encoding import write_image

GRID_GAP = 4
GRID_TEXT = 14
GRID_HEADER = GRID_TEXT + 2 * GRID_GAP
GRID_MIN_CELL = 96
GRID_ROWS = 8  # more rows than this are laid in two blocks side by side


def make_grid(columns: Mapping[str, np.ndarray], row_labels: Sequence[str] | None = None
              ) -> np.ndarray:
    """Lays images out on white: one row an image, one headed column an entry, as uint8 RGB.

    Small images are enlarged by a whole number that brings them near 96 px.

    Args:
        columns: Header -> uint8 [N, H, W, 3]; at least one, all of one shape.
        row_labels: N texts for the left of the rows.
    """
    count, height, width, _ = next(iter(columns.values())).shape
    scale = max(1, round(GRID_MIN_CELL / max(height, width)))
    font = ImageFont.load_default(GRID_TEXT)
    cell = (width * scale, height * scale)
    label_width = max(ceil(font.getlength(text)) for text in row_labels or [""])
    # Column left edges within a block; the last one is the block's width.
    lefts = [GRID_GAP + (label_width + GRID_GAP if row_labels else 0)]
    for name in columns:
        lefts.append(lefts[-1] + max(cell[0], ceil(font.getlength(name))) + GRID_GAP)
    blocks = 1 if count <= GRID_ROWS else 2
    rows = ceil(count / blocks)
    canvas = Image.new(
        "RGB", (blocks * lefts[-1], GRID_HEADER + rows * (cell[1] + GRID_GAP)), "white")
    draw = ImageDraw.Draw(canvas)
    for index in range(count):
        x, y = index // rows * lefts[-1], GRID_HEADER + index % rows * (cell[1] + GRID_GAP)
        if row_labels:
            draw.text((x + GRID_GAP, y + cell[1] // 2), row_labels[index], "black", font, "lm")
        for (name, images), left in zip(columns.items(), lefts):
            if index % rows == 0:
                draw.text((x + left, GRID_HEADER // 2), name, "black", font, "lm")
            cell_image = Image.fromarray(images[index]).resize(cell, Image.Resampling.NEAREST)
            canvas.paste(cell_image, (x + left, y))
    return np.asarray(canvas)


def save_grid(path: str | os.PathLike, columns: Mapping[str, np.ndarray],
              row_labels: Sequence[str] | None = None) -> None:
    """Writes `make_grid(columns, row_labels)` to an image file (use a .png name).

    Example:
        save_grid("grid.png", {"gray": gray, "colorized": colorized, "original": original})
    """
    write_image(path, make_grid(columns, row_labels))
