"""Two workers of one run."""

import json
import signal
import socket

import pytest

from colorizer.training.distribution import STOPPED_STATUS
from tests.training.faults.harness import Run, assert_same_state, newest, step_of


def two_workers(workdir, **settings):
    """Starts both; the first is the chief."""
    ports = []
    for _ in range(2):
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            ports.append(listener.getsockname()[1])
    cluster = {"worker": [f"127.0.0.1:{port}" for port in ports]}
    return [Run(workdir, {"TF_CONFIG": json.dumps(
        {"cluster": cluster, "task": {"type": "worker", "index": index}})},
        **{"checkpoint_steps": 5, "max_steps": 2_000, "batch_size": 4, **settings})
        for index in range(2)]


@pytest.mark.slow
def test_a_signal_to_one_worker_stops_both_with_the_state_saved(tmp_path):
    chief, other = workers = two_workers(tmp_path, adversarial_weight=0)
    chief.until_checkpoint()
    other.process.send_signal(signal.SIGTERM)
    assert [worker.wait() for worker in workers] == [STOPPED_STATUS] * 2, chief.output
    assert f"stopped after step {step_of(tmp_path)} of 2000 (by another" in chief.output
    assert "the same command goes on" in chief.output and newest(tmp_path)
    assert "Traceback" not in chief.output + other.output


@pytest.mark.soak
def test_two_workers_resume_exactly_after_one_is_killed(tmp_path):
    parts, whole = tmp_path / "parts", tmp_path / "whole"
    chief, other = two_workers(parts)
    chief.until_checkpoint(5)
    other.kill()
    assert chief.wait(90) == STOPPED_STATUS, chief.output
    assert "another worker is gone" in chief.output.splitlines()[-1]
    assert "Traceback" not in chief.output
    steps = step_of(parts) + 5
    for workdir in (parts, whole):
        workers = two_workers(workdir, max_steps=steps)
        assert [worker.wait() for worker in workers] == [0, 0], workers[0].output
    assert_same_state(parts, whole)
