"""Checkpoints that are whole or not there, and the newest one that loads.

A checkpoint is a folder `ckpt-<step>` with the training state (`state.*`, TensorFlow's format),
the generator's weights for inference (`generator.npz`, plain arrays) and `manifest.json`: step,
loop state, configuration and the SHA-256 of each file. It is written under a temporary name and
renamed when complete, so that a killed save leaves no half checkpoint under a real name.
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
import shutil
import struct
from typing import Any, Callable, Mapping
import zipfile
import zlib

from absl import logging
import keras
import numpy as np
import tensorflow as tf

from colorizer.errors import UserError

MANIFEST = "manifest.json"
STATE = "state"
WEIGHTS = "generator.npz"
_PREFIX, _TEMPORARY = "ckpt-", "tmp-"
# What zipfile and NumPy raise for a file that is no .npz or a damaged one.
_UNREADABLE = (OSError, ValueError, EOFError, TypeError, KeyError, NotImplementedError,
               RuntimeError, MemoryError, struct.error, zlib.error, zipfile.BadZipFile)


class CheckpointError(UserError):
    """A checkpoint is damaged or belongs to another model."""


class Checkpoints:
    """The checkpoints of one run.

    Args:
        folder: where they are. It must exist at the first save: one that has vanished, with its
            disk perhaps, is not made again.
        state: TensorFlow objects to save and restore, by name.
        inference_weights: gives the model whose weights color pictures.
        keep: how many of the newest stay.
    """

    def __init__(
        self, folder: Path, state: Mapping[str, Any],
        inference_weights: Callable[[], keras.Model], keep: int,
    ):
        self.folder = Path(folder)
        self.keep = keep
        self._checkpoint = tf.train.Checkpoint(**state)
        self._inference_weights = inference_weights

    def save(
        self, step: int, loop: Mapping[str, Any], config: str, spare: int | None = None
    ) -> Path:
        """Writes a checkpoint, then removes the oldest beyond `keep`.

        A whole checkpoint of the same step stays instead: the steps of a run repeat exactly.

        Args:
            step: the number of finished steps.
            loop: JSON values that the training loop needs to go on.
            config: the run's configuration as JSON text.
            spare: step of one more checkpoint that is not removed.

        Returns:
            The checkpoint's folder.

        Raises:
            CheckpointError: it cannot be written; those that were there are as they were.
        """
        final = self.folder / f"{_PREFIX}{step:08d}"
        temporary = self.folder / f"{_TEMPORARY}{step:08d}-{os.getpid()}"
        try:
            if not _is_whole(final):
                self._write(temporary, step, loop, config)
                shutil.rmtree(final, ignore_errors=True)
                temporary.rename(final)
                _sync(self.folder)
            for old in list_checkpoints(self.folder)[self.keep:]:
                if old.name != f"{_PREFIX}{spare or 0:08d}":
                    shutil.rmtree(old)
        except (OSError, tf.errors.OpError) as error:
            shutil.rmtree(temporary, ignore_errors=True)
            reason = getattr(error, "message", None) or str(error)
            raise CheckpointError(
                f"a checkpoint of step {step} cannot be written to {self.folder}: {reason}")
        return final

    def _write(self, temporary: Path, step: int, loop: Mapping[str, Any], config: str) -> None:
        # In a container every process has the same number, so a killed save's folder may be there.
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir()
        self._checkpoint.write(str(temporary / STATE))
        save_weights(self._inference_weights(), temporary / WEIGHTS)
        digests = {path.name: _sha256(path) for path in sorted(temporary.iterdir())}
        manifest = {"step": step, "loop": dict(loop), "sha256": digests,
                    "config": json.loads(config)}
        manifest["manifest_sha256"] = _manifest_digest(manifest)
        (temporary / MANIFEST).write_text(json.dumps(manifest, indent=1))
        for path in [*temporary.iterdir(), temporary]:
            _sync(path)

    def restore_newest(self, sweep: bool = True) -> dict[str, Any] | None:
        """Restores the newest checkpoint that loads; warns about each newer one that does not.

        Args:
            sweep: whether to remove what killed saves left.

        Returns:
            Its manifest, or None where there is no checkpoint at all.

        Raises:
            CheckpointError: there are checkpoints and none loads; nothing was changed on disk.
        """
        candidates = list_checkpoints(self.folder)
        for folder in candidates:
            try:
                manifest = read_manifest(folder)
                self._checkpoint.read(str(folder / STATE)).assert_existing_objects_matched()
            except (CheckpointError, tf.errors.OpError, AssertionError, ValueError,
                    IndexError) as error:
                logging.warning("skipping damaged checkpoint %s: %s", folder, error)
                continue
            if sweep:
                self._sweep()
            return manifest
        if candidates:
            raise CheckpointError(
                f"none of the {len(candidates)} checkpoints in {self.folder} can be loaded; they "
                "are left as they are. Give another --workdir to start afresh")
        if sweep:
            self._sweep()
        return None

    def _sweep(self) -> None:
        for leftover in self.folder.glob(_TEMPORARY + "*"):
            shutil.rmtree(leftover)


def list_checkpoints(folder: Path) -> list[Path]:
    """The checkpoint folders in `folder`, newest first."""
    found = {int(path.name.removeprefix(_PREFIX)): path for path in Path(folder).glob(_PREFIX + "*")
             if path.name.removeprefix(_PREFIX).isdecimal() and path.is_dir()}
    return [found[step] for step in sorted(found, reverse=True)]


def read_manifest(folder: Path) -> dict[str, Any]:
    """Reads a checkpoint's manifest and checks every file against its digest.

    Raises:
        CheckpointError: a file is missing or differs.
    """
    try:
        manifest = json.loads((folder / MANIFEST).read_text())
        if manifest.pop("manifest_sha256") != _manifest_digest(manifest):
            raise CheckpointError(f"{folder / MANIFEST} does not match its own SHA-256")
        digests = manifest["sha256"]
        for name, digest in digests.items():
            if _sha256(folder / name) != digest:
                raise CheckpointError(f"{folder / name} does not match its SHA-256")
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        if isinstance(error, CheckpointError):
            raise
        raise CheckpointError(f"{folder / MANIFEST} cannot be used: {error!r}")
    return manifest


def _is_whole(folder: Path) -> bool:
    try:
        read_manifest(folder)
        return True
    except CheckpointError:
        return False


def newest_readable(folder: Path) -> Path:
    """The newest checkpoint folder whose digests are right.

    Raises:
        CheckpointError: there is none.
    """
    for candidate in list_checkpoints(folder):
        try:
            read_manifest(candidate)
            return candidate
        except CheckpointError as error:
            logging.warning("skipping damaged checkpoint: %s", error)
    raise CheckpointError(f"no checkpoint that can be loaded. Received: {folder}")


def save_weights(model: keras.Model, path: Path) -> None:
    """Writes a model's weights as named arrays (NumPy .npz, nothing executable)."""
    arrays = {variable.path: variable.numpy() for variable in model.weights}
    np.savez(path, **arrays)


def load_weights(model: keras.Model, path: Path) -> None:
    """Reads weights that `save_weights` wrote into a model of the same architecture.

    Raises:
        CheckpointError: the file cannot be read, or its names or shapes are not the model's.
    """
    arrays = _read_arrays(path)
    wanted = {variable.path: tuple(variable.shape) for variable in model.weights}
    found = {name: array.shape for name, array in arrays.items()}
    if wanted != found:
        names = sorted(name for name in wanted.keys() | found.keys()
                       if wanted.get(name) != found.get(name))
        name = names[0]
        raise CheckpointError(
            f"the weights in {path} are not this model's: {len(names)} differ, the first is {name} "
            f"({found.get(name, 'absent')} in the file, {wanted.get(name, 'absent')} in the model)")
    for variable in model.weights:
        variable.assign(arrays[variable.path])


def load_matching_weights(model: keras.Model, path: Path) -> list[str]:
    """Reads those weights that the model has by the same name and shape; leaves the others.

    Returns:
        The names of the model's weights that were left as they were.

    Raises:
        CheckpointError: the file cannot be read, or nothing in it fits.
    """
    arrays = _read_arrays(path)
    left = [variable.path for variable in model.weights
            if variable.path not in arrays or arrays[variable.path].shape != tuple(variable.shape)]
    if len(left) == len(model.weights):
        raise CheckpointError(f"no weight in {path} has a name and shape of this model's")
    for variable in model.weights:
        if variable.path not in left:
            variable.assign(arrays[variable.path])
    return left


def _read_arrays(path: Path) -> dict[str, np.ndarray]:
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
    except _UNREADABLE as error:
        raise CheckpointError(f"weights cannot be read. Received: {path}: {error}")
    for name, array in arrays.items():
        if array.dtype.kind != "f" or not np.isfinite(array).all():
            raise CheckpointError(f"weights must be finite floats. Received: {path}: {name}")
    return arrays


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _manifest_digest(manifest: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(manifest, sort_keys=True).encode()).hexdigest()


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
