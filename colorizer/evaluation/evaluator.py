"""The results table of models on a split, always beside the gray baseline."""

from __future__ import annotations

import csv
from dataclasses import dataclass
import io
import json
from pathlib import Path
from typing import Any, Callable, Iterable, Mapping, Sequence

import numpy as np

from colorizer import color
from colorizer.evaluation import metrics
from colorizer.files import write_atomic

METRICS = (  # name, unit, whether more is better (None: neither)
    ("mae_rgb", "of 255", False), ("acc2_rgb", "%", True), ("acc5_rgb", "%", True),
    ("acc2_lab", "%", True), ("acc5_lab", "%", True), ("psnr", "dB", True), ("ssim", "", True),
    ("delta_e", "CIEDE2000", False), ("worsened", "% of images", False),
    ("colorfulness", "", None), ("colorfulness_ratio", "of originals", None))
ARROWS = {True: ", higher is better", False: ", lower is better", None: ""}
GRAY, MODEL = "gray baseline", "model"
MAX_DELTA_E_RATIO = 1.3  # of a result to gray: beyond it colors do more harm than none
MAX_KEPT_BYTES = 2**26  # of originals: 21,845 of 32 px, 341 of 256 px
Colorize = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Evaluation:
    """Metrics of the gray baseline and of models on the same images.

    Attributes:
        rows: row name -> metric -> value, the gray baseline first.
        delta_e: row name -> float [n], CIEDE2000 of each image, in the split's order.
        originals: index in the split -> uint8 [h, w, 3]. All of a small split; of a large one
            evenly spread images, at most `MAX_KEPT_BYTES`.
    """

    rows: Mapping[str, Mapping[str, float]]
    delta_e: Mapping[str, np.ndarray]
    originals: Mapping[int, np.ndarray]

    @property
    def examples(self) -> int:
        """Number of images."""
        return len(self.delta_e[GRAY])

    def text(self, split: str = "test") -> str:
        """The table, a metric a line; a star marks the best model. `split` says of what images."""
        widths = {name: max(14, len(name) + 2) for name in self.rows}
        lines = [" " * 40 + "".join(f"{name:>{width}s} " for name, width in widths.items())]
        for metric, unit, more_is_better in METRICS:
            values = [row[metric] for row in self.rows.values()]
            best = (max if more_is_better else min)(values) if ARROWS[more_is_better] else None
            lines.append(f"{f'{metric} {unit}'.strip() + ARROWS[more_is_better]:40s}" + "".join(
                f"{value:{width}.3f}{'*' if value == best else ' '}"
                for value, width in zip(values, widths.values())))
        lines += [f"{name}: {self._verdict(name)}." for name in self.rows if name != GRAY]
        lines.append(f"{self.examples} {split} image{'s' if self.examples > 1 else ''}.")
        return "\n".join(line.rstrip() for line in lines)

    def write(self, folder: Path) -> list[Path]:
        """Writes the table as results.json and results.csv; returns the paths."""
        rows = [{"row": name, "examples": self.examples, **row} for name, row in self.rows.items()]
        return write_table(folder / "results", rows, {"examples": self.examples, "rows": self.rows})

    def _verdict(self, name: str) -> str:
        """Says whether a model is better than coloring nothing at all."""
        gray, model = self.rows[GRAY], self.rows[name]
        return "; ".join(
            f"{metric} {model[metric]:.2f} is "
            f"{'better' if model[metric] < gray[metric] else 'WORSE'} than gray "
            f"({gray[metric]:.2f})" for metric in ("mae_rgb", "delta_e"))


def write_table(path: Path, rows: Sequence[Mapping[str, Any]], values: Any) -> list[Path]:
    """Writes `rows` to path.csv and `values` to path.json; returns the JSON's path, the CSV's."""
    json_path, csv_path = path.with_suffix(".json"), path.with_suffix(".csv")
    write_atomic(json_path, json.dumps(values, indent=2) + "\n")
    table = io.StringIO()
    writer = csv.DictWriter(table, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    write_atomic(csv_path, table.getvalue())
    return [json_path, csv_path]


def evaluate(colorize: Colorize, batches: Iterable[np.ndarray]) -> Evaluation:
    """Measures one model on a split: `compare` of one model, whose row is `MODEL`.

    Example:
        >>> dataset = data.load_dataset("sample")
        >>> colorizer = inference.Colorizer.load("cifar10")
        >>> print(evaluate(colorizer.colorize_rgb8, dataset.test_batches(64)).text())
    """
    return compare({MODEL: colorize}, batches)


def compare(models: Mapping[str, Colorize], batches: Iterable[np.ndarray]) -> Evaluation:
    """Colors every image of a split with every model and measures the results.

    Args:
        models: row name -> a function from uint8 [batch, h, w, 3] originals to uint8 images of
            the same shape. No name is `GRAY`.
        batches: the split, uint8 [batch, h, w, 3] each, at least one; gone through once.

    Returns:
        The table. Beside the metrics it has `worsened`, the percentage of images whose `delta_e`
        is above `MAX_DELTA_E_RATIO` times that of gray.
    """
    models = {GRAY: gray_image, **models}
    parts: dict[str, list] = {name: [] for name in models}
    kept: dict[int, np.ndarray] = {}
    count, stride = 0, 1
    for original in map(np.asarray, batches):
        # A copy: a view would keep the whole batch.
        kept |= {index: image.copy() for index, image in enumerate(original, count)
                 if index % stride == 0}
        count += len(original)
        while len(kept) * original[0].nbytes > MAX_KEPT_BYTES:
            stride *= 2
            kept = {index: image for index, image in kept.items() if index % stride == 0}
        for name, colorize in models.items():
            parts[name].append(metrics.per_example(original, colorize(original)))
    rows, delta_e = {}, {}
    for name, measured in parts.items():
        values = {metric: np.concatenate([batch[metric] for batch in measured])
                  for metric in measured[0]}
        rows[name], delta_e[name] = metrics.summarize(values), values["delta_e"]
        worsened = delta_e[name] > MAX_DELTA_E_RATIO * delta_e[GRAY]
        rows[name]["worsened"] = 100.0 * float(np.mean(worsened))
    return Evaluation(rows, delta_e, kept)


def gray_image(rgb8: np.ndarray) -> np.ndarray:
    """The image without colors, uint8 sRGB [..., h, w, 3] of the same shape: its L* and ab = 0."""
    l_scaled = color.rgb_to_l_scaled(rgb8.astype(np.float32) / 255.0)
    return np.asarray(color.scaled_to_rgb8(l_scaled, np.zeros((*rgb8.shape[:-1], 2), np.float32)))
