"""What a run shows while it trains: TensorBoard and picture grids on disk."""

from __future__ import annotations

from collections.abc import Callable, Iterator
import functools
from pathlib import Path
from typing import Any, Mapping

from absl import logging
import numpy as np
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.plugins.hparams import api as hparams
import tensorflow as tf

from colorizer import config as config_lib
from colorizer.data import grids

SETTINGS = "settings"
HPARAMS_PREFIX = "_hparams_/"


def _never_fatal(write: Callable) -> Callable:
    """What cannot be shown is warned of; the training goes on."""
    @functools.wraps(write)
    def attempt(self: Any, *arguments: Any) -> None:
        try:
            write(self, *arguments)
        except (OSError, tf.errors.OpError) as error:
            logging.warning("%s: %s cannot be written: %s", self.folder, write.__name__, error)
    return attempt


class Summaries:
    """Writes TensorBoard events and PNG grids of one run.

    Args:
        workdir: the run's folder; events go to `tensorboard/`, grids to `samples/`.
        step: where the run begins or goes on. What a killed run showed beyond it is removed, so
            that no step is shown twice.
    """

    def __init__(self, workdir: Path, step: int):
        self.folder = workdir
        self.samples = workdir / "samples"
        self._events = workdir / "tensorboard"
        self._open(step)

    def go_back(self, step: int) -> None:
        """Forgets what came after a step, which training now goes through again."""
        self._writer.close()
        self._open(step)

    def _open(self, step: int) -> None:
        self._trim(step)
        self._writer = tf.summary.create_file_writer(str(self._events))

    @_never_fatal
    def _trim(self, step: int) -> None:
        for path in sorted(self._events.glob("events.out.tfevents.*")):
            trim_events(path, step)

    @_never_fatal
    def settings(self, config: config_lib.TrainConfig, step: int) -> None:
        """Writes the resolved settings as text and as HParams."""
        values = {name: value for name, value, _ in config.settings()}
        table = "\n".join(f"| {name} | {value} |" for name, value in values.items())
        with self._writer.as_default(step):
            tf.summary.text(SETTINGS, f"| setting | value |\n| --- | --- |\n{table}")
            hparams.hparams({name: value if isinstance(value, (bool, int, float)) else str(value)
                             for name, value in values.items()})

    @_never_fatal
    def scalars(self, values: Mapping[str, float], step: int, prefix: str) -> None:
        """Writes one scalar a name, `<prefix>/<name>`."""
        with self._writer.as_default(step):
            for name, value in values.items():
                tf.summary.scalar(f"{prefix}/{name}", value)

    @_never_fatal
    def ab_histograms(self, predicted: np.ndarray, real: np.ndarray, step: int) -> None:
        """Writes histograms of predicted and real ab, float [..., 2] in [-1, 1]."""
        with self._writer.as_default(step):
            for channel, name in enumerate("ab"):
                tf.summary.histogram(f"{name}/predicted", predicted[..., channel])
                tf.summary.histogram(f"{name}/real", real[..., channel])

    @_never_fatal
    def grid(self, columns: Mapping[str, np.ndarray], step: int) -> None:
        """Writes a grid of uint8 [n, h, w, 3] columns to TensorBoard and to a PNG."""
        with self._writer.as_default(step):
            tf.summary.image("test pictures", grids.make_grid(columns)[None])
        grids.save_grid(self.samples / f"step-{step:08d}.png", columns)

    @_never_fatal
    def figure(self, name: str, rgb8: np.ndarray, step: int) -> None:
        """Writes a uint8 [h, w, 3] figure to TensorBoard."""
        with self._writer.as_default(step):
            tf.summary.image(name, rgb8[None])

    @_never_fatal
    def flush(self) -> None:
        """Makes everything written so far visible to TensorBoard."""
        self._writer.flush()


def trim_events(path: Path, step: int) -> None:
    """Removes from an event file what a run that goes on after `step` will write again.

    Args:
        path: the file, which may end in the middle of an event.
        step: later events go, and the settings that were written at it.

    Raises:
        OSError: the file cannot be replaced.
    """
    kept = [record for record, event in _read_events(path)
            if not _is_written_again(event, step)]
    temporary = path.with_name(f".{path.name}.tmp")
    with tf.io.TFRecordWriter(str(temporary)) as writer:
        for record in kept:
            writer.write(record)
    temporary.replace(path)


def _read_events(path: Path) -> Iterator[tuple[bytes, Event]]:
    try:
        for record in tf.data.TFRecordDataset(str(path)).as_numpy_iterator():
            yield record, Event.FromString(record)
    except tf.errors.DataLossError:
        return  # the writer was killed


def _is_written_again(event: Event, step: int) -> bool:
    tags = [value.tag for value in event.summary.value]
    if any(tag.startswith(HPARAMS_PREFIX) for tag in tags):
        return True
    return event.step > step or event.step == step and SETTINGS in tags
