"""A training run as the user starts it: its folder, its lock, its devices, and how it ends."""

from __future__ import annotations

import contextlib
from datetime import datetime
import fcntl
import json
import os
from pathlib import Path
from shlex import quote
import socket
from typing import Any

from absl import logging
import filelock
import tensorflow as tf

from colorizer import data
from colorizer.color.controls import contradiction
from colorizer.config import CONFIG_FILE, ConfigError, TrainConfig, read_config
from colorizer.errors import UserError, printable
from colorizer.files import CHECKPOINTS, read_json, write_atomic
from colorizer.models.pretrained import find_model, read_model_config
from colorizer.models.weights import weights_path
from colorizer.training.distribution import (
    STOPPED_STATUS, StopSignals, Workers, choose_strategy, describe
)
from colorizer.training.trainer import Stopped, Trainer

UNREADABLE_FILE = "unreadable.txt"
MAX_UNREADABLE_SHARE = 0.5  # of the images
LOCK_FILE = "lock"
OWNER_FILE = "running.json"


class RunError(UserError):
    """The run's folder cannot be used."""


def train(config: TrainConfig, strategy: tf.distribute.Strategy | None = None) -> int:
    """Trains, or goes on training, the run that `config` describes; prints where the results are.

    Args:
        config: as the user gave it.
        strategy: over the devices; default: all local ones or, with TF_CONFIG, all workers'.

    Returns:
        The exit status: 0, or `STOPPED_STATUS` after a signal, with the state saved.

    Raises:
        UserError: what the user can mend: data, settings, a folder of another run.

    Example:
        >>> train(TrainConfig().replace(dataset="sample", max_steps=100, workdir="runs/first"))
    """
    if config.run.deterministic:
        tf.config.experimental.enable_op_determinism()
    strategy = strategy or choose_strategy()
    workdir = Path(config.run.workdir or default_workdir(config.data.dataset))
    config = _with_pretrained_architecture(config, workdir)
    check_workdir(workdir, config)
    print(f"{printable(workdir)}: "
          f"{'the run there' if (workdir / CONFIG_FILE).exists() else 'a new run'} on "
          f"{printable(config.data.dataset)}, with {describe(strategy)}")
    dataset = data.load_dataset(
        config.data.dataset, data_dir=config.data.data_dir, image_size=config.data.image_size,
        workdir=str(workdir))
    _check_readable(dataset)
    config = config.resolve(dataset.image_size).replace(workdir=str(workdir))
    check_workdir(workdir, config)
    replicas, batch_size = strategy.num_replicas_in_sync, config.optimizer.batch_size
    if batch_size and batch_size % replicas:
        raise ConfigError(
            f"`batch_size` must be a multiple of the number of devices, {replicas}. "
            f"Received: batch_size={batch_size}")
    warning = contradiction(config.controls.desired())
    if warning:
        logging.warning(warning)
    try:
        with contextlib.ExitStack() as stack:
            stop = stack.enter_context(StopSignals())
            trainer = Trainer(config, dataset, strategy, stop)  # first, or no folder is made
            if Workers(strategy).chief:
                workdir.mkdir(parents=True, exist_ok=True)
                stack.enter_context(RunLock(workdir))
            return _train(trainer)
    except OSError as error:
        raise RunError(f"the run's folder must be one that can be written. Received: {workdir}: "
                       f"{error}")


def default_workdir(dataset: str) -> Path:
    """runs/<name of the data set>: a folder's own name, however its path is spelled."""
    folder = Path(dataset).expanduser()
    path = os.path.abspath(folder) if folder.is_dir() else dataset.rstrip("/")
    return Path("runs", os.path.basename(path) or "images")


def _with_pretrained_architecture(config: TrainConfig, workdir: Path) -> TrainConfig:
    """A new run from a trained model has that model's networks, where no setting says otherwise."""
    if not config.run.init_from or (workdir / CONFIG_FILE).exists():
        return config
    source = read_model_config(find_model(config.run.init_from, "init_from"))
    defaults = {name: value for name, value, _ in TrainConfig().settings()}
    wanted = {name: value for name, value, _ in config.settings()}
    inherited = ("image_size", "base_channels", "num_downsamples", "predict_lightness",
                 "attention_resolution", "conditional", "encoder", "hint_share")
    return config.replace(**{name: value for name, value, _ in source.settings()
                             if name in inherited and wanted[name] == defaults[name]})


def _train(trainer: Trainer) -> int:
    config, workdir, shown = trainer.config, trainer.workdir, printable(trainer.workdir)
    resumed = trainer.resume()
    source = None if resumed else config.run.init_from
    beginning = _load_pretrained(trainer, source) if source else ""
    if trainer.workers.chief:
        _write_beginning(workdir, config, trainer.dataset)
    if trainer.step >= trainer.total_steps:
        print(f"{shown} is finished: {trainer.step} of {trainer.total_steps} steps. To extend "
              f"it, run it again with a larger --epochs (now {config.optimizer.epochs:g}) or "
              f"--max_steps (now {config.optimizer.max_steps}).")
        return 0
    if resumed:
        print(f"{shown}: going on after step {trainer.step} of {trainer.total_steps}")
    else:
        print(f"{shown}: {trainer.total_steps} steps of {trainer.batch_size} images, "
              f"{trainer.steps_per_epoch} steps an epoch{beginning}")
    if trainer.workers.chief:
        print(f"TensorBoard: tensorboard --logdir {quote(printable(workdir.parent))}", flush=True)
    try:
        result = trainer.train()
    except Stopped:
        print(f"{shown}: stopped after step {trainer.step} of {trainer.total_steps} "
              f"({trainer.stop.received or 'by another worker'}); the same command goes on")
        return STOPPED_STATUS
    if result:
        print(result.text("validation"))
        print(f"samples: {shown}/samples\n"
              f"test images: python evaluate.py --workdir={quote(shown)}")
    return 0


def _load_pretrained(trainer: Trainer, source: str) -> str:
    left = trainer.load_pretrained(weights_path(find_model(source, "init_from")))
    layers = sorted({name.split("/")[0] for name in left})
    return f"; the generator begins as {printable(source)}" + (
        f", but for {len(layers)} layers: {', '.join(layers)}" if layers else "")


def check_workdir(workdir: Path, config: TrainConfig) -> None:
    """Raises a ConfigError if the path is no folder, or holds a run whose fixed settings differ.

    Settings that are None in `config` are not compared. The folder need not exist.
    """
    if workdir.exists() and not workdir.is_dir():
        raise ConfigError(f"`workdir` must be a folder. Received: workdir={workdir}")
    if not (workdir / CONFIG_FILE).exists():
        return
    saved = {name: value for name, value, _ in read_config(workdir).settings()}
    differing = [
        f"--{name} was {saved[name]}, now {value}" for name, value, rule in config.settings()
        if not rule["may_change"] and value is not None and saved[name] != value]
    if differing:
        raise ConfigError(
            f"{workdir} holds a run with other settings ({'; '.join(differing)}): "
            "give another --workdir, or these settings back")


def _check_readable(dataset: data.Dataset) -> None:
    gray, unreadable = dataset.gray_left_out, dataset.unreadable
    print(f"{printable(dataset.name)}: {dataset.train.size} training, "
          f"{dataset.validation.size} validation and {dataset.test.size} test images, "
          f"{dataset.image_size} px; "
          + (f"{gray} gray ones left out" if gray is not None else "gray ones are passed over")
          + f", {len(unreadable)} unreadable ones skipped")
    for path, reason in unreadable:
        logging.warning("skipped %s: %s", printable(path), printable(reason))
    count = (dataset.train.size + dataset.validation.size + dataset.test.size + (gray or 0)
             + len(unreadable))
    if len(unreadable) > MAX_UNREADABLE_SHARE * count:
        path, reason = unreadable[0]
        raise data.DatasetError(
            f"at least half of the images must be readable. Received: {len(unreadable)} of {count} "
            f"in {dataset.name} are not, the first is {path}: {reason}")


def _write_beginning(workdir: Path, config: TrainConfig, dataset: data.Dataset) -> None:
    """Writes what the folder says of a run from its first moment on."""
    (workdir / CHECKPOINTS).mkdir(exist_ok=True)
    write_atomic(workdir / CONFIG_FILE, config.to_json())
    dataset.save_scan(str(workdir))
    if dataset.unreadable:
        write_atomic(workdir / UNREADABLE_FILE, "".join(
            f"{printable(path)}\t{printable(reason)}\n" for path, reason in dataset.unreadable))


class RunLock:
    """Holds a run's folder while it is entered: one run at a time in a folder.

    The operating system takes the lock back when the process ends, however it ends. `running.json`
    says who holds it. Entering raises a RunError when another process does.

    Two locks make it: one of the folder itself, which nobody can delete under a living run, and one
    of a file in it, which other hosts see, too, where the folder is on a network.
    """

    def __init__(self, workdir: Path):
        self._workdir = workdir
        self._owner = workdir / OWNER_FILE
        self._lock = filelock.FileLock(workdir / LOCK_FILE)

    def __enter__(self) -> "RunLock":
        self._folder = os.open(self._workdir, os.O_RDONLY)
        try:
            fcntl.flock(self._folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._lock.acquire(timeout=0)
        except (BlockingIOError, filelock.Timeout):
            os.close(self._folder)
            raise RunError(
                f"a folder takes one run at a time: give another --workdir, or wait. "
                f"Received: {self._workdir}, in which {self._read_owner()} trains")
        if self._owner.exists():
            logging.warning("%s: %s ended without a word; its lock is taken over",
                            printable(self._workdir), self._read_owner())
        write_atomic(self._owner, json.dumps({
            "host": socket.gethostname(), "process": os.getpid(),
            "since": datetime.now().isoformat(timespec="seconds")}))
        return self

    def __exit__(self, *_: Any) -> None:
        self._owner.unlink(missing_ok=True)
        self._lock.release()
        os.close(self._folder)

    def _read_owner(self) -> str:
        try:
            owner = read_json(self._owner, {"process": int, "host": str, "since": str})
            return f"process {owner['process']} on {owner['host']} since {owner['since']}"
        except UserError:
            return "another process"
