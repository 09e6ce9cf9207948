"""Disks that are full or gone."""

import subprocess

import pytest

from colorizer import training
from colorizer.config import TrainConfig
from colorizer.errors import UserError
from tests.training.faults.harness import Run, newest, step_of


@pytest.fixture
def tiny_disk(tmp_path):
    """A file system of 16 MB, where this machine lets us make one."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", disk])
    if mounted.returncode:
        pytest.skip("needs the right to mount a tmpfs")
    yield disk
    subprocess.run(["umount", "-l", disk], check=True)


def test_a_full_disk_leaves_the_last_checkpoint_whole_and_says_where_and_why(
        tiny_disk, one_replica):
    def train(max_steps):
        return training.train(TrainConfig().replace(
            dataset="sample", base_channels=1, batch_size=2, eval_examples=2,
            max_steps=max_steps, workdir=str(tiny_disk / "run")), one_replica)

    assert train(1) == 0
    whole = newest(tiny_disk / "run")
    with open(tiny_disk / "ballast", "wb", buffering=0) as ballast:
        with pytest.raises(OSError, match="No space"):
            while True:
                ballast.write(bytes(4096))
    with pytest.raises(UserError, match="[Nn]o space"):
        train(2)
    assert newest(tiny_disk / "run") == whole
    (tiny_disk / "ballast").unlink()
    assert train(2) == 0 and step_of(tiny_disk / "run") == 2


def test_a_folder_that_vanishes_is_not_made_again(tmp_path):
    run = Run(tmp_path / "run", "--max_steps=100000", "--checkpoint_steps=3")
    run.until(lambda: step_of(run.workdir) >= 3, "a checkpoint")
    run.workdir.rename(tmp_path / "elsewhere")
    run.until(lambda: "training goes on" in run.output, "a warning")
    assert run.stop() == 2
    assert f"{run.workdir / 'checkpoints'}" in run.output.splitlines()[-1]
    assert "Traceback" not in run.output and not run.workdir.exists()
    assert newest(tmp_path / "elsewhere")
