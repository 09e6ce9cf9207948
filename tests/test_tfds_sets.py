from __future__ import annotations

import socket

import numpy as np
import pytest
import tensorflow as tf

from colorizer.data import load as data
from colorizer.data import pipeline as sources
from colorizer.data import tfds as tfds_sets
from colorizer.data.dataset import DatasetError
from tests.colors import SHARED, identities, same, take


@pytest.mark.parametrize("array_bytes", [0, 2**30])
def test_a_tfds_set_loses_its_gray_training_pictures_only(tfds_dir, monkeypatch, array_bytes):
    monkeypatch.setattr(tfds_sets, "ARRAY_BYTES", array_bytes)
    dataset = data.load_dataset("tiny_photos/validated", data_dir=tfds_dir, image_size=16)
    assert (dataset.train_size, dataset.test_size, dataset.gray_left_out) == (50, 11, 5)
    assert sorted(identities(take(dataset.train_batches(50, 0), 1))) == list(range(50))
    test = np.concatenate(take(dataset.test_batches(4), -1))
    assert test.shape == (11, 16, 16, 3)
    assert np.sum(np.ptp(test.mean(axis=(1, 2)), axis=1) < 2) == 1


@pytest.mark.parametrize("array_bytes", [0, 2**30])
def test_the_end_of_train_is_tested_on_where_a_tfds_set_has_no_other_split(
        tfds_dir, monkeypatch, array_bytes):
    monkeypatch.setattr(tfds_sets, "ARRAY_BYTES", array_bytes)
    dataset = data.load_dataset(
        "tiny_photos/solo", data_dir=tfds_dir, image_size=16, test_split=0.2)
    assert dataset.test_size == 11  # of 55
    train = take(dataset.train_batches(dataset.train_size, 0, augment=False), 1)
    test = np.concatenate(take(dataset.test_batches(99), -1))
    test = test[np.ptp(test.mean(axis=(1, 2)), axis=1) > 2]
    assert len(test) == 11 - (5 - dataset.gray_left_out)
    assert sorted(identities(train) + identities([test])) == list(range(50))


def test_the_default_size_of_pictures_of_different_sizes_is_256(tfds_dir):
    assert data.load_dataset("tiny_photos/solo", data_dir=tfds_dir).image_size == 256


def test_a_stream_is_not_decoded_up_to_where_it_is_resumed(tfds_dir, monkeypatch, tmp_path):
    monkeypatch.setattr(tfds_sets, "ARRAY_BYTES", 0)
    monkeypatch.setattr(sources, "SHUFFLE_BLOCK", 16)
    dataset = data.load_dataset("tiny_photos/validated", data_dir=tfds_dir, image_size=16)
    decoded = []

    def counted(encoded, decode=sources.decode_rgb):
        same_bytes = tf.numpy_function(
            lambda text: decoded.append(1) or text, [encoded], tf.string)
        return decode(tf.ensure_shape(same_bytes, ()))

    monkeypatch.setattr(sources, "decode_rgb", counted)
    batch, = take(dataset.train_batches(4, 5, first=1000), 1)
    assert len(batch) == 4 and 4 <= len(decoded) < 200


def test_a_stream_does_not_even_read_the_blocks_before(tfds_dir, monkeypatch):
    monkeypatch.setattr(tfds_sets, "ARRAY_BYTES", 0)
    monkeypatch.setattr(sources, "SHUFFLE_BLOCK", 16)
    dataset = data.load_dataset("tiny_photos/validated", data_dir=tfds_dir, image_size=16)
    starts = []
    read = dataset.train._read
    dataset.train._read = lambda start, stop: starts.append(start) or read(start, stop)
    take(dataset.train_batches(4, 5, first=10), 1)  # position 40 of 50 is in the third block
    assert max(starts) >= 32


def test_the_gray_records_of_a_stream_are_looked_for_once(tfds_dir, monkeypatch, tmp_path):
    monkeypatch.setattr(tfds_sets, "ARRAY_BYTES", 0)
    options = dict(data_dir=tfds_dir, image_size=16, workdir=str(tmp_path))
    first = data.load_dataset("tiny_photos/validated", **options)
    first.save_scan(str(tmp_path))
    monkeypatch.setattr(tfds_sets, "is_gray", None)
    again = data.load_dataset("tiny_photos/validated", **options)
    assert again.gray_left_out == first.gray_left_out == 5
    same(take(again.train_batches(8, 0), 3), take(first.train_batches(8, 0), 3))


def test_an_unknown_name_is_refused_with_the_ways_on(tmp_path):
    with pytest.raises(DatasetError) as caught:
        data.load_dataset("no_such_set", data_dir=str(tmp_path))
    text = str(caught.value)
    for part in ("dataset=no_such_set", str(tmp_path), "--data_dir", "--dataset=sample"):
        assert part in text
    assert "\n" not in text


def test_a_set_that_cannot_be_downloaded_is_refused_with_the_ways_on(tmp_path, monkeypatch):
    def refuse(*args, **kwargs):
        raise socket.gaierror("Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    with pytest.raises(DatasetError, match="dataset=cifar100, looked for in ") as caught:
        data.load_dataset("cifar100", data_dir=str(tmp_path))
    assert str(tmp_path) in str(caught.value) and "--dataset=sample" in str(caught.value)


def test_a_set_without_color_pictures_is_refused(tfds_dir):
    with pytest.raises(DatasetError, match="no 8-bit color `image` feature but .'number'"):
        data.load_dataset("tiny_numbers", data_dir=tfds_dir)


def test_cifar10_is_complete_and_has_its_published_mean(monkeypatch):
    if not (SHARED / "tfds" / "cifar10").is_dir():
        pytest.skip("needs ../shared/data/tfds")
    monkeypatch.setattr(tfds_sets, "is_gray", lambda rgb: np.zeros(len(rgb), bool))
    dataset = data.load_dataset("cifar10", data_dir=str(SHARED / "tfds"))
    assert (dataset.train_size, dataset.test_size, dataset.image_size) == (50_000, 10_000, 32)
    means = [batch.mean(axis=(0, 1, 2), dtype=np.float64)
             for batch in take(dataset.train_batches(500, 0), 100)]
    np.testing.assert_allclose(np.mean(means, axis=0), [125.307, 122.950, 113.865], atol=1e-3)
