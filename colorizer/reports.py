"""What evaluate.py prints and writes about runs: a model in full, or several side by side."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
import sys

from colorizer import calibration, config as config_lib, data, evaluation, inference
from colorizer.runs import Run

BATCH = 100


def measure(
    workdir: Path, output: Path, *, data_dir: str | None, examples: int | None,
    calibration_examples: int, rival: str | None,
) -> None:
    """Prints and writes the table of a model and, if it is conditional, its calibration.

    Args:
        workdir: folder of the run.
        output: folder for results.json, .csv and .png (best, median, worst pictures), and for
            calibration.json, .csv and .png.
        data_dir: where TensorFlow Datasets keeps its data; by default what the run says.
        examples: test pictures to measure, all by default.
        calibration_examples: test pictures of the calibration.
        rival: folder of the unconditional run that the calibration compares with.

    Raises:
        UserError: no checkpoint that can be loaded, or the pictures cannot be had.
    """
    colorizer = inference.Colorizer.load(workdir)
    rival_colors = inference.Colorizer.load(rival).colorize_rgb8 if rival else None
    dataset = _dataset(config_lib.read_config(workdir), workdir, data_dir)
    result = evaluation.evaluate(
        colorizer.colorize_rgb8, dataset.test_batches(BATCH, examples))
    print(f"{workdir} on the test pictures of {dataset.name}:\n{result.text()}")
    written = result.write(output)
    evaluation.write_ranked_grid(
        output / "results.png", colorizer.colorize_rgb8, dataset.test_batches(BATCH, examples),
        result.delta_e[evaluation.MODEL])
    if colorizer.conditional:
        curves = calibration.calibrate(
            colorizer.colorize_rgb8, dataset.test_batches(BATCH, calibration_examples),
            rival=rival_colors)
        print(curves.text())
        written += curves.write(output)
    print("written:", *written, output / "results.png")


def compare(
    runs: Sequence[Run], output: Path, *, data_dir: str | None, examples: int | None
) -> None:
    """Prints and writes one table of several models on the test pictures of the first run.

    Conditional models are given no target: these are their natural colours.

    Args:
        runs: as from `runs.read_runs`.
        output: folder for results.json, results.csv and compare.png.
        data_dir: where TensorFlow Datasets keeps its data; by default what the first run says.
        examples: test pictures to measure, all by default.

    Raises:
        UserError: no checkpoint that can be loaded, or the pictures cannot be had.
    """
    models = {run.name: inference.Colorizer.load(run.workdir).colorize_rgb8 for run in runs}
    first = runs[0]
    for run in runs[1:]:
        trained_on, measured_on = (
            (one.config.data.dataset, one.config.data.test_split) for one in (run, first))
        if trained_on != measured_on:
            print("warning: {} was trained on other pictures (dataset={}, test_split={:g}) and may "
                  "have seen these test pictures".format(run.name, *trained_on), file=sys.stderr)
    dataset = _dataset(first.config, first.workdir, data_dir)
    result = evaluation.compare(models, dataset.test_batches(BATCH, examples))
    print(f"{len(runs)} models on the test pictures of {dataset.name}:\n{result.table()}")
    written = result.write(output)
    shown = next(iter(dataset.test_batches(evaluation.COMPARED, evaluation.COMPARED)))
    evaluation.write_comparison(output / "compare.png", models, shown.numpy())
    print("written:", *written, output / "compare.png")


def _dataset(
    config: config_lib.TrainConfig, workdir: Path, data_dir: str | None
) -> data.Dataset:
    return data.load_dataset(
        config.data.dataset, data_dir=data_dir or config.data.data_dir,
        image_size=config.data.image_size, test_split=config.data.test_split,
        workdir=str(workdir))
