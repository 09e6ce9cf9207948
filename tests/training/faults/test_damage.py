"""Damaged checkpoints, bad images, numbers that go wrong."""

import os
from pathlib import Path
import shutil
import signal

from PIL import Image
import numpy as np
import pytest

from colorizer.config import ConfigError
from colorizer.errors import UserError
from colorizer.models import weights
from colorizer.training.checkpoints import CheckpointError
from colorizer.training.distribution import STOPPED_STATUS
from tests.colors import SHARED
from tests.training.faults.harness import assert_same_state, config, newest, step_of


@pytest.fixture
def copied(whole, tmp_path):
    """The folder of a run with checkpoints after 4, 6 and 8 steps."""
    return shutil.copytree(whole, tmp_path / "run")


def flip_a_bit(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 4
    path.write_bytes(content)


def test_a_run_with_a_damaged_checkpoint_names_it_and_ends_with_the_same_bits(
        train, copied, whole, caplog, capsys):
    flip_a_bit(newest(copied) / "state.data-00000-of-00001")
    assert train(config(copied, max_steps=8)) == 0
    assert "skipping damaged checkpoint" in caplog.text and "ckpt-00000008" in caplog.text
    assert "going on after step 6 of 8" in capsys.readouterr().out
    assert_same_state(copied, whole)


def test_where_all_checkpoints_are_damaged_the_run_stops_and_touches_nothing(train, copied):
    def content():
        return {path: path.read_bytes() for path in copied.rglob("*")
                if path.is_file() and path.name != "lock"}  # which it takes for a moment

    for folder in weights.list_checkpoints(copied / "checkpoints"):
        flip_a_bit(folder / "state.index")
    before = content()
    with pytest.raises(CheckpointError, match="none of the 3 checkpoints"):
        train(config(copied, max_steps=9))
    assert content() == before


def test_numbers_that_stay_infinite_end_the_run_after_one_return_to_a_good_checkpoint(
        train, copied, caplog):
    with pytest.raises(UserError, match="step .*generator/.* not finite.*again"):
        train(config(copied, max_steps=500, lr=1e36, min_lr=1e36))
    assert "back to step 8, with 0.1 of the learning rates" in caplog.text
    assert step_of(copied) == 8
    with np.load(newest(copied) / weights.WEIGHTS_FILE) as arrays:
        assert all(np.isfinite(array).all() for array in arrays.values())
    assert train(config(copied, max_steps=9)) == 0 and step_of(copied) == 9


def test_numbers_that_are_infinite_from_the_beginning_end_the_run(train, tmp_path):
    with pytest.raises(UserError, match="before the first checkpoint. A lower --lr may help"):
        train(config(tmp_path, max_steps=500, lr=1e36, min_lr=1e36))


def test_a_signal_amid_infinite_numbers_leaves_the_good_checkpoint_the_newest(
        train, copied, at_step):
    at_step(19, lambda: os.kill(os.getpid(), signal.SIGTERM))  # 11 bad steps, not yet looked at
    infinite = config(copied, max_steps=500, lr=1e36, min_lr=1e36)
    assert train(infinite) == STOPPED_STATUS and step_of(copied) == 8


@pytest.fixture
def folder(tmp_path):
    """A folder of 39 images."""
    folder = tmp_path / "images"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for index in range(39):
        ramp = np.linspace(0, 255, 40)[:, None, None] * rng.random((1, 40, 3))
        Image.fromarray(ramp.astype(np.uint8)).save(folder / f"{index}.png")
    return folder


def test_unreadable_images_are_listed_and_a_run_goes_on_with_the_same_images_only(
        train, folder, tmp_path, capsys):
    (folder / "text.png").write_text("no image")
    Image.new("RGB", (5, 5), "red").save(folder / "named.jpg", "PNG")
    settings = dict(dataset=str(folder), image_size=32)
    assert train(config(tmp_path / "run", max_steps=1, **settings)) == 0
    listed, = (tmp_path / "run" / "unreadable.txt").read_text().splitlines()
    assert listed.startswith(f"{folder / 'text.png'}\t")
    assert "1 unreadable ones skipped" in capsys.readouterr().out
    for index in range(20):
        (folder / f"{index}.png").unlink()
    with pytest.raises(ConfigError, match="training images must be those"):
        train(config(tmp_path / "run", max_steps=2, **settings))


def test_a_folder_of_which_most_cannot_be_read_is_refused(train, folder, tmp_path):
    for index in range(40):
        (folder / f"empty{index}.jpg").write_bytes(b"")
    with pytest.raises(UserError, match="at least half.*40 of 79"):
        train(config(tmp_path / "run", dataset=str(folder), image_size=32))
    assert not (tmp_path / "run").exists()


def test_an_image_that_breaks_in_mid_training_stops_the_run_with_its_state_saved(
        train, folder, tmp_path, at_step):
    def break_all():
        for path in folder.iterdir():
            path.write_bytes(b"")

    at_step(2, break_all)
    with pytest.raises(UserError, match=r"cannot be read any more; the run is saved.*\.png"):
        train(config(tmp_path / "run", dataset=str(folder), image_size=32, max_steps=500))
    assert step_of(tmp_path / "run") >= 2


@pytest.mark.skipif(not (SHARED / "bad").exists(), reason="needs ../shared/data")
def test_hostile_images_among_good_ones_do_not_stop_a_run(train, folder, tmp_path):
    shutil.copytree(SHARED / "bad", folder, dirs_exist_ok=True)
    train(config(tmp_path / "run", dataset=str(folder), image_size=32, max_steps=1))
    listed = (tmp_path / "run" / "unreadable.txt").read_text().splitlines()
    assert sorted(Path(line.split("\t")[0]).name for line in listed) == [
        "bomb_30000x30000.png", "bomb_header_only.png", "corrupt_idat.png", "text_named.png",
        "truncated.jpg", "zero_byte.jpg"]
