"""Images to train and test on: the built-in sample, a folder, or a TensorFlow Datasets set."""

from __future__ import annotations

import hashlib
from pathlib import Path

from PIL import Image
import numpy as np

from colorizer.data.dataset import DEFAULT_SIZE, Dataset
from colorizer.data.folder import load_folder
from colorizer.data.images import is_gray, read_rgb
from colorizer.data.names import SAMPLE, DatasetError, find_folder
from colorizer.data.pipeline import ArraySource
from colorizer.data.tfds import load_tfds

# Natural photographs that the scikit-image wheel carries: others it would download.
SAMPLE_FILES = ("astronaut.png", "chelsea.png", "coffee.png", "motorcycle_left.png", "rocket.jpg")
SAMPLE_SIZE = 32
SAMPLE_STRIDE = 16  # of the training tiles, which overlap


def load_dataset(
    name: str, *, data_dir: str | None = None, image_size: int | None = None,
    workdir: str | None = None, to_test: bool = False,
) -> Dataset:
    """Finds images and divides them into training, validation and test split.

    * The sample: of the two columns of tiles at the right of its photographs, the left one
      validates and the other one tests.
    * A folder with the subfolder `train` and `val` (or `valid`, `validation`) or `test` or both, in
      any case: these. If one of the two is missing, the other tests, and 5 % of `train` validate,
      by a hash of their names. Any other folder: 10 % test and 5 % validate, by that hash.
    * A set of TensorFlow Datasets: the last 5 % of `train` validate, `test` or else `validation`
      tests. If it has neither, the last 10 % of `train` test, and the 5 % before them validate.

    Gray images are left out, but not of the test split of a TensorFlow Datasets set, so that
    results compare with published ones.

    Example:
        dataset = load_dataset("~/photos", image_size=128)

    Args:
        name: "sample" (photographs that come with scikit-image, 32 px), a folder of images, or
            the name of a TensorFlow Datasets set with an `image`, such as "cifar10".
        data_dir: Where TensorFlow Datasets keeps its data; by default ~/tensorflow_datasets.
        image_size: Side in pixels; by default the data set's own if it is 16, 32 or 64, else 256.
        workdir: Folder of a run that may know these files already (`Dataset.save_scan`).
        to_test: Whether all images of a folder that has no subfolder `train` are to test on.

    Raises:
        DatasetError: There is no such data set, or too little in it.
    """
    if image_size is not None and image_size < 1:
        raise DatasetError(f"`image_size` must be at least 1. Received: image_size={image_size}")
    if name == SAMPLE:
        return _load_sample(image_size)
    if (folder := find_folder(name)) is not None:
        return load_folder(name, folder, image_size or DEFAULT_SIZE, workdir, to_test)
    return load_tfds(name, data_dir, image_size)


def sample_paths() -> list[Path]:
    """The files of the built-in photographs."""
    import skimage

    return [Path(skimage.__file__).parent / "data" / name for name in SAMPLE_FILES]


def _load_sample(image_size: int | None) -> Dataset:
    if image_size not in (None, SAMPLE_SIZE):
        raise DatasetError(f"The sample's `image_size` must be {SAMPLE_SIZE}. "
                           f"Received: image_size={image_size}")
    photos = [np.asarray(Image.fromarray(read_rgb(path)).reduce(2)) for path in sample_paths()]
    # Each of the last two columns is 9 to 14 % of a photograph's width.
    left, right = -2 * SAMPLE_SIZE, -SAMPLE_SIZE
    splits = [np.concatenate(tiles) for tiles in (
        [_tiles(rgb[:, :left], SAMPLE_STRIDE) for rgb in photos],
        [_tiles(rgb[:, left:right], SAMPLE_SIZE) for rgb in photos],
        [_tiles(rgb[:, right:], SAMPLE_SIZE) for rgb in photos])]
    kept = [tiles[~is_gray(tiles)] for tiles in splits]
    return Dataset(
        SAMPLE, SAMPLE_SIZE, ArraySource(kept[0]), ArraySource(kept[1]), ArraySource(kept[2]),
        gray_left_out=sum(map(len, splits)) - sum(map(len, kept)),
        fingerprint=hashlib.sha256(kept[0]).hexdigest(),
        validation_fingerprint=hashlib.sha256(kept[1]).hexdigest())


def _tiles(rgb: np.ndarray, stride: int) -> np.ndarray:
    shape = (SAMPLE_SIZE, SAMPLE_SIZE, 3)
    windows = np.lib.stride_tricks.sliding_window_view(rgb, shape)
    return windows[::stride, ::stride].reshape(-1, *shape)
