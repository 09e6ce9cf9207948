"""Files that are whole or not there: the one atomic write and the one digest; what makes a folder a
run's (no TensorFlow).
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import BinaryIO, Callable
import uuid

from colorizer.errors import UserError

CONFIG_FILE, CHECKPOINTS = "config.json", "checkpoints"  # in the folder of every run


def write_with(path: str | os.PathLike, write: Callable[[BinaryIO], object]) -> None:
    """Writes a file under a temporary name in its folder and renames it into place.

    A reader sees the old file or the whole new one, never a part. The folder must exist. `write` is
    given the open binary file. Raises OSError if it cannot be written; what was there before is as
    it was.
    """
    path = Path(path)
    # Not tempfile: its files are readable by their owner only, and os.replace keeps that.
    temporary = path.parent / f".{uuid.uuid4().hex}.tmp"
    try:
        with open(temporary, "xb") as file:
            write(file)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def write_atomic(path: str | os.PathLike, content: str | bytes) -> None:
    """Writes text (in UTF-8) or bytes, as `write_with`."""
    data = content.encode() if isinstance(content, str) else content
    write_with(path, lambda file: file.write(data))


def sha256(path: str | os.PathLike) -> str:
    """The SHA-256 of a file, 64 hexadecimal digits; raises OSError if it cannot be read."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def is_run(folder: str | os.PathLike) -> bool:
    """Whether a folder is that of a training run."""
    return Path(folder, CONFIG_FILE).is_file() and Path(folder, CHECKPOINTS).is_dir()


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
