"""The real programs in real processes, and what they leave behind."""

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

from colorizer.training import checkpoints

ROOT = Path(__file__).resolve().parents[2]
TINY = ("--dataset=sample", "--width=1", "--batch_size=2", "--eval_examples=2",
        "--grid_examples=1", "--log_steps=5")
DEADLINE = 300.0  # seconds, for a machine with much else to do


class Run:
    """`train.py` in a process of its own, its output in an unnamed file."""

    def __init__(self, workdir, *flags, environment=()):
        self.workdir = Path(workdir)
        self._log = tempfile.TemporaryFile()
        self.process = subprocess.Popen(
            [sys.executable, ROOT / "train.py", *TINY, f"--workdir={workdir}", *flags],
            stdout=self._log, stderr=subprocess.STDOUT,
            env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "2", "CUDA_VISIBLE_DEVICES": "",
                 **dict(environment)})

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

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self, number=signal.SIGTERM):
        self.process.send_signal(number)
        return self.wait()


def train(workdir, *flags, **kwargs):
    """Runs `train.py` to its end and returns the `Run`."""
    run = Run(workdir, *flags, **kwargs)
    run.status = run.wait()
    return run


def newest(workdir):
    return checkpoints.newest_readable(Path(workdir) / "checkpoints")


def step_of(workdir):
    """The step of the newest checkpoint, 0 without one."""
    found = checkpoints.list_checkpoints(Path(workdir) / "checkpoints")
    return int(found[0].name.removeprefix("ckpt-")) if found else 0


def state(workdir):
    """All variables of the newest checkpoint, as bytes by name, and its loop state."""
    folder = newest(workdir)
    reader = tf.train.load_checkpoint(str(folder / checkpoints.STATE))
    variables = {name: np.asarray(reader.get_tensor(name)).tobytes()
                 for name in reader.get_variable_to_shape_map()
                 if name != "_CHECKPOINTABLE_OBJECT_GRAPH"}
    loop = json.loads((folder / checkpoints.MANIFEST).read_text())["loop"]
    return variables, loop


def assert_same_state(workdir, other):
    (ours, our_loop), (theirs, their_loop) = state(workdir), state(other)
    assert ours.keys() == theirs.keys() and len(ours) > 100
    assert [name for name in ours if ours[name] != theirs[name]] == []
    assert our_loop == their_loop


def scalar_steps(workdir, tag="train/generator/l1"):
    """The steps at which TensorBoard has a scalar, in the order of all event files."""
    events = EventAccumulator(str(Path(workdir) / "tensorboard"), size_guidance={"tensors": 0})
    events.Reload()
    return [event.step for event in events.Tensors(tag)]
