"""Many resumes, many steps: nothing drifts, nothing grows."""

from pathlib import Path
import sys

import pytest

from colorizer import config as config_lib
from colorizer.training import run as runs
from tests.faults.harness import Run, assert_same_state, scalar_steps, step_of

RESUMES, STEPS_EACH = 50, 2


def test_fifty_resumes_end_with_the_bits_of_one_run(one_replica, tmp_path):
    def go_on(name, max_steps):
        assert runs.run(config_lib.TrainConfig().replace(
            dataset="sample", width=1, batch_size=2, ema_decay=0.9,
            eval_examples=2, grid_examples=1, eval_steps=1000, log_steps=1, max_steps=max_steps,
            workdir=str(tmp_path / name)), one_replica) == 0

    last = STEPS_EACH * (RESUMES + 1)
    go_on("whole", last)
    for max_steps in range(STEPS_EACH, last + 1, STEPS_EACH):
        go_on("parts", max_steps)
    assert_same_state(tmp_path / "parts", tmp_path / "whole")
    assert scalar_steps(tmp_path / "parts") == list(range(1, last + 1))


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_memory_stays_flat_over_ten_thousand_steps(tmp_path):
    run = Run(tmp_path / "run", "--max_steps=10001", "--checkpoint_steps=500", "--eval_steps=500",
              "--log_steps=50")
    sizes = {}
    for step in range(1000, 10001, 500):
        run.until(lambda: step_of(run.workdir) >= step, f"step {step}")
        sizes[step_of(run.workdir)] = resident_bytes(run.process.pid)
    assert run.wait() == 0, run.output
    assert max(sizes.values()) <= 1.02 * sizes[min(sizes)], sizes


def resident_bytes(pid):
    status = Path(f"/proc/{pid}/status").read_text()
    return 1024 * int(status.split("VmRSS:")[1].split()[0])
