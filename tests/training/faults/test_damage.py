"""Damaged checkpoints, full and vanished disks, hostile pictures, numbers that go wrong."""

import os
from pathlib import Path
import shutil
import subprocess

from PIL import Image
import numpy as np
import pytest

from colorizer.training import checkpoints
from tests.faults.harness import ROOT, Run, assert_same_state, newest, scalar_steps, step_of, train

FLAGS = ("--checkpoint_steps=3", "--eval_steps=100")


@pytest.fixture(scope="module")
def nine_steps(tmp_path_factory):
    workdir = tmp_path_factory.mktemp("damage") / "run"
    run = train(workdir, *FLAGS, "--max_steps=9")
    assert run.status == 0, run.output
    return workdir


@pytest.fixture(scope="module")
def twelve_steps(tmp_path_factory):
    workdir = tmp_path_factory.mktemp("damage") / "whole"
    assert train(workdir, *FLAGS, "--max_steps=12").status == 0
    return workdir


def files_of_a_checkpoint():
    return ("generator.npz", "manifest.json", "state.data-00000-of-00001", "state.index")


def empty(path):
    path.write_bytes(b"")


def truncate(path):
    path.write_bytes(path.read_bytes()[:path.stat().st_size // 2])


def flip_a_bit(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 4
    path.write_bytes(content)


@pytest.mark.parametrize("damage", (empty, truncate, flip_a_bit, Path.unlink))
def test_damage_to_any_file_of_the_newest_checkpoint_costs_only_that_checkpoint(
        damage, nine_steps, tmp_path):
    for name in files_of_a_checkpoint():
        folder = tmp_path / name
        shutil.copytree(nine_steps / "checkpoints", folder)
        assert sorted(path.name for path in newest_folder(folder).iterdir()) == list(
            files_of_a_checkpoint())
        damage(newest_folder(folder) / name)
        assert checkpoints.newest_readable(folder).name == "ckpt-00000006"


def newest_folder(folder):
    return checkpoints.list_checkpoints(folder)[0]


def test_a_run_with_a_damaged_checkpoint_names_it_and_ends_with_the_same_bits(
        nine_steps, twelve_steps, tmp_path):
    workdir = tmp_path / "run"
    shutil.copytree(nine_steps, workdir)
    truncate(newest(workdir) / "state.data-00000-of-00001")
    run = train(workdir, *FLAGS, "--max_steps=12")
    assert run.status == 0, run.output
    assert "skipping damaged checkpoint" in run.output and "ckpt-00000009" in run.output
    assert "going on after step 6 of 12" in run.output
    assert_same_state(workdir, twelve_steps)
    assert scalar_steps(workdir) == sorted(set(scalar_steps(workdir)))


def test_where_all_checkpoints_are_damaged_the_run_stops_and_touches_nothing(nine_steps, tmp_path):
    workdir = tmp_path / "run"
    shutil.copytree(nine_steps, workdir)
    for folder in checkpoints.list_checkpoints(workdir / "checkpoints"):
        flip_a_bit(folder / "state.index")
    before = content(workdir)
    run = train(workdir, *FLAGS, "--max_steps=12")
    assert run.status == 2 and "none of the 3 checkpoints" in run.output
    assert "Traceback" not in run.output
    assert content(workdir) == before


def content(workdir):
    """All files but those of the lock, which even a refused run takes for a moment."""
    return {str(path.relative_to(workdir)): path.read_bytes() for path in workdir.rglob("*")
            if path.is_file() and path.name != "lock"}


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


def fill(disk):
    with open(disk / "ballast", "wb", buffering=0) as ballast:
        with pytest.raises(OSError, match="No space"):
            while True:
                ballast.write(bytes(4096))


def test_a_full_disk_leaves_the_last_checkpoint_whole_and_says_where_and_why(tiny_disk):
    run = Run(tiny_disk / "run", "--checkpoint_steps=3", "--eval_steps=100000",
              "--max_steps=100000", "--epochs=100000")
    run.until(lambda: step_of(run.workdir) >= 3, "a checkpoint")
    fill(tiny_disk)
    run.until(lambda: "training goes on" in run.output, "a warning")
    assert run.stop() == 2
    last = run.output.splitlines()[-1]
    assert str(run.workdir / "checkpoints") in last and "space" in last.lower()
    assert "Traceback" not in run.output
    whole = newest(run.workdir)
    refused = train(run.workdir)
    assert refused.status == 2 and "No space" in refused.output.splitlines()[-1]
    assert newest(run.workdir) == whole
    (tiny_disk / "ballast").unlink()
    after = step_of(run.workdir)
    run = train(run.workdir, f"--max_steps={after + 3}")
    assert run.status == 0, run.output
    assert step_of(run.workdir) == after + 3


def test_a_folder_that_vanishes_is_not_made_again(tmp_path):
    run = Run(tmp_path / "run", "--max_steps=100000", "--checkpoint_steps=3")
    run.until(lambda: step_of(run.workdir) >= 3, "a checkpoint")
    os.rename(run.workdir, tmp_path / "elsewhere")
    run.until(lambda: "training goes on" in run.output, "a warning")
    assert run.stop() == 2
    assert f"{run.workdir / 'checkpoints'}" in run.output.splitlines()[-1]
    assert "Traceback" not in run.output and not run.workdir.exists()
    assert newest(tmp_path / "elsewhere")


def test_numbers_that_stay_infinite_end_the_run_after_one_return_to_a_good_checkpoint(tmp_path):
    workdir = tmp_path / "run"
    assert train(workdir, *FLAGS, "--max_steps=3").status == 0
    good = newest(workdir).name
    run = train(workdir, *FLAGS, "--max_steps=500", "--lr=1e36", "--lr_decay=none",
                "--max_bad_steps=4")
    assert run.status == 2, run.output
    assert "back to step 3, with 0.1 of the learning rates" in run.output
    last = run.output.splitlines()[-1]
    assert "not finite" in last and "generator/" in last and "again" in last and "step " in last
    assert newest(workdir).name == good
    with np.load(newest(workdir) / checkpoints.WEIGHTS) as arrays:
        assert all(np.isfinite(arrays[name]).all() for name in arrays.files)
    run = train(workdir, *FLAGS, "--max_steps=6", "--lr=1e-3")
    assert run.status == 0 and step_of(workdir) == 6, run.output


def test_bad_pictures_are_listed_and_too_many_stop_the_run(tmp_path):
    folder, workdir = tmp_path / "pictures", tmp_path / "run"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for index in range(39):
        ramp = np.linspace(0, 255, 40)[:, None, None] * rng.random((1, 40, 3))
        Image.fromarray(ramp.astype(np.uint8)).save(folder / f"{index}.png")
    (folder / "text.png").write_text("no picture")
    Image.new("RGB", (5, 5), "red").save(folder / "named.jpg", "PNG")
    flags = (f"--dataset={folder}", "--image_size=16", "--max_steps=2")
    run = train(workdir, *flags)
    assert run.status == 0, run.output
    listed = (workdir / "unreadable.txt").read_text()
    assert listed.startswith(f"{folder / 'text.png'}\t") and len(listed.splitlines()) == 1
    assert "1 unreadable ones skipped" in run.output
    for index in range(3):
        (folder / f"empty{index}.jpg").write_bytes(b"")
    run = train(tmp_path / "other", *flags)
    assert run.status == 2 and "--max_bad_share" in run.output and "4 of 44" in run.output
    assert not (tmp_path / "other").exists()
    assert train(tmp_path / "other", *flags, "--max_bad_share=0.2").status == 0
    (folder / "1.png").unlink()
    run = train(workdir, *flags, "--max_steps=4", "--max_bad_share=0.2")
    assert run.status == 2 and "training pictures" in run.output, run.output


@pytest.mark.skipif(not (ROOT / "../shared/data/bad").exists(), reason="needs ../shared/data")
def test_hostile_pictures_among_good_ones_do_not_stop_a_run(tmp_path):
    folder = tmp_path / "pictures"
    shutil.copytree(ROOT / "../shared/data/bad", folder)
    for path in sorted((ROOT / "../shared/data/photos/test").iterdir())[:120]:
        shutil.copy(path, folder)
    run = train(tmp_path / "run", f"--dataset={folder}", "--image_size=16", "--max_steps=2")
    assert run.status == 0, run.output
    listed = (tmp_path / "run" / "unreadable.txt").read_text()
    for name in ("truncated.jpg", "zero_byte.jpg", "text_named.png", "corrupt_idat.png",
                 "bomb_30000x30000.png", "bomb_header_only.png"):
        assert f"/{name}\t" in listed
    assert len(listed.splitlines()) == 6
