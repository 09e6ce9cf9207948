"""The visual Turing test: of a real and a colorized image side by side, which one is real?

A viewer is *fooled* in a trial where the colorized image is taken for the real one. The result is
the share of such trials: 50 % is perfect confusion, 0 % means that every colorized image is
recognized. The test is one web page that this program serves on its own machine.

Source: the visual Turing test of the released code (ImagingLab/Colorizing-with-GANs,
test-turing.py: 100 trials, 2 seconds each). There a trial that is not answered in time counts as
fooled; here the images disappear and the answer is waited for. There a coin draws each side; here
the real image is on either side equally often.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, HTTPServer
import io
import json
from pathlib import Path
from typing import Any

from PIL import Image
import numpy as np
from scipy import stats

from colorizer.files import write_atomic

CONFIDENCE = 0.95
CONFUSION = 50.0  # percent fooled where the two cannot be told apart
LEFT, RIGHT = 1, 2
PORT = 8765  # one that can be forwarded before the test starts; any free one if it is taken
IDLE_SECONDS = 1.0  # browsers open connections that they may not use: each is waited for so long
PAGE = """<!doctype html>
<meta charset="utf-8"><title>Which is real?</title><link rel="icon" href="data:,">
<style>
  body { font: 18px sans-serif; text-align: center }
  img { width: 256px; height: 256px; margin: 8px; image-rendering: pixelated }
</style>
<p id="text"></p>
<p><img id="left"><img id="right"></p>
<p><button onclick="answer(1)">1: left</button> <button onclick="answer(2)">2: right</button></p>
<script>
const {pairs, seconds, answered} = SESSION;
const [text, left, right] = ["text", "left", "right"].map(id => document.getElementById(id));
let number = answered, start = null, timer;
function setVisibility(value) { left.style.visibility = right.style.visibility = value; }
async function show() {
  text.textContent = `${number + 1} of ${pairs.length}: which is real? Press 1 or 2.`;
  [left.src, right.src] = pairs[number];
  await Promise.all([left.decode(), right.decode()]);
  setVisibility("visible");
  start = performance.now();
  if (seconds) timer = setTimeout(setVisibility, 1000 * seconds, "hidden");
}
async function answer(side) {
  if (start === null) return;
  const body = JSON.stringify({number, side, seconds: (performance.now() - start) / 1000});
  start = null;
  clearTimeout(timer);
  setVisibility("hidden");
  try {
    const reply = await (await fetch("", {method: "POST", body})).json();
    number = reply.answered;
    if (number < pairs.length) show(); else text.textContent = reply.score;
  } catch { text.textContent = "The program has ended. turing.json has the answers so far."; }
}
document.onkeydown = event => { if (["1", "2"].includes(event.key)) answer(+event.key); };
setVisibility("hidden");
show();
</script>
"""


@dataclass(frozen=True)
class Score:
    """How often a viewer was fooled, of at least one answered trial.

    Example:
        >>> print(Score(fooled=39, answered=100).text())
        fooled in 39 of 100 trials: ... 39.0 % (95 % Wilson interval 30.0 to 48.8 %). ...
    """

    fooled: int
    answered: int

    def percent(self) -> tuple[float, float, float]:
        """The share of fooled trials and the ends of its Wilson interval, in percent."""
        interval = stats.binomtest(self.fooled, self.answered).proportion_ci(CONFIDENCE, "wilson")
        low, high = map(float, interval)
        return 100.0 * self.fooled / self.answered, 100.0 * low, 100.0 * high

    def text(self) -> str:
        """The share, its interval, and what they mean beside perfect confusion."""
        share, low, high = self.percent()
        meaning = (
            "the colors can be told from real ones" if high < CONFUSION else
            "the colors are taken for real more often than real ones" if low > CONFUSION else
            "these trials do not tell the colors from real ones")
        return (
            f"fooled in {self.fooled} of {self.answered} trials: the colorized image was taken for "
            f"the real one in {share:.1f} % ({100 * CONFIDENCE:.0f} % Wilson interval {low:.1f} to "
            f"{high:.1f} %). {CONFUSION:.0f} % is perfect confusion: {meaning}.")


def plan(count: int, seed: int) -> tuple[list[int], list[int]]:
    """The order of the images and the sides of the real ones, both decided by the seed.

    Returns:
        A permutation of 0 ... count - 1; `LEFT` and `RIGHT`, each equally often (of an odd number,
        one once more).
    """
    rng = np.random.default_rng(seed)
    sides = np.where((np.arange(count) + rng.integers(2)) % 2 == 0, LEFT, RIGHT)
    return rng.permutation(count).tolist(), rng.permutation(sides).tolist()


class TuringTest:
    """One test: its page, and the answers so far, which are kept in a file.

    Args:
        originals: uint8 [n, side, side, 3], one a trial.
        colorized: uint8 of the same shape.
        path: the JSON file, replaced after every answer.
        seconds: for how long a pair is shown, 0 for until it is answered.
        seed: decides order and sides.
        about: further entries of the file, which say what was tested.

    Attributes:
        score: of the answers so far; None before the first.

    Example:
        >>> serve(TuringTest(originals, colorized, Path("turing.json"), seconds=2.0, seed=0))
    """

    def __init__(self, originals: np.ndarray, colorized: np.ndarray, path: Path, *,
                 seconds: float, seed: int, about: dict[str, Any] | None = None):
        self.order, self.sides = plan(len(originals), seed)
        self._pairs = [
            [_data_uri(images[index]) for images in (
                (originals, colorized) if side == LEFT else (colorized, originals))]
            for index, side in zip(self.order, self.sides)]
        self._path = path
        self._seconds = seconds
        self._about = {**(about or {}), "seed": seed, "seconds": seconds, "trials": len(originals)}
        self._answers: list[dict[str, Any]] = []
        self.score: Score | None = None

    @property
    def finished(self) -> bool:
        """Whether every pair was answered."""
        return len(self._answers) == len(self.order)

    def page(self) -> str:
        """The page, from the first unanswered pair on. It does not know which images are real."""
        session = {"pairs": self._pairs, "seconds": self._seconds, "answered": len(self._answers)}
        return PAGE.replace("SESSION", json.dumps(session), 1)

    def answer(self, number: int, side: int, seconds: float) -> dict[str, Any]:
        """Takes the answer to a pair, keeps it, and returns what the page is told.

        Raises:
            ValueError: it is not about the next pair, or names neither `LEFT` nor `RIGHT`.
        """
        if self.finished or number != len(self._answers) or side not in (LEFT, RIGHT):
            raise ValueError(f"an answer must be {LEFT} or {RIGHT} to pair {len(self._answers)}. "
                             f"Received: number={number}, side={side}")
        real = self.sides[number]
        self._answers.append({"image": self.order[number], "real": real, "answer": side,
                              "seconds": round(seconds, 3), "fooled": side != real})
        self.score = Score(sum(one["fooled"] for one in self._answers), len(self._answers))
        share, low, high = self.score.percent()
        write_atomic(self._path, json.dumps({
            **self._about, "answered": self.score.answered, "fooled": self.score.fooled,
            "fooled_percent": share, "low_percent": low, "high_percent": high,
            "confidence": CONFIDENCE, "answers": self._answers}, indent=2) + "\n")
        return {"answered": number + 1, "score": self.score.text() if self.finished else None}


class _Handler(BaseHTTPRequestHandler):
    timeout = IDLE_SECONDS
    test: TuringTest

    def do_GET(self):
        self._reply("text/html", self.test.page())

    def do_POST(self):
        try:
            answer = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            reply = self.test.answer(answer["number"], answer["side"], float(answer["seconds"]))
        except (KeyError, TypeError, ValueError):
            return self.send_error(400)
        self._reply("application/json", json.dumps(reply))

    def _reply(self, kind: str, text: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", f"{kind}; charset=utf-8")
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *args):
        """Prints nothing: the terminal is for the score."""


def serve(test: TuringTest) -> Score | None:
    """Serves a test to a browser on this machine until its last answer or Ctrl-C.

    Returns:
        The score, None if nothing was answered.
    """
    handler = type("Handler", (_Handler,), {"test": test})
    try:
        server = HTTPServer(("127.0.0.1", PORT), handler)
    except OSError:
        server = HTTPServer(("127.0.0.1", 0), handler)
    with server:
        port = server.server_address[1]
        print(f"open http://127.0.0.1:{port} in a browser (over SSH, forward the port first: "
              f"ssh -L {port}:127.0.0.1:{port} HOST); Ctrl-C ends the test", flush=True)
        try:
            while not test.finished:
                server.handle_request()
        except KeyboardInterrupt:
            print()
    return test.score


def _data_uri(rgb8: np.ndarray) -> str:
    png = io.BytesIO()
    Image.fromarray(rgb8).save(png, "PNG")
    return "data:image/png;base64," + base64.b64encode(png.getvalue()).decode()
