"""The results table of models on a test split, always beside the gray baseline."""

from __future__ import annotations

import csv
from dataclasses import dataclass
import json
from pathlib import Path
from typing import Callable, Iterable, Mapping

import numpy as np

from colorizer.color import lab as color
from colorizer.data import grids
from colorizer.evaluation import metrics

# name, heading, unit or range, whether more is better (None: neither)
COLUMNS = (
    ("mae_rgb", "of 255", False),
    ("mae_rgb_percent", "%", False),
    ("acc2_rgb", "%", True),
    ("acc5_rgb", "%", True),
    ("acc2_lab", "%", True),
    ("acc5_lab", "%", True),
    ("psnr", "dB", True),
    ("ssim", "", True),
    ("delta_e", "CIEDE2000", False),
    ("worsened", "% of pictures", False),
    ("colorfulness", "", None),
    ("colorfulness_ratio", "of originals", None),
)
GRAY, MODEL = "gray baseline", "model"
WORSENED = 1.3  # times the delta_e of gray: from there on colors do more harm than none
SHOWN = 6  # best, median and worst pictures in the grid, each
COMPARED = 8  # pictures beside each other in a comparison
Colorize = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Evaluation:
    """Metrics of the gray baseline and of models on the same pictures.

    Attributes:
        rows: row name -> metric -> value, the gray baseline first.
        delta_e: row name -> float [n], CIEDE2000 of each picture, in the split's order.
        examples: number of pictures.
    """

    rows: Mapping[str, Mapping[str, float]]
    delta_e: Mapping[str, np.ndarray]
    examples: int

    def verdict(self, name: str = MODEL) -> str:
        """Says in a line whether a model beats coloring nothing at all."""
        gray, model = self.rows[GRAY], self.rows[name]
        words = [
            f"{name} {model[name]:.2f} is {'better' if model[name] < gray[name] else 'WORSE'} "
            f"than gray ({gray[name]:.2f})" for name in ("mae_rgb", "delta_e")
        ]
        return "; ".join(words)

    def text(self) -> str:
        """The table as text, a metric a line."""
        names = list(self.rows)
        lines = [f"{'':30s}" + "".join(f"{name:>16s}" for name in names)]
        for metric, unit, more_is_better in COLUMNS:
            arrow = {True: " (higher better)", False: " (lower better)", None: ""}[more_is_better]
            label = f"{metric} {unit}".strip()
            cells = "".join(f"{self.rows[name][metric]:16.3f}" for name in names)
            lines.append(f"{label:30s}{cells}{arrow}")
        lines.append(f"{self.examples} test pictures. {self.verdict()}.")
        return "\n".join(lines)

    def table(self) -> str:
        """The table as text, a model a line; a star marks the best of a column."""
        width = max(map(len, self.rows)) + 1
        columns = [column for column in COLUMNS if column[0] != "mae_rgb_percent"]  # mae_rgb / 2.55
        headings: list[list[str]] = [[], [], []]
        cells: dict[str, list[str]] = {row: [] for row in self.rows}
        for metric, unit, more_is_better in columns:
            name, ratio, _ = metric.partition("_ratio")  # in two lines: it is the longest
            size = max(len(name), len(unit), 8) + 2
            for heading, word in zip(headings, (name, ratio, unit)):
                heading.append(f"{word:>{size}s}")
            numbers = {row: values[metric] for row, values in self.rows.items()}
            best = None if more_is_better is None else (
                max if more_is_better else min)(numbers.values())
            for row, number in numbers.items():
                mark = "*" if number == best else " "
                cells[row].append(f"{f'{number:.3f}{mark}':>{size}s}")
        lines = [" " * width + "".join(heading) for heading in headings]
        lines += [f"{row:{width}s}" + "".join(row_cells) for row, row_cells in cells.items()]
        lines += [f"{name}: {self.verdict(name)}." for name in self.rows if name != GRAY]
        lines.append(f"{self.examples} test pictures. * is the best of its column.")
        return "\n".join(line.rstrip() for line in lines)

    def write(self, folder: Path, stem: str = "results") -> list[Path]:
        """Writes the table as JSON and CSV; returns the paths."""
        folder.mkdir(parents=True, exist_ok=True)
        json_path, csv_path = folder / f"{stem}.json", folder / f"{stem}.csv"
        json_path.write_text(
            json.dumps({"examples": self.examples, "rows": self.rows}, indent=2) + "\n")
        with open(csv_path, "w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["row", "examples", *(name for name, _, _ in COLUMNS)])
            for row, values in self.rows.items():
                writer.writerow([row, self.examples, *(values[name] for name, _, _ in COLUMNS)])
        return [json_path, csv_path]


def evaluate(colorize: Colorize, batches: Iterable[np.ndarray]) -> Evaluation:
    """Colors every picture of a split and measures it: `compare` of one model, named `MODEL`."""
    return compare({MODEL: colorize}, batches)


def compare(models: Mapping[str, Colorize], batches: Iterable[np.ndarray]) -> Evaluation:
    """Colors every picture of a split with every model and measures the results.

    Args:
        models: row name -> a function from uint8 [batch, h, w, 3] originals to uint8 pictures of
            the same shape. No name is `GRAY`.
        batches: the split, uint8 [batch, h, w, 3] each; gone through once.

    Returns:
        The table, with the row of the gray baseline (ab = 0) first, then the models in order.
        Beside the metrics it has `worsened`, the percentage of pictures whose `delta_e` is above
        `WORSENED` times that of gray.
    """
    everyone = {GRAY: gray_picture, **models}
    collected: dict[str, list] = {name: [] for name in everyone}
    for original in map(np.asarray, batches):
        for name, colorize in everyone.items():
            collected[name].append(metrics.per_example(original, colorize(original)))
    joined = {
        row: {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
        for row, parts in collected.items()
    }
    delta_e = {row: values["delta_e"] for row, values in joined.items()}
    rows = {row: metrics.summarize(values) for row, values in joined.items()}
    for row, values in rows.items():
        values["worsened"] = 100.0 * float(np.mean(delta_e[row] > WORSENED * delta_e[GRAY]))
    return Evaluation(rows, delta_e, len(delta_e[GRAY]))


def gray_picture(rgb: np.ndarray) -> np.ndarray:
    """The picture that colors nothing: its own L and ab = 0.

    Args:
        rgb: uint8 [..., h, w, 3], sRGB.

    Returns:
        uint8 of the same shape.
    """
    l_scaled = color.rgb_to_l_scaled(rgb.astype(np.float32) / 255.0)
    ab_scaled = np.zeros((*rgb.shape[:-1], 2), np.float32)
    return np.asarray(color.scaled_to_rgb8(l_scaled, ab_scaled))


def write_ranked_grid(
    path: Path, colorize: Colorize, batches: Iterable[np.ndarray], delta_e: np.ndarray
) -> None:
    """Writes the best, median and worst pictures by CIEDE2000 as one PNG.

    Args:
        path: the PNG to write.
        colorize: as for `evaluate`.
        batches: the same split in the same order.
        delta_e: float [n], the model's as in `Evaluation`.
    """
    order = np.argsort(delta_e, kind="stable")
    middle = max(0, len(order) // 2 - SHOWN // 2)
    groups = {"best": order[:SHOWN], "median": order[middle:middle + SHOWN],
              "worst": order[-SHOWN:]}
    wanted = {int(index) for group in groups.values() for index in group}
    kept, position = {}, 0
    for batch in batches:
        batch = np.asarray(batch)
        for index in range(position, position + len(batch)):
            if index in wanted:
                kept[index] = batch[index - position]
        position += len(batch)
    original = np.stack([kept[int(i)] for group in groups.values() for i in group])
    labels = [f"{name} {delta_e[i]:.1f}" for name, group in groups.items() for i in group]
    columns = {"gray": gray_picture(original), "original": original,
               "colorized": colorize(original)}
    grids.save_grid(path, columns, row_labels=labels)


def write_comparison(path: Path, models: Mapping[str, Colorize], original: np.ndarray) -> None:
    """Writes pictures as one PNG: the originals, gray, and the colors of each model.

    Args:
        path: the PNG to write.
        models: as for `compare`; no name is "original" or "gray".
        original: uint8 [n, h, w, 3].
    """
    columns = {"original": original, "gray": gray_picture(original)}
    columns.update((name, colorize(original)) for name, colorize in models.items())
    grids.save_grid(path, columns)
