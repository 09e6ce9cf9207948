from __future__ import annotations

import socket

from PIL import Image
import numpy as np
import pytest
import skimage.data

from colorizer.data import load as data
from colorizer.data.dataset import DatasetError
from tests.colors import take


@pytest.mark.parametrize("name", ["./nowhere", "../nowhere", "/no/where", "~/no/where", "a/b/c"])
def test_a_folder_that_does_not_exist_is_refused(name):
    with pytest.raises(DatasetError, match="a folder that exists. Received: dataset=" + name):
        data.load_dataset(name)


@pytest.mark.parametrize("settings", [{"test_split": 0}, {"test_split": 1}, {"image_size": 0}])
def test_settings_out_of_range_are_refused(settings):
    with pytest.raises(DatasetError, match="Received: test_split="):
        data.load_dataset("sample", **settings)


def test_the_sample_needs_no_network(monkeypatch):
    def refuse(*args, **kwargs):
        raise AssertionError("the network was asked for")

    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    dataset = data.load_dataset("sample")
    assert dataset.image_size == 32
    assert 800 <= dataset.train_size <= 1000 and 55 <= dataset.test_size <= 100


def test_no_pixel_of_the_sample_is_in_both_splits(monkeypatch):
    numbers = iter(range(10))

    def numbered(path):
        """A picture of the same size in which every 2 x 2 block has a color of its own."""
        width, height = Image.open(path).size
        y, x = np.mgrid[:height, :width] // 2
        return np.stack([x % 256, y, next(numbers) * 2 + x // 256], axis=-1).astype(np.uint8)

    monkeypatch.setattr(data, "read_rgb", numbered)
    monkeypatch.setattr(data, "is_gray", lambda rgb: np.zeros(len(rgb), bool))
    dataset = data.load_dataset("sample")
    train, test = ({tuple(pixel) for batch in batches for pixel in batch.reshape(-1, 3)}
                   for batches in (take(dataset.train_batches(dataset.train_size, 0), 1),
                                   take(dataset.test_batches(100), -1)))
    assert len(test) == dataset.test_size * 32 * 32  # the test tiles do not overlap either
    assert len(train) > 100_000 and not train & test


def test_the_sample_is_of_the_photographs_it_names():
    dataset = data.load_dataset("sample")
    tile = next(iter(dataset.test_batches(1)))[0].numpy().astype(float)
    photo = skimage.data.astronaut().astype(float)
    half = photo.reshape(256, 2, 256, 2, 3).mean(axis=(1, 3))
    np.testing.assert_allclose(tile, half[:32, 192:224], atol=0.51)


def test_the_sample_has_one_size():
    with pytest.raises(DatasetError, match="must be 32. Received: image_size=64"):
        data.load_dataset("sample", image_size=64)
