"""A training run as the user starts it: its folder, its lock, its devices, and how it ends."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from absl import logging
import tensorflow as tf

from colorizer import config as config_lib
from colorizer.color import controls
from colorizer.data import load as data
from colorizer.data import dataset as datasets
from colorizer.training import distribution as devices
from colorizer.inference import colorizer as inference
from colorizer.training import locks
from colorizer.training import preemption
from colorizer.models import pretrained as saved_models
from colorizer.training import trainer
from colorizer.errors import UserError
from colorizer.files import replace_file

QUARANTINE_FILE = "unreadable.txt"


class RunError(UserError):
    """The run's folder cannot be used."""


def run(config: config_lib.TrainConfig, strategy: tf.distribute.Strategy | None = None) -> int:
    """Trains, or goes on training, the run that `config` describes; prints where the results are.

    Args:
        config: as the user gave it.
        strategy: over the devices; default: all local ones or, with TF_CONFIG, all workers'.

    Returns:
        The exit status: 0, or `preemption.STOPPED_STATUS` after a signal, with the state saved.

    Raises:
        UserError: what the user can mend: data, settings, a folder of another run.
    """
    if config.run.deterministic:
        tf.config.experimental.enable_op_determinism()
    strategy = strategy or devices.choose_strategy()
    workdir = Path(config.run.workdir or os.path.join(
        "runs", os.path.basename(config.data.dataset.rstrip("/"))))
    check_workdir(workdir, config)
    if config.run.init_from:
        saved_models.find(config.run.init_from, "init_from")
    print(f"{workdir}: {'the run there' if (workdir / 'config.json').exists() else 'a new run'} on "
          f"{config.data.dataset}, with {devices.describe(strategy)}")
    dataset = data.load_dataset(
        config.data.dataset, data_dir=config.data.data_dir, image_size=config.data.image_size,
        test_split=config.data.test_split, workdir=str(workdir))
    _check_readable(dataset, config.data.max_bad_share)
    config = config.resolve(dataset.image_size).replace(workdir=str(workdir))
    check_workdir(workdir, config)
    replicas, batch_size = strategy.num_replicas_in_sync, config.optimizer.batch_size
    if batch_size % replicas:
        raise config_lib.ConfigError(
            f"`batch_size` must be a multiple of the number of devices, {replicas}. "
            f"Received: batch_size={batch_size}")
    warning = controls.contradiction(config.controls.desired())
    if warning:
        logging.warning(warning)
    try:
        with contextlib.ExitStack() as stack:
            stop = stack.enter_context(preemption.StopSignals())
            run = trainer.Trainer(config, dataset, strategy, stop)  # or no folder is made
            if devices.Workers(strategy).chief:
                workdir.mkdir(parents=True, exist_ok=True)
                stack.enter_context(locks.RunLock(workdir))
            return _train(run)
    except OSError as error:
        raise RunError(f"the run's folder must be one that can be written. Received: {workdir}: "
                       f"{error}")


def _train(run: trainer.Trainer) -> int:
    config, workdir = run.config, run.workdir
    resumed = run.resume()
    source = None if resumed else config.run.init_from
    beginning = _begin_from(run, source) if source else ""
    if run.workers.chief:
        _write_beginning(workdir, config, run.dataset)
    if run.step >= run.total_steps:
        print(f"{workdir} is finished: {run.step} of {run.total_steps} steps. To extend "
              f"it, run it again with a larger --epochs (now {config.optimizer.epochs:g}) or "
              f"--max_steps (now {config.optimizer.max_steps}).")
        return 0
    if resumed:
        print(f"{workdir}: going on after step {run.step} of {run.total_steps}")
    else:
        print(f"{workdir}: {run.total_steps} steps of {config.optimizer.batch_size} pictures, "
              f"{run.steps_per_epoch} steps an epoch{beginning}")
    try:
        result = run.train()
    except trainer.Stopped:
        print(f"{workdir}: stopped after step {run.step} of {run.total_steps} "
              f"({run.stop.received or 'by another worker'}); the same command goes on")
        return preemption.STOPPED_STATUS
    if result:
        print(result.text())
        print(f"pictures: {workdir / 'samples'}\nTensorBoard: tensorboard --logdir {workdir}")
    return 0


def _begin_from(run: trainer.Trainer, source: str) -> str:
    left = run.load_pretrained(inference.weights_file(saved_models.find(source)))
    layers = sorted({name.split("/")[0] for name in left})
    return f"; the generator begins as {source}" + (
        f", but for {len(layers)} layers: {', '.join(layers)}" if layers else "")


def check_workdir(workdir: Path, config: config_lib.TrainConfig) -> None:
    """Makes sure that a folder holds no other run.

    Args:
        workdir: the folder, which need not exist.
        config: the settings wanted; those that are None are not compared.

    Raises:
        config_lib.ConfigError: it is no folder, or holds a run whose fixed settings differ.
    """
    if workdir.exists() and not workdir.is_dir():
        raise config_lib.ConfigError(f"`workdir` must be a folder. Received: workdir={workdir}")
    if not (workdir / "config.json").exists():
        return
    written = config_lib.read_config(workdir)
    if written.data.image_size:  # a run that was begun before a setting came has today's default
        written = written.resolve(written.data.image_size)
    saved = {name: value for name, value, _ in written.settings()}
    differing = [
        f"--{name} was {saved[name]}, now {value}" for name, value, rule in config.settings()
        if not rule["may_change"] and value is not None and saved[name] != value]
    if differing:
        raise config_lib.ConfigError(
            f"{workdir} holds a run with other settings ({'; '.join(differing)}): "
            "give another --workdir, or these settings back")


def _check_readable(dataset: datasets.Dataset, max_bad_share: float) -> None:
    print(f"{dataset.name}: {dataset.train_size} training and {dataset.test_size} test pictures, "
          f"{dataset.image_size} px; {dataset.gray_left_out} gray ones left out, "
          f"{len(dataset.unreadable)} unreadable ones skipped")
    for path, reason in dataset.unreadable:
        logging.warning("skipped %s: %s", path, reason)
    count = (dataset.train_size + dataset.test_size + dataset.gray_left_out
             + len(dataset.unreadable))
    if len(dataset.unreadable) > max_bad_share * count:
        path, reason = dataset.unreadable[0]
        raise datasets.DatasetError(
            f"at most {max_bad_share:.3g} of the pictures (--max_bad_share) may be unreadable. "
            f"Received: {len(dataset.unreadable)} of {count} in {dataset.name}, the first is "
            f"{path}: {reason}")


def _write_beginning(
    workdir: Path, config: config_lib.TrainConfig, dataset: datasets.Dataset
) -> None:
    """Writes what the folder says of a run from its first moment on."""
    (workdir / "checkpoints").mkdir(exist_ok=True)
    replace_file(workdir / "config.json", config.to_json())
    dataset.save_scan(str(workdir))
    if dataset.unreadable:
        replace_file(workdir / QUARANTINE_FILE, "".join(
            f"{path}\t{reason}\n" for path, reason in dataset.unreadable))
