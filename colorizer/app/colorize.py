"""The tab in which a picture gets its colors: sliders, hints, downloads."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import gradio as gr

from colorizer import data
from colorizer.app.messages import mendable, warn
from colorizer.app.sessions import (
    LIVE_SIDE, MAX_HINTS, ROOM_WAS_MADE, Session, Sessions, Settings, parse_color
)
from colorizer.errors import UserError, printable
from colorizer.inference import Colorizer, Hint
from colorizer.inference.colorizer import MAX_VIVID

HERE = Path(__file__).parent
VIVIDNESS = "vividness"  # no target: every model has it
# Of each slider where it begins, the largest value, and what the values mean.
SLIDERS = {
    "saturation": (0.4, 1.0, "0 gray, 1 as saturated as the lightness allows"),
    "hue": (0.1, 1.0, "of all the picture: 0 red, 0.33 green, 0.67 blue, 1 red"),
    "colorfulness": (0.4, 1.0, "0 gray, 0.2 to 0.6 as photographs are"),
    "warmth": (0.5, 1.0, "0 blue, 0.5 neutral, 1 yellow"),
    VIVIDNESS: (1.0, MAX_VIVID, "factor on the colors: 0 gray, 1 natural")}
INPUTS = 1 + 2 * len(SLIDERS)  # the model, each slider, each checkbox
VIEWER = """<div class="viewer empty" style="--split: 50%">
  <img class="color" alt="in color" draggable="false">
  <img class="gray" alt="" draggable="false" style="pointer-events: none">
  <span class="line"></span><span class="word left">gray</span><span class="word right">color</span>
  <input class="split" type="range" min="0" max="100" step="0.1" value="50"
         aria-label="from gray to color">
</div>"""
# Gradio's `js` on the page: a picture on the clipboard goes the way of one that is dropped.
PASTE = """() => document.addEventListener("paste", event => {
  const input = document.querySelector("#upload input[type=file]");
  if (!input || !event.clipboardData.files.length) return;
  input.files = event.clipboardData.files;
  input.dispatchEvent(new Event("change", {bubbles: true}));
})"""
# Handlers are no API of the page, and answer in order: the last move of a slider wins.
QUIET: dict[str, Any] = dict(api_visibility="private", show_progress="hidden")
LIVE: dict[str, Any] = dict(**QUIET, trigger_mode="always_last", queue=False)
BUSY: dict[str, Any] = dict(api_visibility="private")


class ControlParts(NamedTuple):
    """A slider, its checkbox, and what holds the two."""

    row: gr.Row
    slider: gr.Slider
    natural: gr.Checkbox


@dataclass(frozen=True)
class Parts:
    """What a user touches or sees in the tab."""

    upload: gr.File
    viewer: gr.HTML
    examples: gr.Dataset
    model: gr.Dropdown
    shown: gr.Dropdown  # which of several photographs
    controls: dict[str, ControlParts]  # by the name in `SLIDERS`
    hinting: gr.Row
    color: gr.ColorPicker
    undo: gr.Button
    clear: gr.Button
    download: gr.Button
    download_all: gr.Button
    ready: gr.DownloadButton  # not seen: the browser fetches from it what `download` has made

    @property
    def inputs(self) -> list[Any]:
        """What `_read_settings` reads."""
        return [self.model, *(control.slider for control in self.controls.values()),
                *(control.natural for control in self.controls.values())]


def build_tab(sessions: Sessions) -> None:
    """Makes the tab; see `page.build_page`."""
    _connect(sessions, _lay_out(sessions.models))


def warm_up(colorizer: Colorizer) -> None:
    """Runs a model once in all the ways of the page, as the first time takes seconds."""
    image = data.read_rgb(data.sample_paths()[0])[::4, ::4]
    targets = {control.name: SLIDERS[control.name][0] for control in colorizer.controls
               if control.name in SLIDERS}
    hints = [Hint(0.5, 0.5, (192, 57, 43), relative=True)] if colorizer.takes_hints else []
    colorizer(image, vivid=1.2, hints=hints, **targets)


def _lay_out(models: Mapping[str, Colorizer]) -> Parts:
    names = list(models)
    with gr.Row():
        with gr.Column(scale=3, min_width=320):
            upload = gr.File(label="Photographs: drop, paste or pick", file_count="multiple",
                             elem_id="upload", height=150)
            viewer = gr.HTML(
                {}, html_template=VIEWER, css_template=(HERE / "viewer.css").read_text(),
                js_on_load=(HERE / "viewer.js").read_text(), elem_id="viewer",
                apply_default_css=False)
            examples = gr.Dataset(
                components=["image"], samples=[[str(path)] for path in data.sample_paths()],
                label="Or one of these", type="index", elem_id="examples")
        with gr.Column(scale=2, min_width=320):
            with gr.Row():
                model = gr.Dropdown(names, value=names[0], label="Model", min_width=140,
                                    elem_id="model")
                shown = gr.Dropdown([], label="Photograph", visible=False, min_width=140,
                                    elem_id="shown")
            controls = {name: _lay_out_control(name) for name in SLIDERS}
            with gr.Row(visible=models[names[0]].takes_hints, equal_height=True) as hinting:
                color = gr.ColorPicker(
                    "#c0392b", label="Hint: choose a color, then click the thing in the picture",
                    scale=3, min_width=150, elem_id="color")
                undo = gr.Button("Undo", min_width=60, elem_id="undo")
                clear = gr.Button("Clear", min_width=60, elem_id="clear")
            with gr.Row():
                download = gr.Button("Download", variant="primary", elem_id="download")
                download_all = gr.Button("Download all (ZIP)", visible=False, elem_id="all")
            ready = gr.DownloadButton(visible="hidden", elem_id="ready")
    return Parts(upload, viewer, examples, model, shown, controls, hinting, color, undo, clear,
                 download, download_all, ready)


def _lay_out_control(name: str) -> ControlParts:
    start, highest, info = SLIDERS[name]
    with gr.Group(), gr.Row(equal_height=True, elem_classes="control") as row:
        slider = gr.Slider(0.0, highest, start, step=0.01, label=name.capitalize(), info=info,
                           scale=4, min_width=120, elem_id=name)
        natural = gr.Checkbox(True, label="natural", scale=0, min_width=110,
                              elem_id=f"natural-{name}", elem_classes="natural")
    return ControlParts(row, slider, natural)


def _connect(sessions: Sessions, parts: Parts) -> None:
    """Says what happens when a part is touched."""
    inputs, viewer = parts.inputs, parts.viewer

    def handler(action: Callable, moved: str | None = None) -> Callable:
        return _handler(sessions, action, moved)

    def point(request: gr.Request, event: gr.EventData, *values: Any) -> Any:
        return handler(_add_hint)(request, *values, event.x, event.y)

    def deliver_all(request: gr.Request, *values: Any, progress=gr.Progress()) -> Any:
        return handler(_deliver_all)(request, *values, progress)

    def offer(name: str) -> list[Any]:
        """What a model takes: the visibility of the hints, and of each slider."""
        colorizer = sessions.models[name]
        offered = {VIVIDNESS, *(control.name for control in colorizer.controls)}
        return [gr.update(visible=colorizer.takes_hints),
                *(gr.update(visible=name in offered) for name in SLIDERS)]

    opened = [viewer, parts.shown, parts.download_all]
    parts.upload.upload(
        handler(_add), [*inputs, parts.upload], [parts.upload, *opened], **BUSY)
    parts.examples.click(handler(_add_example), [*inputs, parts.examples], opened, **BUSY)
    parts.shown.input(handler(_choose), [*inputs, parts.shown], viewer, **QUIET)
    for name, (_, slider, natural) in parts.controls.items():
        # On the page at once: what is moved is no longer natural.
        slider.input(None, None, natural, js="() => false", **QUIET)
        slider.input(handler(_render_live, moved=name), inputs, viewer, **LIVE)
        slider.release(handler(_render), inputs, viewer, **LIVE)
        natural.input(handler(_render), inputs, viewer, **LIVE)
    rows = [control.row for control in parts.controls.values()]
    parts.model.input(offer, parts.model, [parts.hinting, *rows], **QUIET)
    parts.model.input(handler(_render), inputs, viewer, **LIVE)
    viewer.select(point, [*inputs, parts.color], viewer, **LIVE)
    parts.undo.click(handler(_undo), inputs, viewer, **LIVE)
    parts.clear.click(handler(_clear), inputs, viewer, **LIVE)
    for button, function in (
            (parts.download, handler(_deliver)), (parts.download_all, deliver_all)):
        button.click(function, inputs, parts.ready, show_progress_on=viewer, **BUSY).success(
            None, js="() => document.querySelector('#ready').click()")


def _handler(sessions: Sessions, action: Callable, moved: str | None = None) -> Callable:
    """Gradio's handler of (request, the values of `Parts.inputs`, then others) for an action of
    (session, settings, then others). What a user can mend is shown. `moved` is as for
    `_read_settings`.
    """
    def handle(request: gr.Request, *values: Any) -> Any:
        settings = _read_settings(sessions, values[:INPUTS], moved)
        session = sessions.get(request.session_hash or "")
        if session.notice:
            warn(session.notice)
            session.notice = ""
        try:
            with session.lock:
                if session.closed:  # while this action waited
                    raise UserError(ROOM_WAS_MADE)
                return action(session, settings, *values[INPUTS:])
        except UserError as error:
            raise mendable(error) from error
    return handle


def _read_settings(sessions: Sessions, values: Sequence[Any], moved: str | None) -> Settings:
    """The settings of `Parts.inputs`. `moved` is a slider whose checkbox the page may not yet have
    sent as off.
    """
    model, sliders = values[0], dict(zip(SLIDERS, values[1:]))
    naturals = dict(zip(SLIDERS, values[1 + len(SLIDERS):]))
    given = {name: None if naturals[name] and name != moved else value
             for name, value in sliders.items()}
    vivid = given.pop(VIVIDNESS)
    supported = {control.name for control in sessions.models[model].controls}
    targets = {name: value for name, value in given.items() if name in supported}
    return Settings(model, targets, 1.0 if vivid is None else vivid)


def _render(session: Session, settings: Settings) -> Any:
    return session.preview(settings)


def _render_live(session: Session, settings: Settings) -> Any:
    return session.preview(settings, LIVE_SIDE)


def _opened(session: Session, settings: Settings) -> list[Any]:
    """The viewer, the choice of a photograph, and the button for all."""
    several = len(session.files) > 1
    choice = gr.update(choices=list(session.files), value=session.shown, visible=several)
    return [session.preview(settings, with_gray=True), choice, gr.update(visible=several)]


def _add(session: Session, settings: Settings, paths: Sequence[str] | None) -> list[Any]:
    for problem in session.add([Path(path) for path in paths or []]):
        warn(problem)
    return [None, *_opened(session, settings)]


def _add_example(session: Session, settings: Settings, index: int) -> list[Any]:
    path = data.sample_paths()[index]
    session.take(path.name, path.read_bytes())
    return _opened(session, settings)


def _choose(session: Session, settings: Settings, name: str) -> Any:
    if name in session.files and name != session.shown:
        session.show(name)
    return session.preview(settings, with_gray=True)


def _add_hint(session: Session, settings: Settings, text: str, x: float, y: float) -> Any:
    place = [min(1.0, max(0.0, float(share))) for share in (x, y)]
    if len(session.hints) < MAX_HINTS and session.models[settings.model].takes_hints:
        session.hints.append(Hint(*place, parse_color(text), relative=True))
    return session.preview(settings)


def _undo(session: Session, settings: Settings) -> Any:
    del session.hints[-1:]
    return session.preview(settings)


def _clear(session: Session, settings: Settings) -> Any:
    session.hints.clear()
    return session.preview(settings)


def _deliver(session: Session, settings: Settings) -> str:
    _needs_picture(session)
    return str(session.result(settings))


def _deliver_all(session: Session, settings: Settings, progress: Callable) -> str:
    _needs_picture(session)
    path, problems = session.all_results(
        settings, lambda share, name: progress(share, desc=printable(name)))
    for problem in problems:
        warn(problem)
    return str(path)


def _needs_picture(session: Session) -> None:
    if session.shown is None:
        raise UserError("there must be a photograph first: drop one, paste one or pick one")
