"""What `--dataset` may name (no TensorFlow: a wrong name is refused within a second)."""

from __future__ import annotations

import os
from pathlib import Path

from colorizer.errors import UserError

SAMPLE = "sample"


class DatasetError(UserError):
    """A data set that cannot be had. The message is one line for the user."""


def find_folder(name: str) -> Path | None:
    """The folder that a data set's name means, None for the sample and TensorFlow Datasets' sets.

    Raises DatasetError for a file, and for what looks like a path and is no folder.
    """
    if name == SAMPLE:
        return None
    path = Path(name).expanduser()
    if path.is_dir():
        return path
    if path.exists():
        raise DatasetError("`dataset` must be a folder of images, not a file (an archive is to be "
                           f"unpacked first). Received: dataset={name}")
    if name.startswith((".", "~")) or os.path.isabs(name) or name.count("/") > 1 or "\\" in name:
        raise DatasetError(f"`dataset` must be a folder that exists. Received: dataset={name}")
    return None
