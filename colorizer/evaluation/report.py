"""What evaluate.py prints and writes: a model in full, several side by side, a Turing test."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
import functools
import io
from pathlib import Path
import sys

import numpy as np
from tqdm import tqdm

from colorizer.evaluation import calibration
from colorizer.color import controls
from colorizer.evaluation import curves as curves_lib
from colorizer.data import load as data
from colorizer.data import dataset as datasets
from colorizer.evaluation import display
from colorizer.evaluation import evaluator as evaluation
from colorizer.inference import colorizer as inference
from colorizer.evaluation import turing_test as turing
from colorizer.evaluation.workdirs import Run

BATCH = 100


def measure(
    run: Run, output: Path, *, data_dir: str | None, examples: int | None,
    calibration_examples: int, rival: str | None,
) -> None:
    """Prints and writes the table of a model and, if it was trained to targets, its calibration.

    Args:
        run: the run, as from `workdirs.read_runs`.
        output: folder for results.json, .csv and .png (best, median, worst pictures), and for
            calibration.json, .csv and .png.
        data_dir: where TensorFlow Datasets keeps its data; by default what the run says.
        examples: test pictures to measure, all by default.
        calibration_examples: test pictures of the calibration; 0 for none.
        rival: the run or model, without targets, that the calibration compares with.

    Raises:
        UserError: no checkpoint that can be loaded, or the pictures cannot be had.
    """
    colorizer = inference.Colorizer.load(run.workdir)
    rival_colors = functools.partial(
        inference.Colorizer.load(rival).colorize_rgb8, finished=False) if rival else None
    dataset = _dataset(run, data_dir)
    with _progress("measuring", dataset, examples) as bar:
        result = evaluation.evaluate(
            _counted(colorizer.colorize_rgb8, bar), dataset.test_batches(BATCH, examples))
    print(f"{run.workdir} on the test pictures of {dataset.name}:\n{result.text()}")
    written = result.write(output)
    evaluation.write_ranked_grid(
        output / "results.png", colorizer.colorize_rgb8, dataset.test_batches(BATCH, examples),
        result.delta_e[evaluation.MODEL])
    if calibration_examples and (colorizer.conditional or colorizer.fixed):
        targets = _targets(colorizer)
        results = 1 + sum(map(len, targets.values()))
        with _progress("calibrating", dataset, calibration_examples, results) as bar:
            curves = _calibrate(
                colorizer, targets, dataset.test_batches(BATCH, calibration_examples),
                rival_colors, bar)
        print(curves.text())
        written += curves.write(output)
    print("written:", *written, output / "results.png")


def _targets(colorizer: inference.Colorizer) -> dict[str, Sequence[float]]:
    """Every target of a conditional model's controls; of a fixed one, its own."""
    if colorizer.conditional:
        return {control.name: calibration.targets_of(control) for control in colorizer.obeyed}
    return {name: [target] for name, target in colorizer.fixed.items()}


def _calibrate(
    colorizer: inference.Colorizer, targets: dict[str, Sequence[float]],
    batches: Iterable[np.ndarray], rival: Callable[[np.ndarray], np.ndarray] | None, bar: tqdm,
) -> curves_lib.Calibration:
    colorize: calibration.Colorize = colorizer.colorize_rgb8
    network: calibration.Colorize | None = functools.partial(colorize, finished=False)
    if not colorizer.conditional:
        colorize, network = (lambda rgb8, **_: colorizer.colorize_rgb8(rgb8)), None
    return calibration.calibrate(
        _counted(colorize, bar), batches, network=network, rival=rival,
        controls=controls.select(list(targets)), targets=targets)


def _progress(what: str, dataset: datasets.Dataset, examples: int | None, results: int = 1) -> tqdm:
    """A bar over so many results for each test picture that is used."""
    used = min(examples or dataset.test_size, dataset.test_size)
    return tqdm(desc=what, total=results * used, unit=" pictures", unit_scale=True)


def _counted(colorize: calibration.Colorize, bar: tqdm) -> calibration.Colorize:
    def counted(rgb8: np.ndarray, **targets: float) -> np.ndarray:
        result = colorize(rgb8, **targets)
        bar.update(len(rgb8))
        return result

    return counted


def compare(
    runs: Sequence[Run], output: Path, *, data_dir: str | None, examples: int | None
) -> None:
    """Prints and writes one table of several models on the test pictures of the first run.

    Conditional models are given no target: these are their natural colors.

    Args:
        runs: as from `workdirs.read_runs`.
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
    dataset = _dataset(first, data_dir)
    with _progress("measuring", dataset, examples, len(models)) as bar:
        result = evaluation.compare(
            {name: _counted(model, bar) for name, model in models.items()},
            dataset.test_batches(BATCH, examples))
    print(f"{len(runs)} models on the test pictures of {dataset.name}:\n{result.table()}")
    written = result.write(output)
    shown = next(iter(dataset.test_batches(evaluation.COMPARED, evaluation.COMPARED)))
    evaluation.write_comparison(output / "compare.png", models, shown.numpy())
    print("written:", *written, output / "compare.png")


def turing_test(
    run: Run, output: Path, *, data_dir: str | None, trials: int, seconds: float, seed: int
) -> None:
    """Asks whoever is at the keyboard which of two pictures is real; prints and writes the score.

    Args:
        run: the run whose colors are tested; a conditional model is given no target.
        output: folder for turing.json and, while it lasts, the pictures.
        data_dir: where TensorFlow Datasets keeps its data; by default what the run says.
        trials: number of questions, each about another test picture; fewer if there are fewer.
        seconds: for how long a pair is shown, 0 for until it is answered.
        seed: decides the order of the pictures and the sides.

    Raises:
        UserError: no checkpoint that can be loaded, or the pictures cannot be had.
    """
    colorize = inference.Colorizer.load(run.workdir).colorize_rgb8
    dataset = _dataset(run, data_dir)
    originals = np.concatenate([
        batch.numpy() for batch in dataset.test_batches(BATCH, trials)])
    colorize(originals[:1])  # compiles, so that the first pair does not take longer than others
    if isinstance(sys.stdin, io.TextIOWrapper):
        sys.stdin.reconfigure(errors="replace")
    answers = sys.stdin or io.StringIO()  # there is none at all in some services
    show = display.Display(
        output / "turing.png", sys.stdout if display.can_draw(sys.stdout) else None,
        browse=answers.isatty() and display.can_browse())
    about = {"run": str(run.workdir), "dataset": dataset.name, "seed": seed, "seconds": seconds,
             "asked": len(originals)}
    print(f"{len(originals)} of {dataset.test_size} test pictures of {dataset.name}, each pair for "
          f"{f'{seconds:g} seconds' if seconds else 'as long as you like'}, in {show.path}")
    score = turing.conduct(
        colorize, originals, show, answers, seconds=seconds, seed=seed,
        save=lambda score: score.write(output / "turing.json", about))
    if score is None:
        print("nothing was answered, nothing is written")
    else:
        print(f"{score.text()}\nwritten: {output / 'turing.json'}")


def _dataset(run: Run, data_dir: str | None) -> datasets.Dataset:
    settings = run.config.data
    return data.load_dataset(
        settings.dataset, data_dir=data_dir or settings.data_dir, image_size=settings.image_size,
        test_split=settings.test_split, workdir=str(run.workdir))
