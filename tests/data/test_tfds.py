"""Sets of TensorFlow Datasets, in memory and streamed."""

from __future__ import annotations

import socket
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_datasets

from colorizer.data import tfds
from colorizer.data.dataset import DatasetError
from colorizer.data.load import load_dataset
from colorizer.data.pipeline import shuffled
from tests.colors import COLORS, GRAY, SHARED, identities, image, same, take
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
    info = SimpleNamespace(splits={
        name: SimpleNamespace(num_examples=size) for name, size in sizes.items()})
    try:
        found = ", ".join(f"{records.split} {records.start} {records.stop}" for records in
                          tfds._tfds_splits(SimpleNamespace(info=info)))
    except ValueError as error:
        assert expected in str(error)
    else:
        assert found == expected


@pytest.mark.parametrize("array_bytes, given_size, size", [(0, 16, 16), (2**30, None, 256)])
def test_gray_images_are_left_out_but_not_of_the_test_split(
        tfds_dir, monkeypatch, array_bytes, given_size, size):
    monkeypatch.setattr(tfds, "ARRAY_BYTES", array_bytes)
    dataset = load_dataset("tiny_photos/solo", data_dir=tfds_dir, image_size=given_size)
    train, validation, test = map(np.concatenate, (
        take(dataset.train_batches(dataset.train_size, 0, augment=False), 1),
        take(dataset.validation_batches(99)), take(dataset.test_batches(99))))
    assert not are_gray(train).any() and not are_gray(validation).any()
    assert test.shape == (6, size, size, 3) and dataset.test_size == 6  # of 65
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


def test_what_comes_before_a_resumed_step_is_not_decoded_nor_earlier_blocks_read(
        stream, monkeypatch):
    decoded, starts = [], []

    def counted(encoded, decode=tfds.decode_rgb):
        same_bytes = tf.numpy_function(
            lambda text: decoded.append(1) or text, [encoded], tf.string)
        return decode(tf.ensure_shape(same_bytes, ()))

    monkeypatch.setattr(tfds, "decode_rgb", counted)
    monkeypatch.setattr(
        stream.train, "_read",
        lambda start, stop, read=stream.train._read: starts.append(start) or read(start, stop))
    step = (100 * stream.train_size + 40) // 4  # 40 is in the third block
    batch, = take(stream.train_batches(4, 5, first=step), 1)
    assert len(batch) == 4 and 4 <= len(decoded) < 200 and max(starts) == 32


def test_a_mirrored_strategy_gets_each_replica_its_element(stream):
    strategy = tf.distribute.MirroredStrategy(["CPU:0"])
    batches = strategy.distribute_datasets_from_function(
        lambda context: stream.train_batches(4, 3, replicas=strategy.num_replicas_in_sync))
    same([batch.numpy() for batch, _ in zip(batches, range(3))],
         take(stream.train_batches(4, 3), 3))


@pytest.mark.parametrize("name", ["no_such_set", "cifar100"])
def test_a_set_that_cannot_be_had_is_refused_with_the_ways_on(tmp_path, monkeypatch, name):
    def refuse(*args, **kwargs):
        raise socket.gaierror("Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    with pytest.raises(DatasetError) as caught:
        load_dataset(name, data_dir=str(tmp_path))
    text = str(caught.value)
    for part in (f"dataset={name}, looked for in {tmp_path}", "--data_dir", "--dataset=sample"):
        assert part in text
    assert "\n" not in text


def test_a_set_without_color_images_is_refused(tfds_dir):
    with pytest.raises(DatasetError, match="no 8-bit color `image` feature but .'image'"):
        load_dataset("tiny_photos/one_channel", data_dir=tfds_dir)


def test_cifar10_is_complete_and_its_test_split_has_the_published_mean():
    if not (SHARED / "tfds" / "cifar10").is_dir():
        pytest.skip("needs ../shared/data/tfds")
    splits = tfds._tfds_splits(tensorflow_datasets.builder(
        "cifar10", data_dir=str(SHARED / "tfds")))
    assert list(map(len, splits)) == [47_500, 2_500, 10_000]
    mean = tfds._load_array(splits[2], 32, True).mean(axis=(0, 1, 2), dtype=np.float64)
    np.testing.assert_allclose(mean / 255, [0.4942, 0.4851, 0.4504], atol=5e-5)
