"""The validation curves of runs side by side, read from their TensorBoard events."""

from __future__ import annotations

from pathlib import Path
from typing import Mapping

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
import numpy as np
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
import tensorflow as tf

VALIDATION = "1 validation"  # TensorBoard's group of charts
METRICS = ("delta_e", "mae_rgb", "psnr", "ssim", "colorfulness")
PANEL_WIDTH, PANEL_HEIGHT, DPI = 3.4, 3.0, 100  # sizes in inches


def read_curves(workdir: Path) -> dict[str, np.ndarray]:
    """The metrics that a run wrote: name -> float [n, 2], step and value; none without events."""
    folder = workdir / "tensorboard"
    if not folder.is_dir():
        return {}
    events = EventAccumulator(str(folder), size_guidance={"tensors": 0}).Reload()
    written = events.Tags()["tensors"]
    curves = {name: {event.step: float(tf.make_ndarray(event.tensor_proto))
                     for event in events.Tensors(f"{VALIDATION}/{name}")}
              for name in METRICS if f"{VALIDATION}/{name}" in written}
    return {name: np.array(sorted(points.items())) for name, points in curves.items()}


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
