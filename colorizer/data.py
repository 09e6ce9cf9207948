"""Pictures to train and test on: the built-in sample, a folder, or a TensorFlow Datasets set.

Whatever they come from, batches are uint8 sRGB [B, S, S, 3] in 0..255. `sources` says in which
order and how they are augmented.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
import contextlib
from dataclasses import dataclass, field
import hashlib
import json
import logging
import os
from pathlib import Path
from typing import Any

from PIL import Image
import numpy as np
import tensorflow as tf
from tqdm import tqdm

from colorizer.errors import UserError
from colorizer.files import replace_file
from colorizer.images import ImageError, find_pictures, is_gray, read_rgb, resize_and_crop
from colorizer.sources import (
    AUTOTUNE, ArraySource, FileSource, RecordSource, Source, Turns, call_numpy, decode_rgb
)

# Natural photographs that the scikit-image wheel carries: others it would download.
SAMPLE_FILES = ("astronaut.png", "chelsea.png", "coffee.png", "motorcycle_left.png", "rocket.jpg")
SAMPLE_SIZE = 32
SAMPLE_STRIDE = 16
SAMPLE_TEST_COLUMNS = 2 * SAMPLE_SIZE  # 17 to 28 % of a picture's width, as it is reduced

TEST_FOLDERS = ("test", "val", "validation")
DEFAULT_SIZE = 256
OWN_SIZES = (16, 32, 64)  # data sets of such pictures are used as they are
ARRAY_BYTES = 2**30
SCAN_FILE = "scan.json"
PROGRESS_FROM = 1000
DOWNLOAD_RETRIES = 2  # ten, the default, take minutes to say that there is no network


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
        gray_left_out: Number of pictures without colour that are in neither split.
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


def load_dataset(
    name: str, *, data_dir: str | None = None, image_size: int | None = None,
    test_split: float = 0.1, workdir: str | None = None,
) -> Dataset:
    """Finds the pictures.

    Args:
        name: "sample" (photographs that come with scikit-image, 32 px), a folder of pictures, or
            the name of a TensorFlow Datasets set with an `image`, such as "cifar10".
        data_dir: Where TensorFlow Datasets keeps its data; by default ~/tensorflow_datasets.
        image_size: Side of the pictures in pixels; by default the data set's own if all are
            square and of 16, 32 or 64 px, else 256.
        test_split: Share of the pictures to test on where no split is given, in (0, 1).
        workdir: Folder of a run that may know these pictures already (`Dataset.save_scan`).

    Returns:
        The data set. Gray pictures are left out, but not of the test split of a TensorFlow
        Datasets set, so that results compare with published ones.

    Raises:
        DatasetError: There is no such data set, or too little in it.
    """
    if not 0 < test_split < 1 or (image_size is not None and image_size < 1):
        raise DatasetError("`test_split` must be in (0, 1) and `image_size` at least 1. Received: "
                           f"test_split={test_split}, image_size={image_size}")
    scan = Scan(workdir)
    folder = Path(name).expanduser()
    if name == "sample":
        return _load_sample(image_size)
    if folder.is_dir():
        return _load_folder(name, folder, image_size or DEFAULT_SIZE, test_split, scan)
    if name.startswith((".", "~")) or os.path.isabs(name) or name.count("/") > 1 or "\\" in name:
        raise DatasetError(f"`dataset` must be a folder that exists. Received: dataset={name}")
    return _load_tfds(name, data_dir, image_size, test_split, scan)


def sample_paths() -> list[Path]:
    """The files of the built-in photographs."""
    import skimage

    return [Path(skimage.__file__).parent / "data" / name for name in SAMPLE_FILES]


def _load_sample(image_size: int | None) -> Dataset:
    if image_size not in (None, SAMPLE_SIZE):
        raise DatasetError(f"The sample's `image_size` must be {SAMPLE_SIZE}. "
                           f"Received: image_size={image_size}")
    train, test = [], []
    for path in sample_paths():
        try:
            rgb = read_rgb(path)
        except ImageError as error:
            raise DatasetError("The sample needs the photographs in scikit-image's own package; "
                               f"reinstall it. Received: {error}") from error
        rgb = np.asarray(Image.fromarray(rgb).reduce(2))
        border = rgb.shape[1] - SAMPLE_TEST_COLUMNS
        train += _tiles(rgb[:, :border], SAMPLE_STRIDE)
        test += _tiles(rgb[:, border:], SAMPLE_SIZE)
    kept = [tiles[~is_gray(tiles)] for tiles in (np.stack(train), np.stack(test))]
    return Dataset("sample", SAMPLE_SIZE, ArraySource(kept[0]), ArraySource(kept[1]),
                   len(train) + len(test) - len(kept[0]) - len(kept[1]),
                   fingerprint=_sha256(kept[0]))


def _tiles(rgb: np.ndarray, stride: int) -> list[np.ndarray]:
    height, width = rgb.shape[:2]
    return [rgb[top:top + SAMPLE_SIZE, left:left + SAMPLE_SIZE]
            for top in range(0, height - SAMPLE_SIZE + 1, stride)
            for left in range(0, width - SAMPLE_SIZE + 1, stride)]


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


def _load_folder(
    name: str, folder: Path, image_size: int, test_split: float, scan: Scan
) -> Dataset:
    parts = [folder / part for part in TEST_FOLDERS if (folder / part).is_dir()][:1]
    if parts and (folder / "train").is_dir():
        parts.append(folder / "train")
    else:
        parts = [folder]
    try:
        paths = [path for part in parts for path in find_pictures(part)]
    except ImageError as error:
        raise DatasetError(
            f"`dataset` must be a folder that can be read. Received: {error}") from error
    relative = {path.relative_to(folder).as_posix(): path for path in paths}
    verdicts = _judge(relative, scan)
    usable = [path for path, verdict in verdicts.items() if verdict == "colour"]
    gray = sum(verdict == "gray" for verdict in verdicts.values())
    unreadable = [(str(relative[path]), verdict) for path, verdict in verdicts.items()
                  if verdict not in ("colour", "gray")]
    if len(parts) == 2:
        is_test = [not path.startswith("train/") for path in usable]
    else:
        is_test = _hash_split(usable, test_split)
    splits = [[relative[path] for path, test in zip(usable, is_test) if test == wanted]
              for wanted in (False, True)]
    if not all(splits):
        first = " (the first: {}: {})".format(*unreadable[0]) if unreadable else ""
        raise DatasetError(
            "A folder must hold at least 2 readable colour pictures, one to train and one to test "
            f"on. Received: {name} with {len(splits[0])} to train and {len(splits[1])} to test "
            f"on, {gray} gray and {len(unreadable)} unreadable{first}")
    train, test = (FileSource(split, image_size) for split in splits)
    names = "\n".join(path for path, test in zip(usable, is_test) if not test)
    return Dataset(name, image_size, train, test, gray, unreadable, scan,
                   _sha256(os.fsencode(names)))


def _judge(paths: dict[str, Path], scan: Scan) -> dict[str, str]:
    """Says of each picture "colour", "gray", or why it cannot be read.

    Args:
        paths: Name -> file.
        scan: Knows those that have not changed since they were last read.
    """
    known = scan.read("files")
    keys = {name: _key(name, path) for name, path in paths.items()}
    new = [name for name in paths if keys[name] not in known]
    executor = ThreadPoolExecutor(os.cpu_count())
    try:
        verdicts = list(_progress(
            executor.map(_look_at, (paths[name] for name in new)), len(new), "pictures"))
    finally:
        executor.shutdown(cancel_futures=True)  # else Ctrl-C would wait for all of them
    known.update(zip((keys[name] for name in new), verdicts))
    found = {name: known[keys[name]] for name in paths}
    if new:
        scan.write("files", {keys[name]: verdict for name, verdict in found.items()})
    return found


def _sha256(data: Any) -> str:
    return hashlib.sha256(data).hexdigest()


def _key(name: str, path: Path) -> str:
    try:
        stat = path.stat()
    except OSError:  # a dangling link: reading it will say so
        return name
    return f"{name} {stat.st_size} {stat.st_mtime_ns}"


def _look_at(path: Path) -> str:
    try:
        return "gray" if is_gray(read_rgb(path)) else "colour"
    except ImageError as error:
        return str(error).removeprefix(f"{path}: ")


def _progress(items: Iterator | None, total: int, what: str) -> tqdm:
    return tqdm(items, f"looking at {what}", total, disable=total <= PROGRESS_FROM)


def _hash_split(names: Sequence[str], test_split: float) -> list[bool]:
    """Tells which files to test on, each by its own name, so that new ones move no others.

    Args:
        names: POSIX paths relative to the folder.
        test_split: Expected share of test files.

    Returns:
        Whether each is a test file. Of two or more files at least one is, and one is not.
    """
    places = [int.from_bytes(hashlib.sha256(os.fsencode(name)).digest()[:8], "big") / 2**64
              for name in names]
    if len(names) > 1:
        test_split = min(max(test_split, np.nextafter(min(places), 1)), max(places))
    return [place < test_split for place in places]


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


def _load_tfds(name: str, data_dir: str | None, image_size: int | None, test_split: float,
               scan: Scan) -> Dataset:
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
            raise ValueError(f"it has no 8-bit colour `image` feature but {list(features)}")
        train, test = _tfds_splits(builder, test_split)
        own = image.shape[0] if image.shape[0] == image.shape[1] else None
        size = image_size or (own if own in OWN_SIZES else DEFAULT_SIZE)
        if (len(train) + len(test)) * size * size * 3 <= ARRAY_BYTES:
            arrays = [_load_array(records, size, own == size) for records in (train, test)]
            kept = arrays[0][~is_gray(arrays[0])]
            fingerprint = _sha256(kept)
            sources: tuple[Source, Source] = ArraySource(kept), ArraySource(arrays[1])
        else:
            kept = np.setdiff1d(np.arange(len(train)), _gray_numbers(train, scan))
            fingerprint = _sha256(f"{train.key} {kept.tolist()}".encode())
            sources = (RecordSource(train.read, kept, size),
                       RecordSource(test.read, np.arange(len(test)), size))
        if not all(source.size for source in sources):
            raise ValueError(f"{len(kept)} colour pictures to train and {len(test)} to test on")
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
    with _progress(None, len(records), f"{records.split} pictures") as bar:
        for batch in batches.as_numpy_iterator():
            array[start:start + len(batch)] = batch
            start += len(batch)
            bar.update(len(batch))
