"""A set of TensorFlow Datasets as a data set: in memory if it is small, else streamed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
import contextlib
from dataclasses import dataclass
import logging
import os
from typing import Any

import numpy as np
import tensorflow as tf

from colorizer.data.dataset import DEFAULT_SIZE, Dataset, DatasetError, Scan, progress, sha256
from colorizer.data.images import is_gray, resize_and_crop
from colorizer.data.pipeline import (
    AUTOTUNE, ArraySource, RecordSource, Source, call_numpy, decode_rgb
)

OWN_SIZES = (16, 32, 64)  # data sets of such pictures are used as they are
ARRAY_BYTES = 2**30
DOWNLOAD_RETRIES = 2  # ten, the default, take minutes to say that there is no network


@dataclass(frozen=True)
class _Records:
    """Records [start, stop) of a split of a TensorFlow Datasets builder."""

    builder: Any
    split: str
    start: int
    stop: int

    def __len__(self) -> int:
        return self.stop - self.start

    @property
    def key(self) -> str:
        """Names them in the scan; other shards would mean another order."""
        shards = self.builder.info.splits[self.split].num_shards
        return f"{self.builder.info.full_name}/{self.split}[{self.start}:{self.stop}]@{shards}"

    def read(self, start: int, stop: int) -> tf.data.Dataset:
        """Returns the encoded pictures [start, stop), counted from `self.start`."""
        import tensorflow_datasets as tfds

        return self.builder.as_dataset(
            split=tfds.core.ReadInstruction(
                self.split, from_=self.start + start, to=self.start + stop, unit="abs"),
            shuffle_files=False,
            read_config=tfds.ReadConfig(
                interleave_cycle_length=1, try_autocache=False, skip_prefetch=True),
            decoders=tfds.decode.PartialDecoding(
                {"image": True}, decoders={"image": tfds.decode.SkipDecoding()}),
        ).map(lambda features: features["image"])


def load_tfds(
    name: str, data_dir: str | None, image_size: int | None, test_split: float, scan: Scan
) -> Dataset:
    """Loads a set by its name, downloading it if it is not there.

    Args, Returns and Raises are those of `data.load_dataset`; `scan` knows the gray pictures of a
    set that was streamed before.
    """
    import tensorflow_datasets as tfds

    folder = os.path.expanduser(data_dir or tfds.core.constants.DATA_DIR)
    with _tfds_errors(name, folder):
        builder = tfds.builder(name, data_dir=folder)
        if not builder.is_prepared():
            builder.download_and_prepare()
        features = builder.info.features
        image = features["image"] if "image" in features else None
        if not isinstance(image, tfds.features.Image) or image.shape[-1] != 3 or (
                image.np_dtype != np.uint8):
            raise ValueError(f"it has no 8-bit color `image` feature but {list(features)}")
        train, test = _tfds_splits(builder, test_split)
        own = image.shape[0] if image.shape[0] == image.shape[1] else None
        size = image_size or (own if own in OWN_SIZES else DEFAULT_SIZE)
        if (len(train) + len(test)) * size * size * 3 <= ARRAY_BYTES:
            arrays = [_load_array(records, size, own == size) for records in (train, test)]
            kept = arrays[0][~is_gray(arrays[0])]
            fingerprint = sha256(kept)
            sources: tuple[Source, Source] = ArraySource(kept), ArraySource(arrays[1])
        else:
            kept = np.setdiff1d(np.arange(len(train)), _gray_numbers(train, scan))
            fingerprint = sha256(f"{train.key} {kept.tolist()}".encode())
            sources = (RecordSource(train.read, kept, size),
                       RecordSource(test.read, np.arange(len(test)), size))
        if not all(source.size for source in sources):
            raise ValueError(f"{len(kept)} color pictures to train and {len(test)} to test on")
    return Dataset(
        name, size, sources[0], sources[1], gray_left_out=len(train) - len(kept), scan=scan,
        fingerprint=fingerprint)


@contextlib.contextmanager
def _tfds_errors(name: str, folder: str) -> Iterator[None]:
    """Turns whatever TensorFlow Datasets raises into a DatasetError, without its noise."""
    from tensorflow_datasets.core.download import downloader

    loggers = [logging.getLogger("absl"), logging.getLogger("urllib3")]
    levels = [logger.level for logger in loggers]
    retries, downloader.MAX_RETRIES = downloader.MAX_RETRIES, DOWNLOAD_RETRIES
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        yield
    except Exception as error:  # of any kind: no network, a bad checksum, a missing manual download
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise DatasetError(
            "`dataset` must be `sample`, an existing folder, or a set that TensorFlow Datasets can "
            f"load. Received: dataset={name}, looked for in {folder}: {reason.rstrip('.')}. Use "
            "--data_dir=FOLDER if it is elsewhere, --dataset=sample for the built-in photographs"
        ) from error
    finally:
        downloader.MAX_RETRIES = retries
        for logger, level in zip(loggers, levels):
            logger.setLevel(level)


def _tfds_splits(builder: Any, test_split: float) -> tuple[_Records, _Records]:
    sizes = {name: split.num_examples for name, split in builder.info.splits.items()}
    if "train" not in sizes:
        raise ValueError(f"it has no `train` split but {list(sizes)}")
    for name in ("test", "validation"):
        if sizes.get(name):
            return (_Records(builder, "train", 0, sizes["train"]),
                    _Records(builder, name, 0, sizes[name]))
    border = sizes["train"] - max(1, round(sizes["train"] * test_split))
    return (_Records(builder, "train", 0, border),
            _Records(builder, "train", border, sizes["train"]))


def _load_array(records: _Records, size: int, as_it_is: bool) -> np.ndarray:
    """Decodes all pictures to uint8 [N, size, size, 3]."""
    def fit(encoded: tf.Tensor) -> tf.Tensor:
        rgb = decode_rgb(encoded)
        if as_it_is:
            return tf.ensure_shape(rgb, (size, size, 3))
        return call_numpy(lambda rgb: resize_and_crop(rgb, size), (rgb,), size)

    pictures = np.empty((len(records), size, size, 3), np.uint8)
    _fill(pictures, records, fit)
    return pictures


def _gray_numbers(records: _Records, scan: Scan) -> list[int]:
    """Finds the gray pictures among the records, which takes decoding each once."""
    def judge(encoded: tf.Tensor) -> tf.Tensor:
        return tf.ensure_shape(
            tf.numpy_function(is_gray, (decode_rgb(encoded),), tf.bool, stateful=False), ())

    known = scan.read("records")
    if records.key not in known:
        gray = np.empty(len(records), bool)
        _fill(gray, records, judge)
        known[records.key] = np.flatnonzero(gray).tolist()
        scan.write("records", known)
    return known[records.key]


def _fill(array: np.ndarray, records: _Records, function: Callable[[tf.Tensor], tf.Tensor]) -> None:
    if not len(records):
        return
    batches = records.read(0, len(records)).map(function, AUTOTUNE).batch(256).prefetch(AUTOTUNE)
    start = 0
    with progress(None, len(records), f"{records.split} pictures") as bar:
        for batch in batches.as_numpy_iterator():
            array[start:start + len(batch)] = batch
            start += len(batch)
            bar.update(len(batch))
