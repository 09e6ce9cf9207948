"""The progress of a run in a terminal of any width, a notebook, or a log file."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from typing import Iterator, Mapping

from tqdm import tqdm

COLUMNS = 80  # of a bar where the terminal has none, as in Colab
LINE_SECONDS = 60.0  # between the lines in a file
FORMAT = "{percentage:3.0f}%|{bar}| {remaining} left, {rate_fmt}{postfix}"


class Progress:
    """A bar in a terminal or notebook, else a line a minute; never a reason for a run to end.

    Args:
        total: images of the whole run.
        done: images so far.
        shown: draws nothing if False.
    """

    def __init__(self, total: int, done: int, shown: bool = True):
        shown = shown and sys.stderr is not None  # None where it was closed before the start
        self._shown, self._lines = shown, shown and not _is_interactive()
        self._last_line = time.monotonic()
        self._bar = tqdm(
            total=total, initial=done, unit=" images", unit_scale=True, mininterval=0.5,
            bar_format=FORMAT, file=sys.stderr, ncols=_columns(),
            disable=not shown or self._lines)
        self._total, self._done, self._first, self._start = total, done, done, time.monotonic()
        self._texts: dict[str, str] = {}

    def update(self, images: int, texts: Mapping[str, str]) -> None:
        """Goes on by some images; `texts` (name -> value) stand beside the bar from then on."""
        self._done += images
        self._texts |= texts
        with _never_fatal():
            self._bar.set_postfix(self._texts, refresh=False)
            self._bar.update(images)
            if self._lines and time.monotonic() - self._last_line >= LINE_SECONDS:
                self._last_line = time.monotonic()
                self.say(self._line())

    def go_back(self, done: int) -> None:
        """Continues from an earlier place."""
        self._done = self._first = done
        self._start = time.monotonic()
        with _never_fatal():
            self._bar.reset(self._total)
            self._bar.update(done)

    def say(self, text: str) -> None:
        """Prints a line to stderr, above the bar."""
        with _never_fatal():
            if self._shown:
                tqdm.write(text, file=sys.stderr)
                sys.stderr.flush()

    def close(self) -> None:
        """Ends the bar."""
        with _never_fatal():
            self._bar.close()

    def _line(self) -> str:
        speed = (self._done - self._first) / max(time.monotonic() - self._start, 1e-9)
        left = tqdm.format_interval((self._total - self._done) / speed) if speed else "?"
        texts = "".join(f", {name} {value}" for name, value in self._texts.items())
        return (f"{self._done} of {self._total} images, {speed:.3g} images/s, {left} left{texts}")


def _is_interactive() -> bool:
    """Whether a bar can be redrawn: on a terminal, or in a notebook's own process."""
    if "ipykernel" in sys.modules:
        return True
    with _never_fatal():
        return sys.stderr.isatty()
    return False


def _columns() -> int:
    with _never_fatal():
        return os.get_terminal_size(sys.stderr.fileno()).columns or COLUMNS
    return COLUMNS


@contextlib.contextmanager
def _never_fatal() -> Iterator[None]:
    """A terminal that is gone, full or closed does not end a training."""
    try:
        yield
    except (OSError, ValueError, AttributeError):
        pass
