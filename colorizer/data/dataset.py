"""A data set: pictures in two splits, as batches, and what looking at each once has told.

Batches are uint8 sRGB [B, S, S, 3] in 0..255. `sources` says in which order and how they are
augmented.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
import hashlib
import json
from pathlib import Path
from typing import Any

import tensorflow as tf
from tqdm import tqdm

from colorizer.errors import UserError
from colorizer.files import replace_file
from colorizer.data.pipeline import AUTOTUNE, Source, Turns

DEFAULT_SIZE = 256  # side in pixels where neither the user nor the data say one
SCAN_FILE = "scan.json"
PROGRESS_FROM = 1000


class DatasetError(UserError):
    """Pictures cannot be had. The message is one line for the user."""


@dataclass(frozen=True, eq=False)
class Dataset:
    """Pictures in a training and a test split.

    Attributes:
        name: As the user gave it.
        image_size: Side S of the pictures in pixels.
        train: The training pictures.
        test: The test pictures.
        gray_left_out: Number of pictures without color that are in neither split.
        unreadable: (path, reason) of each picture file that cannot be read.
        scan: What was found out about the pictures by looking at each.
        fingerprint: SHA-256 of the training pictures, or of their names: others are other data.
    """

    name: str
    image_size: int
    train: Source
    test: Source
    gray_left_out: int = 0
    unreadable: list[tuple[str, str]] = field(default_factory=list)
    scan: Scan | None = None
    fingerprint: str = ""

    def save_scan(self, workdir: str) -> None:
        """Keeps in a run's folder what was found out about the pictures, for its next start."""
        if self.scan:
            self.scan.save(workdir)

    @property
    def train_size(self) -> int:
        """Number of training pictures."""
        return self.train.size

    @property
    def test_size(self) -> int:
        """Number of test pictures."""
        return self.test.size

    def train_batches(
        self, batch_size: int, seed: int, *, first: int = 0, augment: bool = True,
        replicas: int = 1, local_replicas: int | None = None, worker: int = 0,
    ) -> tf.data.Dataset:
        """Makes training batches for `tf.distribute.Strategy.distribute_datasets_from_function`.

        Every picture comes once an epoch; a batch may begin in one epoch and end in the next.

        Args:
            batch_size: Pictures per replica.
            seed: Decides the order and the augmentation.
            first: Global step to begin with.
            augment: Whether to mirror, and crop what is not in memory, at random.
            replicas: Their number in all workers.
            local_replicas: Their number here; by default all.
            worker: This worker's number.

        Returns:
            Endless uint8 [batch_size, S, S, 3] elements: for each step, one per local replica.

        Raises:
            ValueError: A number out of range.
        """
        local = replicas if local_replicas is None else local_replicas
        if (min(batch_size, local) < 1 or min(first, worker) < 0
                or replicas % local or (worker + 1) * local > replicas):
            raise ValueError(
                "`batch_size` and `local_replicas` must be at least 1, `first` and `worker` at "
                "least 0, and workers of `local_replicas` must add up to `replicas`. Received: "
                f"batch_size={batch_size}, first={first}, replicas={replicas}, "
                f"local_replicas={local_replicas}, worker={worker}")
        turns = Turns(batch_size, seed, first, augment, replicas, local, worker)
        return _finish(self.train.train(turns))

    def test_batches(self, batch_size: int, limit: int | None = None) -> tf.data.Dataset:
        """Makes test batches, never augmented, always in the same order.

        Args:
            batch_size: Pictures per batch; the last batch may have fewer.
            limit: Use this many: evenly spread ones or, where the pictures are streamed, the first.

        Returns:
            uint8 [<= batch_size, S, S, 3] elements.
        """
        return _finish(self.test.test(batch_size, limit))


def _finish(batches: tf.data.Dataset) -> tf.data.Dataset:
    options = tf.data.Options()
    options.deterministic = True
    # Each worker is given its own elements; sharding them again would lose pictures.
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.OFF
    return batches.prefetch(AUTOTUNE).with_options(options)


class Scan:
    """What is known about pictures that were looked at before, kept in `workdir`/scan.json."""

    def __init__(self, workdir: str | None):
        self._path = Path(workdir) / SCAN_FILE if workdir else None
        self._found: dict = {}

    def read(self, section: str) -> dict:
        """Returns what `save` stored; nothing if that is missing or damaged."""
        try:
            return dict(json.loads(self._path.read_text())[section]) if self._path else {}
        except (OSError, ValueError, KeyError, TypeError):
            return {}

    def write(self, section: str, known: dict) -> None:
        """Keeps it for `save`. There is one section: a run has one data set."""
        self._found = {section: known}

    def save(self, workdir: str) -> None:
        """Replaces the file in a run's folder, if anything new was found out."""
        if not self._found:
            return
        path = Path(workdir) / SCAN_FILE
        replace_file(path, json.dumps(self._found))


def sha256(data: Any) -> str:
    """SHA-256 of some bytes, as 64 hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()


def progress(items: Iterator | None, total: int, what: str) -> tqdm:
    """A progress bar for looking at many pictures once; none for a few."""
    return tqdm(items, f"looking at {what}", total, disable=total <= PROGRESS_FROM)
