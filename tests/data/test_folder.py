from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from colorizer.data import folder as folders
from colorizer.data.load import load_dataset
from colorizer.data.names import DatasetError
from tests.colors import COLORS, GRAY, image, noise, take, write


def make(folder, names):
    for name in names.split():
        write(folder / name, image(COLORS[0]), format="PNG")


def test_names_decide_the_split_and_new_files_move_no_others():
    names = [f"photos/{number}.jpg" for number in range(5000)]
    before, after = (folders._split_by_hash(some, (0.1, 0.05)) for some in (names[1000:], names))
    assert all(set(smaller) <= set(larger) for smaller, larger in zip(before, after))
    assert sorted(sum(after, [])) == sorted(names)
    for part, share in zip(after, (0.1, 0.05, 0.85)):  # binomial, five standard deviations
        assert abs(len(part) - 5000 * share) < 5 * np.sqrt(5000 * share * (1 - share))
    for first in range(100):  # and none is empty
        assert all(folders._split_by_hash(names[first:first + 3 + first // 5], (0.1, 0.05)))


@pytest.mark.parametrize("names, train, held_out", [
    ("train/a train/deep/b val/c test/d else", "train/a train/deep/b", ("val/c", "test/d")),
    ("TRAIN/a Valid/c Test/d", "TRAIN/a", ("Valid/c", "Test/d")),
    ("train/a validation/c test/d", "train/a", ("validation/c", "test/d")),
    ("Train/a Train/b Test/c else", "Train/a Train/b", (None, "Test/c")),
    ("train/a train/b val/c else", "train/a train/b", (None, "val/c")),
    ("val/a test/b c", "val/a test/b c", (None, None)),
    ("train/a train/b c", "train/a train/b c", (None, None))])
def test_subfolders_decide_the_split_or_names_where_they_are_missing(
        tmp_path, names, train, held_out):
    make(tmp_path, names)
    dataset = load_dataset(str(tmp_path), image_size=8)
    found = [[path.relative_to(tmp_path).as_posix() for path in source._paths]
             for source in (dataset.validation, dataset.test, dataset.train)]
    for split, expected in zip(found, held_out):
        assert len(split) == 1 and (split == [expected] if expected else split[0] in train.split())
    assert set(sum(found, [])) == {*train.split(), *filter(None, held_out)}


def test_gray_and_damaged_images_are_left_out_and_accounted_for(tmp_path):
    make(tmp_path, "0 1 2 3 4 5")
    write(tmp_path / "gray.png", image(GRAY))
    write(tmp_path / "gray1.jpg", image(GRAY)[..., 0])
    (tmp_path / "empty.png").write_bytes(b"")
    (tmp_path / "text.jpg").write_text("not an image")
    (tmp_path / "dangling.png").symlink_to(tmp_path / "nowhere")
    whole = write(tmp_path / "cut.jpg", noise(64, 64)).read_bytes()
    (tmp_path / "cut.jpg").write_bytes(whole[:len(whole) // 2])
    dataset = load_dataset(str(tmp_path), image_size=8)
    assert dataset.train.size + dataset.validation.size + dataset.test.size == 6
    assert dataset.gray_left_out == 2
    reasons = {Path(path).name: reason for path, reason in dataset.unreadable}
    assert set(reasons) == {"empty.png", "text.jpg", "dangling.png", "cut.jpg"}
    assert reasons["empty.png"] == "empty file"
    assert "not an image" in reasons["text.jpg"] and "truncated" in reasons["cut.jpg"]


def test_unchanged_files_are_not_read_again(tmp_path, monkeypatch):
    folder, workdir, read = tmp_path / "in", str(tmp_path), []
    make(folder, "0.png 1 2 naïve写真.png " + os.fsdecode(b"\xff\xfe.png"))  # any bytes make a name
    write(folder / "gray.png", image(GRAY))
    (folder / "bad.png").write_bytes(b"")
    (tmp_path / "scan.json").write_text("{")  # a damaged one is made anew
    first = load_dataset(str(folder), workdir=workdir)
    first.save_scan(workdir)
    monkeypatch.setattr(folders, "read_rgb", lambda path: read.append(path.name) or image(GRAY))
    again = load_dataset(str(folder), workdir=workdir)
    assert not read
    assert (again.fingerprint, again.test.size, again.gray_left_out, again.unreadable) == (
        first.fingerprint, first.test.size, 1, first.unreadable)
    stat = (folder / "0.png").stat()
    os.utime(folder / "0.png", ns=(stat.st_atime_ns, stat.st_mtime_ns + 1))
    assert load_dataset(str(folder), workdir=workdir).gray_left_out == 2
    assert read == ["0.png"]


def test_a_file_lost_in_mid_training_is_named(tmp_path):
    make(tmp_path, " ".join(os.fsdecode(b"\xe9%d" % number) for number in range(3)))
    dataset = load_dataset(str(tmp_path), image_size=8)
    for path in tmp_path.iterdir():
        path.unlink()
    with pytest.raises(tf.errors.OpError, match=r"/\\udce9[012]: No such file"):
        take(dataset.train_batches(1, 0), 1)


@pytest.mark.parametrize("files", [
    {}, {"a.png": GRAY, "c.png": COLORS[0], "d.png": COLORS[0]},
    {"train/a.png": COLORS[0], "test/b.png": COLORS[1], "c.png": COLORS[2]}])
def test_a_folder_with_too_few_color_images_is_refused(tmp_path, files):
    for name, color in files.items():
        write(tmp_path / name, image(color))
    with pytest.raises(DatasetError, match="at least 3 readable color images") as caught:
        load_dataset(str(tmp_path))
    assert str(tmp_path) in str(caught.value) and "\n" not in str(caught.value)


def test_a_folder_without_splits_is_measured_whole_where_it_is_to_test_on(tmp_path):
    write(tmp_path / "a.png", image(COLORS[0]))
    dataset = load_dataset(str(tmp_path), to_test=True)
    assert (dataset.train.size, dataset.validation.size, dataset.test.size) == (0, 0, 1)
    for name in ("train/b.png", "val/c.png", "test/d.png", "test/e.png"):
        write(tmp_path / name, image(COLORS[1]))
    assert load_dataset(str(tmp_path), to_test=True).test.size == 2
    with pytest.raises(DatasetError, match="at least one readable color image"):
        load_dataset(str(write(tmp_path / "gray" / "f.png", image(GRAY)).parent), to_test=True)
