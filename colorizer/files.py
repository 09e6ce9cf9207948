"""Files: the one atomic write, the one digest, the one reader of JSON; what makes a folder a run's
(no TensorFlow).
"""

from __future__ import annotations

import errno
import hashlib
import io
import json
import os
from pathlib import Path
import stat
from typing import Any, BinaryIO, Callable, Mapping
import uuid

from colorizer.errors import UserError, brief

MAX_JSON_BYTES = 2**20  # by default: the settings of a run take 2 KB
MAX_JSON_DEPTH = 20  # lists and objects in each other
MAX_JSON_DIGITS = 18  # of a whole number, which then fits into 64 bits

CONFIG_FILE, CHECKPOINTS = "config.json", "checkpoints"  # in the folder of every run


def write_with(
    path: str | os.PathLike, write: Callable[[BinaryIO], object], *, exclusive: bool = False,
) -> None:
    """Writes a file under a temporary name in its folder and renames it into place.

    A reader sees the old file or the whole new one, never a part. The folder must exist. `write` is
    given the open binary file. Raises OSError if it cannot be written; what was there before is as
    it was. With `exclusive`, raises FileExistsError if there is such a file, even one that another
    program made in the meantime.
    """
    path = Path(path)
    # Not tempfile: its files are readable by their owner only, and os.replace keeps that.
    temporary = path.parent / f".{uuid.uuid4().hex}.tmp"
    try:
        with open(temporary, "xb") as file:
            write(file)
        if exclusive:
            _rename_to_new(temporary, path)
        else:
            os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def _rename_to_new(temporary: Path, path: Path) -> None:
    try:
        os.link(temporary, path)
    except FileExistsError:
        raise
    except OSError:  # a file system without links, as a mounted cloud drive
        with open(path, "xb"):
            pass
        os.replace(temporary, path)


def write_atomic(path: str | os.PathLike, content: str | bytes) -> None:
    """Writes text (in UTF-8) or bytes, as `write_with`."""
    data = content.encode() if isinstance(content, str) else content
    write_with(path, lambda file: file.write(data))


def open_regular(path: str | os.PathLike) -> io.BufferedReader:
    """Opens a file to read; raises OSError for what is none, such as a pipe or a device."""
    # Without this flag, which Windows lacks, opening a pipe waits until someone writes into it.
    file = open(path, "rb", opener=lambda name, mode: os.open(
        name, mode | getattr(os, "O_NONBLOCK", 0)))
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise OSError(errno.EINVAL, "not a regular file", str(path))
    return file


def sha256(path: str | os.PathLike) -> str:
    """The SHA-256 of a file, 64 hexadecimal digits; raises OSError if it cannot be read."""
    with open_regular(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_json(
    path: str | os.PathLike, fields: Mapping[str, type] | None = None,
    max_bytes: int = MAX_JSON_BYTES,
) -> Any:
    """Reads a JSON file of unknown origin.

    Args:
        path: a regular file.
        fields: as for `parse_json`.
        max_bytes: a larger file is refused.

    Raises:
        UserError: it cannot be read, or `parse_json` refuses what is in it.

    Example:
        >>> read_json("runs/cifar10/config.json", {"data": dict})["data"]["image_size"]
        32
    """
    try:
        with open_regular(path) as file:
            content = file.read(max_bytes + 1)
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}") from error
    if len(content) > max_bytes:
        raise UserError(f"{path} must be JSON of at most {max_bytes} bytes. Received: more")
    return parse_json(content, path, fields)


def parse_json(
    content: str | bytes, name: str | os.PathLike, fields: Mapping[str, type] | None = None
) -> Any:
    """The value that a JSON text of unknown origin stands for.

    Args:
        content: the text.
        name: what the message of an error calls it.
        fields: fields that the value, then an object, must have, and the types of their values.

    Raises:
        UserError: it is no JSON, too deep or without a field, or a whole number in it is too long.
    """
    try:
        value = json.loads(content, parse_int=_parse_int)
        _check_depth(value)
    except (ValueError, RecursionError) as error:
        raise UserError(f"{name} must be JSON. Received: {brief(str(error))}") from error
    for field, kind in (fields or {}).items():
        found = value.get(field) if isinstance(value, dict) else None
        if type(found) is not kind:  # JSON has no subtypes, but True is an int in Python
            raise UserError(f"{name} must be an object whose `{field}` is of type {kind.__name__}. "
                            f"Received: {brief(repr(found))}")
    return value


def _parse_int(digits: str) -> int:
    if len(digits) > MAX_JSON_DIGITS:
        raise ValueError(f"a number of {len(digits)} digits")
    return int(digits)


def _check_depth(value: Any) -> None:
    level, depth = [value], 0
    while level:
        if depth > MAX_JSON_DEPTH:
            raise ValueError(f"more than {MAX_JSON_DEPTH} lists and objects in each other")
        level = [inner for outer in level if isinstance(outer, (list, dict))
                 for inner in (outer.values() if isinstance(outer, dict) else outer)]
        depth += 1


def is_run(folder: str | os.PathLike) -> bool:
    """Whether a folder is that of a training run."""
    return Path(folder, CONFIG_FILE).is_file() and Path(folder, CHECKPOINTS).is_dir()


def check_writable(path: str | os.PathLike, flag: str) -> None:
    """Raises UserError if a folder cannot be written or made; writes and makes nothing."""
    folder = Path(path).absolute()
    existing = next(one for one in (folder, *folder.parents) if one.exists())
    if not existing.is_dir() or not os.access(existing, os.W_OK | os.X_OK):
        raise UserError(f"`{flag}` must be a folder that can be written. Received: {flag}={path}")


def make_output_folder(path: str | os.PathLike) -> Path:
    """Makes a folder for results; raises UserError if it cannot be made or written to."""
    folder = Path(path)
    probe = folder / f".{uuid.uuid4().hex}.probe"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_atomic(probe, b"")
        probe.unlink()
    except OSError as error:
        raise UserError("`output` must be a folder that can be written "
                        f"({error.strerror}). Received: output={folder}") from error
    return folder
