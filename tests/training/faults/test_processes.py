"""Two runs in one folder, and two workers of one run."""

import json
import os
import signal
import socket

from colorizer.training.preemption import STOPPED_STATUS
from tests.faults.harness import Run, assert_same_state, state, step_of, train

FLAGS = ("--checkpoint_steps=5", "--eval_steps=1000")


def test_a_second_run_in_the_folder_is_refused_and_a_killed_one_leaves_no_lock(tmp_path):
    first = Run(tmp_path / "run", *FLAGS, "--max_steps=100000")
    first.until(lambda: step_of(first.workdir) >= 5, "a checkpoint")
    second = train(first.workdir, *FLAGS, "--max_steps=100000")
    assert second.status == 2
    last = second.output.splitlines()[-1]
    assert f"process {first.process.pid} on {socket.gethostname()}" in last
    assert first.process.poll() is None
    first.kill()
    owner = json.loads((first.workdir / "running.json").read_text())
    assert owner["process"] == first.process.pid
    third = train(first.workdir, *FLAGS, f"--max_steps={step_of(first.workdir) + 5}")
    assert third.status == 0 and "its lock is taken over" in third.output
    assert not (first.workdir / "running.json").exists()


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def two_workers(workdir, *flags):
    cluster = {"worker": [f"127.0.0.1:{free_port()}" for _ in range(2)]}
    return [Run(workdir, *FLAGS, *flags, "--batch_size=4", environment={"TF_CONFIG": json.dumps(
        {"cluster": cluster, "task": {"type": "worker", "index": index}})}.items())
        for index in range(2)]


def test_two_workers_resume_exactly_after_one_is_killed(tmp_path):
    whole = two_workers(tmp_path / "whole", "--max_steps=40")
    assert [worker.wait() for worker in whole] == [0, 0], whole[0].output + whole[1].output
    parts = two_workers(tmp_path / "parts", "--max_steps=100000")
    chief, other = parts
    chief.until(lambda: step_of(chief.workdir) >= 10, "a checkpoint")
    other.kill()
    assert chief.wait(90) == STOPPED_STATUS, chief.output
    last = chief.output.splitlines()[-1]
    assert "another worker is gone" in last and "Traceback" not in chief.output
    rest = 40 if step_of(chief.workdir) < 40 else step_of(chief.workdir) + 5
    parts = two_workers(chief.workdir, f"--max_steps={rest}")
    assert [worker.wait() for worker in parts] == [0, 0], parts[0].output + parts[1].output
    if rest > 40:
        whole = two_workers(tmp_path / "whole", f"--max_steps={rest}")
        assert [worker.wait() for worker in whole] == [0, 0]
    assert_same_state(chief.workdir, tmp_path / "whole")


def test_a_signal_to_one_worker_stops_both_with_the_state_saved(tmp_path):
    workers = two_workers(tmp_path / "run", "--max_steps=100000")
    workers[0].until(lambda: step_of(workers[0].workdir) >= 5, "a checkpoint")
    workers[1].process.send_signal(signal.SIGTERM)
    assert [worker.wait() for worker in workers] == [STOPPED_STATUS] * 2, workers[0].output
    assert "the same command goes on" in workers[0].output
    assert len(state(workers[0].workdir)[0]) > 100


def test_a_wrong_tf_config_is_refused_in_one_line(tmp_path):
    run = train(tmp_path / "run", environment={"TF_CONFIG": '{"cluster": {}}'}.items())
    assert run.status == 2 and run.output.splitlines()[-1].startswith("train.py: error: TF_CONFIG")
    assert not os.path.exists(tmp_path / "run")
