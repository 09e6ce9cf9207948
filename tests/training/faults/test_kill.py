"""Runs that are killed, stopped or interrupted, and go on with the same command."""

import json
import signal
import socket
import time

import pytest

from colorizer import training
from colorizer.config import TrainConfig
from colorizer.training.distribution import STOPPED_STATUS
from colorizer.training.run import RunError
from tests.training.faults.harness import Run, assert_same_state, step_of, train

SETTINGS = dict(dataset="sample", base_channels=1, batch_size=2, eval_examples=2, eval_steps=1000,
                checkpoint_steps=4, ema_decay=0.9)
FLAGS = [f"--{name}={value}" for name, value in SETTINGS.items()]


def go_on(workdir, one_replica, max_steps):
    assert training.train(TrainConfig().replace(
        **SETTINGS, max_steps=max_steps, workdir=str(workdir)), one_replica) == 0


def test_a_run_killed_and_stopped_ends_with_the_bits_of_one_that_was_not(
        one_replica, tmp_path, capsys):
    workdir = tmp_path / "killed"
    first = Run(workdir, *FLAGS, "--max_steps=100000")
    first.until(lambda: step_of(workdir) >= 4, "a checkpoint")
    with pytest.raises(RunError) as caught:  # one run at a time in a folder
        go_on(workdir, one_replica, 100000)
    assert f"process {first.process.pid} on {socket.gethostname()}" in str(caught.value)
    first.kill()
    assert json.loads((workdir / "running.json").read_text())["process"] == first.process.pid

    second = Run(workdir, *FLAGS, "--max_steps=100000")
    second.until(lambda: "its lock is taken over" in second.output, "taking the lock")
    before = step_of(workdir)
    second.until(lambda: step_of(workdir) > before and any(
        (workdir / "checkpoints").glob("tmp-*")), "saving")
    second.kill()

    third = Run(workdir, *FLAGS, "--max_steps=100000")
    before = step_of(workdir)
    third.until(lambda: step_of(workdir) > before, "a checkpoint")
    assert third.stop(signal.SIGTERM) == STOPPED_STATUS, third.output
    assert "SIGTERM" in third.output and "the same command goes on" in third.output
    assert "Traceback" not in third.output

    steps = step_of(workdir) + 3
    go_on(workdir, one_replica, steps)
    go_on(tmp_path / "whole", one_replica, steps)
    assert_same_state(workdir, tmp_path / "whole")
    assert list((workdir / "checkpoints").glob("tmp-*")) == []
    assert not (workdir / "running.json").exists()


def test_a_second_interrupt_leaves_at_once_and_keeps_the_last_checkpoint(tmp_path):
    run = Run(tmp_path / "run", *FLAGS, "--max_steps=100000")
    run.until(lambda: step_of(run.workdir) >= 4, "a checkpoint")
    run.process.send_signal(signal.SIGSTOP)  # both signals arrive before the program sees one
    run.process.send_signal(signal.SIGINT)
    run.process.send_signal(signal.SIGCONT)
    time.sleep(0.001)
    run.process.send_signal(signal.SIGINT)
    assert run.wait() in (-signal.SIGINT, STOPPED_STATUS)
    assert step_of(run.workdir) >= 4


@pytest.mark.soak
def test_twenty_five_kills_at_random_moments_change_no_bit(tmp_path):
    import random

    whole, killed = tmp_path / "whole", tmp_path / "killed"
    flags = [*FLAGS, "--max_steps=300", "--conditional=true"]
    assert train(whole, *flags).status == 0
    rng = random.Random(0)
    for number in range(25):
        run = Run(killed, *flags)
        before = step_of(killed)
        if number % 3 == 0:
            run.until(lambda: any((killed / "checkpoints").glob("tmp-*")), "saving")
        else:  # from importing TensorFlow to some steps after the next checkpoint
            if number % 3 == 1:
                run.until(lambda: step_of(killed) > before, "a checkpoint")
            time.sleep(rng.uniform(0.0, 3.0))
        run.kill()
        assert step_of(killed) < 300
    assert train(killed, *flags).status == 0
    assert_same_state(killed, whole)
