"""Weights on disk: named arrays in .npz files, and the checkpoint of a run that holds them.

A checkpoint is a folder `checkpoints/ckpt-<step>` with `generator.npz`, what training needs to go
on (`training.checkpoints` writes it) and `manifest.json`: step, settings, the SHA-256 of each file.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
import struct
from typing import TYPE_CHECKING, Any, Callable, Mapping
import zipfile
import zlib

from absl import logging
import numpy as np

from colorizer.errors import UserError
from colorizer.files import sha256, write_with
from colorizer.models import pretrained

if TYPE_CHECKING:
    import keras

CHECKPOINTS = "checkpoints"  # folder in the folder of a run
CHECKPOINT_PREFIX = "ckpt-"
MANIFEST, WEIGHTS_FILE = "manifest.json", "generator.npz"
# What zipfile and NumPy raise for a file that is no .npz or a damaged one.
_UNREADABLE = (OSError, ValueError, EOFError, TypeError, KeyError, NotImplementedError,
               RuntimeError, MemoryError, struct.error, zlib.error, zipfile.BadZipFile)


class WeightsError(UserError):
    """Weights are damaged, of another model, or not there."""


def save_weights(model: keras.Model, path: str | Path) -> None:
    """Writes a model's weights to an .npz file, as named arrays (nothing executable).

    The names are the paths of its variables. A file that is there is replaced. Raises OSError if
    it cannot be written.
    """
    save_arrays({variable.path: variable.numpy() for variable in model.weights}, path)


def save_arrays(arrays: Mapping[str, np.ndarray], path: str | Path, compress: bool = False) -> None:
    """Writes named arrays as an .npz file; raises OSError if it cannot be written."""
    # No other keyword: before NumPy 2.2 savez_compressed takes `allow_pickle` for an array.
    save: Callable[..., None] = np.savez_compressed if compress else np.savez
    write_with(path, lambda file: save(file, **arrays))


def load_weights(model: keras.Model, path: str | Path) -> None:
    """Reads weights that `save_weights` wrote into a model of the same architecture.

    Raises WeightsError if the file cannot be read, or its names or shapes are not the model's.
    """
    arrays = _read_arrays(path)
    wanted = {variable.path: tuple(variable.shape) for variable in model.weights}
    found = {name: array.shape for name, array in arrays.items()}
    differing = sorted(name for name in wanted.keys() | found.keys()
                       if wanted.get(name) != found.get(name))
    if differing:
        name = differing[0]
        raise WeightsError(
            f"the weights must be those of this model: {len(differing)} differ, the first is "
            f"{name} ({found.get(name, 'absent')} in the file, {wanted.get(name, 'absent')} in the "
            f"model). Received: {path}")
    for variable in model.weights:
        variable.assign(arrays[variable.path])


def load_matching_weights(model: keras.Model, path: str | Path) -> list[str]:
    """Reads those weights that the model has by the same name and shape; leaves the others.

    Returns the names of the model's weights that were left as they were. Raises WeightsError if
    the file cannot be read, or nothing in it fits.
    """
    arrays = _read_arrays(path)
    left = [variable.path for variable in model.weights
            if variable.path not in arrays or arrays[variable.path].shape != tuple(variable.shape)]
    if len(left) == len(model.weights):
        raise WeightsError("some weight must have the name and shape of one of this model. "
                           f"Received: {path}")
    for variable in model.weights:
        if variable.path not in left:
            variable.assign(arrays[variable.path])
    return left


def weights_path(folder: Path) -> Path:
    """The generator's weights of a run (its newest whole checkpoint's) or of an exported model.

    `folder` is as from `pretrained.find_model`. Raises UserError if they are missing or damaged.
    """
    if pretrained.is_exported(folder):
        return pretrained.checked_weights(folder)
    return newest_readable(folder / CHECKPOINTS) / WEIGHTS_FILE


def list_checkpoints(folder: str | Path) -> list[Path]:
    """The checkpoint folders in `folder`, newest first."""
    steps = ((path.name.removeprefix(CHECKPOINT_PREFIX), path)
             for path in Path(folder).glob(CHECKPOINT_PREFIX + "*"))
    found = {int(step): path for step, path in steps if step.isdecimal() and path.is_dir()}
    return [found[step] for step in sorted(found, reverse=True)]


def newest_readable(folder: str | Path) -> Path:
    """The newest checkpoint in `folder` whose digests are right; raises WeightsError if none is."""
    for candidate in list_checkpoints(folder):
        try:
            read_manifest(candidate)
            return candidate
        except WeightsError as error:
            logging.warning("skipping damaged checkpoint: %s", error)
    raise WeightsError(f"there must be a checkpoint that can be loaded. Received: {folder}")


def read_manifest(folder: Path) -> dict[str, Any]:
    """A checkpoint's manifest; raises WeightsError if a file is missing or its digest differs."""
    path = folder / MANIFEST
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
        if manifest.pop("manifest_sha256") != manifest_digest(manifest):
            raise WeightsError(f"{path} does not match its own SHA-256")
        for name, digest in manifest["sha256"].items():
            if sha256(folder / name) != digest:
                raise WeightsError(f"{folder / name} does not match its SHA-256")
    except WeightsError:
        raise
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise WeightsError(f"{path} cannot be used: {error!r}") from error
    return manifest


def manifest_digest(manifest: Mapping[str, Any]) -> str:
    """The SHA-256 of a manifest's content, without the digest itself."""
    return hashlib.sha256(json.dumps(manifest, sort_keys=True).encode()).hexdigest()


def _read_arrays(path: str | Path) -> dict[str, np.ndarray]:
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
    except _UNREADABLE as error:
        raise WeightsError(f"weights cannot be read. Received: {path}: {error}") from error
    for name, array in arrays.items():
        if array.dtype.kind != "f" or not np.isfinite(array).all():
            raise WeightsError(f"weights must be finite floats. Received: {path}: {name}")
    return arrays
