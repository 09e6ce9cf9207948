"""Two workers of one run."""

import json
import signal
import socket

import pytest

from colorizer.training.distribution import STOPPED_STATUS
from tests.training.faults.harness import Run, assert_same_state, state, step_of

FLAGS = ("--checkpoint_steps=5", "--eval_steps=1000", "--batch_size=4")


def two_workers(workdir, *flags):
    ports = []
    for _ in range(2):
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            ports.append(listener.getsockname()[1])
    cluster = {"worker": [f"127.0.0.1:{port}" for port in ports]}
    return [Run(workdir, *FLAGS, *flags, environment={"TF_CONFIG": json.dumps(
        {"cluster": cluster, "task": {"type": "worker", "index": index}})}.items())
        for index in range(2)]


def test_a_signal_to_one_worker_stops_both_with_the_state_saved(tmp_path):
    workers = two_workers(tmp_path / "run", "--max_steps=100000")
    workers[0].until(lambda: step_of(workers[0].workdir) >= 5, "a checkpoint")
    workers[1].process.send_signal(signal.SIGTERM)
    assert [worker.wait() for worker in workers] == [STOPPED_STATUS] * 2, workers[0].output
    assert "the same command goes on" in workers[0].output
    assert len(state(workers[0].workdir)[0]) > 100


@pytest.mark.soak
def test_two_workers_resume_exactly_after_one_is_killed(tmp_path):
    parts = two_workers(tmp_path / "parts", "--max_steps=100000")
    chief, other = parts
    chief.until(lambda: step_of(chief.workdir) >= 10, "a checkpoint")
    other.kill()
    assert chief.wait(90) == STOPPED_STATUS, chief.output
    last = chief.output.splitlines()[-1]
    assert "another worker is gone" in last and "Traceback" not in chief.output
    steps = f"--max_steps={step_of(chief.workdir) + 5}"
    for workdir in (chief.workdir, tmp_path / "whole"):
        assert [worker.wait() for worker in two_workers(workdir, steps)] == [0, 0]
    assert_same_state(chief.workdir, tmp_path / "whole")
