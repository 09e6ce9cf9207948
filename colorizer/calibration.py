"""Does a conditional model give what it is asked for? Asked against achieved, a curve a control.

Three readings keep the numbers honest. The *limit*: what any ab could give at the picture's
lightness (`statistics.reach`; for hue and colorfulness no limit is known, the target stands for
it). The *edited originals*, moved to the target at their own lightness (`statistics.retarget`):
what results are compared with. The *rival*: a model's natural colours moved by the same formula,
which is what a user could do without a conditional model.
"""

from __future__ import annotations

import csv
from dataclasses import asdict, dataclass
import functools
import json
import math
from pathlib import Path
from typing import Callable, Iterable, Mapping, Sequence

from keras import ops
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
import numpy as np
from skimage import color as skcolor
import tensorflow as tf

from colorizer import color, controls as controls_lib, images, statistics

TARGETS = tuple(i / 10 for i in range(11))
CIRCULAR_TARGETS = tuple(i / 12 for i in range(12))
COLOURED = 0.02  # mean HSV saturation above which a picture has a hue
FALL = 0.005  # 8-bit rounding: a statistic falling by less counts as not falling
FLAT = 1.0  # L* units between neighbours: below it no edge is visible
CHUNK = 8  # pictures edited at once: they stay in the processor's cache, and any batch size fits
PANEL_COLUMNS, PANEL_INCHES, DPI = 4, (3.2, 2.9), 100
MODEL_COLOUR, RIVAL_COLOUR = "tab:blue", "tab:orange"
Colorize = Callable[..., np.ndarray]


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
        counted: pictures whose statistic counts. A circular one counts coloured results only, mean
            HSV saturation above 0.02; the rival's and the originals' likewise. NaN if none do.
        rival_achieved: as `achieved`, and so on, for the rival's colours moved to the target.
        edited_mae_limit: as `mae_limit`, for the edited originals: what the edit itself misses.
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
    edited_mae_limit: float


MEANS = ("mae_target", "mae_limit", "rival_mae_limit", "edited_mae_limit", "mae_rgb",
         "rival_mae_rgb", "delta_e", "rival_delta_e")
# heading over both lines, field, decimals
COLUMNS = (
    ("", "asked", "target", 3), ("", "limit", "limit", 3), ("", "achieved", "achieved", 3),
    ("", "spread", "spread", 3), ("off by", "target", "mae_target", 3),
    ("off by", "limit", "mae_limit", 3), ("from edited", "mae_rgb", "mae_rgb", 2),
    ("originals", "delta_e", "delta_e", 2), ("", "counted", "counted", 0),
    ("rival:", "achieved", "rival_achieved", 3), ("off by", "limit", "rival_mae_limit", 3),
    ("from edited", "mae_rgb", "rival_mae_rgb", 2), ("originals", "delta_e", "rival_delta_e", 2),
    ("edited off", "by limit", "edited_mae_limit", 3))


@dataclass(frozen=True)
class Calibration:
    """The calibration of a model on some pictures.

    Attributes:
        rows: by control, then by rising target.
        monotone: control -> share of pictures whose statistic never falls by more than 0.005 from
            one target to the next; without circular controls.
        total_variation: "flat" and "all" -> mean total variation of the ab that the model gives
            when asked nothing, over the originals'. Flat pixels differ in L* by less than 1 from
            their 4 neighbours: speckle and checkerboards show there. NaN if the originals have 0.
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
        values = {f"{name}/{mean}": _mean([getattr(row, mean) for row in rows])
                  for name, rows in self.panels().items() for mean in MEANS}
        values.update({f"{name}/monotone": share for name, share in self.monotone.items()})
        values.update({f"total_variation/{k}": ratio for k, ratio in self.total_variation.items()})
        return {name: value for name, value in values.items() if math.isfinite(value)}

    def text(self) -> str:
        """A table a control, then a summary line a control."""
        help_of = {control.name: control.help for control in controls_lib.CONTROLS}
        lines = []
        for name, rows in self.panels().items():
            lines += [f"{name}: {help_of.get(name, '')}"]
            lines += ["".join(f"{column[i]:>12s}" for column in COLUMNS).rstrip() for i in (0, 1)]
            lines += ["".join(f"{getattr(row, field):12.{decimals}f}"
                              for _, _, field, decimals in COLUMNS) for row in rows] + [""]
        scalars = self.scalars()
        for name in self.panels():
            means = {mean: scalars.get(f"{name}/{mean}", math.nan) for mean in MEANS}
            monotone = (f"monotone {100 * self.monotone[name]:.1f} %, "
                        if name in self.monotone else "")
            verdict = "better" if means["delta_e"] < means["rival_delta_e"] else "NOT better"
            lines.append(
                f"{name}: misses the limit by {means['mae_limit']:.4f} (rival "
                f"{means['rival_mae_limit']:.4f}, edited originals "
                f"{means['edited_mae_limit']:.4f}); {monotone}delta_e {means['delta_e']:.2f} is "
                f"{verdict} than the rival's ({means['rival_delta_e']:.2f})")
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
            _draw(axes, rows, circular=name not in self.monotone)
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


def calibrate(
    colorize: Colorize, batches: Iterable[np.ndarray], *,
    rival: Callable[[np.ndarray], np.ndarray] | None = None,
    controls: Sequence[controls_lib.Control] = controls_lib.CONTROLS,
    targets: Sequence[float] | None = None,
) -> Calibration:
    """Asks a model for every target of every control, one at a time, and measures the results.

    Args:
        colorize: uint8 [batch, h, w, 3] originals, and a target by its control's name -> uint8
            pictures of the same shape; without a target, the model's natural colours.
        batches: the pictures, uint8 [batch, h, w, 3] each; gone through once.
        rival: originals -> natural colours that are moved to each target by formula, those of an
            unconditional model for instance. By default those of `colorize`.
        controls: what to ask for.
        targets: in [0, 1], for every control; by default `TARGETS`, or `CIRCULAR_TARGETS`.
    """
    asked = {control: sorted(targets if targets is not None else
                             CIRCULAR_TARGETS if control.circular else TARGETS)
             for control in controls}
    found: dict[tuple[controls_lib.Control, float], list[dict[str, np.ndarray]]] = {
        (control, target): [] for control in controls for target in asked[control]}
    variations, examples = [], 0
    for original in map(np.asarray, batches):
        examples += len(original)
        natural = colorize(original)
        moved_from = natural if rival is None else rival(original)
        variations.append(_variations(original, natural))
        l_star = color.rgb_to_lab(_unit(original))[..., 0]
        for control in controls:
            low, high = (np.asarray(end) for end in statistics.reach(control, l_star))
            for target in asked[control]:
                result = colorize(original, **{control.name: target})
                found[control, target].append(
                    {"limit": np.clip(target, low, high),
                     **_compare(control, target, original, moved_from, result)})
    if not examples:
        raise ValueError("`batches` must hold at least one picture. Received: none")
    joined = {key: {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
              for key, parts in found.items()}
    monotone = {}
    for control in controls:
        if not control.circular:
            curves = np.stack([joined[control, target]["achieved"] for target in asked[control]])
            monotone[control.name] = float(np.mean(np.all(np.diff(curves, axis=0) >= -FALL, 0)))
    total_variation = {}
    for region in ("flat", "all"):
        model, real = np.sum([part[region] for part in variations], axis=0)
        total_variation[region] = float(model / real) if real > 0.0 else math.nan
    rows = [_row(control, target, values) for (control, target), values in joined.items()]
    return Calibration(rows, monotone, total_variation, examples)


def _compare(control, target: float, original: np.ndarray, moved_from: np.ndarray,
             result: np.ndarray) -> dict[str, np.ndarray]:
    """Values of each picture, float [batch]: an achieved statistic is NaN where it counts not."""
    edited, rival = _edited(control, original, target), _edited(control, moved_from, target)
    lab = skcolor.rgb2lab(edited)
    values = {"edited_achieved": _statistic(control, edited)}
    for who, picture in (("", result), ("rival_", rival)):
        delta_e = skcolor.deltaE_ciede2000(lab, skcolor.rgb2lab(picture))
        values[f"{who}achieved"] = _statistic(control, picture)
        values[f"{who}mae_rgb"] = np.mean(np.abs(edited.astype(float) - picture), (1, 2, 3))
        values[f"{who}delta_e"] = np.mean(delta_e, (1, 2))
    return values


def _row(control, target: float, values: Mapping[str, np.ndarray]) -> Row:
    centre, spread = _centre_and_spread(values["achieved"], control.circular)
    means = {name: _mean(value) for name, value in values.items() if "achieved" not in name}
    for who in ("", "rival_", "edited_"):
        means[f"{who}mae_limit"] = _mean(
            statistics.distance(control, values[f"{who}achieved"], values["limit"]))
    return Row(control=control.name, target=float(target), achieved=centre, spread=spread,
               mae_target=_mean(statistics.distance(control, values["achieved"], target)),
               counted=int(np.sum(~np.isnan(values["achieved"]))),
               rival_achieved=_centre_and_spread(values["rival_achieved"], control.circular)[0],
               **means)


def _edited(control, rgb8: np.ndarray, target: float) -> np.ndarray:
    """`statistics.retarget` of 8-bit pictures, in chunks of one size: one compilation serves all.
    """
    parts = []
    for start in range(0, len(rgb8), CHUNK):
        part = rgb8[start:start + CHUNK]
        padded = np.concatenate([part, np.repeat(part[-1:], CHUNK - len(part), axis=0)])
        moved = _compiled_edit(control)(padded, np.full(CHUNK, target, np.float32))
        parts.append(np.asarray(moved)[:len(part)])
    return np.concatenate(parts)


@functools.lru_cache(maxsize=None)
def _compiled_edit(control):
    # XLA fuses the many small steps: 3 to 6 times faster than a plain graph on a CPU.
    @functools.partial(tf.function, jit_compile=True)
    def edit(rgb8, target):
        lab = color.rgb_to_lab(ops.cast(rgb8, "float32") / 255.0)
        return ops.cast(ops.round(255.0 * statistics.retarget(lab, control, target)), "uint8")

    return edit


def _statistic(control, rgb8: np.ndarray) -> np.ndarray:
    rgb = _unit(rgb8)
    value = np.asarray(statistics.measure(control, rgb), np.float64)
    if control.circular:
        return np.where(np.asarray(statistics.saturation(rgb)) > COLOURED, value, np.nan)
    return value


def _variations(original: np.ndarray, result: np.ndarray) -> dict[str, tuple[float, float]]:
    """Total variation of ab, summed over flat and over all pixels: (result's, original's).

    A pixel's is the mean distance in (a*, b*) to its 4 neighbours; the outermost pixels, which
    have fewer, are left out.
    """
    changes = []
    for lab in (skcolor.rgb2lab(result), skcolor.rgb2lab(original)):
        inner = lab[:, 1:-1, 1:-1]
        changes.append(np.stack([inner - lab[:, :-2, 1:-1], inner - lab[:, 2:, 1:-1],
                                 inner - lab[:, 1:-1, :-2], inner - lab[:, 1:-1, 2:]]))
    flat = np.all(np.abs(changes[1][..., 0]) < FLAT, axis=0)
    model, real = (np.mean(np.hypot(change[..., 1], change[..., 2]), 0) for change in changes)
    return {"flat": (model[flat].sum(), real[flat].sum()), "all": (model.sum(), real.sum())}


def _centre_and_spread(values: np.ndarray, circular: bool) -> tuple[float, float]:
    """Mean and standard deviation of what is not NaN; circular ones of shares of a turn.

    Source: Mardia and Jupp, Directional Statistics, 2000, section 2.3: sqrt(-2 ln R).
    """
    values = values[~np.isnan(values)]
    if not len(values):
        return math.nan, math.nan
    if not circular:
        return float(np.mean(values)), float(np.std(values))
    mean = np.mean(np.exp(2j * np.pi * values))
    length = np.clip(np.abs(mean), 1e-12, 1.0)
    turn = np.angle(mean) / (2.0 * np.pi) % 1.0
    return float(turn), float(np.sqrt(-2.0 * np.log(length)) / (2.0 * np.pi))


def _mean(values) -> float:
    values = np.asarray(values, np.float64)
    values = values[~np.isnan(values)]
    return float(np.mean(values)) if len(values) else math.nan


def _unit(rgb8: np.ndarray) -> np.ndarray:
    return rgb8.astype(np.float32) / 255.0


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
    axes.plot(asked, rival, color=RIVAL_COLOUR, label="rival, moved by formula")
    axes.plot(asked, achieved, ".-", color=MODEL_COLOUR, linewidth=1, label="model")
    axes.fill_between(asked, achieved - spread, achieved + spread, color=MODEL_COLOUR, alpha=0.2,
                      linewidth=0)
