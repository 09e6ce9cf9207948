"""Small text files that are whole or not there."""

from __future__ import annotations

import os
from pathlib import Path
import uuid


def replace_file(path: Path, text: str) -> None:
    """Writes a text file in UTF-8 under another name, and renames it into place.

    Raises:
        OSError: it cannot be written; what was there before is as it was.
    """
    temporary = path.with_name(f".{uuid.uuid4().hex}.tmp")
    try:
        temporary.write_text(text, encoding="utf-8")
        os.replace(temporary, path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
