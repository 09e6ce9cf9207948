"""Sets of TensorFlow Datasets, in memory and streamed."""

from __future__ import annotations

import socket
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf

from colorizer.data import tfds
from colorizer.data.dataset import DatasetError
from colorizer.data.load import load_dataset
from colorizer.data.pipeline import shuffled
from tests.colors import COLORS, GRAY, SHARED, identities, image, take
from tests.data.tiny_sets import TRAIN_COLORS, TRAIN_GRAY


@pytest.fixture
def stream(tfds_dir, monkeypatch):
    monkeypatch.setattr(tfds, "ARRAY_BYTES", 0)
    monkeypatch.setattr(tfds, "SHUFFLE_BLOCK", 16)
    return load_dataset("tiny_photos/validated", data_dir=tfds_dir, image_size=16)


def are_gray(batch):
    return np.ptp(batch.mean(axis=(1, 2)), axis=1) < 2


@pytest.mark.parametrize("sizes, expected", [
    ({"train": 1000, "test": 70, "validation": 9},
     [("train", 0, 950), ("train", 950, 1000), ("test", 0, 70)]),
    ({"train": 1000, "test": 0, "validation": 9},
     [("train", 0, 950), ("train", 950, 1000), ("validation", 0, 9)]),
    ({"train": 1000}, [("train", 0, 850), ("train", 850, 900), ("train", 900, 1000)]),
    ({"train": 3}, [("train", 0, 1), ("train", 1, 2), ("train", 2, 3)])])
def test_the_last_of_train_validate_and_test_where_no_other_split_does(sizes, expected):
    info = SimpleNamespace(splits={
        name: SimpleNamespace(num_examples=size) for name, size in sizes.items()})
    found = tfds._tfds_splits(SimpleNamespace(info=info))
    assert [(records.split, records.start, records.stop) for records in found] == expected


@pytest.mark.parametrize("sizes, why", [({"train": 2}, "too few"), ({"test": 9}, "no `train`")])
def test_a_set_too_small_to_divide_is_refused(sizes, why):
    info = SimpleNamespace(splits={
        name: SimpleNamespace(num_examples=size) for name, size in sizes.items()})
    with pytest.raises(ValueError, match=why):
        tfds._tfds_splits(SimpleNamespace(info=info))


@pytest.mark.parametrize("array_bytes", [0, 2**30])
def test_gray_images_are_left_out_but_not_of_the_test_split(tfds_dir, monkeypatch, array_bytes):
    monkeypatch.setattr(tfds, "ARRAY_BYTES", array_bytes)
    dataset = load_dataset("tiny_photos/solo", data_dir=tfds_dir, image_size=16)
    train, validation, test = map(np.concatenate, (
        take(dataset.train_batches(dataset.train_size, 0, augment=False), 1),
        take(dataset.validation_batches(99)), take(dataset.test_batches(99))))
    assert not are_gray(train).any() and not are_gray(validation).any()
    assert len(test) == dataset.test_size == 6  # of 65
    colors = set(identities([train])), identities([validation]), identities([test[~are_gray(test)]])
    assert sorted(sum(map(list, colors), [])) == list(range(TRAIN_COLORS))
    if array_bytes:
        assert dataset.gray_left_out == TRAIN_GRAY - are_gray(test).sum()
        assert dataset.validation_size == len(validation) and dataset.train_size == len(colors[0])
    else:
        assert dataset.gray_left_out is None
        assert (dataset.train_size, dataset.validation_size) == (56, 3)


def test_the_place_of_a_gray_record_is_taken_by_the_color_one_before_it_in_its_block(stream):
    size = stream.train_size
    records = [tf.io.decode_jpeg(encoded).numpy().mean(axis=(0, 1))
               for encoded in stream.train._read(0, size)]
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
    (1, 32, False), (2, 32, False), (2, 1, True), (None, 32, True)])
def test_the_search_for_color_ends(monkeypatch, color_place, look_back, gray):
    monkeypatch.setattr(tfds, "MAX_LOOK_BACK", look_back)
    records = tf.stack([tf.io.encode_png(image(COLORS[9] if place == color_place else GRAY))
                        for place in range(3)])
    rgb = tfds._decode_color(records, tf.range(3, dtype=tf.int64), tf.constant(1, tf.int64))
    np.testing.assert_array_equal(rgb, image(GRAY if gray else COLORS[9]))


def test_the_default_size_of_images_of_different_sizes_is_256(tfds_dir):
    assert load_dataset("tiny_photos/solo", data_dir=tfds_dir).image_size == 256


def test_nothing_before_where_a_stream_is_resumed_is_decoded(stream, monkeypatch):
    decoded = []

    def counted(encoded, decode=tfds.decode_rgb):
        same_bytes = tf.numpy_function(
            lambda text: decoded.append(1) or text, [encoded], tf.string)
        return decode(tf.ensure_shape(same_bytes, ()))

    monkeypatch.setattr(tfds, "decode_rgb", counted)
    batch, = take(stream.train_batches(4, 5, first=1000), 1)
    assert len(batch) == 4 and 4 <= len(decoded) < 200


def test_the_blocks_before_where_a_stream_is_resumed_are_not_even_read(stream):
    starts = []
    read = stream.train._read
    stream.train._read = lambda start, stop: starts.append(start) or read(start, stop)
    take(stream.train_batches(4, 5, first=10), 1)  # position 40 is in the third block
    assert max(starts) == 32


def test_an_unknown_name_is_refused_with_the_ways_on(tmp_path):
    with pytest.raises(DatasetError) as caught:
        load_dataset("no_such_set", data_dir=str(tmp_path))
    text = str(caught.value)
    for part in ("dataset=no_such_set", str(tmp_path), "--data_dir", "--dataset=sample"):
        assert part in text
    assert "\n" not in text


def test_a_set_that_cannot_be_downloaded_is_refused_with_the_ways_on(tmp_path, monkeypatch):
    def refuse(*args, **kwargs):
        raise socket.gaierror("Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    with pytest.raises(DatasetError, match="dataset=cifar100, looked for in ") as caught:
        load_dataset("cifar100", data_dir=str(tmp_path))
    assert str(tmp_path) in str(caught.value) and "--dataset=sample" in str(caught.value)


def test_a_set_without_color_images_is_refused(tfds_dir):
    with pytest.raises(DatasetError, match="no 8-bit color `image` feature but .'number'"):
        load_dataset("tiny_numbers", data_dir=tfds_dir)


def test_cifar10_is_complete_and_has_its_published_mean(monkeypatch):
    if not (SHARED / "tfds" / "cifar10").is_dir():
        pytest.skip("needs ../shared/data/tfds")
    monkeypatch.setattr(tfds, "is_gray", lambda rgb: np.zeros(len(rgb), bool))
    dataset = load_dataset("cifar10", data_dir=str(SHARED / "tfds"))
    assert (dataset.train_size, dataset.validation_size, dataset.test_size) == (
        47_500, 2_500, 10_000)
    assert dataset.image_size == 32
    total = sum(source._rgb.numpy().sum(axis=(0, 1, 2), dtype=np.int64)
                for source in (dataset.train, dataset.validation))
    np.testing.assert_allclose(total / (50_000 * 32 * 32), [125.307, 122.950, 113.865], atol=1e-3)
