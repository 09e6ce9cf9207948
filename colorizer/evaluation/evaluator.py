"""The results table of models on a split, always beside the gray baseline."""

from __future__ import annotations

import csv
from dataclasses import asdict, dataclass, field
import io
import json
from pathlib import Path
from typing import Any, Callable, Iterable, Mapping, Sequence

import numpy as np

from colorizer import color
from colorizer.evaluation import metrics
from colorizer.evaluation.achieved import Achieved, TargetMeter
from colorizer.evaluation.features import FeatureMetrics, frechet_distance
from colorizer.files import write_atomic

METRICS = (  # name, unit, whether more is better (None: neither)
    ("mae_rgb", "of 255", False), ("acc2_rgb", "%", True), ("acc5_rgb", "%", True),
    ("acc2_lab", "%", True), ("acc5_lab", "%", True), ("psnr", "dB", True), ("ssim", "", True),
    ("delta_e", "CIEDE2000", False), ("worsened", "% of images", False),
    ("colorfulness", "", None), ("colorfulness_ratio", "of originals", None),
    # Those in features, where they are asked for.
    ("frechet", "", False), ("feature_distance", "", False), ("fid_keras", "", False))
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
        achieved: control -> its target, and what the results have; none without targets.
        halves: Frechet distance -> its value between the originals of even and of odd number;
            none if they are fewer than 4.
    """

    rows: Mapping[str, Mapping[str, float]]
    delta_e: Mapping[str, np.ndarray]
    originals: Mapping[int, np.ndarray]
    achieved: Mapping[str, Achieved] = field(default_factory=dict)
    halves: Mapping[str, float] = field(default_factory=dict)

    @property
    def examples(self) -> int:
        """Number of images."""
        return len(self.delta_e[GRAY])

    def text(self, split: str = "test") -> str:
        """The table, a metric a line; a star marks the best model. `split` says of what images."""
        widths = {name: max(14, len(name) + 2) for name in self.rows}
        lines = [" " * 40 + "".join(f"{name:>{width}s} " for name, width in widths.items())]
        for metric, unit, more_is_better in METRICS:
            if metric not in self.rows[GRAY]:
                continue
            values = [row[metric] for row in self.rows.values()]
            best = (max if more_is_better else min)(values) if ARROWS[more_is_better] else None
            lines.append(f"{f'{metric} {unit}'.strip() + ARROWS[more_is_better]:40s}" + "".join(
                f"{value:{width}.3f}{'*' if value == best else ' '}"
                for value, width in zip(values, widths.values())))
        lines += [f"{name}: {found.text()}." for name, found in self.achieved.items()]
        if self.achieved:
            lines.append("A target that the originals do not have adds to all distances from them.")
        lines += [f"{name}: {self._verdict(name)}." for name in self.rows if name != GRAY]
        lines += [f"{metric} between the originals' two halves: {value:.3f}."
                  for metric, value in self.halves.items()]
        lines.append(f"{self.examples} {split} image{'s' if self.examples > 1 else ''}.")
        return "\n".join(line.rstrip() for line in lines)

    def summary(self, row: str = MODEL) -> str:
        """One row in one line."""
        gray, model = self.rows[GRAY], self.rows[row]
        achieved = "".join(f"; {name} {found.short(row)}" for name, found in self.achieved.items())
        return (f"mae_rgb {model['mae_rgb']:.2f} (gray {gray['mae_rgb']:.2f}), "
                f"delta_e {model['delta_e']:.2f} (gray {gray['delta_e']:.2f}), "
                f"colorfulness {model['colorfulness_ratio']:.2f} of the originals'{achieved}")

    def write(self, folder: Path) -> list[Path]:
        """Writes the table as results.json and results.csv; returns the paths."""
        rows = [{"row": name, "examples": self.examples, **row} for name, row in self.rows.items()]
        values: dict[str, Any] = {"examples": self.examples, "rows": self.rows}
        if self.achieved:
            values["achieved"] = {name: asdict(found) for name, found in self.achieved.items()}
        return write_table(
            folder / "results", rows, values | ({"halves": self.halves} if self.halves else {}))

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


def evaluate(
    colorize: Colorize, batches: Iterable[np.ndarray], features: FeatureMetrics = FeatureMetrics(),
    desired: Mapping[str, float] = {},
) -> Evaluation:
    """Measures one model on a split: `compare` of one model, whose row is `MODEL`.

    Example:
        >>> dataset = data.load_dataset("sample")
        >>> colorizer = inference.Colorizer.load("cifar10")
        >>> print(evaluate(colorizer.colorize_rgb8, dataset.test_batches(64)).text())
    """
    return compare({MODEL: colorize}, batches, features, desired)


def compare(
    models: Mapping[str, Colorize], batches: Iterable[np.ndarray],
    features: FeatureMetrics = FeatureMetrics(), desired: Mapping[str, float] = {},
) -> Evaluation:
    """Colors every image of a split with every model and measures the results.

    Args:
        models: row name -> a function from uint8 [batch, h, w, 3] originals to uint8 images of
            the same shape. No name is `GRAY`.
        batches: the split, uint8 [batch, h, w, 3] each, at least one; gone through once.
        features: further metrics; the pooled features of every image are kept for the Frechet
            distances, 5 KB each. Fewer than 2 images have no such distance.
        desired: control -> the fixed target of the models, in [0, 1].

    Returns:
        The table. Beside the metrics it has `worsened`, the percentage of images whose `delta_e`
        is above `MAX_DELTA_E_RATIO` times that of gray.
    """
    models = {GRAY: gray_image, **models}
    parts: dict[str, list] = {name: [] for name in models}
    pooled: dict[str, list] = {name: [] for name in models}
    pooled_originals = []
    meter = TargetMeter(desired)
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
        pooled_originals.append(features.pooled(original))
        meter.add_original(original)
        for name, colorize in models.items():
            result = colorize(original)
            parts[name].append(metrics.per_example(original, result)
                               | features.per_example(original, result))
            pooled[name].append(features.pooled(result))
            meter.add_result(name, result)
    real = _joined(pooled_originals)
    rows, delta_e = {}, {}
    for name, measured in parts.items():
        values = _joined(measured)
        rows[name], delta_e[name] = metrics.summarize(values), values["delta_e"]
        worsened = delta_e[name] > MAX_DELTA_E_RATIO * delta_e[GRAY]
        rows[name]["worsened"] = 100.0 * float(np.mean(worsened))
        if count > 1:
            rows[name] |= {metric: frechet_distance(real[metric], found)
                           for metric, found in _joined(pooled[name]).items()}
    halves = {metric: frechet_distance(found[::2], found[1::2])
              for metric, found in real.items() if count > 3}
    return Evaluation(rows, delta_e, kept, meter.results(), halves)


def gray_image(rgb8: np.ndarray) -> np.ndarray:
    """The image without colors, uint8 sRGB [..., h, w, 3] of the same shape: its L* and ab = 0."""
    l_scaled = color.rgb_to_l_scaled(rgb8.astype(np.float32) / 255.0)
    return np.asarray(color.scaled_to_rgb8(l_scaled, np.zeros((*rgb8.shape[:-1], 2), np.float32)))


def _joined(batches: Sequence[Mapping[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """The values of all batches, by metric."""
    return {name: np.concatenate([batch[name] for batch in batches]) for name in batches[0]}
