"""Any folder of images as a data set: which can be used, and in which split each is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
import contextlib
import hashlib
import os
from pathlib import Path

import numpy as np

from colorizer.data.dataset import SCAN_FILE, TEST_SHARE, VALIDATION_SHARE, Dataset, progress
from colorizer.data.decoding import ImageError, image_error
from colorizer.data.image_paths import find_images
from colorizer.data.images import is_gray, is_toned, read_rgb
from colorizer.data.names import DatasetError
from colorizer.data.pipeline import FileSource
from colorizer.errors import UserError
from colorizer.files import read_json, sha256

SPLIT_FOLDERS = {"train": "train", "val": "validation", "valid": "validation",
                 "validation": "validation", "test": "test"}
MAX_SCAN_BYTES = 2**29  # some 150 bytes a file
NEEDED = {True: "at least one readable color image to test on",
          False: "at least 3 readable color images, one to train, one to validate and one to "
                 "test on"}


def load_folder(
    name: str, folder: Path, image_size: int, workdir: str | None = None, to_test: bool = False
) -> Dataset:
    """Splits the color images in `folder`, by its subfolders or else by their names.

    Arguments and errors are those of `data.load_dataset`.
    """
    try:
        roles = {path.name: SPLIT_FOLDERS[path.name.lower()] for path in folder.iterdir()
                 if path.name.lower() in SPLIT_FOLDERS and path.is_dir()}
        if not {"train"} < set(roles.values()):  # they divide it if there is another one too
            roles = {}
        paths = [path for part in roles or [""] for path in find_images(folder / part)]
    except (OSError, ImageError) as error:
        raise DatasetError(
            f"`dataset` must be a folder that can be read. Received: {error}") from error
    files = dict(sorted((path.relative_to(folder).as_posix(), path) for path in paths))
    found = _scan(files, workdir)
    verdicts = {name: verdict for name, (_, verdict, _) in found.items()}
    splits = _split([name for name, verdict in verdicts.items() if verdict == "color"], roles)
    gray = sum(verdict == "gray" for verdict in verdicts.values())
    unreadable = [(str(files[name]), verdict) for name, verdict in verdicts.items()
                  if verdict not in ("color", "gray")]
    if to_test and not roles:
        splits = [[], [], sorted(sum(splits, []))]
    if not (splits[-1] if to_test else all(splits)):
        counts = "{} to train, {} to validate and {} to test on".format(*map(len, splits))
        first = " (the first: {}: {})".format(*unreadable[0]) if unreadable else ""
        raise DatasetError(
            f"A folder must hold {NEEDED[to_test]}. Received: {name} with {counts}, {gray} gray "
            f"and {len(unreadable)} unreadable{first}")
    train, validation, test = (
        FileSource([files[name] for name in split], image_size) for split in splits)
    digests = [[found[name][2] for name in split] for split in splits]
    return Dataset(
        name, image_size, train, validation, test, gray, unreadable,
        fingerprint=_sha256_of(splits[0]), contents=_sha256_of(digests[0]),
        validation_fingerprint=_sha256_of(digests[1]),
        scan={key: (verdict, digest) for key, verdict, digest in found.values()})


def _sha256_of(texts: Sequence[str]) -> str:
    return hashlib.sha256(os.fsencode("\n".join(texts))).hexdigest()


def _split(names: Sequence[str], roles: Mapping[str, str]) -> list[list[str]]:
    """Divides files (POSIX paths below the folder) into those to train, validate and test on."""
    if not roles:
        test, validation, train = _split_by_hash(names, (TEST_SHARE, VALIDATION_SHARE))
        return [train, validation, test]
    train, validation, test = (
        [name for name in names if roles[name.split("/")[0]] == role]
        for role in ("train", "validation", "test"))
    if set(roles.values()) != set(SPLIT_FOLDERS.values()):
        test += validation  # one of them is not there: the other is to test on
        validation, train = _split_by_hash(train, (VALIDATION_SHARE,))
    return [train, validation, test]


def _split_by_hash(names: Sequence[str], shares: Sequence[float]) -> list[list[str]]:
    """Divides files, each by its own name alone, so that new ones move no others.

    Returns parts of about these shares, and the rest. Where there are few files, borders move so
    that no part is empty, if possible.
    """
    places = {name: int.from_bytes(hashlib.sha256(os.fsencode(name)).digest()[:8], "big") / 2**64
              for name in names}
    ordered = sorted(places, key=places.__getitem__)
    borders = [0]
    for later, border in zip(
            range(len(shares), 0, -1),
            np.searchsorted([places[name] for name in ordered], np.cumsum(shares))):
        borders.append(max(0, min(max(border, borders[-1] + 1), len(names) - later)))
    return [sorted(ordered[start:stop]) for start, stop in zip(borders, [*borders[1:], None])]


def _scan(files: Mapping[str, Path], workdir: str | None) -> dict[str, tuple[str, str, str]]:
    """Judges files, without reading those that are as an earlier run found them.

    Returns name -> (key, verdict, SHA-256), of which `Dataset.scan` is made.
    """
    known: dict[str, tuple[str, str]] = {}
    # There is none at the first start; it may be damaged, or of a version without digests.
    with contextlib.suppress(UserError, ValueError, TypeError, AttributeError):
        saved = read_json(Path(workdir, SCAN_FILE), max_bytes=MAX_SCAN_BYTES) if workdir else {}
        known = {key: (str(verdict), str(digest)) for key, (verdict, digest) in saved.items()}
    keys = {name: _key(name, path) for name, path in files.items()}
    new = [name for name in files if keys[name] not in known]
    executor = ThreadPoolExecutor(os.cpu_count())
    try:
        found = executor.map(_judge, [files[name] for name in new])
        known.update(zip((keys[name] for name in new), progress(found, len(new), "images")))
    finally:
        executor.shutdown(cancel_futures=True)  # else Ctrl-C would wait for all of them
    return {name: (keys[name], *known[keys[name]]) for name in files}


def _judge(path: Path) -> tuple[str, str]:
    """Returns "color", "gray" or why the file cannot be read, and its SHA-256 if it can."""
    try:
        rgb = read_rgb(path)
        return "gray" if is_gray(rgb) or is_toned(rgb) else "color", sha256(path)
    except (ImageError, OSError) as error:
        return str(error).removeprefix(str(image_error(path, ""))), ""


def _key(name: str, path: Path) -> str:
    """Names a file as it is now: a changed one has another key."""
    try:
        stat = path.stat()
    except OSError:  # a dangling link: reading it will say so
        return name
    return f"{name} {stat.st_size} {stat.st_mtime_ns}"
