"""Many kills, many resumes, many steps: nothing drifts, nothing grows (-m soak)."""

from pathlib import Path
import random
import sys
import time

import pytest

from colorizer.training.distribution import STOPPED_STATUS
from tests.training.faults.harness import (
    Process, assert_same_state, config, scalars, step_of, two_workers
)

pytestmark = pytest.mark.soak


def test_a_run_killed_25_times_ends_with_the_bits_of_one_never_killed(tmp_path):
    whole, killed, folder = tmp_path / "whole", tmp_path / "killed", tmp_path / "killed/checkpoints"
    settings = dict(max_steps=300, checkpoint_steps=4, conditional=True)
    assert Process(whole, **settings).wait(3600) == 0
    rng, while_saving = random.Random(0), 0
    for number in range(25):
        before = step_of(killed)
        run = Process(killed, **settings)
        if number % 3 == 0:
            run.until(lambda: any(folder.glob("tmp-*")), "saving")
            run.kill()
            while_saving += any(folder.glob("tmp-*"))
        else:
            # From importing TensorFlow to some steps after the next checkpoint.
            if number % 3 == 1:
                run.until_checkpoint(before)
            time.sleep(rng.uniform(0.0, 3.0))
            run.kill()
        assert step_of(killed) < 300
    assert while_saving >= 5
    assert Process(killed, **settings).wait(3600) == 0
    assert_same_state(killed, whole)
    assert set(scalars(killed, "train/generator/l1")) == set(scalars(whole, "train/generator/l1"))
    assert list(folder.glob("tmp-*")) == []


def test_50_resumes_end_with_the_bits_of_one_run(train, tmp_path):
    train(config(tmp_path / "whole", max_steps=102))
    for max_steps in range(2, 103, 2):
        train(config(tmp_path / "parts", max_steps=max_steps))
    assert_same_state(tmp_path / "parts", tmp_path / "whole")


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_memory_stays_flat_over_10_000_steps(tmp_path):
    run = Process(tmp_path, max_steps=10_001, checkpoint_steps=500, eval_steps=500)
    sizes = {}
    for step in range(1000, 10_001, 500):
        run.until_checkpoint(step - 1)
        status = Path(f"/proc/{run.pid}/status").read_text()
        sizes[step_of(tmp_path)] = int(status.split("VmRSS:")[1].split()[0])
    assert run.wait() == 0, run.output
    assert max(sizes.values()) <= 1.02 * sizes[min(sizes)], sizes


def test_two_workers_resume_exactly_after_one_is_killed(tmp_path):
    settings = dict(checkpoint_steps=5, batch_size=4)
    parts = chief, other = two_workers(tmp_path / "parts", max_steps=100_000, **settings)
    chief.until_checkpoint(5)
    other.kill()
    assert chief.wait() == STOPPED_STATUS, chief.output
    assert "another worker is gone" in chief.output.splitlines()[-1]
    assert "Traceback" not in chief.output
    for name in ("parts", "whole"):
        parts = two_workers(tmp_path / name, max_steps=step_of(tmp_path / "parts") + 5, **settings)
        assert [worker.wait() for worker in parts] == [0, 0], parts[0].output + parts[1].output
    assert_same_state(tmp_path / "parts", tmp_path / "whole")
