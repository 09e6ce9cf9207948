"""Where a process is the point: kill -9, signals, two runs in a folder, two workers of a run."""

import json
import signal
import socket
import time

import pytest

from colorizer.errors import UserError
from colorizer.training.distribution import STOPPED_STATUS
from tests.training.faults.harness import (
    Process, assert_same_state, config, newest, step_of, two_workers
)


def test_a_run_stopped_in_every_way_ends_with_the_bits_of_one_never_stopped(train, tmp_path):
    workdir, folder = tmp_path / "run", tmp_path / "run" / "checkpoints"
    settings = dict(checkpoint_steps=3, max_steps=100_000)

    # Killed while saving; meanwhile no other run is let in.
    process = Process(workdir, **settings)
    process.until_checkpoint()
    with pytest.raises(UserError, match=f"process {process.pid} on {socket.gethostname()}"):
        train(config(workdir, **settings))
    process.until(lambda: any(folder.glob("tmp-*")), "saving")
    process.kill()
    assert json.loads((workdir / "running.json").read_text())["process"] == process.pid

    # Killed while importing or restoring, and some steps after a checkpoint.
    before = step_of(workdir)
    process = Process(workdir, **settings)
    time.sleep(3.0)
    process.kill()
    process = Process(workdir, **settings)
    process.until_checkpoint(before)
    time.sleep(0.5)
    process.kill()
    assert "its lock is taken over" in process.output

    # A second interrupt does not wait for the end of the step, or of a save.
    before = step_of(workdir)
    process = Process(workdir, **settings)
    process.until_checkpoint(before)
    process.send(signal.SIGSTOP, signal.SIGINT, signal.SIGCONT)
    time.sleep(0.001)
    process.send(signal.SIGINT)
    assert process.wait() in (-signal.SIGINT, STOPPED_STATUS)

    # SIGTERM: the step is finished and saved.
    before = step_of(workdir)
    process = Process(workdir, **settings)
    process.until_checkpoint(before)
    process.send(signal.SIGTERM)
    assert process.wait() == STOPPED_STATUS
    stopped = step_of(workdir)
    assert f"stopped after step {stopped} of 100000 (SIGTERM)" in process.output
    assert "Traceback" not in process.output and list(folder.glob("tmp-*")) == []
    assert not (workdir / "running.json").exists()

    for name in ("run", "whole"):
        assert train(config(tmp_path / name, max_steps=stopped + 3)) == 0
    assert_same_state(workdir, tmp_path / "whole")


def test_a_signal_to_one_worker_stops_both_with_the_state_saved(tmp_path):
    workers = two_workers(tmp_path, max_steps=100_000, checkpoint_steps=5, adversarial_weight=0)
    workers[0].until_checkpoint()
    workers[1].send(signal.SIGTERM)
    assert [worker.wait() for worker in workers] == [STOPPED_STATUS] * 2, workers[0].output
    assert "the same command goes on" in workers[0].output
    assert f"after step {step_of(tmp_path)} of" in workers[0].output and newest(tmp_path)
