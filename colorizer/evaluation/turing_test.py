"""The visual Turing test: of a real and a colorized image side by side, which one is real?

A viewer is *fooled* in a trial where the colorized image is taken for the real one. The result is
the share of such trials: 50 % is perfect confusion. A web page on this machine asks.

Source: test-turing.py of the released code (ImagingLab/Colorizing-with-GANs). There a late answer
counts as fooled, and a coin draws each side. Here a late answer counts as any other, and the real
image is on either side equally often.
"""

from __future__ import annotations

import base64
import contextlib
from dataclasses import asdict, dataclass
from http.server import BaseHTTPRequestHandler, HTTPServer
import json
from pathlib import Path
import string
from urllib.parse import parse_qsl

import numpy as np
from scipy import stats
import tensorflow as tf

from colorizer.files import write_atomic

CONFIDENCE = 0.95
LEFT, RIGHT = 1, 2
PORT = 8765  # can be forwarded before the test starts; any free one if it is taken
PAGE = string.Template("""<!doctype html>
<meta charset="utf-8"><title>Which is real?</title>
<style>
  body { font: 18px sans-serif; text-align: center }
  img { width: 256px; height: 256px; margin: 8px; image-rendering: pixelated; $hiding }
  @keyframes hide { to { visibility: hidden } }
</style>
<form method="post">
  <p>$number of $count: which is real? Press 1 or 2.</p>
  <p><img src="data:image/png;base64,$left"><img src="data:image/png;base64,$right"></p>
  <input type="hidden" name="number" value="$number">
  <button id="1" name="side" value="1">1: left</button>
  <button id="2" name="side" value="2">2: right</button>
</form>
<script>
onkeydown = event => { if (!event.repeat) document.getElementById(event.key)?.click(); };
onsubmit = () => { onkeydown = null; document.body.style.visibility = "hidden"; };
</script>
""")


@dataclass(frozen=True)
class Score:
    """How often a viewer was fooled, of at least one answered trial."""

    fooled: int
    answered: int

    def percent(self) -> tuple[float, float, float]:
        """The share of fooled trials and the ends of its Wilson interval, in percent."""
        interval = stats.binomtest(self.fooled, self.answered).proportion_ci(CONFIDENCE, "wilson")
        return 100 * self.fooled / self.answered, 100 * interval.low, 100 * interval.high

    def text(self) -> str:
        """The share, its interval, and what they mean beside perfect confusion."""
        share, low, high = self.percent()
        meaning = (
            "the colors can be told from real ones" if high < 50 else
            "the colors are taken for real more often than real ones" if low > 50 else
            "these trials do not tell the colors from real ones")
        return (f"fooled in {self.fooled} of {self.answered} trials: {share:.1f} % "
                f"({100 * CONFIDENCE:.0f} % Wilson interval {low:.1f} to {high:.1f} %). "
                f"50 % is perfect confusion: {meaning}.")


class TuringTest:
    """One test: its pages, its answers, and its `score` so far, None before the first answer.

    Args:
        originals, colorized: uint8 [n, side, side, 3], one a trial.
        path: the JSON file of the answers, replaced after each.
        seconds: for how long a pair is shown, 0 for until it is answered.
        seed: decides the order of the images and the sides of the real ones.
        about: further entries of the file.

    Example:
        >>> serve(TuringTest(originals, colorized, Path("turing.json"), seconds=2.0, seed=0))
    """

    def __init__(self, originals: np.ndarray, colorized: np.ndarray, path: Path, *,
                 seconds: float, seed: int, **about: object):
        count, rng = len(originals), np.random.default_rng(seed)
        sides = np.where((np.arange(count) + rng.integers(2)) % 2 == 0, LEFT, RIGHT)
        self.order: list[int] = rng.permutation(count).tolist()
        self.sides: list[int] = rng.permutation(sides).tolist()
        self.score: Score | None = None
        self.finished = False
        self._images, self._path, self._seconds = (originals, colorized), path, seconds
        self._about = {**about, "seed": seed, "seconds": seconds, "trials": count}
        self._answers: list[dict] = []

    def page(self) -> str:
        """The HTML of the first unanswered pair, and of the score in the end."""
        if self.score and self.finished:
            return self.score.text()
        index = len(self._answers)
        pngs = [tf.io.encode_png(images[self.order[index]]).numpy() for images in self._images]
        real, colorized = (base64.b64encode(png).decode() for png in pngs)
        left, right = (real, colorized) if self.sides[index] == LEFT else (colorized, real)
        return PAGE.substitute(
            number=index + 1, count=len(self.order), left=left, right=right,
            hiding=f"animation: hide 0s {self._seconds}s forwards" if self._seconds else "")

    def answer(self, number: int, side: int) -> None:
        """Keeps an answer, unless it is to another pair than the one shown (`number` from 1)."""
        index = len(self._answers)
        if self.finished or number != index + 1 or side not in (LEFT, RIGHT):
            return
        self._answers.append({"image": self.order[index], "real": self.sides[index],
                              "answer": side, "fooled": side != self.sides[index]})
        self.finished = number == len(self.order)
        self.score = Score(sum(one["fooled"] for one in self._answers), number)
        share, low, high = self.score.percent()
        write_atomic(self._path, json.dumps({
            **self._about, **asdict(self.score), "fooled_percent": share, "low_percent": low,
            "high_percent": high, "confidence": CONFIDENCE, "answers": self._answers}, indent=2))


def serve(test: TuringTest) -> Score | None:
    """Asks at a web page until the last answer or Ctrl-C; returns the score, None without one."""
    class Handler(BaseHTTPRequestHandler):
        timeout = 1.0  # seconds: browsers open connections that they do not use

        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.end_headers()
            self.wfile.write(test.page().encode())

        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            with contextlib.suppress(KeyError, ValueError):  # then the same pair is shown again
                form = dict(parse_qsl(body.decode()))
                test.answer(int(form["number"]), int(form["side"]))
            self.do_GET()

        def log_message(self, *args):
            """Prints nothing: the terminal is for the score."""

    try:
        server = HTTPServer(("127.0.0.1", PORT), Handler)
    except OSError:
        server = HTTPServer(("127.0.0.1", 0), Handler)
    with server, contextlib.suppress(KeyboardInterrupt):
        port = server.server_port
        print(f"open http://127.0.0.1:{port} in a browser (over SSH, forward the port first: "
              f"ssh -L {port}:127.0.0.1:{port} HOST); Ctrl-C ends the test", flush=True)
        while not test.finished:
            server.handle_request()
    return test.score
