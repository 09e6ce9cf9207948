"""Runs that are killed, stopped or interrupted, and go on with the same command."""

import json
import random
import signal
import socket
import time

import pytest

from colorizer.training.distribution import STOPPED_STATUS
from colorizer.training.run import RunError
from tests.training.faults.harness import Run, assert_same_state, config, step_of

SETTINGS = dict(checkpoint_steps=4, max_steps=2_000)


@pytest.mark.slow
def test_a_run_killed_and_interrupted_ends_with_the_bits_of_one_that_was_not(train, tmp_path):
    workdir, folder = tmp_path / "killed", tmp_path / "killed" / "checkpoints"
    run = Run(workdir, **SETTINGS)
    run.until_checkpoint()
    with pytest.raises(RunError) as caught:  # one run at a time in a folder
        train(config(workdir, **SETTINGS))
    assert f"process {run.process.pid} on {socket.gethostname()}" in str(caught.value)
    run.until(lambda: any(folder.glob("tmp-*")), "saving")
    run.kill()
    assert json.loads((workdir / "running.json").read_text())["process"] == run.process.pid

    for seconds in (1.0, 3.0):  # while it imports TensorFlow, or restores
        run = Run(workdir, **SETTINGS)
        time.sleep(seconds)
        run.kill()

    run, before = Run(workdir, **SETTINGS), step_of(workdir)
    run.until_checkpoint(before)
    assert "its lock is taken over" in run.output
    run.process.send_signal(signal.SIGSTOP)  # both signals arrive before the program sees one
    run.process.send_signal(signal.SIGINT)
    run.process.send_signal(signal.SIGCONT)
    time.sleep(0.001)
    assert run.stop(signal.SIGINT) in (-signal.SIGINT, STOPPED_STATUS)  # it leaves at once

    steps = step_of(workdir) + 3
    for name in (workdir, tmp_path / "whole"):
        assert train(config(name, max_steps=steps)) == 0
    assert_same_state(workdir, tmp_path / "whole")
    assert list(folder.glob("tmp-*")) == [] and not (workdir / "running.json").exists()


@pytest.mark.soak
def test_twenty_five_kills_at_random_moments_change_no_bit(tmp_path):
    whole, killed, folder = tmp_path / "whole", tmp_path / "killed", tmp_path / "killed/checkpoints"
    settings = dict(max_steps=300, checkpoint_steps=4, conditional=True)
    assert Run(whole, **settings).wait(3600) == 0
    rng, while_saving = random.Random(0), 0
    for number in range(25):
        run, before = Run(killed, **settings), step_of(killed)
        if number % 3 == 0:
            run.until(lambda: any(folder.glob("tmp-*")), "saving")
            run.kill()
            while_saving += any(folder.glob("tmp-*"))
        else:  # from importing TensorFlow to some steps after the next checkpoint
            if number % 3 == 1:
                run.until_checkpoint(before)
            time.sleep(rng.uniform(0.0, 3.0))
            run.kill()
        assert step_of(killed) < 300
    assert while_saving >= 5 and Run(killed, **settings).wait(3600) == 0
    assert_same_state(killed, whole)
