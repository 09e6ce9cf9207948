"""Does a model give the color statistics that it is asked for? Desired against achieved.

A conditional model is given every target of every control, one at a time. Two things say what
to expect of it. The *limit* is the nearest value that any colors could reach at the image's
lightness (`color.achievable_range`). The *baseline* is the model's own unconditional colors, moved
to the target by `color.retarget`, which needs no conditional model.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
import functools
import itertools
import math
from pathlib import Path
from typing import Callable, Iterable, Mapping, Sequence

from keras import ops
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
import numpy as np
from skimage import color as skcolor
import tensorflow as tf

from colorizer import color, data
from colorizer.color.controls import CONTROLS, Control, select
from colorizer.evaluation.achieved import limit, mean_and_spread, statistic
from colorizer.evaluation.evaluator import write_table

CHUNK = 8  # images retargeted at once: they stay in the processor's cache, and any batch size fits
PANEL_COLUMNS, PANEL_WIDTH, PANEL_HEIGHT, DPI = 4, 3.2, 2.9, 100  # sizes in inches


@dataclass(frozen=True)
class Row:
    """One target of one control, over all images. Statistics are in [0, 1]; no image gives NaN."""

    control: str
    desired: float  # the target, the same for every image
    limit: float  # mean of the target clipped to each image's achievable range
    achieved: float  # mean statistic of the results, circular for a circular control
    spread: float  # standard deviation of it over the images, circular likewise
    error: float  # mean |achieved - desired| of the images
    limit_error: float  # mean |achieved - limit| of the images
    delta_e: float  # mean CIEDE2000 from the results to the originals moved to the target
    baseline_achieved: float
    baseline_limit_error: float
    baseline_delta_e: float
    images: int  # how many count: all, for hue those that have one (`achieved.statistic`)


SHOWN = {  # field -> decimals in the table of `Calibration.text`
    "desired": 3, "limit": 3, "achieved": 3, "spread": 3, "error": 3, "limit_error": 3,
    "delta_e": 2, "baseline_limit_error": 3, "baseline_delta_e": 2, "images": 0}


@dataclass(frozen=True)
class Calibration:
    """The calibration of a model on `examples` images; rows by control, then by rising target."""

    rows: Sequence[Row]
    examples: int

    def by_control(self) -> dict[str, list[Row]]:
        """The rows of each control."""
        return {name: list(rows) for name, rows in itertools.groupby(
            self.rows, key=lambda row: row.control)}

    def scalars(self) -> dict[str, float]:
        """Means over the targets, such as `saturation/error`; what is NaN is left out."""
        means = {f"{name}/{field}": _field_mean(rows, field)
                 for name, rows in self.by_control().items() for field in ("error", "delta_e")}
        return {name: value for name, value in means.items() if not math.isnan(value)}

    def text(self) -> str:
        """A table a control, then a summary line a control."""
        tables, summary = [], []
        for name, rows in self.by_control().items():
            tables += [f"{name}: {select([name])[0].help}"]
            tables += ["  ".join(f"{field:>8s}" for field in SHOWN)]
            tables += ["  ".join(f"{getattr(row, field):{max(8, len(field))}.{decimals}f}"
                                 for field, decimals in SHOWN.items()) for row in rows] + [""]
            means = {field: _field_mean(rows, field) for field in SHOWN}
            better = means["delta_e"] < means["baseline_delta_e"]
            summary.append(
                f"{name}: error {means['error']:.4f}, to the limit {means['limit_error']:.4f} "
                f"(baseline {means['baseline_limit_error']:.4f}); delta_e {means['delta_e']:.2f} "
                f"is {'better' if better else 'NOT better'} than the baseline's "
                f"({means['baseline_delta_e']:.2f}).")
        count = f"{self.examples} image{'s' if self.examples > 1 else ''}."
        return "\n".join(line.rstrip() for line in [*tables, *summary, count])

    def figure(self) -> np.ndarray:
        """The curves, a panel a control: uint8 [height, width, 3]."""
        panels = self.by_control()
        columns = min(PANEL_COLUMNS, len(panels))
        lines = math.ceil(len(panels) / columns)
        figure = Figure((PANEL_WIDTH * columns, PANEL_HEIGHT * lines), DPI, layout="constrained")
        canvas = FigureCanvasAgg(figure)
        for place, (name, rows) in enumerate(panels.items(), 1):
            axes = figure.add_subplot(lines, columns, place)
            _draw(axes, rows, circular=select([name])[0].circular)
            axes.set(title=name, xlabel="desired", ylabel="achieved")
            if place == 1:
                axes.legend(fontsize="x-small", loc="upper left")
        canvas.draw()
        return np.asarray(canvas.buffer_rgba())[..., :3].copy()

    def write(self, folder: Path) -> list[Path]:
        """Writes calibration.json (NaN as null), .csv and .png, the figure; returns the paths."""
        rows = [asdict(row) for row in self.rows]
        paths = write_table(folder / "calibration", rows, {
            "examples": self.examples, "means": self.scalars(), "rows": [
                {name: None if value != value else value for name, value in row.items()}
                for row in rows]})
        data.write_image(folder / "calibration.png", self.figure())
        return [*paths, folder / "calibration.png"]


def targets_of(control: Control) -> Sequence[float]:
    """The targets that a control is measured at: 0, 0.1 ... 1, or 12 around the circle."""
    return [i / 12 for i in range(12)] if control.circular else [i / 10 for i in range(11)]


def calibrate(
    colorize: Callable[..., np.ndarray], batches: Iterable[np.ndarray], *,
    controls: Sequence[Control] = CONTROLS, targets: Mapping[str, Sequence[float]] | None = None,
) -> Calibration:
    """Gives a model every target of every control, one at a time, and measures the results.

    Args:
        colorize: uint8 [batch, h, w, 3] originals, and a target by its control's name -> uint8
            images of the same shape; without a target, the model's unconditional colors.
        batches: the images, uint8 [batch, h, w, 3] each; gone through once.
        targets: name of a control -> targets in [0, 1]; by default `targets_of` each.

    Raises:
        ValueError: there is no image.

    Example:
        >>> colorizer = inference.Colorizer.load("cifar10")
        >>> batches = data.load_dataset("sample").test_batches(64)
        >>> print(calibrate(colorizer.colorize_rgb8, batches, controls=colorizer.controls).text())
    """
    parts: dict[tuple[Control, float], list] = {
        (control, target): [] for control in controls
        for target in sorted(targets[control.name] if targets else targets_of(control))}
    examples = 0
    for original in map(np.asarray, batches):
        examples += len(original)
        unconditional = colorize(original)
        for (control, target), measured in parts.items():
            result = colorize(original, **{control.name: target})
            measured.append(_measure(control, target, original, unconditional, result))
    if not examples:
        raise ValueError("`batches` must hold at least one image. Received: none")
    return Calibration([
        _row(control, target, {name: np.concatenate([part[name] for part in measured])
                               for name in measured[0]})
        for (control, target), measured in parts.items()], examples)


def _measure(
    control: Control, target: float, original: np.ndarray, unconditional: np.ndarray,
    result: np.ndarray,
) -> dict[str, np.ndarray]:
    """Values of each image, float [batch]; NaN where a statistic does not count."""
    error = functools.partial(color.distance, control)
    retargeted = _retarget(control, original, target)
    baseline = _retarget(control, unconditional, target)
    achieved = statistic(control, result)
    baseline_achieved = statistic(control, baseline)
    nearest = limit(control, original, target)
    return {
        "limit": nearest,
        "achieved": achieved,
        "error": error(achieved, target),
        "limit_error": error(achieved, nearest),
        "delta_e": _delta_e(retargeted, result),
        "baseline_achieved": baseline_achieved,
        "baseline_limit_error": error(baseline_achieved, nearest),
        "baseline_delta_e": _delta_e(retargeted, baseline),
    }


def _row(control: Control, target: float, values: Mapping[str, np.ndarray]) -> Row:
    means = {name: mean_and_spread(value)[0] for name, value in values.items()}
    means["achieved"], spread = mean_and_spread(values["achieved"], control.circular)
    means["baseline_achieved"], _ = mean_and_spread(values["baseline_achieved"], control.circular)
    return Row(control=control.name, desired=float(target), spread=spread,
               images=int(np.sum(~np.isnan(values["achieved"]))), **means)


def _retarget(control: Control, rgb8: np.ndarray, target: float) -> np.ndarray:
    """`color.retarget` of 8-bit images, in chunks of one size: one compilation serves all."""
    parts = []
    for start in range(0, len(rgb8), CHUNK):
        part = rgb8[start:start + CHUNK]
        padded = np.concatenate([part, np.repeat(part[-1:], CHUNK - len(part), axis=0)])
        moved = _compiled_retarget(control, padded, tf.fill(CHUNK, float(target)))
        parts.append(np.asarray(moved)[:len(part)])
    return np.concatenate(parts)


# XLA fuses the many small steps: 3 to 6 times faster than a plain graph on a CPU.
@functools.partial(tf.function, autograph=False, jit_compile=True)
def _compiled_retarget(control, rgb8, target):
    lab = color.rgb_to_lab(ops.cast(rgb8, "float32") / 255.0)
    return ops.cast(ops.round(255.0 * color.retarget(lab, control, target)), "uint8")


def _delta_e(rgb8: np.ndarray, other_rgb8: np.ndarray) -> np.ndarray:
    lab, other_lab = skcolor.rgb2lab(rgb8), skcolor.rgb2lab(other_rgb8)
    return np.mean(skcolor.deltaE_ciede2000(lab, other_lab), axis=(1, 2))


def _field_mean(rows: Sequence[Row], field: str) -> float:
    return mean_and_spread(np.array([getattr(row, field) for row in rows]))[0]


def _draw(axes, rows: Sequence[Row], circular: bool) -> None:
    desired, limit, achieved, spread, baseline = (
        np.array([getattr(row, name) for row in rows])
        for name in ("desired", "limit", "achieved", "spread", "baseline_achieved"))
    if circular:  # the nearest turn: 0.99 for a target of 0 lies just below it
        achieved, baseline = (
            desired + (curve - desired + 0.5) % 1.0 - 0.5 for curve in (achieved, baseline))
    else:
        axes.set_ylim(-0.02, 1.02)
    axes.plot([0, 1], [0, 1], color="0.8", linewidth=1, label="desired")
    axes.plot(desired, limit, "k--", linewidth=1, label="limit at this lightness")
    axes.plot(desired, baseline, color="tab:orange", label="baseline: retargeted")
    axes.plot(desired, achieved, ".-", color="tab:blue", linewidth=1, label="model")
    axes.fill_between(desired, achieved - spread, achieved + spread, alpha=0.2, linewidth=0)
