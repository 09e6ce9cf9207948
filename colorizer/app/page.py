"""The page: a picture in gray and in color, a Turing test, and the folders of runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import gradio as gr

from colorizer import data
from colorizer.app import runs, turing
from colorizer.app.messages import mendable, warn
from colorizer.app.sessions import LIVE_SIDE, MAX_HINTS, Session, Sessions, Settings, parse_color
from colorizer.errors import UserError, printable
from colorizer.inference import Colorizer, Hint
from colorizer.inference.colorizer import MAX_VIVID

HERE = Path(__file__).parent
# Of each slider where it begins, the largest value, and what the values mean.
SLIDERS = {
    "saturation": (0.4, 1.0, "0 gray, 1 as saturated as the lightness allows"),
    "hue": (0.1, 1.0, "of all the picture: 0 red, 0.33 green, 0.67 blue, 1 red"),
    "colorfulness": (0.4, 1.0, "0 gray, 0.2 to 0.6 as photographs are"),
    "warmth": (0.5, 1.0, "0 blue, 0.5 neutral, 1 yellow"),
    "vividness": (1.0, MAX_VIVID, "factor on the colors: 0 gray, 1 natural")}
DELETE_CACHE = (600, 3600)  # seconds: how often, and from which age on, for uploads cut off
VIVIDNESS = "vividness"  # no target: every model has it
VIEWER = """<div class="viewer empty" style="--split: 50%">
  <img class="color" alt="in color" draggable="false">
  <img class="gray" alt="" draggable="false" style="pointer-events: none">
  <span class="line"></span><span class="word left">gray</span><span class="word right">color</span>
  <input class="split" type="range" min="0" max="100" step="0.1" value="50"
         aria-label="from gray to color">
</div>"""
# A picture on the clipboard goes the way of one that is dropped.
PASTE = """() => document.addEventListener("paste", event => {
  const input = document.querySelector("#upload input[type=file]");
  if (!input || !event.clipboardData.files.length) return;
  input.files = event.clipboardData.files;
  input.dispatchEvent(new Event("change", {bubbles: true}));
})"""
CSS = """
.gradio-container { max-width: 1400px !important; }
.control { flex-wrap: nowrap !important; }
.control > :last-child { flex: none; width: 112px; overflow: visible !important; }
#viewer { overflow: visible; }
@media (max-width: 640px) { .gradio-container { padding: 8px !important; } }
"""
THEME = gr.themes.Default(primary_hue="teal", font=["system-ui", "sans-serif"],
                          font_mono=["ui-monospace", "monospace"])
# Handlers are no API of the page, and answer in order: the last move of a slider wins.
QUIET: dict[str, Any] = dict(api_visibility="private", show_progress="hidden")
LIVE: dict[str, Any] = dict(**QUIET, trigger_mode="always_last", queue=False)
BUSY: dict[str, Any] = dict(api_visibility="private")


def build_page(sessions: Sessions, test_images: Callable, run_folder: Path) -> gr.Blocks:
    """Makes the page.

    Args:
        sessions: what is kept of each user.
        test_images: the photographs of the Turing test, if a user has uploaded none: a function
            that gives uint8 [n, side, side, 3].
        run_folder: the folder whose runs are shown.
    """
    def close(request: gr.Request) -> None:
        sessions.close(request.session_hash or "")

    with gr.Blocks(title="colorizer", analytics_enabled=False, delete_cache=DELETE_CACHE) as page:
        gr.Markdown("# colorizer\nGrayscale pictures in, believable colors out.")
        with gr.Tab("Colorize"):
            _colorize_tab(sessions)
        with gr.Tab("Which is real?"):
            turing.build_tab(sessions, test_images)
        with gr.Tab("Runs"):
            runs.build_tab(run_folder)
        page.unload(close)
        for javascript in (PASTE, turing.KEYS):
            page.load(None, js=javascript)
    return page


def warm_up(models: Mapping[str, Colorizer]) -> None:
    """Runs each model once in all the ways of the page, as the first time takes seconds."""
    image = data.read_rgb(data.sample_paths()[0])[::4, ::4]
    for colorizer in models.values():
        targets = {control.name: SLIDERS[control.name][0] for control in colorizer.controls
                   if control.name in SLIDERS}
        hints = [Hint(0.5, 0.5, (192, 57, 43), relative=True)] if colorizer.takes_hints else []
        colorizer(image, vivid=1.2, hints=hints, **targets)


def _colorize_tab(sessions: Sessions) -> None:
    names = list(sessions.models)
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
            inputs: list[Any] = [model]
            rows = []
            for name, (start, highest, info) in SLIDERS.items():
                with gr.Group(), gr.Row(equal_height=True, elem_classes="control") as row:
                    slider = gr.Slider(0.0, highest, start, step=0.01, label=name.capitalize(),
                                       info=info, scale=4, min_width=120, elem_id=name)
                    natural = gr.Checkbox(True, label="natural", scale=0, min_width=110,
                                          elem_id=f"natural-{name}")
                inputs += [slider, natural]
                rows.append((row, slider, natural))
            with gr.Row(visible=sessions.models[names[0]].takes_hints,
                        equal_height=True) as hinting:
                color = gr.ColorPicker(
                    "#c0392b", label="Hint: choose a color, then click the thing in the picture",
                    scale=3, min_width=150, elem_id="color")
                undo = gr.Button("Undo", min_width=60, elem_id="undo")
                clear = gr.Button("Clear", min_width=60, elem_id="clear")
            with gr.Row():
                download = gr.Button("Download", variant="primary", elem_id="download")
                download_all = gr.Button("Download all (ZIP)", visible=False, elem_id="all")
            ready = gr.DownloadButton(visible="hidden", elem_id="ready")

    def handler(action: Callable, *more: str) -> Callable:
        """A handler of (request, the settings, then others) that shows what can be mended."""
        def handle(request: gr.Request, *values: Any) -> Any:
            settings = _settings(sessions, values[:len(inputs)])
            session = sessions.get(request.session_hash or "")
            try:
                with session.lock:
                    return action(session, settings, *values[len(inputs):])
            except UserError as error:
                raise mendable(error) from error
        return handle

    def render(session: Session, settings: Settings) -> Any:
        return session.preview(settings)

    def render_live(session: Session, settings: Settings) -> Any:
        return session.preview(settings, LIVE_SIDE)

    def opened(session: Session, settings: Settings) -> list[Any]:
        several = len(session.files) > 1
        return [session.preview(settings, with_gray=True), gr.update(
            choices=list(session.files), value=session.shown, visible=several),
            gr.update(visible=several)]

    def add(session: Session, settings: Settings, paths: Sequence[str] | None) -> list[Any]:
        for problem in session.add([Path(path) for path in paths or []]):
            warn(problem)
        return [None, *opened(session, settings)]

    def add_example(session: Session, settings: Settings, index: int) -> list[Any]:
        path = data.sample_paths()[index]
        session.take(path.name, path.read_bytes())
        return opened(session, settings)

    def choose(session: Session, settings: Settings, name: str) -> Any:
        if name in session.files and name != session.shown:
            session.show(name)
        return session.preview(settings, with_gray=True)

    def change(edit: Callable[[list[Hint]], object]) -> Callable:
        def changed(session: Session, settings: Settings) -> Any:
            edit(session.hints)
            return session.preview(settings)
        return changed

    def point(request: gr.Request, event: gr.EventData, *values: Any) -> Any:
        def add_hint(session: Session, settings: Settings, text: str) -> Any:
            place = [min(1.0, max(0.0, float(one))) for one in (event.x, event.y)]
            room = len(session.hints) < MAX_HINTS
            if room and sessions.models[settings.model].takes_hints:
                session.hints.append(Hint(*place, parse_color(text), relative=True))
            return session.preview(settings)
        return handler(add_hint)(request, *values)

    def deliver(session: Session, settings: Settings) -> str:
        _needs_picture(session)
        return str(session.result(settings))

    def deliver_all(request: gr.Request, *values: Any, progress=gr.Progress()) -> Any:
        def write(session: Session, settings: Settings) -> str:
            _needs_picture(session)
            path, problems = session.all_results(settings, lambda share, name: progress(
                share, desc=printable(name)))
            for problem in problems:
                warn(problem)
            return str(path)
        return handler(write)(request, *values)

    outputs = [viewer, shown, download_all]
    upload.upload(handler(add), [*inputs, upload], [upload, *outputs], **BUSY)
    examples.click(handler(add_example), [*inputs, examples], outputs, **BUSY)
    shown.input(handler(choose), [*inputs, shown], viewer, **QUIET)
    for _, slider, natural in rows:
        # On the page at once: what is moved is no longer natural.
        slider.input(None, None, natural, js="() => false", **QUIET)
        place = inputs.index(natural)
        slider.input(_as_moved(handler(render_live), place), inputs, viewer, **LIVE)
        slider.release(handler(render), inputs, viewer, **LIVE)
        natural.input(handler(render), inputs, viewer, **LIVE)
    model.input(lambda name: _offered(sessions, name), model,
                [hinting, *(row for row, _, _ in rows)], **QUIET)
    model.input(handler(render), inputs, viewer, **LIVE)
    viewer.select(point, [*inputs, color], viewer, **LIVE)
    undo.click(handler(change(lambda hints: hints and hints.pop())), inputs, viewer, **LIVE)
    clear.click(handler(change(lambda hints: hints.clear())), inputs, viewer, **LIVE)
    for button, function in ((download, handler(deliver)), (download_all, deliver_all)):
        button.click(function, inputs, ready, show_progress_on=viewer, **BUSY).success(
            None, js="() => document.querySelector('#ready').click()")


def _settings(sessions: Sessions, values: Sequence[Any]) -> Settings:
    model, *pairs = values
    given = {name: None if natural else value
             for name, value, natural in zip(SLIDERS, pairs[::2], pairs[1::2])}
    vivid = given.pop(VIVIDNESS)
    supported = {control.name for control in sessions.models[model].controls}
    targets = {name: value for name, value in given.items() if name in supported}
    return Settings(model, targets, 1.0 if vivid is None else vivid)


def _as_moved(handle: Callable, place: int) -> Callable:
    """The handler with the checkbox at this place off, which the page may not have sent yet."""
    def moved(request: gr.Request, *values: Any) -> Any:
        return handle(request, *values[:place], False, *values[place + 1:])
    return moved


def _offered(sessions: Sessions, model: str) -> list[Any]:
    """What a model takes: the visibility of the hints, and of each control."""
    colorizer = sessions.models[model]
    offered = {VIVIDNESS, *(control.name for control in colorizer.controls)}
    return [gr.update(visible=colorizer.takes_hints),
            *(gr.update(visible=name in offered) for name in SLIDERS)]


def _needs_picture(session: Session) -> None:
    if session.shown is None:
        raise UserError("there must be a photograph first: drop one, paste one or pick one")
