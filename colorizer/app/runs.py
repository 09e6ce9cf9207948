"""The tab of runs: curves, grids, results and calibration of a training run's folder."""

from __future__ import annotations

import base64
import csv
import html
from pathlib import Path
from shlex import quote
from typing import Any

import gradio as gr
import numpy as np
import tensorflow as tf

from colorizer.app.messages import mendable
from colorizer.evaluation import curves
from colorizer.files import is_run

NONE = "There is no run yet. `python train.py --dataset=sample` makes one in minutes."


def build_tab(folder: Path) -> None:
    """Makes the tab for the runs in a folder, or for the folder itself if it is a run's."""
    with gr.Row():
        chosen = gr.Dropdown(label=f"Run in {folder}", elem_id="run")
        refresh = gr.Button("Refresh", elem_id="refresh", min_width=100)
    shown = gr.HTML(elem_id="run-content")

    def listed() -> Any:
        names = find_runs(folder)
        return gr.update(choices=names, value=names[0] if names else None)

    def show(name: str | None) -> str:
        if name not in find_runs(folder):
            return f"<p>{html.escape(NONE)}</p>"
        try:
            return describe(folder / name)
        except (OSError, ValueError) as error:  # a file that is damaged, or being written
            raise mendable(error) from error

    gr.on([refresh.click, chosen.focus], lambda: gr.update(choices=find_runs(folder)), None, chosen,
          api_visibility="private", show_progress="hidden")
    gr.on([refresh.click, chosen.change], show, chosen, shown, api_visibility="private")
    tab = gr.context.Context.root_block
    assert tab is not None
    tab.load(listed, None, chosen, api_visibility="private")


def find_runs(folder: Path) -> list[str]:
    """The names of the runs in a folder, the newest first; "." for the folder itself."""
    if is_run(folder):
        return ["."]
    found = [path for path in folder.glob("*") if is_run(path)]
    return [path.name for path in sorted(
        found, key=lambda path: path.stat().st_mtime, reverse=True)]


def describe(run: Path) -> str:
    """What there is to see of a run, as HTML that needs no other file."""
    parts = []
    found = curves.read_curves(run)
    if found:
        parts += ["<h3>Validation</h3>", _image(curves.draw_curves({run.resolve().name: found}))]
    grids = sorted((run / "samples").glob("*.png"))
    if grids:
        parts += [f"<h3>Validation images: {html.escape(grids[-1].stem)}</h3>", _image(grids[-1])]
    for title, name in (("Results", "results"), ("Calibration", "calibration")):
        table, picture = run / "results" / f"{name}.csv", run / "results" / f"{name}.png"
        if table.is_file() or picture.is_file():
            parts.append(f"<h3>{title}</h3>")
        if table.is_file() and name == "results":
            parts.append(_table(table))
        if picture.is_file():
            parts.append(_image(picture))
    if not (run / "results").is_dir():
        parts.append(f"<p>No results yet: <code>python evaluate.py --workdir="
                     f"{html.escape(quote(str(run)))}</code> measures the test images.</p>")
    return "\n".join(parts)


def _image(source: Path | np.ndarray) -> str:
    png = source.read_bytes() if isinstance(source, Path) else tf.io.encode_png(source).numpy()
    return (f'<img style="max-width: 100%" alt="" src="data:image/png;base64,'
            f'{base64.b64encode(png).decode()}">')


def _table(path: Path) -> str:
    with open(path, newline="", encoding="utf-8") as file:
        rows = [[html.escape(cell) for cell in row] for row in csv.reader(file)]
    head, *body = [f"<tr>{''.join(f'<td>{_short(cell)}</td>' for cell in row)}</tr>"
                   for row in rows]
    return (f'<div style="overflow-x: auto"><table><thead>{head}</thead>'
            f"<tbody>{''.join(body)}</tbody></table></div>")


def _short(cell: str) -> str:
    try:
        return f"{float(cell):.4g}"
    except ValueError:
        return cell
