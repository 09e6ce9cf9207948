"""A training run: its folder, its loop, its evaluations, its checkpoints."""

from __future__ import annotations

import math
import os
from pathlib import Path
import sys
import time
from typing import Any

from absl import logging
import numpy as np
import tensorflow as tf
from tqdm import tqdm

from colorizer import (
    calibration, checkpoints, color, config as config_lib, controls, data, evaluation, inference,
    schedules, steps, summaries
)

EVAL_STEPS = (100, 1000)  # at least and at most between evaluations; else one epoch
EVAL_BATCH = 64
CALIBRATION_EXAMPLES = 32
CALIBRATION_TARGETS = (0.0, 0.25, 0.5, 0.75, 1.0)


class Trainer:
    """One run in one folder.

    Args:
        config: resolved (`TrainConfig.resolve`), with a `workdir`.
        dataset: what to train on.
        strategy: over the devices; default: all local ones.
    """

    def __init__(
        self, config: config_lib.TrainConfig, dataset: data.Dataset,
        strategy: tf.distribute.Strategy | None = None,
    ):
        self.config = config
        self.dataset = dataset
        self.strategy = strategy or tf.distribute.MirroredStrategy()
        replicas = self.strategy.num_replicas_in_sync
        batch_size = config.optimizer.batch_size
        if batch_size % replicas:
            raise config_lib.ConfigError(
                f"`batch_size` must be a multiple of the number of devices, {replicas}. "
                f"Received: batch_size={batch_size}")
        self.workdir = Path(config.run.workdir)
        self.step = 0
        self.total_steps = total_steps(config, dataset.train_size)
        self.steps_per_epoch = max(1, round(dataset.train_size / batch_size))
        self.train_step = steps.TrainStep(config, self.strategy)
        self.decay = schedules.Decay(config.optimizer)
        self.checkpoints = checkpoints.Checkpoints(
            self.workdir / "checkpoints", self.train_step.state(),
            lambda: self.train_step.colouring_model, config.run.keep_checkpoints)
        self.colorizer = inference.Colorizer(
            self.train_step.colouring_model, config.data.image_size, config.controls.desired(),
            luma=config.model.input_channel == "luma")

    def resume(self) -> bool:
        """Goes to the newest checkpoint that loads; returns whether there was one."""
        manifest = self.checkpoints.restore_newest()
        if manifest is None:
            return False
        self.step = manifest["step"]
        self.decay.restore(manifest["loop"]["decay"])
        return True

    def train(self) -> evaluation.Evaluation:
        """Trains the steps that are left, at least one; returns the evaluation after the last."""
        self.summaries = summaries.Summaries(self.workdir)
        self.summaries.settings(self.config, self.step)
        eval_steps = self.config.run.eval_steps or int(
            np.clip(self.steps_per_epoch, *EVAL_STEPS))
        batches = iter(self._batches())
        pending: list[dict[str, Any]] = []
        last_save = time.monotonic()
        self.train_step.set_rates(self.decay.factor(self.step))
        with self._progress() as progress:
            while self.step < self.total_steps:
                pending.append(self.train_step(next(batches), tf.constant(self.step, tf.int64)))
                self.step += 1
                last = self.step == self.total_steps
                if self.step % self.config.run.log_steps == 0 or last or self._ends_epoch():
                    self._log(pending, progress)
                self.train_step.set_rates(self.decay.factor(self.step))
                if self.step % eval_steps == 0 or last:
                    self._log(pending, progress)
                    result = self.evaluate()
                minutes = (time.monotonic() - last_save) / 60.0
                if last or self._save_is_due(minutes):
                    self._log(pending, progress)
                    self.save()
                    last_save = time.monotonic()
        return result

    def evaluate(self) -> evaluation.Evaluation:
        """Measures `eval_examples` test pictures; writes scalars, histograms and the grid."""
        result = evaluation.evaluate(
            self.colorizer.colorize_rgb8,
            self.dataset.test_batches(EVAL_BATCH, self.config.run.eval_examples))
        for row, values in result.rows.items():
            self.summaries.scalars(values, self.step, f"test/{row.replace(' ', '_')}")
        original = np.concatenate(list(
            self.dataset.test_batches(EVAL_BATCH, self.config.run.grid_examples)))
        colorized = self.colorizer.colorize_rgb8(original)
        columns = {"gray": evaluation.gray_picture(original), "original": original,
                   "colorized": colorized}
        self.summaries.ab_histograms(_ab_scaled(colorized), _ab_scaled(original), self.step)
        self.grid_path = self.summaries.grid(columns, self.step)
        if self.colorizer.conditional:
            self._calibrate()
        self.summaries.flush()
        gray, model = result.rows[evaluation.GRAY], result.rows[evaluation.MODEL]
        tqdm.write(
            f"step {self.step}: mae_rgb {model['mae_rgb']:.2f} (gray {gray['mae_rgb']:.2f}), "
            f"delta_e {model['delta_e']:.2f} (gray {gray['delta_e']:.2f}), "
            f"colorfulness {model['colorfulness_ratio']:.2f} of the originals'", file=sys.stderr)
        return result

    def _calibrate(self) -> None:
        """Writes what a conditional model gives for a few targets of each control."""
        result = calibration.calibrate(
            self.colorizer.colorize_rgb8,
            self.dataset.test_batches(EVAL_BATCH, CALIBRATION_EXAMPLES),
            targets=CALIBRATION_TARGETS)
        self.summaries.scalars(result.scalars(), self.step, "calibration")
        self.summaries.figure("calibration", result.figure(), self.step)

    def save(self) -> Path:
        """Writes a checkpoint."""
        return self.checkpoints.save(
            self.step, {"decay": self.decay.state()}, self.config.to_json())

    def _batches(self):
        replicas = self.strategy.num_replicas_in_sync
        run = self.config.run

        def build(context: tf.distribute.InputContext):
            return self.dataset.train_batches(
                self.config.optimizer.batch_size // replicas, run.seed, first=self.step,
                augment=self.config.data.augment, replicas=replicas,
                local_replicas=replicas // context.num_input_pipelines,
                worker=context.input_pipeline_id)

        return self.strategy.distribute_datasets_from_function(build)

    def _ends_epoch(self) -> bool:
        return self.step % self.steps_per_epoch == 0

    def _save_is_due(self, minutes: float) -> bool:
        every = self.config.run.checkpoint_steps
        return (minutes >= self.config.run.checkpoint_minutes
                or every is not None and self.step % every == 0)

    def _log(self, pending: list[dict[str, Any]], progress: tqdm) -> None:
        """Fetches the losses of the pending steps: scalars, progress bar, learning-rate decay."""
        if not pending:
            return
        values = [{name: float(value) for name, value in losses.items()} for losses in pending]
        pending.clear()
        for losses in values:
            self.decay.observe(losses["generator/l1"])
        if self._ends_epoch() and self.decay.end_epoch():
            tqdm.write(f"step {self.step}: the training L1 stopped falling, the learning rates "
                       f"fall to {self.decay.factor(self.step):g} of the first", file=sys.stderr)
        means = {name: float(np.mean([losses[name] for losses in values])) for name in values[0]}
        self.summaries.scalars(means, self.step, "train")
        self.summaries.scalars(
            {"learning_rate_factor": self.decay.factor(self.step)}, self.step, "train")
        progress.set_postfix({name.replace("generator", "G").replace("discriminator", "D"):
                              f"{value:.3f}" for name, value in means.items()}, refresh=False)
        progress.update(len(values) * self.config.optimizer.batch_size)

    def _progress(self) -> tqdm:
        batch_size = self.config.optimizer.batch_size
        return tqdm(
            total=self.total_steps * batch_size, initial=self.step * batch_size, unit=" pictures",
            unit_scale=True, mininterval=0.5 if sys.stderr.isatty() else 10.0,
            dynamic_ncols=True, desc="training")


def total_steps(config: config_lib.TrainConfig, train_size: int) -> int:
    """The number of steps of a whole run: `epochs` over the pictures, at most `max_steps`."""
    count = math.ceil(config.optimizer.epochs * train_size / config.optimizer.batch_size)
    return min(count, config.optimizer.max_steps or count)


def open_workdir(config: config_lib.TrainConfig) -> None:
    """Makes the run's folder and writes `config.json`, or checks that it is the same run's.

    Raises:
        config_lib.ConfigError: the folder holds a run whose fixed settings differ.
    """
    workdir = Path(config.run.workdir)
    path = workdir / "config.json"
    if path.exists():
        saved = {name: value for name, value, _ in config_lib.read_config(workdir).settings()}
        differing = [
            f"--{name} was {saved[name]}, now {value}" for name, value, rule in config.settings()
            if not rule["may_change"] and saved[name] != value]
        if differing:
            raise config_lib.ConfigError(
                f"{workdir} holds a run with other settings ({'; '.join(differing)}): "
                "give another --workdir, or these settings back")
    workdir.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".tmp")
    temporary.write_text(config.to_json())
    os.replace(temporary, path)


def run(
    config: config_lib.TrainConfig, strategy: tf.distribute.Strategy | None = None
) -> None:
    """Trains, or goes on training, the run that `config` describes; prints where the results are.

    Args:
        config: as the user gave it.
        strategy: over the devices; default: all local ones.

    Raises:
        UserError: what the user can mend: data, settings, a folder of another run.
    """
    for gpu in tf.config.list_physical_devices("GPU"):
        tf.config.experimental.set_memory_growth(gpu, True)
    workdir = config.run.workdir or os.path.join(
        "runs", os.path.basename(config.data.dataset.rstrip("/")))
    dataset = data.load_dataset(
        config.data.dataset, data_dir=config.data.data_dir, image_size=config.data.image_size,
        test_split=config.data.test_split, workdir=workdir)
    config = config.resolve(dataset.image_size).replace(workdir=workdir)
    warning = controls.contradiction(config.controls.desired())
    if warning:
        logging.warning(warning)
    # Networks that cannot be built leave no folder.
    trainer = Trainer(config, dataset, strategy)
    open_workdir(config)
    dataset.save_scan(workdir)
    _report(dataset)
    resumed = trainer.resume()
    if trainer.step >= trainer.total_steps:
        print(f"{workdir} is finished: {trainer.step} of {trainer.total_steps} steps. To extend "
              f"it, run it again with a larger --epochs (now {config.optimizer.epochs:g}) or "
              f"--max_steps (now {config.optimizer.max_steps}).")
        return
    if resumed:
        print(f"{workdir}: going on after step {trainer.step} of {trainer.total_steps}")
    else:
        print(f"{workdir}: {trainer.total_steps} steps of {config.optimizer.batch_size} pictures, "
              f"{trainer.steps_per_epoch} steps an epoch")
    result = trainer.train()
    print(result.text())
    print(f"pictures: {trainer.grid_path}\nTensorBoard: tensorboard --logdir {workdir}")


def _report(dataset: data.Dataset) -> None:
    print(f"{dataset.name}: {dataset.train_size} training and {dataset.test_size} test pictures, "
          f"{dataset.image_size} px; {dataset.gray_left_out} gray ones left out, "
          f"{len(dataset.unreadable)} unreadable ones skipped")
    for path, reason in dataset.unreadable:
        logging.warning("skipped %s: %s", path, reason)


def _ab_scaled(rgb8: np.ndarray) -> np.ndarray:
    lab = color.rgb_to_lab(rgb8.astype(np.float32) / 255.0)
    return np.asarray(color.split_scaled(lab)[1])
