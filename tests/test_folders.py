from __future__ import annotations

import json
import os
from pathlib import Path
import shutil

from PIL import Image
import numpy as np
import pytest
import skimage.data
import tensorflow as tf

from colorizer.data import load as data
from colorizer.data import folder as folders
from colorizer.data.dataset import DatasetError
from tests.colors import COLORS, SHARED, picture, take, write


def split_of(folder, **options):
    """The names of a folder's training and test files."""
    dataset = data.load_dataset(str(folder), image_size=8, **options)
    return [{path.relative_to(folder).as_posix() for path in source._paths}
            for source in (dataset.train, dataset.test)]


def test_adding_files_moves_no_other_to_another_split(color_folder, tmp_path):
    folder = tmp_path / "copy"
    shutil.copytree(color_folder, folder)
    before = split_of(folder)
    for number in range(20):
        write(folder / "0" / f"new{number}.png", picture(COLORS[number]))
    after = split_of(folder)
    assert before == split_of(color_folder)
    assert before[0] <= after[0] and before[1] <= after[1]
    assert not after[0] & after[1] and len(after[0] | after[1]) == 80


def test_test_split_is_the_share_of_test_files(color_folder):
    sizes = [len(split_of(color_folder, test_split=share)[1]) for share in (0.1, 0.5)]
    # Binomial, five standard deviations.
    assert abs(sizes[0] - 6) < 12 and abs(sizes[1] - 30) < 20 and sizes[0] < sizes[1]


@pytest.mark.parametrize("share", [1e-9, 1 - 1e-9])
def test_two_pictures_are_one_to_train_and_one_to_test_on(tmp_path, share):
    for name in ("a", "b"):
        write(tmp_path / f"{name}.png", picture(COLORS[0]))
    assert [len(split) for split in split_of(tmp_path, test_split=share)] == [1, 1]


@pytest.mark.parametrize("test", ["test", "val", "validation"])
def test_subfolders_decide_the_split(tmp_path, test):
    for name in ("train/a.png", "train/deep/b.png", f"{test}/c.png", "elsewhere.png"):
        write(tmp_path / name, picture(COLORS[0]))
    assert split_of(tmp_path) == [{"train/a.png", "train/deep/b.png"}, {f"{test}/c.png"}]


def test_gray_and_damaged_pictures_are_left_out_and_accounted_for(tmp_path):
    for number in range(6):
        write(tmp_path / f"{number}.png", picture(COLORS[number]))
    write(tmp_path / "gray.png", picture((90, 90, 90)))
    write(tmp_path / "gray1.jpg", picture((90, 90, 90))[..., 0])
    (tmp_path / "empty.png").write_bytes(b"")
    (tmp_path / "text.jpg").write_text("not a picture")
    (tmp_path / "dangling.png").symlink_to(tmp_path / "nowhere")
    whole = write(tmp_path / "cut.jpg", np.asarray(skimage.data.astronaut())).read_bytes()
    (tmp_path / "cut.jpg").write_bytes(whole[:len(whole) // 2])
    dataset = data.load_dataset(str(tmp_path), image_size=8)
    assert dataset.train_size + dataset.test_size == 6
    assert dataset.gray_left_out == 2
    reasons = {Path(path).name: reason for path, reason in dataset.unreadable}
    assert set(reasons) == {"empty.png", "text.jpg", "dangling.png", "cut.jpg"}
    assert reasons["empty.png"] == "empty file"
    assert "not an image" in reasons["text.jpg"] and "truncated" in reasons["cut.jpg"]
    assert {path for path, _ in dataset.unreadable} <= {str(path) for path in tmp_path.iterdir()}


def test_a_scan_is_not_repeated_for_unchanged_files(tmp_path, monkeypatch):
    folder, workdir = tmp_path / "in", str(tmp_path / "run")
    os.mkdir(workdir)
    for number in range(5):
        write(folder / f"{number}.png", picture(COLORS[number]))
    write(folder / "gray.png", picture((9, 9, 9)))
    (folder / "bad.png").write_bytes(b"")
    first = data.load_dataset(str(folder), workdir=workdir)
    first.save_scan(workdir)
    read = []
    monkeypatch.setattr(
        folders, "read_rgb", lambda path: read.append(path.name) or picture((9, 9, 9)))
    again = data.load_dataset(str(folder), workdir=workdir)
    assert not read
    assert (again.train_size, again.test_size, again.gray_left_out, again.unreadable) == (
        first.train_size, first.test_size, 1, first.unreadable)
    stat = (folder / "0.png").stat()
    os.utime(folder / "0.png", ns=(stat.st_atime_ns, stat.st_mtime_ns + 1))
    assert data.load_dataset(str(folder), workdir=workdir).gray_left_out == 2
    assert read == ["0.png"]


@pytest.mark.parametrize("text", ["", "{", "[]", "3", '{"files": 3}', '{"files": [3]}'])
def test_a_damaged_scan_file_is_made_anew(tmp_path, text):
    for number in range(3):
        write(tmp_path / "in" / f"{number}.png", picture(COLORS[number]))
    (tmp_path / "scan.json").write_text(text)
    dataset = data.load_dataset(str(tmp_path / "in"), workdir=str(tmp_path))
    dataset.save_scan(str(tmp_path))
    assert dataset.train_size + dataset.test_size == 3
    assert len(json.loads((tmp_path / "scan.json").read_text())["files"]) == 3
    assert len(list(tmp_path.iterdir())) == 2


def test_file_names_may_hold_any_bytes(tmp_path):
    for name in (b"\xff\xfe.png", "naïve 写真.png".encode()):
        try:
            Image.fromarray(picture(COLORS[0])).save(os.fsdecode(os.path.join(
                os.fsencode(tmp_path), name)))
        except OSError:
            pytest.skip("this file system refuses such names")
    for _ in range(2):
        dataset = data.load_dataset(str(tmp_path), image_size=8, workdir=str(tmp_path / "run"))
        assert (dataset.train_size, dataset.test_size) == (1, 1)


def test_a_file_lost_in_mid_training_is_named(tmp_path):
    for number in range(2):
        write(tmp_path / f"{number}.png", picture(COLORS[number]))
    dataset = data.load_dataset(str(tmp_path), image_size=8)
    for path in tmp_path.iterdir():
        path.unlink()
    with pytest.raises(tf.errors.OpError, match=r"[01]\.png"):
        take(dataset.train_batches(1, 0), 1)


@pytest.mark.parametrize("files", [{}, {"a.png": COLORS[0]},
                                   {"a.png": (9, 9, 9), "b.png": (7, 7, 7), "c.png": COLORS[0]}])
def test_a_folder_with_too_few_color_pictures_is_refused(tmp_path, files):
    for name, color in files.items():
        write(tmp_path / name, picture(color))
    with pytest.raises(DatasetError, match="at least 2 readable color pictures") as caught:
        data.load_dataset(str(tmp_path))
    assert str(tmp_path) in str(caught.value) and "\n" not in str(caught.value)


def test_hostile_files_are_reported_and_the_others_used():
    if not (SHARED / "bad").is_dir():
        pytest.skip("needs ../shared/data/bad")
    dataset = data.load_dataset(str(SHARED / "bad"), image_size=32)
    reasons = {Path(path).name: reason for path, reason in dataset.unreadable}
    assert set(reasons) == {"bomb_30000x30000.png", "bomb_header_only.png", "corrupt_idat.png",
                            "text_named.png", "truncated.jpg", "zero_byte.jpg"}
    assert dataset.gray_left_out == 4  # gray.tif, gray16.png, gray_1channel.jpg, gray_alpha.png
    assert len(take(dataset.train_batches(dataset.train_size, 0), 3)) == 3
