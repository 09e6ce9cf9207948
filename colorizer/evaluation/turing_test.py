"""The visual Turing test: of a real and a colorized picture side by side, which one is real?

A viewer is *fooled* in a trial where the colorized picture is taken for the real one. The figure is
the share of such trials: 50 % is perfect confusion, a coin would get it; 0 % means that every
colorized picture is recognized.

Source: the visual Turing test of the released code (ImagingLab/Colorizing-with-GANs,
test-turing.py: 100 trials, its README decides in 2 seconds). There a trial that is not answered in
time counts as fooled; here the pictures go blank and the answer is waited for. There each side is
drawn by a coin; here the real picture is on either side equally often.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
import contextlib
from dataclasses import asdict, dataclass
import json
import math
import os
from pathlib import Path
from statistics import NormalDist
import threading
import time
from typing import Any, TextIO
import uuid

import numpy as np

from colorizer.evaluation.display import Display

CONFIDENCE = 0.95
CONFUSION = 50.0  # percent fooled where the two cannot be told apart
LEFT, RIGHT = 1, 2
ANSWERS = {"1": LEFT, "l": LEFT, "left": LEFT, "2": RIGHT, "r": RIGHT, "right": RIGHT}
QUIT = ("q", "quit")


@dataclass(frozen=True)
class Trial:
    """One question and its answer.

    Attributes:
        picture: number of the picture among those used.
        real: where the real one was, `LEFT` or `RIGHT`.
        answer: which was taken for real, `LEFT` or `RIGHT`.
        seconds: from showing the pair to the answer.
    """

    picture: int
    real: int
    answer: int
    seconds: float

    @property
    def fooled(self) -> bool:
        """Whether the colorized picture was taken for the real one."""
        return self.answer != self.real


@dataclass(frozen=True)
class Score:
    """The answered trials of one viewer, at least one."""

    trials: Sequence[Trial]

    @property
    def fooled(self) -> int:
        """Number of trials in which the viewer was fooled."""
        return sum(trial.fooled for trial in self.trials)

    def percent(self) -> tuple[float, float, float]:
        """Share of fooled trials in percent, and the ends of its confidence interval."""
        low, high = wilson_interval(self.fooled, len(self.trials))
        return 100.0 * self.fooled / len(self.trials), 100.0 * low, 100.0 * high

    def text(self) -> str:
        """The figure, its interval, and what they mean beside perfect confusion."""
        share, low, high = self.percent()
        meaning = (
            "the colors can be told from real ones" if high < CONFUSION else
            "the colors are taken for real more often than real ones" if low > CONFUSION else
            "these trials do not tell the colors from real ones")
        return (
            f"fooled in {self.fooled} of {len(self.trials)} trials: the colorized picture was "
            f"taken for the real one in {share:.1f} % ({100 * CONFIDENCE:.0f} % Wilson interval "
            f"{low:.1f} to {high:.1f} %)\n{CONFUSION:.0f} % is perfect confusion: {meaning}")

    def write(self, path: Path, about: dict[str, Any]) -> None:
        """Writes the figure and every trial as JSON; a reader sees all of it or the old file.

        Args:
            path: the file.
            about: further entries, which say what was tested.
        """
        share, low, high = self.percent()
        trials = [{**asdict(trial), "fooled": trial.fooled} for trial in self.trials]
        values = {**about, "answered": len(trials), "fooled": self.fooled,
                  "fooled_percent": share, "confidence": CONFIDENCE, "low_percent": low,
                  "high_percent": high, "confusion_percent": CONFUSION, "trials": trials}
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{uuid.uuid4().hex}.tmp")
        temporary.write_text(json.dumps(values, indent=2) + "\n")
        os.replace(temporary, path)


def wilson_interval(count: int, total: int, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """The Wilson score interval of a share, which holds for few trials and for shares near 0 and 1.

    Args:
        count: trials that count, 0 ... total.
        total: trials, at least 1.
        confidence: in (0, 1).

    Returns:
        Its lower and upper end, in [0, 1].

    Source: E. B. Wilson, Probable inference, the law of succession, and statistical inference,
    JASA 22, 1927; without continuity correction, as method 3 of Newcombe, Statistics in Medicine
    17, 1998.
    """
    z = NormalDist().inv_cdf(0.5 + confidence / 2.0)
    share = count / total
    center = share + z**2 / (2.0 * total)
    reach = z * math.sqrt(share * (1.0 - share) / total + z**2 / (4.0 * total**2))
    scale = 1.0 + z**2 / total
    return max(0.0, (center - reach) / scale), min(1.0, (center + reach) / scale)


def plan(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """The order of the pictures and the sides of the real ones.

    Args:
        count: number of trials.
        seed: decides both.

    Returns:
        int [count], a permutation of the pictures; int [count], `LEFT` and `RIGHT`, each equally
        often (of an odd number, one once more).
    """
    rng = np.random.default_rng(seed)
    sides = np.where((np.arange(count) + rng.integers(2)) % 2 == 0, LEFT, RIGHT)
    return rng.permutation(count), rng.permutation(sides)


def conduct(
    colorize: Callable[[np.ndarray], np.ndarray], originals: np.ndarray, display: Display,
    answers: TextIO, *, seconds: float, seed: int, save: Callable[[Score], None],
) -> Score | None:
    """Asks for each picture which of the two is real. Nothing is said about right and wrong.

    A line "1", "l" or "left", "2", "r" or "right" answers; "q", the end of the input or Ctrl-C ends
    the test, and what was answered counts.

    Args:
        colorize: uint8 [1, side, side, 3] original -> colorized picture of the same shape.
        originals: uint8 [n, side, side, 3], one a trial.
        display: where the pairs are shown.
        answers: where the answers come from, a line each.
        seconds: for how long a pair is shown, 0 for until it is answered.
        seed: decides order and sides.
        save: takes the score after every answer, so that a lost connection loses none.

    Returns:
        The score, None if nothing was answered.
    """
    trials: list[Trial] = []
    order, sides = plan(len(originals), seed)
    try:
        for number, (picture, real) in enumerate(zip(order.tolist(), sides.tolist()), 1):
            original = originals[picture]
            pair = [original, colorize(original[None])[0]]
            with _shown(display, pair if real == LEFT else pair[::-1], seconds):
                start = time.monotonic()
                answer = _ask(answers, f"{number} of {len(order)}: which is real, 1 (left) or 2 "
                                       "(right)? q ends: ")
            if answer is None:
                break
            trials.append(Trial(picture, real, answer, round(time.monotonic() - start, 3)))
            save(Score(tuple(trials)))
    except KeyboardInterrupt:
        print()
    finally:
        display.close()
    return Score(trials) if trials else None


@contextlib.contextmanager
def _shown(display: Display, pair: Sequence[np.ndarray], seconds: float) -> Iterator[None]:
    """Shows a pair inside a `with`, for some seconds at most."""
    # A thread: the main one waits in readline, which knows no time limit.
    timer = threading.Timer(min(seconds, threading.TIMEOUT_MAX), display.blank)
    display.show(*pair)
    if seconds:
        timer.start()
    try:
        yield
    finally:
        timer.cancel()
        if seconds:
            timer.join()
        display.blank()


def _ask(answers: TextIO, question: str) -> int | None:
    """The side answered, or None at the end; asks again after anything else."""
    while True:
        print(question, end="", flush=True)
        line = answers.readline()
        if not answers.isatty() or not line:
            print()
        word = line.strip().lower()
        if not line or word in QUIT:
            return None
        if word in ANSWERS:
            return ANSWERS[word]
