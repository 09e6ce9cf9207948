"""Images in memory or in files as tf.data pipelines, and what each position of training draws.

The training order and the augmentation are pure functions of (seed, position): position p = 0, 1,
2, ... counts the training images drawn since the beginning, `p // size` is its epoch. Nothing is
remembered between steps, so that a run stopped anywhere goes on exactly, on any number of replicas.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from pathlib import Path
from typing import Protocol

import numpy as np
import tensorflow as tf

from colorizer.data.images import ImageError, read_rgb, resize_and_crop
from colorizer.errors import printable

MIN_CROP_AREA = 0.5  # of the largest square
AUTOTUNE = tf.data.AUTOTUNE

# Streams of random numbers: those of the key of a permutation; flip, scale, down and right.
KEYS, DRAWS = (0, 1, 2), (3, 4, 5, 6)
HASH_BITS = 40
DRAW_BITS = 24  # what float32 holds exactly
# After the 4 rounds of tf.random.experimental.index_shuffle the orders of consecutive epochs
# correlate by 0.7, and even with random keys the means of batches vary 40 % too little.
ROUNDS = 16


def random_bits(numbers: tf.Tensor, seed: int, stream: int) -> tf.Tensor:
    """Hashes each int64 number in [0, 2**40) to another; different streams are independent."""
    key = tf.random.stateless_uniform(
        [3], tf.constant((seed, stream), tf.int64), None, None, tf.int32)
    return tf.raw_ops.RandomIndexShuffle(
        index=numbers, seed=key, max_index=tf.constant(2**HASH_BITS - 1, tf.int64), rounds=ROUNDS)


def shuffled(indices: tf.Tensor, size: tf.Tensor | int, number: tf.Tensor, seed: int) -> tf.Tensor:
    """Looks indices up in the permutation of [0, size) that belongs to (seed, number).

    It is never stored. A tiny one is slow, some 0.5 ms an index, because the cipher permutes 2**16
    numbers at least. `number`, of the epoch or block, is int64 as the `indices`, or one for all.
    """
    key = tf.stack([random_bits(number, seed, stream) % 2**31 for stream in KEYS], axis=-1)
    return tf.raw_ops.RandomIndexShuffle(
        index=indices, seed=tf.cast(key, tf.int32), max_index=tf.cast(size, tf.int64) - 1,
        rounds=ROUNDS)


def draws(positions: tf.Tensor, seed: int) -> tf.Tensor:
    """Draws flip, scale, down and right in [0, 1) for int64 positions [...]: float32 [..., 4]."""
    bits = tf.stack([random_bits(positions, seed, stream) for stream in DRAWS], axis=-1)
    return tf.cast(bits // 2**(HASH_BITS - DRAW_BITS), tf.float32) / 2**DRAW_BITS


def view(rgb: np.ndarray, size: int, numbers: np.ndarray | None = None) -> np.ndarray:
    """Brings uint8 [H, W, 3] to [size, size, 3]: the central square or, with numbers, a random one.

    That has 0.5 to 1 of the largest one's area, and is perhaps mirrored; for `numbers` see `draws`.
    """
    if numbers is None:
        return resize_and_crop(rgb, size)
    flip, scale, down, right = (float(number) for number in numbers)
    height, width = rgb.shape[:2]
    area = MIN_CROP_AREA + (1 - MIN_CROP_AREA) * scale
    side = max(1, round(min(height, width) * sqrt(area)))
    top, left = int(down * (height - side + 1)), int(right * (width - side + 1))
    square = rgb[top:top + side, left:left + side]
    if flip < 0.5:
        square = square[:, ::-1]
    return resize_and_crop(np.ascontiguousarray(square), size)


@dataclass(frozen=True)
class Positions:
    """Which positions one worker draws.

    With R replicas and L of them here, step s has the elements s*R + worker*L + j for j < L;
    element e has the positions [e * batch_size, (e + 1) * batch_size).
    """

    batch_size: int
    first_step: int
    replicas: int
    local_replicas: int
    worker: int

    @property
    def first(self) -> int:
        """The first position of the first step, be it this worker's or not."""
        return self.first_step * self.replicas * self.batch_size

    def are_local(self, positions: tf.Tensor) -> tf.Tensor:
        """Tells this worker's positions: int64 -> bool of the same shape."""
        replica = positions // self.batch_size % self.replicas
        return replica // self.local_replicas == self.worker

    def elements(self) -> tf.data.Dataset:
        """Returns this worker's positions as endless int64 [batch_size] elements."""
        def element(count: tf.Tensor) -> tf.Tensor:
            step, replica = count // self.local_replicas, count % self.local_replicas
            number = step * self.replicas + self.worker * self.local_replicas + replica
            return number * self.batch_size + tf.range(self.batch_size, dtype=tf.int64)

        return tf.data.Dataset.counter(
            tf.constant(self.first_step * self.local_replicas, tf.int64)).map(element)


class Source(Protocol):
    """The images of one split, `size` of them."""

    size: int

    def stream(self, positions: Positions, seed: int, augment: bool) -> tf.data.Dataset:
        """Returns endless shuffled uint8 [batch_size, S, S, 3] elements."""

    def batches(self, batch_size: int, limit: int | None) -> tf.data.Dataset:
        """Returns uint8 [<= batch_size, S, S, 3] batches of at most `limit` images in order."""


def spread(size: int, limit: int | None) -> tf.data.Dataset:
    """Returns int64 numbers below `size`: all, or `limit` evenly spread ones."""
    count = size if limit is None else min(limit, size)
    return tf.data.Dataset.from_tensor_slices(
        np.arange(count, dtype=np.int64) * size // max(count, 1))


class ArraySource:
    """Images in memory, uint8 [N, S, S, 3]. Augmentation only mirrors them."""

    def __init__(self, rgb: np.ndarray):
        self.size = len(rgb)
        with tf.device("CPU:0"):  # pipelines run there; a GPU has better use for its memory
            self._rgb = tf.constant(rgb)

    def stream(self, positions: Positions, seed: int, augment: bool) -> tf.data.Dataset:
        def images(positions: tf.Tensor) -> tf.Tensor:
            rgb = tf.gather(self._rgb, shuffled(
                positions % self.size, self.size, positions // self.size, seed))
            if not augment:
                return rgb
            flip = draws(positions, seed)[:, 0] < 0.5
            return tf.where(flip[:, None, None, None], tf.reverse(rgb, [2]), rgb)

        return positions.elements().map(images, AUTOTUNE)

    def batches(self, batch_size: int, limit: int | None) -> tf.data.Dataset:
        return spread(self.size, limit).batch(batch_size).map(
            lambda numbers: tf.gather(self._rgb, numbers))


class FileSource:
    """Image files, each read when it is needed.

    A file that vanishes or breaks in mid-training stops it with the reader's message.
    """

    def __init__(self, paths: Sequence[Path], image_size: int):
        self.size = len(paths)
        self._paths = list(paths)
        self._image_size = image_size

    def _read(self, *planned: tf.Tensor) -> tf.Tensor:
        """Reads a file within a graph, by its number and perhaps random numbers for its view."""
        size = self._image_size

        def read(index: np.ndarray, *numbers: np.ndarray) -> np.ndarray:
            try:
                return view(read_rgb(self._paths[index]), size, *numbers)
            except ImageError as error:  # TensorFlow's messages hold nothing that is not UTF-8
                raise ImageError(printable(error)) from error

        rgb = tf.numpy_function(read, planned, tf.uint8, stateful=False)
        return tf.ensure_shape(rgb, (size, size, 3))

    def stream(self, positions: Positions, seed: int, augment: bool) -> tf.data.Dataset:
        def plan(positions: tf.Tensor) -> tuple[tf.Tensor, ...]:
            indices = shuffled(positions % self.size, self.size, positions // self.size, seed)
            return (indices, draws(positions, seed)) if augment else (indices,)

        images = positions.elements().map(plan).unbatch().map(self._read, AUTOTUNE)
        return images.batch(positions.batch_size, drop_remainder=True)

    def batches(self, batch_size: int, limit: int | None) -> tf.data.Dataset:
        return spread(self.size, limit).map(self._read, AUTOTUNE).batch(batch_size)
