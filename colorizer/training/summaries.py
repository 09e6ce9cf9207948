"""What a run shows while it trains: TensorBoard summaries and image grids on disk."""

from __future__ import annotations

from collections.abc import Callable
import functools
from pathlib import Path
from typing import Any, Mapping

from absl import logging
import numpy as np
from tensorboard.plugins.hparams import api as hparams
import tensorflow as tf

from colorizer import data
from colorizer.config import TrainConfig


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

    Every start of a run opens a new event file; TensorBoard shows them as one run.

    Args:
        workdir: the run's folder; events go to `tensorboard/`, grids to `samples/`.
    """

    def __init__(self, workdir: Path):
        self.folder = workdir
        self.samples = workdir / "samples"
        self._writer = tf.summary.create_file_writer(str(workdir / "tensorboard"))

    @_never_fatal
    def settings(self, config: TrainConfig, step: int) -> None:
        """Writes the resolved settings as text and as HParams."""
        values = {name: value for name, value, _ in config.settings()}
        table = "\n".join(f"| {name} | {value} |" for name, value in values.items())
        with self._writer.as_default(step):
            tf.summary.text("settings", f"| setting | value |\n| --- | --- |\n{table}")
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
            tf.summary.image("validation images", data.make_grid(columns)[None])
        self.samples.mkdir(exist_ok=True)  # but no run's folder that is gone, with its disk perhaps
        data.save_grid(self.samples / f"step-{step:08d}.png", columns)

    @_never_fatal
    def figure(self, name: str, rgb8: np.ndarray, step: int) -> None:
        """Writes a uint8 [h, w, 3] figure to TensorBoard."""
        with self._writer.as_default(step):
            tf.summary.image(name, rgb8[None])

    @_never_fatal
    def flush(self) -> None:
        """Makes everything written so far visible to TensorBoard."""
        self._writer.flush()
