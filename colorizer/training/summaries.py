"""What a run shows while it trains: TensorBoard summaries and image grids on disk.

TensorBoard sorts charts by name, so that the numbers of the groups are their order. It draws
curves of one name in one chart: the model's beside the gray baseline's, and what is desired beside
what is achieved and the limit.
"""

from __future__ import annotations

from collections.abc import Callable
import functools
import os
from pathlib import Path
import time
from typing import Any, Mapping

from absl import logging
import numpy as np
from tensorboard.plugins.hparams import api as hparams
import tensorflow as tf

from colorizer import color, data, evaluation
from colorizer.config import TrainConfig
from colorizer.errors import printable
from colorizer.evaluation.curves import METRICS, VALIDATION, read_events
from colorizer.training.train_step import D, G

CONTROLS, LOSS, DISCRIMINATOR, RATES, IMAGES, GRADIENTS, RUN, HISTOGRAMS = (
    "2 controls", "3 generator loss", "4 discriminator", "5 learning rate", "6 images",
    "7 gradient norm", "8 run", "9 histograms")
SHOWN_ROWS = 8  # of a grid in TensorBoard, where each is as wide as a card
GRAY, DESIRED, LIMIT = "gray baseline", "desired", "limit"  # curves beside the model's


CURVES, GRIDS = "curves", "image grids"  # what a run may go on without
EVENTS = "events.out.tfevents."  # how TensorFlow begins the name of a file; the time follows


def _never_fatal(what: str) -> Callable[[Callable], Callable]:
    """Where curves or grids cannot be written, the training goes on without, after one warning."""
    def decorate(write: Callable) -> Callable:
        @functools.wraps(write)
        def attempt(self: Summaries, *arguments: Any) -> None:
            if what in self.lost:
                return
            try:
                write(self, *arguments)
            except (OSError, tf.errors.OpError) as error:
                self.lost.add(what)
                reason = str(error).splitlines()[0].split("}} ")[-1]  # without TensorFlow's node
                logging.warning("the run goes on without %s, which cannot be written to %s: %s",
                                what, printable(self.folder), printable(reason))
        return attempt
    return decorate


class Summaries:
    """Writes TensorBoard events and PNG grids of one run.

    Every start of a run opens new event files; TensorBoard shows them as one run.

    Args:
        workdir: the run's folder; events go to `tensorboard/`, grids to `samples/`.

    Attributes:
        lost: what could not be written, and is tried no more.
    """

    def __init__(self, workdir: Path):
        self.folder = workdir
        self.samples = workdir / "samples"
        self.lost: set[str] = set()
        self._writers: dict[str, tf.summary.SummaryWriter] = {}
        self._put_earlier_first()

    @_never_fatal(CURVES)
    def _put_earlier_first(self) -> None:
        """Renames the event files of earlier starts by their steps, if the clock has gone back.

        TensorBoard reads the files of a folder in the order of their names, which begin with the
        time, and forgets the later steps when an earlier one follows.
        """
        earlier = list((self.folder / "tensorboard").rglob(EVENTS + "*"))
        if any(path.name >= f"{EVENTS}{int(time.time()):010d}" for path in earlier):
            for path in earlier:  # "after" sorts before "events"
                path.rename(path.with_name(f"after-step-{_first_step(path):08d}.{path.name}"))

    @_never_fatal(CURVES)
    def settings(self, config: TrainConfig, step: int) -> None:
        """Writes the resolved settings as text and as HParams, under the name of the folder."""
        values = {name: value for name, value, _ in config.settings()}
        table = "\n".join(f"| {name} | {printable(value)} |" for name, value in values.items())
        shown = [f"{VALIDATION}/delta_e"] + [
            f"{CONTROLS}/{name}" for name in config.controls.desired()]
        with self._writer().as_default(step):
            tf.summary.text("settings", f"| setting | value |\n| --- | --- |\n{table}")
            hparams.hparams_config(
                hparams=[hparams.HParam(name) for name in values],
                metrics=[hparams.Metric(tag) for tag in shown])
            hparams.hparams({
                name: value if isinstance(value, (bool, int, float)) else printable(value)
                for name, value in values.items()}, trial_id=printable(self.folder.name))

    @_never_fatal(CURVES)
    def evaluation(self, result: evaluation.Evaluation, step: int) -> None:
        """Writes the metrics beside the gray baseline's, and what the controls achieve."""
        for name in METRICS:
            self._scalar(f"{VALIDATION}/{name}", step, {
                "": result.rows[evaluation.MODEL][name], GRAY: result.rows[evaluation.GRAY][name]})
        for name, found in result.achieved.items():
            if evaluation.MODEL in found.means:
                self._scalar(f"{CONTROLS}/{name}", step, {
                    "": found.means[evaluation.MODEL], DESIRED: found.desired, LIMIT: found.limit})

    @_never_fatal(CURVES)
    def training(self, means: Mapping[str, float], weights: Mapping[str, float],
                 rates: tuple[float, float], run: Mapping[str, float], step: int) -> None:
        """Writes the means of the last steps' values, as from `TrainStep`, and what `run` has.

        The generator's terms are weighted: they add up to its total. `rates` are the learning
        rates of generator and discriminator.
        """
        terms = {name: weight * means[f"{G}/{name}"] for name, weight in weights.items()
                 if f"{G}/{name}" in means}
        total = {"total": means[f"{G}/loss"]} if f"{G}/loss" in means else {}
        judged = {name: means[f"{D}/{name}"] for name in ("accuracy_real", "accuracy_fake", "loss")
                  if f"{D}/{name}" in means}
        norms = {name: means[f"{name}/gradient_norm"] for name in (G, D)
                 if f"{name}/gradient_norm" in means}
        for group, values in ((LOSS, total | terms), (DISCRIMINATOR, judged),
                              (RATES, dict(zip((G, D), rates))), (GRADIENTS, norms), (RUN, run)):
            self.scalars(values, step, group)

    @_never_fatal(CURVES)
    def scalars(self, values: Mapping[str, float], step: int, group: str) -> None:
        """Writes one scalar a name, `<group>/<name>`."""
        for name, value in values.items():
            self._scalar(f"{group}/{name}", step, {"": value})

    @_never_fatal(CURVES)
    def ab_histograms(self, predicted: np.ndarray, real: np.ndarray, step: int) -> None:
        """Writes histograms of the ab, in [-1, 1], of predicted and real uint8 images."""
        with self._writer().as_default(step):
            for kind, rgb8 in (("predicted", predicted), ("real", real)):
                ab_scaled = _ab_scaled(rgb8)
                for channel, name in enumerate("ab"):
                    tf.summary.histogram(f"{HISTOGRAMS}/{name} {kind}", ab_scaled[..., channel])

    def grid(self, columns: Mapping[str, np.ndarray], step: int) -> None:
        """Writes a grid of uint8 [n, h, w, 3] columns to a PNG, and its first rows to TensorBoard.

        There the first three columns are `validation`, the others `targets`.
        """
        self._sample(columns, step)
        self._images(columns, step)

    @_never_fatal(GRIDS)
    def _sample(self, columns: Mapping[str, np.ndarray], step: int) -> None:
        self.samples.mkdir(exist_ok=True)  # but no run's folder that is gone, with its disk perhaps
        data.save_grid(self.samples / f"step-{step:08d}.png", columns)

    @_never_fatal(CURVES)
    def _images(self, columns: Mapping[str, np.ndarray], step: int) -> None:
        names = list(columns)
        with self._writer().as_default(step):
            for tag, shown in (("validation", names[:3]), ("targets", names[3:])):
                rows = [data.make_grid({name: columns[name][index:index + 1] for name in shown})
                        for index in range(min(SHOWN_ROWS, len(columns[names[0]]))) if shown]
                if rows:
                    tf.summary.image(f"{IMAGES}/{tag}", np.stack(rows), max_outputs=SHOWN_ROWS)

    @_never_fatal(CURVES)
    def figure(self, name: str, rgb8: np.ndarray, step: int) -> None:
        """Writes a uint8 [h, w, 3] figure to TensorBoard."""
        with self._writer().as_default(step):
            tf.summary.image(f"{IMAGES}/{name}", rgb8[None])

    @_never_fatal(CURVES)
    def flush(self) -> None:
        """Makes everything written so far visible to TensorBoard."""
        for writer in self._writers.values():
            writer.flush()

    def _scalar(self, tag: str, step: int, curves: Mapping[str, float]) -> None:
        """Writes one point of each curve of a chart; the model's has no name."""
        for curve, value in curves.items():
            with self._writer(curve).as_default(step):
                tf.summary.scalar(tag, value)

    def _writer(self, curve: str = "") -> tf.summary.SummaryWriter:
        if curve not in self._writers:
            if not self.folder.is_dir():  # a writer would make it again
                raise FileNotFoundError(f"{self.folder} is gone")
            folder = self.folder / "tensorboard" / curve
            self._writers[curve] = tf.summary.create_file_writer(os.fsencode(folder))
        return self._writers[curve]


def _first_step(path: Path) -> int:
    """The step of the first summary in an event file; 0 without one."""
    return next((event.step for event in read_events(path) if event.HasField("summary")), 0)


def _ab_scaled(rgb8: np.ndarray) -> np.ndarray:
    lab = color.rgb_to_lab(rgb8.astype(np.float32) / 255.0)
    return np.asarray(color.lab_to_scaled(lab)[1])
