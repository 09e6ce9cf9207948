"""SIGTERM and SIGINT: the step is finished, the state saved, the status documented."""

import signal
import time

import pytest

from colorizer.training.preemption import STOPPED_STATUS
from tests.faults.harness import Run, assert_same_state, scalar_steps, step_of, train

FLAGS = ("--max_steps=3000", "--eval_steps=3000", "--checkpoint_steps=20", "--log_steps=20")


@pytest.mark.parametrize("number", (signal.SIGTERM, signal.SIGINT))
def test_a_signal_saves_the_last_step_and_the_run_goes_on_exactly(number, tmp_path):
    run = Run(tmp_path / "run", *FLAGS)
    run.until(lambda: step_of(run.workdir) >= 20, "a checkpoint")
    assert run.stop(number) == STOPPED_STATUS, run.output
    assert signal.Signals(number).name in run.output and "Traceback" not in run.output
    stopped = step_of(run.workdir)
    assert f"stopped after step {stopped} of 3000" in run.output
    last = stopped + 20
    assert train(run.workdir, *FLAGS, f"--max_steps={last}").status == 0
    assert train(tmp_path / "whole", *FLAGS, f"--max_steps={last}").status == 0
    assert_same_state(run.workdir, tmp_path / "whole")
    steps = scalar_steps(run.workdir)
    assert steps == sorted(set(steps)) and steps[-1] == last


def test_a_second_interrupt_leaves_at_once_and_loses_only_what_came_after_the_checkpoint(tmp_path):
    run = Run(tmp_path / "run", *FLAGS)
    run.until(lambda: step_of(run.workdir) >= 20, "a checkpoint")
    run.process.send_signal(signal.SIGSTOP)  # both signals arrive before the program sees one
    run.process.send_signal(signal.SIGINT)
    run.process.send_signal(signal.SIGCONT)
    time.sleep(0.001)
    run.process.send_signal(signal.SIGINT)
    assert run.wait() in (-signal.SIGINT, STOPPED_STATUS)
    assert step_of(run.workdir) >= 20
