"""Sets of TensorFlow Datasets, in memory and streamed."""

from __future__ import annotations

import socket
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf

from colorizer.data import tfds
from colorizer.data.load import load_dataset
from colorizer.data.names import DatasetError
from colorizer.data.pipeline import shuffled
from tests.colors import COLORS, GRAY, identities, image, take
from tests.data.tiny_sets import TRAIN_COLORS, TRAIN_GRAY


@pytest.fixture
def stream(tfds_dir, monkeypatch):
    monkeypatch.setattr(tfds, "ARRAY_BYTES", 0)
    monkeypatch.setattr(tfds, "SHUFFLE_BLOCK", 16)
    return load_dataset("tiny_photos/validated", data_dir=tfds_dir, image_size=16)


def are_gray(batch):
    return np.ptp(batch.mean(axis=(1, 2)), axis=1) < 2


@pytest.mark.parametrize("sizes, expected", [
    ({"train": 1000, "test": 70, "validation": 9}, "train 0 950, train 950 1000, test 0 70"),
    ({"train": 1000, "test": 0, "validation": 9}, "train 0 950, train 950 1000, validation 0 9"),
    ({"train": 1000}, "train 0 850, train 850 900, train 900 1000"),
    ({"train": 3}, "train 0 1, train 1 2, train 2 3"),
    ({"train": 2}, "too few"), ({"test": 9}, "no `train`")])
def test_the_last_of_train_validate_and_test_where_no_other_split_does(sizes, expected):
    builder = SimpleNamespace(info=SimpleNamespace(splits={
        name: SimpleNamespace(num_examples=size) for name, size in sizes.items()}))
    try:
        found = ", ".join(f"{records.split} {records.start} {records.stop}"
                          for records in tfds._tfds_splits(builder))
    except ValueError as error:
        found = str(error)
    assert expected in found


@pytest.mark.parametrize("array_bytes, given_size, size", [(0, 16, 16), (2**30, None, 256)])
def test_gray_images_are_left_out_but_not_of_the_test_split(
        tfds_dir, monkeypatch, array_bytes, given_size, size):
    monkeypatch.setattr(tfds, "ARRAY_BYTES", array_bytes)
    dataset = load_dataset("tiny_photos/solo", data_dir=tfds_dir, image_size=given_size)
    train, validation, test = map(np.concatenate, (
        take(dataset.train_batches(dataset.train.size, 0, augment=False), 1),
        take(dataset.validation_batches(99)), take(dataset.test_batches(99))))
    assert not are_gray(train).any() and not are_gray(validation).any()
    assert test.shape == (6, size, size, 3) and dataset.test.size == 6  # of 65
    colors = set(identities([train])), identities([validation]), identities([test[~are_gray(test)]])
    assert sorted(sum(map(list, colors), [])) == list(range(TRAIN_COLORS))
    assert (dataset.train.size, dataset.validation.size, dataset.gray_left_out) == (
        (len(colors[0]), len(validation), TRAIN_GRAY - are_gray(test).sum()) if array_bytes
        else (56, 3, None))


def test_the_place_of_a_gray_record_is_taken_by_the_color_one_before_it_in_its_block(stream):
    size = stream.train.size
    records = [tf.io.decode_jpeg(encoded).numpy().mean(axis=(0, 1))
               for encoded in stream.train._records.read(0, size)]
    expected = []
    for block, start in enumerate(range(0, size, 16)):
        count = min(16, size - start)
        order = shuffled(tf.range(count, dtype=tf.int64), count, tf.constant(block, tf.int64), 7)
        drawn = [records[start + number] for number in order.numpy()]
        for place in range(count):
            while np.ptp(drawn[place]) < 2:
                place -= 1  # the one before the first is the last
            expected.append(drawn[place])
    batch, = take(stream.train_batches(size, 7, augment=False), 1)
    np.testing.assert_allclose(batch.mean(axis=(1, 2)), expected, atol=2)


@pytest.mark.parametrize("color_place, look_back, gray", [
    (2, 32, False), (2, 1, True), (None, 32, True)])
def test_the_search_for_color_ends(monkeypatch, color_place, look_back, gray):
    monkeypatch.setattr(tfds, "MAX_LOOK_BACK", look_back)
    records = tf.stack([tf.io.encode_png(image(COLORS[9] if place == color_place else GRAY))
                        for place in range(3)])
    rgb = tfds._decode_color(records, tf.range(3, dtype=tf.int64), tf.constant(1, tf.int64))
    np.testing.assert_array_equal(rgb, image(GRAY if gray else COLORS[9]))


def test_blocks_before_a_resumed_step_are_not_read(stream, monkeypatch):
    starts, read = [], tfds._Records.read
    monkeypatch.setattr(tfds._Records, "read", lambda records, start, stop: (
        starts.append(start) or read(records, start, stop)))
    step = (100 * stream.train.size + 40) // 4  # 40 is in the third block
    batch, = take(stream.train_batches(4, 5, first=step), 1)
    assert len(batch) == 4 and max(starts) == 32


@pytest.mark.parametrize("name, reason", [
    ("no_such_set", ""), ("cifar100", ""),
    ("tiny_photos/one_channel", ": it has no 8-bit color `image` feature but ['image'].")])
def test_a_set_that_cannot_be_had_is_refused_with_the_ways_on(tfds_dir, monkeypatch, name, reason):
    def refuse(*args, **kwargs):
        raise socket.gaierror("Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    with pytest.raises(DatasetError) as caught:
        load_dataset(name, data_dir=tfds_dir)
    for part in (f"dataset={name}, looked for in {tfds_dir}", reason, "--data_dir", "=sample"):
        assert part in str(caught.value)
    assert "\n" not in str(caught.value)
