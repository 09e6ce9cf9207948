"""The loop of a training run: steps, evaluations, checkpoints, and what can go wrong in them."""

from __future__ import annotations

from collections.abc import Generator, Iterator
import contextlib
import functools
from pathlib import Path
import time
from typing import Any

from absl import logging
import numpy as np
import tensorflow as tf

from colorizer import data, evaluation, inference
from colorizer.config import ConfigError, TrainConfig
from colorizer.errors import UserError, printable
from colorizer.files import CHECKPOINTS
from colorizer.models.weights import load_matching_weights
from colorizer.training import summaries
from colorizer.training.checkpoints import CheckpointError, Checkpoints
from colorizer.training.distribution import StopSignals, Workers
from colorizer.training.progress import Progress
from colorizer.training.schedules import BadSteps, Diverged, LearningRates, total_steps
from colorizer.training.train_step import TrainStep

LOG_STEPS = 20  # between TensorBoard scalars
MIN_EVAL_STEPS, MAX_EVAL_STEPS = 100, 1000  # between evaluations; else one epoch
EVAL_BATCH = 64
GRID_EXAMPLES = 16
GRID_TARGETS = (("saturation", 0.2), ("saturation", 0.6), ("hue", 0.1), ("hue", 0.6))
CALIBRATION_EXAMPLES, CALIBRATION_PIXELS = 32, 2**19  # at most; the latter are 10 images of 224 px
CALIBRATION_TARGETS = (0.0, 0.25, 0.5, 0.75, 1.0)
CHECKPOINT_MINUTES = 10.0
PREVIEW_SECONDS = 60.0  # from the first preview to the second; each later wait is twice as long
REWIND_FACTOR = 0.1  # on the learning rates, after going back to a good checkpoint


class Stopped(Exception):
    """A signal asked the run to stop."""


class Trainer:
    """One run in one folder.

    Args:
        config: resolved (`TrainConfig.resolve`), with a `workdir`.
        dataset: what to train on.
        strategy: over the devices.
        stop: says when to stop early.
    """

    def __init__(
        self, config: TrainConfig, dataset: data.Dataset, strategy: tf.distribute.Strategy,
        stop: StopSignals,
    ):
        assert config.run.workdir and config.optimizer.batch_size
        self.config = config
        self.dataset = dataset
        self.strategy = strategy
        self.stop = stop
        self.workers = Workers(strategy)
        self.workdir = Path(config.run.workdir)
        self.batch_size = config.optimizer.batch_size
        self.step = 0
        self.total_steps = total_steps(config, dataset.train.size)
        self.steps_per_epoch = max(1, round(dataset.train.size / self.batch_size))
        self._pretrain_steps = round(config.objective.pretrain_epochs * self.steps_per_epoch)
        self.train_step = TrainStep(config, strategy)
        self.learning_rates = LearningRates(config.optimizer)
        self.bad_steps = BadSteps()
        self.best: dict[str, Any] | None = None
        self.checkpoints = Checkpoints(
            self.workdir / CHECKPOINTS, self.train_step.state(),
            lambda: self.train_step.inference_model)
        self.colorizer = inference.Colorizer(self.train_step.inference_model, config)
        self.summaries: summaries.Summaries | None = None
        self._pending: list[dict[str, Any]] = []
        self._logged_at, self._waited = time.monotonic(), 0.0  # seconds, the latter for images
        self._achieved: dict[str, str] = {}  # of the fixed targets, beside the bar

    def resume(self) -> bool:
        """Goes to the newest checkpoint that loads; returns whether there was one.

        Raises:
            CheckpointError: there are checkpoints and none of them loads.
            ConfigError: the checkpoint was made with other training images.
        """
        manifest = self.checkpoints.restore_newest(remove_incomplete=self.workers.chief)
        if manifest is None:
            return False
        loop = manifest["loop"]
        now = self._images()
        # Runs of earlier versions do not say what the files held.
        if any(now[name] != saved for name, saved in loop["images"].items()):
            raise ConfigError(
                f"the training images must be those that the run in {self.workdir} began with "
                f"({loop['images']['count']} images). Received: --dataset={self.dataset.name} with "
                f"{self.dataset.train.size}, with other names or contents")
        self.step = manifest["step"]
        self.learning_rates.restore(loop["learning_rates"])
        self.bad_steps.restore(loop["bad_steps"])
        self.best = loop["best"]
        return True

    def load_pretrained(self, weights: Path) -> list[str]:
        """Gives the generator, and its average, the weights that fit; returns names of others."""
        left = load_matching_weights(self.train_step.generator, weights)
        if self.train_step.average:
            self.train_step.average.set_weights(self.train_step.generator.get_weights())
        return left

    def train(self) -> evaluation.Evaluation | None:
        """Trains the steps that are left, at least one; returns the evaluation after the last.

        Raises:
            Stopped: a signal came; the state is saved.
            UserError: numbers stopped being finite, a worker is gone, the images cannot be
                read any more, or the last checkpoint cannot be written.
        """
        self.workers.check_equal(self.step, "the number of finished steps")
        if self.workers.chief:
            self.summaries = summaries.Summaries(self.workdir)
            self.summaries.settings(self.config, self.step)
        images = self.total_steps * self.batch_size
        progress = Progress(images, self.step * self.batch_size, shown=self.workers.chief)
        with contextlib.closing(progress):
            while True:
                try:
                    return self._train(progress)
                except Diverged as error:
                    self._rewind(str(error), progress)
                except Stopped:
                    with contextlib.suppress(Diverged):  # then the last checkpoint is the good one
                        self._save(progress, must=True)
                    raise

    def _train(self, progress: Progress) -> evaluation.Evaluation | None:
        eval_steps = self.config.run.eval_steps or int(
            np.clip(self.steps_per_epoch, MIN_EVAL_STEPS, MAX_EVAL_STEPS))
        batches = iter(self._batches())
        last_save = self._logged_at = time.monotonic()
        previews = self._previews()
        result = None
        while self.step < self.total_steps:
            rates = self.learning_rates.rates(self.step)
            self.train_step.set_learning_rates(*(rate * self.bad_steps.rate for rate in rates))
            next(previews, None)
            self._take_step(batches, progress)
            last = self.step == self.total_steps
            if self.step % LOG_STEPS == 0 or last or self._ends_epoch():
                self._log(progress)
            if self.workers.any(self.stop.received is not None):
                raise Stopped
            better = False
            if self.step % eval_steps == 0 or last:
                self._log(progress)
                previews.close()
                if self.workers.chief:
                    result = self.evaluate()
                    better = self._is_best(result)
                    progress.say(f"step {self.step}: {result.summary()}")
                self._logged_at = time.monotonic()
            if last or better or self._save_is_due(time.monotonic() - last_save):
                self._save(progress, must=last)
                last_save = time.monotonic()
        return result

    def _take_step(self, batches: Iterator, progress: Progress) -> None:
        began = time.monotonic()
        try:
            rgb = next(batches)
        except tf.errors.OpError as error:
            self._save(progress, must=True)
            reason = str(error.message).splitlines()[0]
            raise UserError(f"step {self.step}: the training images cannot be read any more; "
                            f"the run is saved. Received: {reason}")
        self._waited += time.monotonic() - began
        with self.workers.watched(self.step):
            adversarial = self.step >= self._pretrain_steps
            self._pending.append(
                self.train_step(rgb, tf.constant(self.step, tf.int64), adversarial))
        self.step += 1

    def _rewind(self, reason: str, progress: Progress) -> None:
        """Goes back to the last good checkpoint with lower rates, the first time."""
        advice = "A lower --lr may help"
        if self.bad_steps.rate < 1.0:
            raise UserError(f"{reason}, again after going back to a checkpoint. {advice}")
        self._pending.clear()
        if not self.resume():
            raise UserError(f"{reason}, before the first checkpoint. {advice}")
        self.bad_steps.rate = REWIND_FACTOR
        if self.summaries:
            self.summaries = None  # its files are closed before others are opened
            self.summaries = summaries.Summaries(self.workdir)
        progress.go_back(self.step * self.batch_size)
        logging.warning("%s: back to step %d, with %g of the learning rates", reason, self.step,
                        REWIND_FACTOR)

    def evaluate(self) -> evaluation.Evaluation:
        """Measures `eval_examples` validation images; writes scalars, histograms and the grid."""
        assert self.summaries
        self.colorizer.forget()
        batches = self.dataset.validation_batches(EVAL_BATCH, self.config.run.eval_examples)
        result = evaluation.evaluate(
            self._colorize, batches, desired=self.config.controls.desired())
        self.summaries.evaluation(result, self.step)
        self._achieved = evaluation.short_texts(result.achieved)
        original, colorized = self.preview()
        self.summaries.ab_histograms(colorized, original, self.step)
        if self.colorizer.controls:
            self._calibrate()
        self.summaries.flush()
        return result

    def preview(self) -> tuple[np.ndarray, np.ndarray]:
        """Writes the grid of some validation images; returns originals and colorized ones."""
        assert self.summaries
        self.colorizer.forget()
        original = self._grid_images
        columns = {"gray": evaluation.gray_image(original), "original": original,
                   "colorized": self._colorize(original)}
        columns |= {f"{name} {target:g}": self._colorize(original, **{name: target})
                    for name, target in GRID_TARGETS if self.colorizer.controls}
        self.summaries.grid(columns, self.step)
        self.summaries.flush()
        return original, columns["colorized"]

    @functools.cached_property
    def _grid_images(self) -> np.ndarray:
        batches = self.dataset.validation_batches(EVAL_BATCH, GRID_EXAMPLES)
        return np.concatenate([np.asarray(batch) for batch in batches])

    def _previews(self) -> Generator[None, None, None]:
        """Before a step of a new run, writes the grid if it is time: at once, then ever later."""
        wait, due = PREVIEW_SECONDS, time.monotonic()
        while self.step == 0 or wait > PREVIEW_SECONDS:
            if self.workers.chief and time.monotonic() >= due:
                original, colorized = self.preview()
                meter = evaluation.TargetMeter(self.config.controls.desired())
                meter.add_original(original)
                meter.add_result(evaluation.MODEL, colorized)
                self._achieved = evaluation.short_texts(meter.results())
                due, wait = time.monotonic() + wait, 2.0 * wait
                self._logged_at = time.monotonic()
            yield

    def _colorize(self, rgb8: np.ndarray, **targets: float | None) -> np.ndarray:
        """Colorizes images by the network alone, unless the run is to stop."""
        if self.stop.received and self.workers.count == 1:
            raise Stopped
        return self.colorizer.colorize_rgb8(rgb8, correct=False, **targets)

    def _calibrate(self) -> None:
        """Writes what a conditional model gives for a few targets of each control."""
        assert self.summaries
        most = max(1, CALIBRATION_PIXELS // self.dataset.image_size**2)
        result = evaluation.calibrate(
            self._colorize, self.dataset.validation_batches(
                EVAL_BATCH, min(CALIBRATION_EXAMPLES, most)),
            controls=self.colorizer.controls,
            targets={control.name: CALIBRATION_TARGETS for control in self.colorizer.controls})
        self.summaries.scalars(result.scalars(), self.step, summaries.CONTROLS)
        self.summaries.figure("calibration", result.figure(), self.step)

    def _is_best(self, result: evaluation.Evaluation) -> bool:
        """Whether no earlier evaluation of the same images had a lower `delta_e`.

        That checkpoint is then kept.
        """
        delta_e = result.rows[evaluation.MODEL]["delta_e"]
        images = {"count": min(self.config.run.eval_examples, self.dataset.validation.size),
                  "sha256": self.dataset.validation_fingerprint}
        if self.best and self.best.get("images") == images and self.best["delta_e"] <= delta_e:
            return False
        self.best = {"step": self.step, "delta_e": delta_e, "images": images}
        return True

    def _save(self, progress: Progress, must: bool) -> None:
        """Writes a checkpoint. If that fails and need not be, it is tried again later."""
        self._log(progress)
        # In a row of bad steps the last good weights may be the bad ones' cause.
        going_bad = self.bad_steps.in_a_row and self.step < self.total_steps
        if going_bad or not self.workers.chief:
            return
        loop = {"learning_rates": self.learning_rates.state(), "best": self.best,
                "bad_steps": self.bad_steps.state(), "images": self._images()}
        try:
            self.checkpoints.save(
                self.step, loop, self.config.to_json(), self.best["step"] if self.best else None)
        except CheckpointError as error:
            if must:
                raise
            logging.warning("%s; training goes on, the next checkpoint is tried later",
                            printable(error))

    def _images(self) -> dict[str, Any]:
        return {"count": self.dataset.train.size, "sha256": self.dataset.fingerprint,
                "contents": self.dataset.contents}

    def _batches(self):
        replicas = self.strategy.num_replicas_in_sync

        def build(context: tf.distribute.InputContext):
            return self.dataset.train_batches(
                self.batch_size // replicas, self.config.run.seed, first=self.step,
                augment=self.config.data.augment, replicas=replicas,
                local_replicas=replicas // context.num_input_pipelines,
                worker=context.input_pipeline_id)

        return self.strategy.distribute_datasets_from_function(build)

    def _ends_epoch(self) -> bool:
        return self.step % self.steps_per_epoch == 0

    def _save_is_due(self, seconds: float) -> bool:
        every = self.config.run.checkpoint_steps
        return seconds >= 60.0 * CHECKPOINT_MINUTES or (
            every is not None and self.step % every == 0)

    def _log(self, progress: Progress) -> None:
        """Fetches the losses of the pending steps: scalars, progress bar, learning rates."""
        if not self._pending:
            return
        values = [{name: float(value) for name, value in losses.items()}
                  for losses in self._pending]
        self._pending.clear()
        finite = [losses for step, losses in enumerate(values, self.step - len(values) + 1)
                  if self.bad_steps.observe(step, losses)]
        for losses in finite:
            self.learning_rates.observe(losses["generator/l1"])
        if self._ends_epoch() and self.learning_rates.end_epoch():
            progress.say(f"step {self.step}: the training L1 stopped falling, so the learning "
                         "rates fall to a tenth")
        means = {name: float(np.mean([losses[name] for losses in finite])) for name in values[0]
                 if finite}
        if self.summaries:
            seconds = max(time.monotonic() - self._logged_at, 1e-9)
            self.summaries.training(
                means, self.train_step.weights, self.learning_rates.rates(self.step), {
                    "images_per_second": len(values) * self.batch_size / seconds,
                    "share of time waiting for images": self._waited / seconds,
                    "dropped steps": self.bad_steps.total}, self.step)
            self._logged_at, self._waited = time.monotonic(), 0.0
        texts = {"loss": f"{means['generator/loss']:.3g}"} if means else {}
        progress.update(len(values) * self.batch_size, texts | self._achieved)
