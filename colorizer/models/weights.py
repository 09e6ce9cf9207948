"""Weights on disk: named arrays in .npz files, and the checkpoint of a run that holds them.

A checkpoint is a folder `checkpoints/ckpt-<step>` with `generator.npz`, what training needs to go
on (`training.checkpoints` writes it) and `manifest.json`: step, settings, the SHA-256 of each file.
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Mapping

from absl import logging

from colorizer.errors import UserError, brief, printable
from colorizer.files import CHECKPOINTS, read_json, sha256
from colorizer.models import pretrained
from colorizer.models.arrays import WeightsError, read_arrays, read_shapes, save_arrays

if TYPE_CHECKING:
    import keras

CHECKPOINT_PREFIX = "ckpt-"
MANIFEST, WEIGHTS_FILE = "manifest.json", "generator.npz"
MANIFEST_FIELDS = {"step": int, "loop": dict, "config": dict, "sha256": dict,
                   "manifest_sha256": str}


def save_weights(model: keras.Model, path: str | Path) -> None:
    """Writes a model's weights to an .npz file, as named arrays (nothing executable).

    The names are the paths of its variables. A file that is there is replaced. Raises OSError if
    it cannot be written.
    """
    save_arrays({variable.path: variable.numpy() for variable in model.weights}, path)


def load_weights(model: keras.Model, path: str | Path) -> None:
    """Reads weights that `save_weights` wrote into a model of the same architecture.

    Raises WeightsError if the file cannot be read, or its names or shapes are not the model's.
    """
    check_architecture(model, path)
    arrays = read_arrays(path)
    for variable in model.weights:
        variable.assign(arrays[variable.path])


def load_matching_weights(model: keras.Model, path: str | Path) -> list[str]:
    """Reads those weights that the model has by the same name and shape; leaves the others.

    Returns the names of the model's weights that were left as they were. Raises WeightsError if
    the file cannot be read, or nothing in it fits.
    """
    found, wanted = read_shapes(path), _shapes(model)
    arrays = read_arrays(path, {name for name in wanted if found.get(name) == wanted[name]})
    if not arrays:
        raise WeightsError("some weight must have the name and shape of one of this model. "
                           f"Received: {path}")
    for variable in model.weights:
        if variable.path in arrays:
            variable.assign(arrays[variable.path])
    return [name for name in wanted if name not in arrays]


def check_architecture(model: keras.Model, path: str | Path) -> None:
    """Raises WeightsError if a file's names and shapes are not the model's; reads headers only."""
    found, wanted = read_shapes(path), _shapes(model)
    differing = sorted(name for name in wanted.keys() | found.keys()
                       if wanted.get(name) != found.get(name))
    if differing:
        name = differing[0]
        raise WeightsError(
            f"the weights must be those of this model: {len(differing)} differ, the first is "
            f"{brief(name)} ({brief(str(found.get(name, 'absent')))} in the file, "
            f"{wanted.get(name, 'absent')} in the model). Received: {path}")


def _shapes(model: keras.Model) -> dict[str, tuple[int, ...]]:
    return {variable.path: tuple(variable.shape) for variable in model.weights}


def weights_path(folder: Path) -> Path:
    """The generator's weights of a run (its newest whole checkpoint's) or of an exported model.

    `folder` is as from `pretrained.find_model`. Raises UserError if they are missing or damaged.
    """
    if pretrained.is_exported(folder):
        read_shapes(folder / pretrained.WEIGHTS)  # first, as of a checkpoint
        return pretrained.checked_weights(folder)
    return newest_readable(folder / CHECKPOINTS) / WEIGHTS_FILE


def list_checkpoints(folder: str | Path) -> list[Path]:
    """The checkpoint folders in `folder`, newest first."""
    steps = ((path.name.removeprefix(CHECKPOINT_PREFIX), path)
             for path in Path(folder).glob(CHECKPOINT_PREFIX + "*"))
    found = [(int(step), path) for step, path in steps if step.isdecimal() and path.is_dir()]
    return [path for _, path in sorted(found, reverse=True)]


def newest_readable(folder: str | Path) -> Path:
    """The newest checkpoint in `folder` that is whole; raises WeightsError if none is."""
    for candidate in list_checkpoints(folder):
        try:
            read_shapes(candidate / WEIGHTS_FILE)  # first: to hash a file of any size takes long
            read_manifest(candidate)
            return candidate
        except WeightsError as error:
            logging.warning("skipping damaged checkpoint: %s", printable(error))
    raise WeightsError(f"there must be a checkpoint that can be loaded. Received: {folder}")


def read_manifest(folder: Path) -> dict[str, Any]:
    """A checkpoint's manifest; raises WeightsError if a file is missing or its digest differs."""
    path = folder / MANIFEST
    try:
        manifest = read_json(path, MANIFEST_FIELDS)
        if manifest.pop("manifest_sha256") != manifest_digest(manifest):
            raise WeightsError(f"{path} does not match its own SHA-256")
        if WEIGHTS_FILE not in manifest["sha256"]:
            raise WeightsError(f"{path} must have the SHA-256 of {WEIGHTS_FILE}")
        present = os.listdir(folder)  # a manifest names files in its own folder alone
        for name, digest in manifest["sha256"].items():
            if name not in present or sha256(folder / name) != digest:
                raise WeightsError(
                    f"{folder / brief(name)} is missing or does not match its SHA-256")
    except WeightsError:
        raise
    except (OSError, UserError) as error:
        raise WeightsError(f"{path} cannot be used: {error}") from error
    return manifest


def manifest_digest(manifest: Mapping[str, Any]) -> str:
    """The SHA-256 of a manifest's content, without the digest itself."""
    return hashlib.sha256(json.dumps(manifest, sort_keys=True).encode()).hexdigest()
