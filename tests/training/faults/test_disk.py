"""Disks that are full or gone."""

import os
import subprocess

import pytest

from colorizer.errors import UserError
from colorizer.training.checkpoints import CheckpointError
from tests.training.faults.harness import config, newest, step_of


@pytest.fixture
def mount(tmp_path):
    """Makes file systems of a given size, where this machine lets us."""
    def mount(disk, size):
        disk.mkdir(parents=True)
        if subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", disk]).returncode:
            pytest.skip("needs the right to mount a tmpfs")
        disks.append(disk)

    disks = []
    yield mount
    for disk in disks:
        subprocess.run(["umount", "-l", disk], check=True)


@pytest.fixture
def tiny_disk(tmp_path, mount):
    mount(tmp_path / "disk", "16m")
    return tmp_path / "disk"


def test_a_disk_without_space_for_curves_costs_the_curves_alone(train, tmp_path, mount, caplog):
    mount(tmp_path / "tensorboard", "8k")
    assert train(config(tmp_path, max_steps=2, eval_steps=1)) == 0
    assert caplog.text.count("goes on without") == caplog.text.count("No space left") == 1
    assert step_of(tmp_path) == 2 and len(list((tmp_path / "samples").iterdir())) == 3


def test_a_full_disk_leaves_the_last_checkpoint_whole_and_says_where_and_why(
        train, tiny_disk, at_step, caplog):
    workdir, ballast = tiny_disk / "run", tiny_disk / "ballast"

    def fill():
        with open(ballast, "wb", buffering=0) as file, pytest.raises(OSError, match="No space"):
            while True:
                file.write(bytes(4096))

    at_step(4, fill)
    with pytest.raises(CheckpointError, match=f"{workdir / 'checkpoints'}.*[Ss]pace"):
        train(config(workdir, max_steps=8, checkpoint_steps=3))
    assert "training goes on" in caplog.text
    whole = newest(workdir)
    with pytest.raises(UserError, match="No space"):
        train(config(workdir, max_steps=8))
    assert newest(workdir) == whole and whole.name == "ckpt-00000003"
    ballast.unlink()
    assert train(config(workdir, max_steps=8)) == 0
    assert step_of(workdir) == 8


def test_a_folder_that_vanishes_is_not_made_again(train, at_step, tmp_path, caplog):
    workdir, elsewhere = tmp_path / "run", tmp_path / "elsewhere"
    at_step(4, lambda: os.rename(workdir, elsewhere))
    with pytest.raises(CheckpointError, match=str(workdir / "checkpoints")):
        train(config(workdir, max_steps=8, checkpoint_steps=3))
    assert "training goes on" in caplog.text
    assert not workdir.exists() and newest(elsewhere).name == "ckpt-00000003"
