"""A set of TensorFlow Datasets as a data set: in memory if it is small, else streamed."""

from __future__ import annotations

from collections.abc import Iterator
import contextlib
from dataclasses import dataclass
import difflib
import hashlib
import logging
import os
from typing import Any

import numpy as np
import tensorflow as tf

from colorizer.data.dataset import DEFAULT_SIZE, TEST_SHARE, VALIDATION_SHARE, Dataset, progress
from colorizer.data.images import is_gray
from colorizer.data.names import DatasetError
from colorizer.data.pipeline import AUTOTUNE, ArraySource, Positions, draws, shuffled, view

OWN_SIZES = (16, 32, 64)  # data sets of such images are used as they are
ARRAY_BYTES = 2**30
SHUFFLE_BLOCK = 4096  # records; of Places365 some 100 MB
MAX_LOOK_BACK = 32  # records, in search of one in color
DOWNLOAD_RETRIES = 2  # ten, the default, take minutes to say that there is no network


def load_tfds(name: str, data_dir: str | None, image_size: int | None) -> Dataset:
    """Loads a set by its name, downloading it if it is not there; see `data.load_dataset`."""
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
        splits = _tfds_splits(builder)
        own = image.shape[0] if image.shape[0] == image.shape[1] else None
        size = image_size or (own if own in OWN_SIZES else DEFAULT_SIZE)
        in_memory = sum(map(len, splits)) * size * size * 3 <= ARRAY_BYTES
        return (_in_memory if in_memory else _streamed)(name, splits, size)


def _in_memory(name: str, splits: list[_Records], size: int) -> Dataset:
    train, validation, test = (_load_array(records, size) for records in splits)
    color = [rgb[~is_gray(rgb)] for rgb in (train, validation)]
    if not all(map(len, color)):
        raise ValueError("{} color images to train and {} to validate on".format(*map(len, color)))
    return Dataset(
        name, size, ArraySource(color[0]), ArraySource(color[1]), ArraySource(test),
        gray_left_out=len(train) + len(validation) - len(color[0]) - len(color[1]),
        fingerprint=hashlib.sha256(color[0]).hexdigest(),
        validation_fingerprint=hashlib.sha256(color[1]).hexdigest())


def _streamed(name: str, splits: list[_Records], size: int) -> Dataset:
    train, validation = (RecordSource(records, size) for records in splits[:2])
    if not any(True for _ in validation.batches(1, 1)):
        raise ValueError("no color image to validate on")
    info = splits[0].builder.info
    shards = info.splits["train"].num_shards  # others would mean another order
    fingerprints = [hashlib.sha256(
        f"{info.full_name}/train[{part.start}:{part.stop}]@{shards}".encode()).hexdigest()
        for part in splits[:2]]
    return Dataset(name, size, train, validation, RecordSource(splits[2], size, keep_gray=True),
                   gray_left_out=None, fingerprint=fingerprints[0],
                   validation_fingerprint=fingerprints[1])


@contextlib.contextmanager
def _tfds_errors(name: str, folder: str) -> Iterator[None]:
    """Turns whatever TensorFlow Datasets raises into a DatasetError, without its noise."""
    from tensorflow_datasets.core.download import downloader

    retries, downloader.MAX_RETRIES = downloader.MAX_RETRIES, DOWNLOAD_RETRIES
    disabled = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    except Exception as error:  # of any kind: no network, a bad checksum, a missing manual download
        import tensorflow_datasets as tfds

        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        near = difflib.get_close_matches(name, tfds.list_builders(), n=1)
        meant = f" Did you mean {near[0]}?" if near and near[0] != name else ""
        raise DatasetError(
            "`dataset` must be `sample`, an existing folder, or a set that TensorFlow Datasets can "
            f"load. Received: dataset={name}, looked for in {folder}: {reason.rstrip('.')}. Use "
            "--data_dir=FOLDER if it is elsewhere, --dataset=sample for the built-in photographs."
            f"{meant}"
        ) from error
    finally:
        downloader.MAX_RETRIES = retries
        logging.disable(disabled)


@dataclass(frozen=True)
class _Records:
    """Records [start, stop) of a split of a TensorFlow Datasets builder."""

    builder: Any
    split: str
    start: int
    stop: int

    def __len__(self) -> int:
        return self.stop - self.start

    def read(self, start: int, stop: int) -> tf.data.Dataset:
        """Returns the encoded images [start, stop), counted from `self.start`."""
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


def _tfds_splits(builder: Any) -> list[_Records]:
    """Returns the records to train, validate and test on, none of them empty."""
    sizes = {name: split.num_examples for name, split in builder.info.splits.items()}
    if "train" not in sizes:
        raise ValueError(f"it has no `train` split but {list(sizes)}")
    total = sizes["train"]
    test = next((_Records(builder, name, 0, sizes[name]) for name in ("test", "validation")
                 if sizes.get(name)), None)
    end = total if test else total - max(1, round(total * TEST_SHARE))
    border = end - max(1, round(total * VALIDATION_SHARE))
    if border < 1:
        raise ValueError(f"its `train` split has {total} images, too few to divide")
    return [_Records(builder, "train", 0, border), _Records(builder, "train", border, end),
            test or _Records(builder, "train", end, total)]


def _load_array(records: _Records, size: int) -> np.ndarray:
    """Decodes all images to uint8 [N, size, size, 3]."""
    rgb = np.empty((len(records), size, size, 3), np.uint8)
    batches = records.read(0, len(records)).map(
        lambda encoded: _view(decode_rgb(encoded), size), AUTOTUNE).batch(256).prefetch(AUTOTUNE)
    with progress(None, len(records), f"{records.split} images") as bar:
        for start, batch in zip(range(0, len(records), 256), batches.as_numpy_iterator()):
            rgb[start:start + 256] = batch
            bar.update(len(batch))
    return rgb


class RecordSource:
    """Encoded images, read in their order and shuffled in blocks of `SHUFFLE_BLOCK`.

    Which of them are gray is not known before they are decoded. In training the place of a gray one
    is taken by the nearest color one before it in the same shuffled block, so that what a position
    holds depends on the block alone: not on where a run was resumed, nor on the workers. Should
    `MAX_LOOK_BACK` records in a row be gray, one is used. With `keep_gray`, `batches` has them too.
    """

    def __init__(self, records: _Records, image_size: int, keep_gray: bool = False):
        self.size = len(records)
        self._records = records
        self._image_size = image_size
        self._keep_gray = keep_gray

    def _shuffled_from(self, position: int, seed: int) -> tf.data.Dataset:
        """Returns endless (records of a block, their order, place in it); records are shared."""
        blocks = -(-self.size // SHUFFLE_BLOCK)
        epoch, offset = divmod(position, self.size)
        block, offset = divmod(offset, SHUFFLE_BLOCK)

        def places(number: tf.Tensor, records: tf.Tensor) -> tf.data.Dataset:
            size = tf.size(records, tf.int64)
            order = shuffled(tf.range(size), size, number, seed)
            return tf.data.Dataset.range(size).map(lambda place: (records, order, place))

        def pass_over(records: tf.data.Dataset, first_block: tf.Tensor) -> tf.data.Dataset:
            return records.batch(SHUFFLE_BLOCK).enumerate(first_block).prefetch(1).flat_map(places)

        whole = self._records.read(0, self.size)
        rest = tf.data.Dataset.counter(tf.constant(epoch + 1, tf.int64)).flat_map(
            lambda number: pass_over(whole, number * blocks))
        begun = self._records.read(block * SHUFFLE_BLOCK, self.size)  # none before are read
        return pass_over(begun, epoch * blocks + block).skip(offset).concatenate(rest)

    def stream(self, positions: Positions, seed: int, augment: bool) -> tf.data.Dataset:
        def image(position: tf.Tensor, block: tuple[tf.Tensor, ...]) -> tf.Tensor:
            numbers = [draws(position, seed)] if augment else []
            return _view(_decode_color(*block), self._image_size, *numbers)

        numbered = self._shuffled_from(positions.first, seed).enumerate(positions.first)
        local = numbered.filter(lambda position, _: positions.are_local(position))
        return local.map(image, AUTOTUNE).batch(positions.batch_size, drop_remainder=True)

    def batches(self, batch_size: int, limit: int | None) -> tf.data.Dataset:
        images = self._records.read(0, self.size).map(decode_rgb, AUTOTUNE)
        if not self._keep_gray:
            images = images.filter(lambda rgb: tf.logical_not(_is_gray(rgb)))
        # Evenly spread ones would mean reading the whole split.
        return images.take(-1 if limit is None else limit).map(
            lambda rgb: _view(rgb, self._image_size), AUTOTUNE).batch(batch_size)


def decode_rgb(encoded: tf.Tensor) -> tf.Tensor:
    """Decodes a JPEG, PNG, GIF or BMP string to uint8 [H, W, 3]."""
    return tf.ensure_shape(
        tf.io.decode_image(encoded, channels=3, expand_animations=False), (None, None, 3))


def _view(rgb: tf.Tensor, size: int, *numbers: tf.Tensor) -> tf.Tensor:
    """`pipeline.view` within a graph; leaves it only if there is something to do."""
    def call() -> tf.Tensor:
        return tf.numpy_function(lambda rgb, *numbers: view(rgb, size, *numbers),
                                 (rgb, *numbers), tf.uint8, stateful=False)

    fits = tf.reduce_all(tf.shape(rgb)[:2] == size)
    result = call() if numbers else tf.cond(fits, lambda: rgb, call)
    return tf.ensure_shape(result, (size, size, 3))


def _is_gray(rgb: tf.Tensor) -> tf.Tensor:
    """`is_gray` of one image within a graph."""
    return tf.ensure_shape(tf.numpy_function(is_gray, (rgb,), tf.bool, stateful=False), ())


def _decode_color(records: tf.Tensor, order: tf.Tensor, place: tf.Tensor) -> tf.Tensor:
    """Decodes a record or, if it is gray, the nearest color one before it.

    It is number `place` in the `order`, int64 [n], in which a block of encoded `records`, string
    [n], is drawn. The last comes before the first.
    """
    def decode(back: tf.Tensor) -> tf.Tensor:
        return decode_rgb(records[order[(place - back) % tf.size(order, tf.int64)]])

    zero = tf.constant(0, tf.int64)
    _, rgb = tf.while_loop(
        lambda back, rgb: (back < MAX_LOOK_BACK) & _is_gray(rgb),
        lambda back, _: (back + 1, decode(back + 1)),
        (zero, decode(zero)), (zero.shape, tf.TensorShape((None, None, 3))))
    return rgb
