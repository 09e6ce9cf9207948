"""Makes a model that ships: `python -m colorizer.export --workdir=runs/photos --output=folder`.

The folder gets the averaged generator's weights (float16), the run's settings without its paths, a
digest, the training curves as CSV, and a model card if there is none. See `saved_models`.
"""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any, Mapping

from absl import flags
import numpy as np

from colorizer.training import checkpoints
from colorizer import config as config_lib
from colorizer import cli as flags_lib
from colorizer.models import pretrained as saved_models
from colorizer.errors import UserError

USAGE = """Makes a folder of a run's newest good checkpoint, that colors anywhere.

  python -m colorizer.export --workdir=runs/photos --output=colorizer/models/photos
  python colorize.py photo.jpg --model=colorizer/models/photos

With --chroma_noise what the model is not sure of stays gray, with --chroma_gain the rest is more
vivid, in pictures that are asked for nothing. Try: python evaluate.py --workdir=<output>"""
CARD, SCALARS = "README.md", "scalars.csv"
SCALAR_ROWS = 6000  # in all; some 40 bytes each
CARD_METRICS = ("mae_rgb", "delta_e", "psnr", "ssim", "colorfulness_ratio")
Scalars = Mapping[str, Mapping[int, float]]  # tag -> step -> value


class ExportError(UserError):
    """A run cannot be exported."""


def main(argv: list[str]) -> None:
    values = flags.FlagValues()
    flags_lib.define("workdir", None, "str", "folder of the run", "Run", values)
    flags_lib.define("output", None, "str", "folder of the model", "Run", values)
    flags_lib.define("checkpoint", None, "str", "a checkpoint's folder (default: the run's newest "
                     "that is whole)", "Run", values)
    for name, help in saved_models.NATURAL_HELP.items():
        flags_lib.define(name, getattr(saved_models.NaturalColors, name), "float", help,
                         "Natural colors", values)
    rest = flags_lib.parse(argv, values, USAGE)
    if rest or values.workdir is None or values.output is None:
        raise config_lib.ConfigError(
            "export needs --workdir, the folder of a run, and --output, the model's. Received: "
            f"workdir={values.workdir}, output={values.output} {' '.join(rest)}".rstrip())
    natural = saved_models.NaturalColors(
        **{name: getattr(values, name) for name in saved_models.NATURAL_HELP})
    for path in export(Path(values.workdir), Path(values.output), values.checkpoint, natural):
        print(f"{path}: {path.stat().st_size / 1e6:.2f} MB")


def export(
    workdir: Path, output: Path, checkpoint: str | Path | None = None,
    natural: saved_models.NaturalColors = saved_models.NaturalColors(),
) -> list[Path]:
    """Writes a model's folder; what it held of one is replaced, but a card is left as it is.

    Args:
        workdir: folder of the run.
        output: folder of the model, made if missing.
        checkpoint: a checkpoint's folder; default: the run's newest that is whole.
        natural: how colors that answer no target are finished.

    Returns:
        The files written.

    Raises:
        UserError: no run, no whole checkpoint, weights that float16 cannot hold, or natural colors
            to finish of a model that was trained to fixed targets and has none.
    """
    config_lib.read_config(workdir)
    folder = Path(checkpoint) if checkpoint else checkpoints.newest_readable(
        workdir / "checkpoints")
    manifest = checkpoints.read_manifest(folder)
    step, config = manifest["step"], _without_paths(manifest["config"])
    saved_models.check_natural(natural, config)
    arrays = _half_precision(folder / checkpoints.WEIGHTS)
    scalars = read_scalars(workdir / "tensorboard", step)
    try:
        return _write(output, config, step, arrays, scalars, natural)
    except OSError as error:
        raise ExportError(f"`output` must be a folder that can be written ({error.strerror}). "
                          f"Received: output={output}")


def _write(
    output: Path, config: config_lib.TrainConfig, step: int, arrays: Mapping[str, np.ndarray],
    scalars: Scalars, natural: saved_models.NaturalColors,
) -> list[Path]:
    output.mkdir(parents=True, exist_ok=True)
    weights = output / saved_models.WEIGHTS
    np.savez_compressed(weights, allow_pickle=False, **arrays)
    (output / saved_models.SETTINGS).write_text(config.to_json(), encoding="utf-8")
    description = saved_models.describe(config, weights, step, natural)
    (output / saved_models.MODEL).write_text(
        json.dumps(description, indent=1) + "\n", encoding="utf-8")
    write_scalars(output / SCALARS, scalars)
    names = [saved_models.WEIGHTS, saved_models.SETTINGS, saved_models.MODEL, SCALARS]
    if not (output / CARD).exists():
        count = sum(array.size for array in arrays.values())
        shipped = output.resolve().parent == saved_models.SHIPPED.resolve()
        model = output.resolve().name if shipped else output.as_posix()
        (output / CARD).write_text(card(model, config, step, count, scalars), encoding="utf-8")
        names.append(CARD)
    return [output / name for name in names]


def read_scalars(folder: Path, last_step: int) -> Scalars:
    """Reads TensorBoard's scalars up to a step; where a resumed run repeats one, the later counts.

    Args:
        folder: where the event files are; it may be missing.
        last_step: later ones, of another checkpoint, are left out.
    """
    from tensorboard.backend.event_processing import event_file_loader
    from tensorboard.util import tensor_util

    scalars: dict[str, dict[int, float]] = {}
    for path in sorted(folder.glob("events.out.tfevents.*")):
        tags = set()  # only the first event of a tag in a file says what it is
        for event in event_file_loader.EventFileLoader(str(path)).Load():
            for value in event.summary.value:
                if value.metadata.plugin_data.plugin_name == "scalars":
                    tags.add(value.tag)
                if value.tag in tags and event.step <= last_step:
                    number = float(tensor_util.make_ndarray(value.tensor))
                    scalars.setdefault(value.tag, {})[event.step] = number
    return scalars


def write_scalars(path: Path, scalars: Scalars) -> None:
    """Writes CSV (step, tag, value), at most `SCALAR_ROWS` lines.

    Of longer curves evenly spaced points are kept, as measured, with the first and the last.
    """
    most = max(2, SCALAR_ROWS // max(1, len(scalars)))
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["step", "tag", "value"])
        for tag in sorted(scalars):
            steps = sorted(scalars[tag])
            kept = np.unique(np.linspace(0, len(steps) - 1, min(most, len(steps))).round())
            writer.writerows([steps[int(i)], tag, f"{scalars[tag][steps[int(i)]]:.6g}"]
                             for i in kept)


def card(
    model: str, config: config_lib.TrainConfig, step: int, count: int, scalars: Scalars
) -> str:
    """The model card, Markdown: what the model is, how it was trained, the last evaluation.

    `model` is what `Colorizer.load` takes: a shipped one's name, or the folder.
    """
    size, batch = config.data.image_size, config.optimizer.batch_size
    asked = saved_models.architecture(config)["controls"]
    fixed = ", ".join(f"{key} {value:g}" for key, value in config.controls.desired().items())
    obeys = ", ".join(asked) or (f"none; trained for {fixed}" if fixed else "none")
    lines = [
        f"# {Path(model).name}", "",
        "Colors gray pictures: a generator after Nazeri et al. "
        "([arXiv:1803.05400](https://arxiv.org/abs/1803.05400)).", "",
        "```python", "from colorizer.inference import Colorizer",
        f'rgb = Colorizer.load("{model}")(picture)', "```", "", "| | |", "| --- | --- |",
        f"| generator | width {config.model.width}, {count:,} parameters, kept as float16 |",
        f"| its scale | short side {size} px; ab is then brought to full size |",
        f"| targets it obeys | {obeys} |",
        f"| trained on | `{config.data.dataset}`, {size} px |",
        f"| training | {step:,} steps of {batch} pictures; every setting in "
        f"`{saved_models.SETTINGS}`, the curves in `{SCALARS}` |"]
    return "\n".join(lines + _card_results(config, scalars)) + "\n"


def _card_results(config: config_lib.TrainConfig, scalars: Scalars) -> list[str]:
    measured = [metric for metric in CARD_METRICS if f"test/model/{metric}" in scalars]
    if not measured:
        return []
    step = max(scalars[f"test/model/{measured[0]}"])
    rows = [f"| {metric} | {scalars[f'test/model/{metric}'][step]:.3f} | "
            f"{scalars[f'test/gray_baseline/{metric}'][step]:.3f} |" for metric in measured]
    return ["", f"Evaluation of the training at step {step:,}, on at most "
            f"{config.run.eval_examples:,} test pictures (`mae_rgb` of 255, `delta_e` CIEDE2000: "
            "lower is better; gray: the same pictures with ab = 0):", "",
            "| | this model | gray |", "| --- | --- | --- |", *rows]


def _half_precision(path: Path) -> dict[str, np.ndarray]:
    with np.load(path, allow_pickle=False) as archive, np.errstate(over="ignore"):
        arrays = {name: archive[name].astype(np.float16) for name in archive.files}
    for name, array in arrays.items():
        if not np.isfinite(array).all():
            raise ExportError(f"weights must fit into float16 (65504). Received: {path}: {name}")
    return arrays


def _without_paths(settings: Mapping[str, Any]) -> config_lib.TrainConfig:
    """A manifest's settings without the folders of the machine that trained."""
    config = config_lib.TrainConfig.from_json(json.dumps(settings))
    return config.replace(
        data_dir=None, workdir=None, dataset=_without_folders(config.data.dataset),
        init_from=Path(config.run.init_from).name if config.run.init_from else None)


def _without_folders(dataset: str) -> str:
    """The name of a data set; of a folder its last part, which reads as a folder still."""
    path = Path(dataset)
    is_folder = path.is_dir() or path.is_absolute() or dataset.startswith((".", "~"))
    return f"./{path.name}" if is_folder else dataset


if __name__ == "__main__":
    flags_lib.run(main)
