"""Two pictures side by side where a viewer can see them, and gone again: file, terminal, browser.

The file is always written, and replaced as a whole. A terminal draws each two pixels, one above
the other, as one half block in 24-bit color, which also works over SSH. A browser shows a page
that loads the file again and again.
"""

from __future__ import annotations

import os
from pathlib import Path
import shutil
import sys
from typing import TextIO
import webbrowser

from PIL import Image
import numpy as np

from colorizer.data import grids

SIDE = 256  # pixels that a picture in the file is enlarged to, nearly
BLANK = 128
GAP = 4  # terminal columns between the pictures
SPARE_LINES = 5  # of the terminal, for headings, path, question and answer
UPPER_HALF = "\u2580"
CLEAR, HOME, ERASE_LINE, KEEP, BACK, PLAIN = (
    "\033[2J\033[H", "\033[H", "\033[2K", "\0337", "\0338", "\033[0m")
PAGE = """<!doctype html>
<title>Which is real?</title>
<body style="background: white"><img id="pair" style="image-rendering: pixelated">
<script>
function load() {{
  const next = new Image();
  next.onload = () => {{ document.getElementById("pair").src = next.src; setTimeout(load, 50); }};
  next.onerror = () => setTimeout(load, 50);
  next.src = "{name}?" + Date.now();
}}
load();
</script>
"""


class Display:
    """Shows pairs of pictures.

    Args:
        path: the PNG for them; removed by `close`. A page to look at it lies beside it meanwhile.
        terminal: where to draw them as well, or None.
        browse: whether to open the page in a browser.
    """

    def __init__(self, path: Path, terminal: TextIO | None, browse: bool):
        self.path = path
        self._page = path.with_suffix(".html")
        self._terminal = terminal
        self._browse = browse
        self._shape: tuple[int, ...] = ()
        self._lines = 0

    def show(self, left: np.ndarray, right: np.ndarray) -> None:
        """Shows two pictures, headed 1 and 2, until `blank`.

        Args:
            left: uint8 [side, side, 3], sRGB.
            right: the same.
        """
        self._shape = left.shape
        self._write(left, right)
        if self._terminal:
            lines = draw(left, right, shutil.get_terminal_size())
            self._lines = len(lines)
            self._terminal.write(
                CLEAR + "\n".join(lines) + f"\n(if the colors look wrong here: {self.path})\n")
            self._terminal.flush()
        if self._browse:
            self._page.write_text(PAGE.format(name=self.path.name))
            webbrowser.open(self._page.resolve().as_uri())
            self._browse = False  # the page follows the file

    def blank(self) -> None:
        """Takes the pictures away; what is written below them on the terminal stays."""
        gray = np.full(self._shape, BLANK, np.uint8)
        self._write(gray, gray)
        if self._terminal:
            self._terminal.write(KEEP + HOME + f"{ERASE_LINE}\n" * self._lines + BACK)
            self._terminal.flush()

    def close(self) -> None:
        """Removes the files."""
        self.path.unlink(missing_ok=True)
        self._page.unlink(missing_ok=True)

    def _write(self, left: np.ndarray, right: np.ndarray) -> None:
        scale = max(1, round(SIDE / len(left)))
        grids.save_grid(self.path, {"1": left[None], "2": right[None]}, scale=scale)


def draw(left: np.ndarray, right: np.ndarray, size: os.terminal_size) -> list[str]:
    """Draws two pictures with half blocks.

    Small ones are enlarged by a whole factor, with no blending; those that do not fit are reduced
    with Lanczos.

    Args:
        left: uint8 [side, side, 3], sRGB.
        right: the same.
        size: of the terminal, in characters.

    Returns:
        Lines with ISO 8613-6 color sequences, the first with the headings 1 and 2.
    """
    room = max(2, min((size.columns - GAP) // 2, 2 * (size.lines - SPARE_LINES)))
    left, right = (_fit(picture, room) for picture in (left, right))
    lines = ["1".ljust(left.shape[1] + GAP) + "2"]
    for row in range(0, len(left), 2):
        lines.append((" " * GAP).join(
            _half_blocks(picture[row], picture[row + 1]) for picture in (left, right)))
    return lines


def _fit(picture: np.ndarray, room: int) -> np.ndarray:
    factor = room // len(picture)
    if factor:
        return picture.repeat(factor, axis=0).repeat(factor, axis=1)
    side = room - room % 2
    return np.asarray(Image.fromarray(picture).resize((side, side), Image.Resampling.LANCZOS))


def _half_blocks(upper: np.ndarray, lower: np.ndarray) -> str:
    cells = ("\033[38;2;{};{};{};48;2;{};{};{}m".format(*above, *below) + UPPER_HALF
             for above, below in zip(upper, lower))
    return "".join(cells) + PLAIN


def can_draw(stream: TextIO) -> bool:
    """Whether a stream is a terminal that may show half blocks in color."""
    utf = (stream.encoding or "").lower().startswith("utf")
    return stream.isatty() and utf and os.environ.get("TERM") not in ("dumb", "linux")


def can_browse() -> bool:
    """Whether a window can be opened before the person at the keyboard."""
    return "SSH_CONNECTION" not in os.environ and bool(
        sys.platform in ("darwin", "win32") or os.environ.get("DISPLAY")
        or os.environ.get("WAYLAND_DISPLAY"))
