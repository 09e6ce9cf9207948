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
from http.server import BaseHTTPRequestHandler, HTTPServer
import json
from pathlib import Path
import string
from typing import Any
from urllib.parse import parse_qsl

import numpy as np
from scipy import stats
import tensorflow as tf

from colorizer.files import write_atomic

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
<script>onkeydown = event => event.repeat || document.getElementById(event.key)?.click();</script>
""")


def score(fooled: int, answered: int) -> dict[str, Any]:
    """How often a viewer was fooled, with its 95 % Wilson interval, in percent and in words."""
    interval = stats.binomtest(fooled, answered).proportion_ci(0.95, "wilson")
    share, low, high = 100 * fooled / answered, 100 * interval.low, 100 * interval.high
    return {"fooled": fooled, "answered": answered, "fooled_percent": share, "low_percent": low,
            "high_percent": high, "summary": (
                f"fooled in {fooled} of {answered} trials: {share:.1f} % (95 % Wilson interval "
                f"{low:.1f} to {high:.1f} %). 50 % is perfect confusion.")}


class TuringTest:
    """One test: its pages, and its `result`, the content of the file: `score` and the answers.

    Args:
        originals, colorized: uint8 [n, side, side, 3], one a trial.
        path: the JSON file of the score and the answers, replaced after each; None for none.
        seconds: for how long a pair is shown, 0 for until it is answered.
        seed: decides the order of the images and the sides of the real ones; None for any.
        about: further entries of the file.

    Example:
        >>> serve(TuringTest(originals, colorized, Path("turing.json"), seconds=2.0, seed=0))
    """

    def __init__(self, originals: np.ndarray, colorized: np.ndarray, path: Path | None, *,
                 seconds: float, seed: int | None, **about: object):
        count, rng = len(originals), np.random.default_rng(seed)
        sides = np.resize(rng.permutation([LEFT, RIGHT]), count)
        self.order: list[int] = rng.permutation(count).tolist()
        self.sides: list[int] = rng.permutation(sides).tolist()
        self.result: dict[str, Any] = {
            **about, "seed": seed, "seconds": seconds, "trials": count, "answers": []}
        self._images, self._path = (originals, colorized), path

    def pair(self) -> tuple[bytes, bytes] | None:
        """The left and the right image of the first unanswered pair, as PNG; None in the end."""
        index = len(self.result["answers"])
        if index == len(self.order):
            return None
        pngs = [tf.io.encode_png(images[self.order[index]]).numpy() for images in self._images]
        return (pngs[0], pngs[1]) if self.sides[index] == LEFT else (pngs[1], pngs[0])

    def page(self) -> str:
        """The HTML of the first unanswered pair; the score in the end."""
        pair, seconds = self.pair(), self.result["seconds"]
        if pair is None:
            return self.result["summary"]
        left, right = pair
        return PAGE.substitute(
            number=len(self.result["answers"]) + 1, count=len(self.order),
            left=base64.b64encode(left).decode(),
            right=base64.b64encode(right).decode(),
            hiding=f"animation: hide 0s {seconds}s forwards" if seconds else "")

    def answer(self, number: int, side: int) -> None:
        """Keeps an answer, unless it is to another pair than the one shown (`number` from 1)."""
        answers = self.result["answers"]
        if number != len(answers) + 1:
            return
        image, real = self.order[number - 1], self.sides[number - 1]
        answers.append({"image": image, "real": real, "answer": side, "fooled": side != real})
        self.result.update(score(sum(one["fooled"] for one in answers), number))
        if self._path:
            write_atomic(self._path, json.dumps(self.result, indent=2))


def serve(test: TuringTest) -> None:
    """Asks at a web page until the last answer or Ctrl-C."""
    class Handler(BaseHTTPRequestHandler):
        timeout = 1.0  # seconds: browsers open connections that they do not use

        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.end_headers()
            self.wfile.write(test.page().encode())

        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            test.answer(**{name: int(value) for name, value in parse_qsl(body)})
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
        while len(test.result["answers"]) < len(test.order):
            server.handle_request()
