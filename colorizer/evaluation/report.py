"""What evaluate.py prints and writes: a model in full, several side by side, a Turing test."""

from __future__ import annotations

from pathlib import Path
import sys
from typing import Callable, Sequence

import numpy as np
from tqdm import tqdm

from colorizer import data, inference, models
from colorizer.color import controls
from colorizer.errors import printable
from colorizer.evaluation import calibration, curves, evaluator, features, turing_test

BATCH = 100
RANKED = 6  # best, median and worst images in the grid, each
COMPARED = 8  # images in the grid of a comparison
BAR_COLUMNS = 80  # Colab's terminal has 0 columns, for which tqdm draws nothing


def report_model(
    model: models.Model, output: Path, *, data_dir: str | None, image_size: int | None,
    examples: int | None, metrics: Sequence[str], calibration_examples: int,
) -> None:
    """Prints and writes the table of a model and, if it was trained to targets, its calibration.

    Args:
        model: as from `models.read_models`.
        output: folder for results and calibration, .json, .csv and .png each.
        data_dir: where TensorFlow Datasets keeps its data; by default what the run says.
        image_size: side of the images in pixels; by default what the model was trained at.
        examples: number of test images, by default all.
        metrics: sets of further metrics, as for `features.load_feature_metrics`.
        calibration_examples: number of test images of the calibration; 0 for none.

    Raises:
        UserError: no weights that can be loaded, of the model or of what `metrics` need, or the
            images cannot be had.
    """
    colorizer = inference.Colorizer.load(model.folder)
    further = features.load_feature_metrics(metrics)
    dataset = _load_dataset(model, data_dir, image_size)
    with _progress("measuring", dataset, examples) as bar:
        result = evaluator.evaluate(
            _counted(colorizer.colorize_rgb8, bar), dataset.test_batches(BATCH, examples), further,
            colorizer.fixed_targets)
    print(f"{printable(model.folder)} on {printable(dataset.name)}, {dataset.image_size} px:\n"
          f"{result.text()}")
    written = [*result.write(output), output / "results.png"]
    save_ranked(written[-1], result, colorizer.colorize_rgb8)
    if calibration_examples and (colorizer.controls or colorizer.fixed_targets):
        calibrated = _calibrate(colorizer, dataset, calibration_examples)
        print(f"\n{calibrated.text()}")
        written += calibrated.write(output)
    print("written:", *map(printable, written))


def report_comparison(
    compared: Sequence[models.Model], output: Path, *, data_dir: str | None,
    image_size: int | None, examples: int | None, metrics: Sequence[str],
) -> None:
    """Prints and writes one table of several models on the test images of the first.

    Conditional models are given no target. The files are results.json, results.csv, compare.png
    and, of runs, curves.png.
    Arguments and errors are those of `report_model`.
    """
    colorizers = {model.name: inference.Colorizer.load(model.folder) for model in compared}
    colorize = {name: colorizer.colorize_rgb8 for name, colorizer in colorizers.items()}
    fixed = [colorizer.fixed_targets for colorizer in colorizers.values()]
    desired = {name: target for targets in fixed for name, target in targets.items()
               if all(other.get(name, target) == target for other in fixed)}
    further = features.load_feature_metrics(metrics)
    dataset = _load_dataset(compared[0], data_dir, image_size)
    for model in compared[1:]:
        trained_on = model.config.data.dataset
        if trained_on != compared[0].config.data.dataset:
            print(f"warning: {printable(model.name)} was trained on other images "
                  f"(dataset={printable(trained_on)}) and may have seen these test images",
                  file=sys.stderr)
    with _progress("measuring", dataset, examples, len(colorize)) as bar:
        result = evaluator.compare(
            {name: _counted(function, bar) for name, function in colorize.items()},
            dataset.test_batches(BATCH, examples), further, desired)
    print(f"{len(compared)} models on {printable(dataset.name)}, {dataset.image_size} px:\n"
          f"{result.text()}")
    written = [*result.write(output), output / "compare.png"]
    save_compared(written[-1], result, colorize)
    runs = {model.name: found for model in compared if (found := curves.read_curves(model.folder))}
    if runs:
        written.append(output / "curves.png")
        data.write_image(written[-1], curves.draw_curves(runs))
    print("written:", *map(printable, written))


def report_turing_test(
    model: models.Model, output: Path, *, data_dir: str | None, image_size: int | None,
    trials: int, seconds: float, seed: int,
) -> None:
    """Asks in a browser which of two images is real; prints the score, writes turing.json.

    There are `trials` questions, each about another test image; fewer if there are fewer images.
    The other arguments are those of `report_model` and of `turing_test.TuringTest`.
    """
    colorize = inference.Colorizer.load(model.folder).colorize_rgb8
    dataset = _load_dataset(model, data_dir, image_size)
    batches = [np.asarray(batch) for batch in dataset.test_batches(BATCH, trials)]
    originals, colorized = np.concatenate(batches), np.concatenate(list(map(colorize, batches)))
    path = output / "turing.json"
    print(f"{len(originals)} of {dataset.test.size} test images of {printable(dataset.name)}")
    test = turing_test.TuringTest(originals, colorized, path, seconds=seconds, seed=seed,
                                  model=str(model.folder), dataset=dataset.name)
    turing_test.serve(test)
    summary = test.result.get("summary")
    print(f"\n{summary}\nwritten: {printable(path)}" if summary
          else "\nnothing answered or written")


def save_ranked(path: Path, result: evaluator.Evaluation, colorize: evaluator.Colorize) -> None:
    """Writes the best, median and worst of the kept images by CIEDE2000 as one PNG."""
    delta_e, kept = result.delta_e[evaluator.MODEL], np.array(list(result.originals))
    order = kept[np.argsort(delta_e[kept], kind="stable")]
    middle = max(0, len(order) // 2 - RANKED // 2)
    groups = {"best": order[:RANKED], "median": order[middle:middle + RANKED],
              "worst": order[-RANKED:]}
    original = np.stack([result.originals[i] for group in groups.values() for i in group])
    labels = [f"{name} {delta_e[i]:.1f}" for name, group in groups.items() for i in group]
    data.save_grid(path, {"gray": evaluator.gray_image(original), "original": original,
                          "colorized": colorize(original)}, row_labels=labels)


def save_compared(
    path: Path, result: evaluator.Evaluation, models: dict[str, evaluator.Colorize]
) -> None:
    """Writes some of the kept images as one PNG: originals, gray, the colors of each model."""
    kept = list(result.originals.values())
    original = np.stack(kept[::max(1, len(kept) // COMPARED)][:COMPARED])
    data.save_grid(path, {"original": original, "gray": evaluator.gray_image(original),
                          **{name: colorize(original) for name, colorize in models.items()}})


def _calibrate(
    colorizer: inference.Colorizer, dataset: data.Dataset, examples: int
) -> calibration.Calibration:
    """Every target of a conditional model's controls; of an unconditional one, its own targets."""
    targets = {control.name: calibration.targets_of(control) for control in colorizer.controls} or {
        name: [target] for name, target in colorizer.fixed_targets.items()}
    with _progress("calibrating", dataset, examples, 1 + sum(map(len, targets.values()))) as bar:
        return calibration.calibrate(
            _counted(colorizer.colorize_rgb8, bar, takes_targets=bool(colorizer.controls)),
            dataset.test_batches(BATCH, examples), controls=controls.select(list(targets)),
            targets=targets)


def _counted(colorize: Callable, bar: tqdm, takes_targets: bool = True) -> Callable:
    def counted(rgb8: np.ndarray, **targets: float) -> np.ndarray:
        result = colorize(rgb8, **targets if takes_targets else {})
        bar.update(len(rgb8))
        return result

    return counted


def _progress(what: str, dataset: data.Dataset, examples: int | None, results: int = 1) -> tqdm:
    """A bar over so many results for each test image that is used."""
    used = min(examples or dataset.test.size, dataset.test.size)
    return tqdm(desc=what, total=results * used, unit=" images", unit_scale=True, ncols=BAR_COLUMNS)


def _load_dataset(
    model: models.Model, data_dir: str | None, image_size: int | None
) -> data.Dataset:
    settings = model.config.data
    try:
        return data.load_dataset(
            settings.dataset, data_dir=data_dir or settings.data_dir,
            image_size=image_size or settings.image_size, workdir=str(model.folder),
            to_test=model.other_data)
    except data.DatasetError as error:
        if model.other_data:
            raise
        raise data.DatasetError(f"the images that {model.name} was trained on cannot be had; "
                                f"--dataset=FOLDER takes others ({error})") from error
