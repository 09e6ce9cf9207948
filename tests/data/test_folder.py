from __future__ import annotations

import json
import os
from pathlib import Path

from PIL import Image
import numpy as np
import pytest
import skimage.data
import tensorflow as tf

from colorizer.data import folder as folders
from colorizer.data.dataset import DatasetError
from colorizer.data.load import load_dataset
from tests.colors import COLORS, GRAY, SHARED, image, take, write


def make(folder, names):
    for name in names.split():
        write(folder / name, image(COLORS[0]), format="PNG")


def splits(folder):
    """The names of a folder's files to train, validate and test on."""
    dataset = load_dataset(str(folder), image_size=8)
    return [{path.relative_to(folder).as_posix() for path in source._paths}
            for source in (dataset.train, dataset.validation, dataset.test)]


def test_names_decide_the_split_and_new_files_move_no_others():
    names = [f"photos/{number}.jpg" for number in range(5000)]
    before, after = (folders._split_by_hash(some, (0.1, 0.05)) for some in (names[1000:], names))
    assert all(set(smaller) <= set(larger) for smaller, larger in zip(before, after))
    assert sorted(sum(after, [])) == sorted(names)
    for part, share in zip(after, (0.1, 0.05, 0.85)):  # binomial, five standard deviations
        assert abs(len(part) - 5000 * share) < 5 * np.sqrt(5000 * share * (1 - share))


def test_no_split_is_empty():
    for count in range(3, 40):
        for first in range(0, 100, 10):
            parts = folders._split_by_hash(list(map(str, range(first, first + count))), (0.1, 0.05))
            assert all(parts) and sum(map(len, parts)) == count


@pytest.mark.parametrize("names, train, held_out", [
    ("train/a train/deep/b val/c test/d else", "train/a train/deep/b", ("val/c", "test/d")),
    ("TRAIN/a Valid/c Test/d", "TRAIN/a", ("Valid/c", "Test/d")),
    ("train/a validation/c test/d", "train/a", ("validation/c", "test/d")),
    ("Train/a Train/b Test/c else", "Train/a Train/b", (None, "Test/c")),
    ("train/a train/b val/c else", "train/a train/b", (None, "val/c")),
    ("a b/c d", "a b/c d", (None, None)),
    ("val/a test/b c", "val/a test/b c", (None, None)),
    ("train/a train/b c", "train/a train/b c", (None, None))])
def test_subfolders_decide_the_split_or_names_where_they_are_missing(
        tmp_path, names, train, held_out):
    make(tmp_path, names)
    found = splits(tmp_path)
    for split, expected in zip(found[1:], held_out):
        assert split == {expected} if expected else len(split) == 1
    chosen = {name for split, expected in zip(found[1:], held_out) for name in split
              if not expected}
    assert found[0] == set(train.split()) - chosen and chosen < set(train.split())


def test_gray_and_damaged_images_are_left_out_and_accounted_for(tmp_path):
    for number in range(6):
        write(tmp_path / f"{number}.png", image(COLORS[number]))
    write(tmp_path / "gray.png", image(GRAY))
    write(tmp_path / "gray1.jpg", image(GRAY)[..., 0])
    (tmp_path / "empty.png").write_bytes(b"")
    (tmp_path / "text.jpg").write_text("not an image")
    (tmp_path / "dangling.png").symlink_to(tmp_path / "nowhere")
    whole = write(tmp_path / "cut.jpg", np.asarray(skimage.data.astronaut())).read_bytes()
    (tmp_path / "cut.jpg").write_bytes(whole[:len(whole) // 2])
    dataset = load_dataset(str(tmp_path), image_size=8)
    assert dataset.train_size + dataset.validation_size + dataset.test_size == 6
    assert dataset.gray_left_out == 2
    reasons = {Path(path).name: reason for path, reason in dataset.unreadable}
    assert set(reasons) == {"empty.png", "text.jpg", "dangling.png", "cut.jpg"}
    assert reasons["empty.png"] == "empty file"
    assert "not an image" in reasons["text.jpg"] and "truncated" in reasons["cut.jpg"]
    assert {path for path, _ in dataset.unreadable} <= {str(path) for path in tmp_path.iterdir()}


def test_unchanged_files_are_not_read_again(tmp_path, monkeypatch):
    folder, workdir = tmp_path / "in", str(tmp_path / "run")
    os.mkdir(workdir)
    for number in range(5):
        write(folder / f"{number}.png", image(COLORS[number]))
    write(folder / "gray.png", image(GRAY))
    (folder / "bad.png").write_bytes(b"")
    first = load_dataset(str(folder), workdir=workdir)
    first.save_scan(workdir)
    read = []
    monkeypatch.setattr(
        folders, "read_rgb", lambda path: read.append(path.name) or image(GRAY))
    again = load_dataset(str(folder), workdir=workdir)
    assert not read
    assert (again.fingerprint, again.test_size, again.gray_left_out, again.unreadable) == (
        first.fingerprint, first.test_size, 1, first.unreadable)
    stat = (folder / "0.png").stat()
    os.utime(folder / "0.png", ns=(stat.st_atime_ns, stat.st_mtime_ns + 1))
    assert load_dataset(str(folder), workdir=workdir).gray_left_out == 2
    assert read == ["0.png"]


@pytest.mark.parametrize("text", ["", "{", "[]", "3", '{"0": 3}'])
def test_a_damaged_scan_file_is_made_anew(tmp_path, text):
    make(tmp_path / "in", "0 1 2")
    (tmp_path / "scan.json").write_text(text)
    dataset = load_dataset(str(tmp_path / "in"), workdir=str(tmp_path))
    dataset.save_scan(str(tmp_path))
    assert list(json.loads((tmp_path / "scan.json").read_text()).values()) == ["color"] * 3
    assert len(list(tmp_path.iterdir())) == 2


def test_file_names_may_hold_any_bytes(tmp_path):
    for name in (b"\xff\xfe.png", "naïve 写真.png".encode(), b"a.png"):
        try:
            Image.fromarray(image(COLORS[0])).save(os.fsdecode(os.path.join(
                os.fsencode(tmp_path), name)))
        except OSError:
            pytest.skip("this file system refuses such names")
    for _ in range(2):
        dataset = load_dataset(str(tmp_path), image_size=8, workdir=str(tmp_path))
        assert (dataset.train_size, dataset.validation_size, dataset.test_size) == (1, 1, 1)
        dataset.save_scan(tmp_path)


def test_a_file_lost_in_mid_training_is_named(tmp_path):
    make(tmp_path, "0 1 2")
    dataset = load_dataset(str(tmp_path), image_size=8)
    for path in tmp_path.iterdir():
        path.unlink()
    with pytest.raises(tf.errors.OpError, match="/[012]: No such file"):
        take(dataset.train_batches(1, 0), 1)


@pytest.mark.parametrize("files", [
    {}, {"a.png": COLORS[0], "b.png": COLORS[1]},
    {"a.png": GRAY, "b.png": GRAY, "c.png": COLORS[0], "d.png": COLORS[0]},
    {"train/a.png": COLORS[0], "test/b.png": COLORS[1], "c.png": COLORS[2]}])
def test_a_folder_with_too_few_color_images_is_refused(tmp_path, files):
    for name, color in files.items():
        write(tmp_path / name, image(color))
    with pytest.raises(DatasetError, match="at least 3 readable color images") as caught:
        load_dataset(str(tmp_path))
    assert str(tmp_path) in str(caught.value) and "\n" not in str(caught.value)


def test_hostile_files_are_reported_and_the_others_used():
    if not (SHARED / "bad").is_dir():
        pytest.skip("needs ../shared/data/bad")
    dataset = load_dataset(str(SHARED / "bad"), image_size=32)
    assert {Path(path).name for path, _ in dataset.unreadable} == {
        "bomb_30000x30000.png", "bomb_header_only.png", "corrupt_idat.png", "text_named.png",
        "truncated.jpg", "zero_byte.jpg"}
    assert dataset.gray_left_out == 4  # gray.tif, gray16.png, gray_1channel.jpg, gray_alpha.png
    assert len(take(dataset.train_batches(dataset.train_size, 0), 2)) == 2
