"""Pictures to train and test on: the built-in sample, a folder, or a TensorFlow Datasets set."""

from __future__ import annotations

import os
from pathlib import Path

from PIL import Image
import numpy as np

from colorizer.data.dataset import DEFAULT_SIZE, Dataset, DatasetError, Scan, sha256
from colorizer.data.folder import load_folder
from colorizer.data.images import ImageError, is_gray, read_rgb
from colorizer.data.pipeline import ArraySource
from colorizer.data.tfds import load_tfds

# Natural photographs that the scikit-image wheel carries: others it would download.
SAMPLE_FILES = ("astronaut.png", "chelsea.png", "coffee.png", "motorcycle_left.png", "rocket.jpg")
SAMPLE_SIZE = 32
SAMPLE_STRIDE = 16
SAMPLE_TEST_COLUMNS = 2 * SAMPLE_SIZE  # 17 to 28 % of a picture's width, as it is reduced


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
        return load_folder(name, folder, image_size or DEFAULT_SIZE, test_split, scan)
    if name.startswith((".", "~")) or os.path.isabs(name) or name.count("/") > 1 or "\\" in name:
        raise DatasetError(f"`dataset` must be a folder that exists. Received: dataset={name}")
    return load_tfds(name, data_dir, image_size, test_split, scan)


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
                   fingerprint=sha256(kept[0]))


def _tiles(rgb: np.ndarray, stride: int) -> list[np.ndarray]:
    height, width = rgb.shape[:2]
    return [rgb[top:top + SAMPLE_SIZE, left:left + SAMPLE_SIZE]
            for top in range(0, height - SAMPLE_SIZE + 1, stride)
            for left in range(0, width - SAMPLE_SIZE + 1, stride)]
