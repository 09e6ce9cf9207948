"""The tab of the visual Turing test: which of two pictures is the real one?"""

from __future__ import annotations

import base64
from collections.abc import Callable
import functools
from typing import Any

import gradio as gr
import numpy as np

from colorizer import data
from colorizer.app.messages import mendable
from colorizer.app.sessions import Session, Sessions
from colorizer.data.names import SAMPLE
from colorizer.errors import UserError
from colorizer.evaluation.turing_test import LEFT, RIGHT, TuringTest

SIDE = 256  # pixels
TRIALS = 50
PAIR = """<style>@keyframes hide {{ to {{ visibility: hidden }} }}</style>
<div style="display: flex; gap: 8px; justify-content: center">
  <img src="data:image/png;base64,{}" style="width: min(48%, 384px); {}" alt="left">
  <img src="data:image/png;base64,{}" style="width: min(48%, 384px); {}" alt="right">
</div>"""
# Gradio's `js` on the page: 1 and 2 answer.
KEYS = """() => document.addEventListener("keydown", event => {
  const button = document.querySelector({1: "#left", 2: "#right"}[event.key] || "#none");
  const other = event.repeat || event.ctrlKey || event.altKey || event.metaKey;
  if (button?.offsetParent && !other && !event.target.closest("input, textarea")) button.click();
})"""


def build_tab(sessions: Sessions, test_images: Callable[[], np.ndarray]) -> None:
    """Makes the tab; see `page.build_page`."""
    names = list(sessions.models)
    gr.Markdown("One picture is a photograph, the other one its colorized copy. Which is real? "
                "Your own color photographs are asked for if there are any in the first tab.")
    with gr.Row():
        model = gr.Dropdown(names, value=names[0], label="Model", min_width=120)
        seconds = gr.Slider(0, 10, 2, step=0.5, label="Seconds that a pair is shown; 0: no limit")
        start = gr.Button("Start", variant="primary", elem_id="start", min_width=100)
    pair = gr.HTML(elem_id="pair")
    with gr.Row(visible=False) as answers:
        left = gr.Button("Left is real (1)", elem_id="left", min_width=120)
        right = gr.Button("Right is real (2)", elem_id="right", min_width=120)
    score = gr.Markdown(elem_id="score")
    number = gr.Number(visible=False)  # of the pair that is seen

    def begin(request: gr.Request, name: str, seconds: float) -> list[Any]:
        session = sessions.get(request.session_hash or "")
        try:
            with session.lock:
                originals = _own_photographs(session)
            if originals is None:
                originals = test_images()
        except UserError as error:
            raise mendable(error) from error
        colorized = sessions.models[name].copy().colorize_rgb8(originals)
        session.turing = TuringTest(originals, colorized, None, seconds=seconds, seed=None)
        return _shown(session.turing)

    def answer(side: int) -> Callable:
        def answered(request: gr.Request, number: float) -> list[Any]:
            test = sessions.get(request.session_hash or "").turing
            if test is None:
                return [gr.skip()] * 4
            test.answer(int(number or 0), side)
            return _shown(test)
        return answered

    outputs = [pair, answers, score, number]
    start.click(begin, [model, seconds], outputs, api_visibility="private")
    for button, side in ((left, LEFT), (right, RIGHT)):
        button.click(
            answer(side), number, outputs, api_visibility="private", show_progress="hidden")


@functools.lru_cache(maxsize=1)
def load_test_images(dataset: str, data_dir: str | None) -> np.ndarray:
    """The test images of a data set, or the built-in photographs: uint8 [n, SIDE, SIDE, 3]."""
    if dataset == SAMPLE:
        return np.stack([data.resize_and_crop(data.read_rgb(path), SIDE)
                         for path in data.sample_paths()])
    loaded = data.load_dataset(dataset, data_dir=data_dir, image_size=None)
    return np.concatenate([np.asarray(batch) for batch in loaded.test_batches(TRIALS, TRIALS)])


def _own_photographs(session: Session) -> np.ndarray | None:
    """The color photographs that a user has uploaded: uint8 [n, SIDE, SIDE, 3]; None for none."""
    found: list[np.ndarray] = []
    for name, content in session.files.items():
        if name == session.built_in or len(found) == TRIALS:
            continue
        rgb = data.read_content(content, name, session.limits.max_pixels).rgb
        if rgb.dtype == np.uint8 and not data.is_gray(rgb):  # 16 bits are read of gray only
            found.append(data.resize_and_crop(rgb, SIDE))
    return np.stack(found) if found else None


def _shown(test: TuringTest) -> list[Any]:
    summary, pair = test.result.get("summary", ""), test.pair()
    if pair is None:
        return ["", gr.update(visible=False), f"**{summary}**", 0]
    seconds = test.result["seconds"]
    hiding = f"animation: hide 0s {seconds}s forwards" if seconds else ""
    left, right = (base64.b64encode(png).decode() for png in pair)
    number = len(test.result["answers"]) + 1
    return [PAIR.format(left, hiding, right, hiding), gr.update(visible=True),
            f"{number} of {len(test.order)}. {summary}", number]
