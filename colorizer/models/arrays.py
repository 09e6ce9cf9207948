"""Named float arrays in .npz files, which are zip archives of .npy files.

A file that is read is of unknown origin: its directory and the headers of all its arrays are
checked before any array is. Nothing in it is unpickled.

Source: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
import contextlib
import math
import os
from pathlib import Path
from typing import IO, Callable, Mapping
import zipfile

import numpy as np
from numpy.lib import format as npy

from colorizer.errors import UserError, brief
from colorizer.files import open_regular, write_with

SUFFIX = ".npy"
MAX_ARRAYS = 10_000  # the largest of our models has 246
MAX_EXPANSION = 20  # arrays to file, in bytes: weights hardly compress
COMPRESSIONS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # what NumPy writes
MAX_ITEM_BYTES = 8


class WeightsError(UserError):
    """Weights are damaged, of another model, or not there."""


def save_arrays(arrays: Mapping[str, np.ndarray], path: str | Path, compress: bool = False) -> None:
    """Writes named arrays as an .npz file; raises OSError if it cannot be written."""
    # No other keyword: before NumPy 2.2 savez_compressed takes `allow_pickle` for an array.
    save: Callable[..., None] = np.savez_compressed if compress else np.savez
    write_with(path, lambda file: save(file, **arrays))


def read_shapes(path: str | Path) -> dict[str, tuple[int, ...]]:
    """The names and shapes of the arrays in an .npz file, as their headers have them.

    Raises WeightsError if the file cannot be read, or holds anything but float arrays.
    """
    with _opened(path) as (_, shapes):
        return shapes


def read_arrays(
    path: str | Path, names: Collection[str] | None = None
) -> dict[str, np.ndarray]:
    """Reads arrays of an .npz file, by default all, as float32.

    Raises WeightsError as `read_shapes`, and for a number that is not finite as float32.
    """
    with _opened(path) as (archive, shapes):
        return {name: _read(archive, name) for name in shapes if names is None or name in names}


@contextlib.contextmanager
def _opened(path: str | Path) -> Iterator[tuple[zipfile.ZipFile, dict[str, tuple[int, ...]]]]:
    """The archive, and name -> shape of its arrays."""
    try:
        with open_regular(path) as file, zipfile.ZipFile(file) as archive:
            _check_directory(archive, os.fstat(file.fileno()).st_size)
            yield archive, {member.filename.removesuffix(SUFFIX): _read_shape(archive, member)
                            for member in archive.infolist()}
    except WeightsError as error:
        raise WeightsError(f"{error}. Received: {path}") from error
    except Exception as error:  # damaged and hostile archives raise nearly anything
        reason = getattr(error, "strerror", None) or str(error)
        raise WeightsError(
            f"weights cannot be read ({brief(reason)}). Received: {path}") from error


def _check_directory(archive: zipfile.ZipFile, file_size: int) -> None:
    members = archive.infolist()
    if len(members) > MAX_ARRAYS:
        raise WeightsError(f"weights must be at most {MAX_ARRAYS} arrays, not {len(members)}")
    seen: set[str] = set()
    for member in members:
        name = member.filename
        if not name.endswith(SUFFIX) or name in seen or member.compress_type not in COMPRESSIONS:
            raise WeightsError("weights must be .npy files of different names, stored or deflated, "
                               f"which {brief(name)} is not")
        seen.add(name)
    if sum(member.file_size for member in members) > MAX_EXPANSION * file_size:
        raise WeightsError(f"weights must not be over {MAX_EXPANSION} times as large as their file")


def _read_shape(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> tuple[int, ...]:
    with _member(archive, member.filename) as file:
        # The headers of version 2.0 are longer: up to 4 GB would be read before it is looked at.
        if npy.read_magic(file) != (1, 0):
            raise ValueError("not of version 1.0")
        shape, _, dtype = npy.read_array_header_1_0(file)
        if dtype.kind != "f" or dtype.itemsize > MAX_ITEM_BYTES:
            raise WeightsError(f"weights must be finite floats, which {brief(member.filename)} is "
                               f"not, but {brief(str(dtype))}")
        if file.tell() + math.prod(shape) * dtype.itemsize != member.file_size:
            raise ValueError(f"{member.file_size} bytes are not those of {brief(str(shape))}")
    return shape


def _read(archive: zipfile.ZipFile, name: str) -> np.ndarray:
    with _member(archive, name + SUFFIX) as file, np.errstate(over="ignore"):
        array = npy.read_array(file, allow_pickle=False).astype(np.float32)
    if not np.isfinite(array).all():
        raise WeightsError(f"weights must be finite floats, as float32 too, which {brief(name)} is "
                           "not")
    return array


@contextlib.contextmanager
def _member(archive: zipfile.ZipFile, name: str) -> Iterator[IO[bytes]]:
    """An open file of the archive, by whose name its errors are called."""
    try:
        with archive.open(name) as file:
            yield file
    except WeightsError:
        raise
    except Exception as error:
        raise ValueError(f"{brief(name)}: {error}") from error
