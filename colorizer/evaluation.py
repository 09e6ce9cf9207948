"""The results table of a model on a test split, always beside the gray baseline."""

from __future__ import annotations

import csv
from dataclasses import dataclass
import json
from pathlib import Path
from typing import Callable, Iterable, Mapping

import numpy as np

from colorizer import color, grids, metrics

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
    ("colorfulness", "", None),
    ("colorfulness_ratio", "of originals", None),
)
GRAY, MODEL = "gray baseline", "model"
SHOWN = 6  # best, median and worst pictures in the grid, each
Colorize = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Evaluation:
    """Metrics of the gray baseline and a model on the same pictures.

    Attributes:
        rows: row name -> metric -> value, the gray baseline first.
        delta_e: float [n], CIEDE2000 of each picture, in the split's order.
        examples: number of pictures.
    """

    rows: Mapping[str, Mapping[str, float]]
    delta_e: np.ndarray
    examples: int

    def verdict(self) -> str:
        """Says in a line whether the model beats colouring nothing at all."""
        gray, model = self.rows[GRAY], self.rows[MODEL]
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
    """Colours every picture of a split and measures it.

    Args:
        colorize: uint8 [batch, h, w, 3] originals -> uint8 pictures of the same shape.
        batches: the split, uint8 [batch, h, w, 3] each.

    Returns:
        The table, with the row of the gray baseline (ab = 0) first.
    """
    collected: dict[str, list] = {GRAY: [], MODEL: []}
    for original in batches:
        original = np.asarray(original)
        collected[GRAY].append(metrics.per_example(original, gray_picture(original)))
        collected[MODEL].append(metrics.per_example(original, colorize(original)))
    joined = {
        row: {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
        for row, parts in collected.items()
    }
    delta_e = joined[MODEL]["delta_e"]
    rows = {row: metrics.summarize(values) for row, values in joined.items()}
    return Evaluation(rows, delta_e, len(delta_e))


def gray_picture(rgb: np.ndarray) -> np.ndarray:
    """The picture that colours nothing: its own L and ab = 0.

    Args:
        rgb: uint8 [..., h, w, 3], sRGB.

    Returns:
        uint8 of the same shape.
    """
    l_scaled = color.rgb_to_l_scaled(rgb.astype(np.float32) / 255.0)
    ab_scaled = np.zeros((*rgb.shape[:-1], 2), np.float32)
    return np.asarray(color.scaled_lab_to_rgb8(l_scaled, ab_scaled))


def write_ranked_grid(
    path: Path, colorize: Colorize, batches: Iterable[np.ndarray], delta_e: np.ndarray
) -> None:
    """Writes the best, median and worst pictures by CIEDE2000 as one PNG.

    Args:
        path: the PNG to write.
        colorize: as for `evaluate`.
        batches: the same split in the same order.
        delta_e: float [n], as in `Evaluation`.
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
