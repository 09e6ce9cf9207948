"""Checkpoints that are whole or not there.

A checkpoint is a folder `ckpt-<step>` with the training state (`state.*`, TensorFlow's format),
the generator's weights for inference (`generator.npz`, plain arrays) and `manifest.json`: step,
loop state, configuration and the SHA-256 of each file. It is written under a temporary name and
renamed when complete, so that a killed save leaves no half checkpoint under a real name.
"""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path
import re
import shutil
import tempfile
from typing import Any, Callable, Iterator, Mapping

from absl import logging
import keras
import tensorflow as tf

from colorizer.errors import UserError, printable
from colorizer.files import sha256
from colorizer.models.weights import (
    CHECKPOINT_PREFIX, MANIFEST, WEIGHTS_FILE, WeightsError, list_checkpoints, manifest_digest,
    read_manifest, save_weights
)

STATE = "state"
KEEP = 3  # of the newest checkpoints
TEMPORARY_PREFIX = "tmp-"


class CheckpointError(UserError):
    """A checkpoint cannot be written, or none can be loaded."""


class Checkpoints:
    """The checkpoints of one run.

    Args:
        folder: where they are. It must exist at the first save: one that has vanished, with its
            disk perhaps, is not made again.
        state: TensorFlow objects to save and restore, by name.
        inference_model: gives the model whose weights colorize images.
    """

    def __init__(
        self, folder: Path, state: Mapping[str, Any], inference_model: Callable[[], keras.Model]
    ):
        self.folder = Path(folder)
        self._checkpoint = tf.train.Checkpoint(**state)
        self._inference_model = inference_model

    def save(
        self, step: int, loop: Mapping[str, Any], config: str, keep_step: int | None = None
    ) -> Path:
        """Writes a checkpoint, then removes the oldest beyond `KEEP`.

        A whole checkpoint of the same step stays instead: the steps of a run repeat exactly.

        Args:
            step: the number of finished steps.
            loop: JSON values that the training loop needs to go on.
            config: the run's configuration as JSON text.
            keep_step: step of one more checkpoint that is not removed.

        Raises:
            CheckpointError: it cannot be written; those that were there are as they were.
        """
        final = self.folder / f"{CHECKPOINT_PREFIX}{step:08d}"
        temporary = self.folder / f"{TEMPORARY_PREFIX}{step:08d}-{os.getpid()}"
        try:
            if not _is_whole(final):
                self._write(temporary, step, loop, config)
                shutil.rmtree(final, ignore_errors=True)
                temporary.rename(final)
                _sync(self.folder)
            for old in list_checkpoints(self.folder)[KEEP:]:
                if old.name != f"{CHECKPOINT_PREFIX}{keep_step or 0:08d}":
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
        with _literal(temporary) as prefix:
            self._checkpoint.write(prefix)
        save_weights(self._inference_model(), temporary / WEIGHTS_FILE)
        manifest = {"step": step, "loop": dict(loop), "config": json.loads(config),
                    "sha256": {path.name: sha256(path) for path in sorted(temporary.iterdir())}}
        manifest["manifest_sha256"] = manifest_digest(manifest)
        (temporary / MANIFEST).write_text(json.dumps(manifest, indent=1), encoding="utf-8")
        for path in [*temporary.iterdir(), temporary]:
            _sync(path)

    def restore_newest(self, remove_incomplete: bool = True) -> dict[str, Any] | None:
        """Restores the newest checkpoint that loads; warns about each newer one that does not.

        Args:
            remove_incomplete: whether to remove what killed saves left.

        Returns:
            Its manifest, or None where there is no checkpoint at all.

        Raises:
            CheckpointError: there are checkpoints and none loads; nothing was changed on disk.
        """
        manifest, candidates = None, list_checkpoints(self.folder)
        for folder in candidates:
            try:
                manifest = read_manifest(folder)
                with _literal(folder) as prefix:
                    self._checkpoint.read(prefix).assert_existing_objects_matched()
                break
            except (WeightsError, tf.errors.OpError, AssertionError, ValueError,
                    IndexError) as error:
                logging.warning("skipping damaged checkpoint %s: %s", printable(folder),
                                printable(error))
                manifest = None
        if candidates and manifest is None:
            raise CheckpointError(
                f"none of the {len(candidates)} checkpoints in {self.folder} can be loaded; they "
                "are left as they are. Give another --workdir to start afresh")
        if remove_incomplete:
            for leftover in self.folder.glob(TEMPORARY_PREFIX + "*"):
                shutil.rmtree(leftover)
        return manifest


@contextlib.contextmanager
def _literal(folder: Path) -> Iterator[str]:
    """A path of the state in a checkpoint that TensorFlow takes as it is.

    It reads paths as patterns, such as `[1]`, and none that are not UTF-8: a link stands for those.
    """
    if re.fullmatch(r"[\w /.,:@%+=~-]*", str(folder)):
        yield str(folder / STATE)
        return
    with tempfile.TemporaryDirectory() as temporary:
        link = Path(temporary, "checkpoint")
        link.symlink_to(folder.absolute())
        yield str(link / STATE)


def _is_whole(folder: Path) -> bool:
    try:
        read_manifest(folder)
        return True
    except WeightsError:
        return False


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
