"""The validation curves of runs side by side, read from their TensorBoard events."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
import contextlib
import os
from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
import numpy as np
import tensorflow as tf

VALIDATION = "1 validation"  # TensorBoard's group of charts
METRICS = ("delta_e", "mae_rgb", "psnr", "ssim", "colorfulness")
PANEL_WIDTH, PANEL_HEIGHT, DPI = 3.4, 3.0, 100  # sizes in inches


def read_curves(workdir: Path) -> dict[str, np.ndarray]:
    """The metrics that a run wrote: name -> float [n, 2], step and value; none without events."""
    names = {f"{VALIDATION}/{name}": name for name in METRICS}
    curves: dict[str, dict[int, float]] = {name: {} for name in METRICS}
    for path in sorted((workdir / "tensorboard").glob("*tfevents*")):
        for event in read_events(path):
            for value in event.summary.value:
                if value.tag in names:
                    curves[names[value.tag]][event.step] = float(tf.make_ndarray(value.tensor))
    return {name: np.array(sorted(points.items())) for name, points in curves.items() if points}


def read_events(path: Path) -> Iterator[tf.compat.v1.Event]:
    """The events in a file of TensorBoard, as far as it is whole: a kill may have cut it off.

    TensorBoard's own reader takes no path that is not UTF-8.
    """
    with contextlib.suppress(tf.errors.OpError):
        for record in tf.data.TFRecordDataset(os.fsencode(path)).as_numpy_iterator():
            yield tf.compat.v1.Event.FromString(record)


def draw_curves(runs: Mapping[str, Mapping[str, np.ndarray]]) -> np.ndarray:
    """A panel a metric, a line a run: uint8 [height, width, 3].

    `runs` is name -> what `read_curves` gives.
    """
    figure = Figure(
        (PANEL_WIDTH * len(METRICS), PANEL_HEIGHT), DPI, layout="constrained")
    canvas = FigureCanvasAgg(figure)
    for place, metric in enumerate(METRICS, 1):
        axes = figure.add_subplot(1, len(METRICS), place)
        for name, curves in runs.items():
            if metric in curves:
                axes.plot(*curves[metric].T, ".-", linewidth=1, label=name)
        axes.set(title=metric, xlabel="step")
        if place == 1:
            axes.legend(fontsize="x-small")
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()
