"""Many resumes, many steps: nothing drifts, nothing grows."""

from pathlib import Path
import sys

import pytest

from tests.training.faults.harness import Run, assert_same_state, config, step_of

pytestmark = pytest.mark.soak


def test_fifty_resumes_end_with_the_bits_of_one_run(train, tmp_path):
    train(config(tmp_path / "whole", max_steps=102))
    for max_steps in range(2, 103, 2):
        train(config(tmp_path / "parts", max_steps=max_steps))
    assert_same_state(tmp_path / "parts", tmp_path / "whole")


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_memory_stays_flat_over_ten_thousand_steps(tmp_path):
    run, sizes = Run(tmp_path, max_steps=10_001, checkpoint_steps=500, eval_steps=500), {}
    for step in range(1000, 10_001, 500):
        run.until_checkpoint(step - 1)
        status = Path(f"/proc/{run.process.pid}/status").read_text()
        sizes[step_of(tmp_path)] = int(status.split("VmRSS:")[1].split()[0])
    assert run.wait() == 0, run.output
    assert max(sizes.values()) <= 1.02 * sizes[min(sizes)], sizes
