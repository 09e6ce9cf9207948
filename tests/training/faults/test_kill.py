"""kill -9 at any moment, then the same command again: the same bits as a run never stopped."""

import random
import time

from tests.faults.harness import Run, assert_same_state, scalar_steps, step_of, train

STEPS = 300
FLAGS = (f"--max_steps={STEPS}", "--checkpoint_steps=4", "--eval_steps=100", "--ema_decay=0.9",
         "--conditional=true")
KILLS, KILLS_WHILE_SAVING = 25, 8


def test_a_run_killed_again_and_again_ends_with_the_bits_of_one_never_killed(tmp_path):
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    assert train(whole, *FLAGS).status == 0
    rng = random.Random(0)
    while_saving = 0
    for number in range(KILLS):
        run = Run(killed, *FLAGS)
        before = step_of(killed)
        folder = killed / "checkpoints"
        if number % 3 == 0:
            run.until(lambda: folder.exists() and any(folder.glob("tmp-*")), "saving")
            run.kill()
            while_saving += any(folder.glob("tmp-*"))
        else:
            # From importing TensorFlow to some steps after the next checkpoint.
            if number % 3 == 1:
                run.until(lambda: step_of(killed) > before, "a checkpoint")
            time.sleep(rng.uniform(0.0, 3.0))
            assert run.process.poll() is None, run.output
            run.kill()
        assert step_of(killed) < STEPS
    assert while_saving >= 5
    run = train(killed, *FLAGS)
    assert run.status == 0, run.output
    assert_same_state(killed, whole)
    assert scalar_steps(killed) == scalar_steps(whole)
    assert list((killed / "checkpoints").glob("tmp-*")) == []
