"""A data set: images in three splits, as batches of uint8 sRGB [B, S, S, 3] in 0..255."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
import json
import os
from pathlib import Path

import tensorflow as tf
from tqdm import tqdm

from colorizer.data.pipeline import AUTOTUNE, Positions, Source
from colorizer.files import write_atomic

DEFAULT_SIZE = 256  # side in pixels where neither the user nor the data say one
# Shares of all images, or of the training images, where the data have no such split.
TEST_SHARE = 0.1
VALIDATION_SHARE = 0.05
SCAN_FILE = "scan.json"
PROGRESS_FROM = 1000


@dataclass(frozen=True, eq=False)
class Dataset:
    """Images in a training, a validation and a test split.

    Example:
        dataset = load_dataset("sample")
        for rgb8 in dataset.train_batches(batch_size=16, seed=0).take(100):
            ...  # uint8 [16, 32, 32, 3]

    Attributes:
        train, validation, test: The splits, each with its `size`, the number of its images. Gray
            ones count where training and validation images are streamed.
        image_size: Side S of the images in pixels.
        gray_left_out: Number of images without color that are in no split; None where images are
            streamed, which are decoded only when they are drawn.
        unreadable: (path, reason) of each image file that cannot be read.
        fingerprint: SHA-256 of the training images, or of their names: others are other data.
        contents: SHA-256 of the training files, where the fingerprint is of their names.
        validation_fingerprint: SHA-256 that tells other validation images.
        scan: Each file's name, size and time -> "color", "gray" or why it cannot be read, and its
            SHA-256.
    """

    name: str
    image_size: int
    train: Source
    validation: Source
    test: Source
    gray_left_out: int | None = 0
    unreadable: list[tuple[str, str]] = field(default_factory=list)
    fingerprint: str = ""
    contents: str = ""
    validation_fingerprint: str = ""
    scan: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def save_scan(self, workdir: str | os.PathLike) -> None:
        """Keeps in a run's folder what was found out about the files, for its next start."""
        if self.scan:
            write_atomic(Path(workdir) / SCAN_FILE, json.dumps(self.scan))

    def train_batches(
        self, batch_size: int, seed: int, *, first: int = 0, augment: bool = True,
        replicas: int = 1, local_replicas: int | None = None, worker: int = 0,
    ) -> tf.data.Dataset:
        """Makes training batches for `tf.distribute.Strategy.distribute_datasets_from_function`.

        Every image comes once an epoch; a batch may begin in one epoch and end in the next. Where
        images are streamed, another image of the epoch takes the place of a gray one.

        Args:
            batch_size: Images per replica.
            seed: Decides the order and the augmentation.
            first: Global step to begin with.
            augment: Whether to mirror, and crop what is not in memory, at random.
            replicas: Their number in all workers; here there are `local_replicas`, by default all.
            worker: This worker's number.

        Returns:
            Endless uint8 [batch_size, S, S, 3] elements: for each step, one per local replica.
        """
        local = replicas if local_replicas is None else local_replicas
        positions = Positions(batch_size, first, replicas, local, worker)
        return _finish(self.train.stream(positions, seed, augment))

    def validation_batches(self, batch_size: int, limit: int | None = None) -> tf.data.Dataset:
        """Makes validation batches, never augmented, always in the same order.

        The last batch may be smaller. Of `limit` images, evenly spread ones are used or, where
        images are streamed, the first.
        """
        return _finish(self.validation.batches(batch_size, limit))

    def test_batches(self, batch_size: int, limit: int | None = None) -> tf.data.Dataset:
        """Makes test batches, as `validation_batches`."""
        return _finish(self.test.batches(batch_size, limit))


def _finish(batches: tf.data.Dataset) -> tf.data.Dataset:
    options = tf.data.Options()
    options.deterministic = True
    # Each worker is given its own elements; sharding them again would lose images.
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.OFF
    return batches.prefetch(AUTOTUNE).with_options(options)


def progress(items: Iterator | None, total: int, what: str) -> tqdm:
    """A progress bar for reading many images once; none for a few."""
    return tqdm(items, f"reading {what}", total, disable=total <= PROGRESS_FROM)
