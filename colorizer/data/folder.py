"""Any folder of pictures as a data set: which can be used, and which are tested on."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
import hashlib
import os
from pathlib import Path

import numpy as np

from colorizer.data.dataset import Dataset, DatasetError, Scan, progress, sha256
from colorizer.data.image_paths import find_pictures
from colorizer.data.images import ImageError, is_gray, read_rgb
from colorizer.data.pipeline import FileSource

TEST_FOLDERS = ("test", "val", "validation")


def load_folder(
    name: str, folder: Path, image_size: int, test_split: float, scan: Scan
) -> Dataset:
    """Splits the color pictures in a folder.

    Args:
        name: The folder as the user gave it.
        folder: The same; its pictures may lie in folders of it, which `train` and one of
            TEST_FOLDERS divide.
        image_size: Side in pixels to bring them to.
        test_split: Share to test on where no such folders do, in (0, 1).
        scan: What an earlier run found out about the pictures.

    Raises:
        DatasetError: The folder cannot be read, or has too few color pictures.
    """
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
    usable = [path for path, verdict in verdicts.items() if verdict == "color"]
    gray = sum(verdict == "gray" for verdict in verdicts.values())
    unreadable = [(str(relative[path]), verdict) for path, verdict in verdicts.items()
                  if verdict not in ("color", "gray")]
    if len(parts) == 2:
        is_test = [not path.startswith("train/") for path in usable]
    else:
        is_test = _hash_split(usable, test_split)
    splits = [[relative[path] for path, test in zip(usable, is_test) if test == wanted]
              for wanted in (False, True)]
    if not all(splits):
        first = " (the first: {}: {})".format(*unreadable[0]) if unreadable else ""
        raise DatasetError(
            "A folder must hold at least 2 readable color pictures, one to train and one to test "
            f"on. Received: {name} with {len(splits[0])} to train and {len(splits[1])} to test "
            f"on, {gray} gray and {len(unreadable)} unreadable{first}")
    train, test = (FileSource(split, image_size) for split in splits)
    names = "\n".join(path for path, test in zip(usable, is_test) if not test)
    return Dataset(name, image_size, train, test, gray, unreadable, scan,
                   sha256(os.fsencode(names)))


def _judge(paths: dict[str, Path], scan: Scan) -> dict[str, str]:
    """Says of each picture "color", "gray", or why it cannot be read.

    Args:
        paths: Name -> file.
        scan: Knows those that have not changed since they were last read.
    """
    known = scan.read("files")
    keys = {name: _key(name, path) for name, path in paths.items()}
    new = [name for name in paths if keys[name] not in known]
    executor = ThreadPoolExecutor(os.cpu_count())
    try:
        verdicts = list(progress(
            executor.map(_look_at, (paths[name] for name in new)), len(new), "pictures"))
    finally:
        executor.shutdown(cancel_futures=True)  # else Ctrl-C would wait for all of them
    known.update(zip((keys[name] for name in new), verdicts))
    found = {name: known[keys[name]] for name in paths}
    if new:
        scan.write("files", {keys[name]: verdict for name, verdict in found.items()})
    return found


def _key(name: str, path: Path) -> str:
    try:
        stat = path.stat()
    except OSError:  # a dangling link: reading it will say so
        return name
    return f"{name} {stat.st_size} {stat.st_mtime_ns}"


def _look_at(path: Path) -> str:
    try:
        return "gray" if is_gray(read_rgb(path)) else "color"
    except ImageError as error:
        return str(error).removeprefix(f"{path}: ")


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
