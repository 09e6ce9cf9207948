"""Tiny runs, in this process and in processes of their own, and what they leave behind."""

import json
import os
from pathlib import Path
import signal
import subprocess
import sys
import tempfile
import time

import numpy as np
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
import tensorflow as tf

from colorizer.config import TrainConfig
from colorizer.models import weights
from colorizer.training import checkpoints

ROOT = Path(__file__).resolve().parents[3]
TINY = dict(dataset="sample", base_channels=1, batch_size=2, update_schedule="joint",
            ema_decay=0.9, eval_examples=2, eval_steps=100_000, epochs=1e6, lr_decay_steps=4)
DEADLINE = 300.0  # seconds, for a machine with much else to do


def config(workdir, **settings):
    return TrainConfig().replace(**{**TINY, "workdir": str(workdir), **settings})


class Run:
    """`train.py` in a process of its own, its output in an unnamed file."""

    def __init__(self, workdir, environment=(), **settings):
        self.workdir = Path(workdir)
        self._log = tempfile.TemporaryFile()
        flags = [f"--{name}={value}" for name, value in {**TINY, **settings}.items()]
        self.process = subprocess.Popen(
            [sys.executable, ROOT / "train.py", *flags, f"--workdir={workdir}"],
            stdout=self._log, stderr=subprocess.STDOUT,
            env={**os.environ, "CUDA_VISIBLE_DEVICES": "", **dict(environment)})

    @property
    def output(self):
        # Not through the file object: its position is the child's.
        size = os.fstat(self._log.fileno()).st_size
        return os.pread(self._log.fileno(), size, 0).decode(errors="replace")

    def wait(self, timeout=DEADLINE):
        """Returns the exit status."""
        try:
            return self.process.wait(timeout)
        finally:
            self.process.kill()

    def until(self, condition, what):
        """Waits until it holds, while the process runs."""
        end = time.monotonic() + DEADLINE
        while not condition():
            assert self.process.poll() is None, f"ended before {what}:\n{self.output}"
            assert time.monotonic() < end, f"never {what}:\n{self.output}"
            time.sleep(0.002)

    def until_checkpoint(self, after=0):
        self.until(lambda: step_of(self.workdir) > after, "a checkpoint")

    def kill(self):
        assert self.process.poll() is None, self.output
        self.process.kill()
        self.process.wait()

    def stop(self, number=signal.SIGTERM):
        """Sends a signal; returns the exit status."""
        self.process.send_signal(number)
        return self.wait()


def newest(workdir):
    return weights.newest_readable(Path(workdir) / "checkpoints")


def step_of(workdir):
    """The step of the newest checkpoint, 0 without one."""
    found = weights.list_checkpoints(Path(workdir) / "checkpoints")
    return int(found[0].name.removeprefix("ckpt-")) if found else 0


def assert_same_state(workdir, other):
    """All variables of the newest checkpoints have the same bits, and the loops their state."""
    (ours, our_loop), (theirs, their_loop) = _state(workdir), _state(other)
    assert ours.keys() == theirs.keys() and len(ours) > 100
    assert [name for name in ours if ours[name] != theirs[name]] == []
    assert our_loop == their_loop


def _state(workdir):
    folder = newest(workdir)
    reader = tf.train.load_checkpoint(str(folder / checkpoints.STATE))
    values = {name: np.asarray(reader.get_tensor(name)).tobytes()
              for name in reader.get_variable_to_shape_map()
              if name != "_CHECKPOINTABLE_OBJECT_GRAPH"}
    return values, json.loads((folder / weights.MANIFEST).read_text())["loop"]


def events(workdir, curve=""):
    """What TensorBoard shows of a run, or of one of the curves beside the model's."""
    folder = Path(workdir) / "tensorboard" / curve
    found = EventAccumulator(str(folder), size_guidance={"tensors": 0})
    found.Reload()
    return found


def scalars(workdir, tag, curve=""):
    """{step: value} of a scalar."""
    return {event.step: float(tf.make_ndarray(event.tensor_proto))
            for event in events(workdir, curve).Tensors(tag)}
