"""Exports a run as a model that colorizes anywhere: `python -m colorizer.export --help`.

The folder gets the generator's weights (float16), the run's settings without its paths, and the
digest of the weights. See `models.pretrained`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Mapping

from absl import flags
import numpy as np

from colorizer import cli
from colorizer.config import ConfigError, TrainConfig, read_config
from colorizer.errors import UserError
from colorizer.files import make_output_folder, sha256, write_atomic
from colorizer.models import pretrained, weights

USAGE = """Exports the newest good checkpoint of a run as a model that colorizes anywhere.

  python -m colorizer.export --workdir=runs/photos --output=models/photos
  python colorize.py photo.jpg --model=models/photos"""


def main(argv: list[str]) -> None:
    values = flags.FlagValues()
    cli.define(values, "workdir", None, "str", "folder of the run", "Run")
    cli.define(values, "output", None, "str", "folder of the model", "Run")
    cli.define(values, "checkpoint", None, "str",
               "a checkpoint's folder (default: the run's newest that is whole)", "Run")
    rest = cli.parse(argv, values, USAGE)
    if rest or values.workdir is None or values.output is None:
        raise ConfigError(
            "export needs --workdir, the folder of a run, and --output, the model's. Received: "
            f"workdir={values.workdir}, output={values.output} {' '.join(rest)}".rstrip())
    for path in export_model(values.workdir, values.output, values.checkpoint):
        print(f"{path}: {path.stat().st_size / 1e6:.2f} MB")


def export_model(
    workdir: str | Path, output: str | Path, checkpoint: str | Path | None = None
) -> list[Path]:
    """Writes a model's folder and returns the paths of its files; a model in it is replaced.

    Args:
        workdir: folder of the run.
        output: folder of the model, made if missing.
        checkpoint: a checkpoint's folder; default: the run's newest that is whole.

    Raises:
        UserError: no run, no whole checkpoint, weights that float16 cannot hold, or a folder that
            cannot be written.

    Example:
        >>> export_model("runs/cifar10", "models/mine")  # of python train.py --dataset=cifar10
        >>> Colorizer.load("models/mine")
    """
    workdir = Path(workdir)
    read_config(workdir)
    folder = Path(checkpoint) if checkpoint else weights.newest_readable(
        workdir / weights.CHECKPOINTS)
    manifest = weights.read_manifest(folder)
    try:
        config = _without_paths(manifest["config"])
    except ConfigError as error:
        raise ConfigError(f"{folder / weights.MANIFEST}: {error}") from error
    arrays = _half_precision(folder / weights.WEIGHTS_FILE)
    output = make_output_folder(output)
    paths = [output / name for name in (pretrained.WEIGHTS, pretrained.CONFIG, pretrained.MODEL)]
    try:
        weights.save_arrays(arrays, paths[0], compress=True)
        write_atomic(paths[1], config.to_json())
        description = {"format": pretrained.FORMAT, "sha256": sha256(paths[0]),
                       "step": manifest["step"]}
        write_atomic(paths[2], json.dumps(description, indent=1) + "\n")
    except OSError as error:
        raise UserError(f"`output` must be a folder that can be written ({error.strerror}). "
                        f"Received: output={output}") from error
    return paths


def _half_precision(path: Path) -> dict[str, np.ndarray]:
    with np.errstate(over="ignore"):
        arrays = {name: array.astype(np.float16)
                  for name, array in weights.read_arrays(path).items()}
    for name, array in arrays.items():
        if not np.isfinite(array).all():
            raise UserError(f"weights must fit into float16 (65504). Received: {path}: {name}")
    return arrays


def _without_paths(settings: Mapping[str, Any]) -> TrainConfig:
    """A manifest's settings without the folders of the machine that trained."""
    config = TrainConfig.from_dict(settings)
    dataset, init_from = config.data.dataset, config.run.init_from
    if Path(dataset).is_dir() or Path(dataset).is_absolute() or dataset.startswith((".", "~")):
        dataset = f"./{Path(dataset).name}"  # which reads as a folder still
    return config.replace(data_dir=None, workdir=None, dataset=dataset,
                          init_from=Path(init_from).name if init_from else None)
