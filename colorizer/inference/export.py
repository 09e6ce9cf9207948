"""A trained model as a folder that colorizes anywhere; `formats` has those for other runtimes.

The folder gets the generator's weights (float16), the run's settings without its paths, and the
digest of the weights. See `models.pretrained`.
"""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any, Mapping

import numpy as np

from colorizer.config import ConfigError, TrainConfig
from colorizer.errors import UserError
from colorizer.files import make_output_folder, read_json, sha256, write_atomic
from colorizer.models import pretrained, weights

SUFFIXES = {"npz": "", "keras": ".keras", "saved_model": ".saved_model", "tflite": ".tflite",
            "onnx": ".onnx"}  # of the formats


def export_model(
    workdir: str | Path, output: str | Path, checkpoint: str | Path | None = None
) -> list[Path]:
    """Writes a model's folder and returns the paths of its files; a model in it is replaced.

    Args:
        workdir: folder of a run, or an exported or a shipped model.
        output: folder of the model, made if missing.
        checkpoint: a checkpoint's folder; default: the run's newest that is whole.

    Raises:
        UserError: no model, no whole checkpoint, weights that float16 cannot hold, or a folder that
            cannot be written.

    Example:
        >>> export_model("runs/cifar10", "models/mine")  # of python train.py --dataset=cifar10
        >>> Colorizer.load("models/mine")
    """
    folder = pretrained.find_model(workdir, "workdir")
    if checkpoint or not pretrained.is_exported(folder):
        folder = Path(checkpoint) if checkpoint else weights.newest_readable(
            folder / weights.CHECKPOINTS)
        path, about = folder / weights.WEIGHTS_FILE, folder / weights.MANIFEST
        description = weights.read_manifest(folder)
        settings = description["config"]
    else:
        path, about = pretrained.checked_weights(folder), folder / pretrained.MODEL
        description = read_json(about)
        settings = dataclasses.asdict(pretrained.read_model_config(folder))
    try:
        config = _without_paths(settings)
    except ConfigError as error:
        raise ConfigError(f"{about}: {error}") from error
    arrays = _half_precision(path)
    output = make_output_folder(output)
    paths = [output / name for name in (pretrained.WEIGHTS, pretrained.CONFIG, pretrained.MODEL)]
    try:
        weights.save_arrays(arrays, paths[0], compress=True)
        write_atomic(paths[1], config.to_json())
        description = {"format": pretrained.FORMAT, "sha256": sha256(paths[0]),
                       "step": description.get("step")}
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
