from __future__ import annotations

import socket

from PIL import Image
import numpy as np
import pytest
import skimage.data

from colorizer.data import load
from colorizer.data.names import DatasetError


@pytest.mark.parametrize("name, size, message", [
    *[(name, None, f"a folder that exists. Received: dataset={name}")
      for name in ("./nowhere", "/no/where", "~/no/where", "a/b/c")],
    ("sample", 0, "at least 1. Received: image_size=0"),
    ("cifar10", -1, "at least 1. Received: image_size=-1"),
    ("sample", 64, "must be 32. Received: image_size=64")])
def test_what_cannot_be_a_data_set_is_refused(name, size, message):
    with pytest.raises(DatasetError, match=message):
        load.load_dataset(name, image_size=size)


def test_the_sample_is_of_the_photographs_it_names_and_needs_no_network(monkeypatch):
    def refuse(*args, **kwargs):
        raise AssertionError("the network was used")

    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    dataset = load.load_dataset("sample")
    assert dataset.image_size == 32 and 800 <= dataset.train.size <= 1000
    assert 25 <= dataset.validation.size <= 50 and 25 <= dataset.test.size <= 50
    photo = skimage.data.astronaut().astype(float)
    half = photo.reshape(256, 2, 256, 2, 3).mean(axis=(1, 3))
    for batches, left in ((dataset.validation_batches(1), 192), (dataset.test_batches(1), 224)):
        tile = next(iter(batches))[0].numpy().astype(float)
        np.testing.assert_allclose(tile, half[:32, left:left + 32], atol=0.51)


def test_no_pixel_of_the_sample_is_in_two_splits(monkeypatch):
    numbers = iter(range(10))

    def numbered(path):
        """An image of the same size in which every 2 x 2 block has a color of its own."""
        width, height = Image.open(path).size
        y, x = np.mgrid[:height, :width] // 2
        return np.stack([x % 256, y, next(numbers) * 2 + x // 256], axis=-1).astype(np.uint8)

    monkeypatch.setattr(load, "read_rgb", numbered)
    monkeypatch.setattr(load, "is_gray", lambda rgb: np.zeros(len(rgb), bool))
    dataset = load.load_dataset("sample")
    splits = np.zeros((3, 2**24), bool)
    for seen, source in zip(splits, (dataset.train, dataset.validation, dataset.test)):
        seen[source._rgb.numpy().reshape(-1, 3) @ [65536, 256, 1]] = True
    # The validation and test tiles do not overlap among themselves either.
    sizes = [dataset.validation.size * 32 * 32, dataset.test.size * 32 * 32]
    assert splits[1:].sum(axis=1).tolist() == sizes
    assert splits[0].sum() > 100_000 and splits.sum(axis=0).max() == 1
