"""What a calibration found, a curve a control: as a table, as a figure, in files."""

from __future__ import annotations

import csv
from dataclasses import asdict, dataclass
import json
import math
from pathlib import Path
from typing import Mapping, Sequence

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
import numpy as np

from colorizer.color import controls as controls_lib
from colorizer.data import images

PANEL_COLUMNS, PANEL_INCHES, DPI = 4, (3.2, 2.9), 100
MODEL_COLOR, RIVAL_COLOR = "tab:blue", "tab:orange"


@dataclass(frozen=True)
class Row:
    """One target of one control, over all pictures. Statistics are in the control's unit, 0 ... 1.

    Attributes:
        control: name of the control.
        target: what was asked of every picture.
        limit: mean of the target clipped to `statistics.reach`.
        achieved: mean statistic of the results, circular for a circular control.
        spread: standard deviation of it over the pictures, circular likewise.
        mae_target: mean |achieved - target| of the pictures.
        mae_limit: mean |achieved - clipped target| of the pictures.
        mae_rgb: mean |result - edited original|, 0-255.
        delta_e: mean CIEDE2000 between results and edited originals.
        counted: pictures whose statistic counts. A circular one counts colored results only, mean
            HSV saturation above 0.02; the rival's and the originals' likewise. NaN if none do.
        rival_achieved: as `achieved`, and so on, for the rival's colors moved to the target.
        same_edit_rival_achieved: likewise, moved by `edits.apply_edit`, as the originals were.
        edited_mae_limit: as `mae_limit`, for the edited originals: what the edit itself misses.
        network_mae_limit: as `mae_limit`, for the network without the correction of its output.
        flat_variation: total variation of ab in flat regions over the edited originals' there, as
            in `Calibration.total_variation`; NaN if these have none.
    """

    control: str
    target: float
    limit: float
    achieved: float
    spread: float
    mae_target: float
    mae_limit: float
    mae_rgb: float
    delta_e: float
    counted: int
    rival_achieved: float
    rival_mae_limit: float
    rival_mae_rgb: float
    rival_delta_e: float
    same_edit_rival_achieved: float
    same_edit_rival_mae_limit: float
    same_edit_rival_mae_rgb: float
    same_edit_rival_delta_e: float
    edited_mae_limit: float
    network_mae_limit: float
    flat_variation: float


MEANS = ("mae_target", "mae_limit", "network_mae_limit", "rival_mae_limit",
         "same_edit_rival_mae_limit", "edited_mae_limit", "mae_rgb", "rival_mae_rgb",
         "same_edit_rival_mae_rgb", "delta_e", "rival_delta_e", "same_edit_rival_delta_e",
         "flat_variation")
# heading over both lines, field, decimals
COLUMNS = (
    ("", "asked", "target", 3), ("", "limit", "limit", 3), ("", "achieved", "achieved", 3),
    ("", "spread", "spread", 3), ("off by", "target", "mae_target", 3),
    ("off by", "limit", "mae_limit", 3), ("from edited", "mae_rgb", "mae_rgb", 2),
    ("originals", "delta_e", "delta_e", 2), ("", "counted", "counted", 0),
    ("rival:", "achieved", "rival_achieved", 3), ("off by", "limit", "rival_mae_limit", 3),
    ("from edited", "mae_rgb", "rival_mae_rgb", 2), ("originals", "delta_e", "rival_delta_e", 2),
    ("rival by", "same edit", "same_edit_rival_mae_limit", 3),
    ("likewise", "delta_e", "same_edit_rival_delta_e", 2),
    ("edited off", "by limit", "edited_mae_limit", 3),
    ("network off", "by limit", "network_mae_limit", 3),
    ("variation", "when flat", "flat_variation", 2))


@dataclass(frozen=True)
class Calibration:
    """The calibration of a model on some pictures.

    Attributes:
        rows: by control, then by rising target.
        monotone: control -> share of pictures whose statistic never falls by more than 0.005 from
            one target to the next; without circular controls and those of one target.
        total_variation: "flat" and "all" -> mean total variation of the ab that the model gives
            when asked nothing, over the originals'. Flat pixels differ in L* by less than 1 from
            their 4 neighbors: speckle and checkerboards show there. NaN if the originals have 0.
        examples: number of pictures.
    """

    rows: Sequence[Row]
    monotone: Mapping[str, float]
    total_variation: Mapping[str, float]
    examples: int

    def panels(self) -> dict[str, list[Row]]:
        """The rows of each control."""
        panels: dict[str, list[Row]] = {}
        for row in self.rows:
            panels.setdefault(row.control, []).append(row)
        return panels

    def scalars(self) -> dict[str, float]:
        """Means over the targets, such as `saturation/mae_limit`; what is NaN is left out."""
        values = {f"{name}/{mean}": mean_of([getattr(row, mean) for row in rows])
                  for name, rows in self.panels().items() for mean in MEANS}
        values.update({f"{name}/monotone": share for name, share in self.monotone.items()})
        values.update({f"total_variation/{k}": ratio for k, ratio in self.total_variation.items()})
        return {name: value for name, value in values.items() if math.isfinite(value)}

    def text(self) -> str:
        """A table a control, then a summary line a control."""
        lines = []
        for name, rows in self.panels().items():
            lines += [f"{name}: {controls_lib.select([name])[0].help}"]
            lines += ["".join(f"{column[i]:>12s}" for column in COLUMNS).rstrip() for i in (0, 1)]
            lines += ["".join(f"{getattr(row, field):12.{decimals}f}"
                              for _, _, field, decimals in COLUMNS) for row in rows] + [""]
        scalars = self.scalars()
        for name in self.panels():
            means = {mean: scalars.get(f"{name}/{mean}", math.nan) for mean in MEANS}
            monotone = (f"monotone {100 * self.monotone[name]:.1f} %, "
                        if name in self.monotone else "")
            lines.append(
                f"{name}: misses the limit by {means['mae_limit']:.4f} (network alone "
                f"{means['network_mae_limit']:.4f}, rival {means['rival_mae_limit']:.4f}, edited "
                f"originals {means['edited_mae_limit']:.4f}); {monotone}delta_e "
                f"{means['delta_e']:.2f}: {_verdict(means, 'rival_delta_e')} the rival's, "
                f"{_verdict(means, 'same_edit_rival_delta_e')} the rival's by the same edit")
        flat, everywhere = self.total_variation["flat"], self.total_variation["all"]
        lines.append(f"{self.examples} pictures. Total variation of ab, of the originals': "
                     f"{flat:.3f} in flat regions, {everywhere:.3f} everywhere.")
        return "\n".join(lines)

    def figure(self) -> np.ndarray:
        """The curves, a panel a control: uint8 [height, width, 3]."""
        panels = self.panels()
        columns = min(PANEL_COLUMNS, len(panels))
        lines = math.ceil(len(panels) / columns)
        figure = Figure((PANEL_INCHES[0] * columns, PANEL_INCHES[1] * lines), DPI,
                        layout="constrained")
        canvas = FigureCanvasAgg(figure)
        for place, (name, rows) in enumerate(panels.items(), 1):
            axes = figure.add_subplot(lines, columns, place)
            _draw(axes, rows, circular=controls_lib.select([name])[0].circular)
            axes.set(title=name, xlabel="asked", ylabel="achieved")
            if place == 1:
                axes.legend(fontsize="x-small", loc="upper left")
        canvas.draw()
        return np.asarray(canvas.buffer_rgba())[..., :3].copy()

    def write(self, folder: Path, stem: str = "calibration") -> list[Path]:
        """Writes JSON (NaN as null), CSV and the figure as PNG; returns the paths."""
        folder.mkdir(parents=True, exist_ok=True)
        paths = [folder / f"{stem}.{suffix}" for suffix in ("json", "csv", "png")]
        rows = [asdict(row) for row in self.rows]
        values = {"examples": self.examples, "monotone": self.monotone, "means": self.scalars(),
                  "total_variation": _nan_as_none(self.total_variation),
                  "rows": [_nan_as_none(row) for row in rows]}
        paths[0].write_text(json.dumps(values, indent=2, allow_nan=False) + "\n")
        with open(paths[1], "w", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
        images.write_picture(paths[2], self.figure())
        return paths


def mean_of(values) -> float:
    """The mean of what is not NaN; NaN if there is nothing else."""
    values = np.asarray(values, np.float64)
    values = values[~np.isnan(values)]
    return float(np.mean(values)) if len(values) else math.nan


def _verdict(means: Mapping[str, float], rival: str) -> str:
    word = "better than" if means["delta_e"] < means[rival] else "NOT better than"
    return f"{word} {means[rival]:.2f},"


def _nan_as_none(values: Mapping) -> dict:
    return {name: None if value != value else value for name, value in values.items()}


def _draw(axes, rows: Sequence[Row], circular: bool) -> None:
    asked, limit, achieved, spread, rival = (
        np.array([getattr(row, name) for row in rows])
        for name in ("target", "limit", "achieved", "spread", "rival_achieved"))
    if circular:  # the nearest turn: 0.99 for a target of 0 lies just below it
        achieved, rival = (asked + (curve - asked + 0.5) % 1.0 - 0.5 for curve in (achieved, rival))
    else:
        axes.set_ylim(-0.02, 1.02)
    axes.plot([0, 1], [0, 1], color="0.8", linewidth=1, label="as asked")
    axes.plot(asked, limit, "k--", linewidth=1, label="limit at this lightness")
    axes.plot(asked, rival, color=RIVAL_COLOR, label="rival, moved to the target")
    axes.plot(asked, achieved, ".-", color=MODEL_COLOR, linewidth=1, label="model")
    axes.fill_between(asked, achieved - spread, achieved + spread, color=MODEL_COLOR, alpha=0.2,
                      linewidth=0)
