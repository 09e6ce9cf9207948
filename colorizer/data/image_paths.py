"""Image files by name: which ones a command means, and how their results are called."""

from __future__ import annotations

from collections.abc import Sequence
import glob
import os
from pathlib import Path

from colorizer.data.images import (
    ALPHA_FORMATS, IMAGE_MAGIC, IMAGE_SUFFIXES, WRITE_FORMATS, ImageError, image_error
)
from colorizer.files import is_run


def find_images(folder: str | os.PathLike) -> list[Path]:
    """Lists the image files under a folder, recursively.

    A file counts by its suffix (so that damaged ones are reported later, not lost) or, where the
    suffix is missing or odd, by its first bytes. Skipped are hidden files and folders,
    and folders of training runs, whose images are results. Links to folders are followed, each
    folder at most once.

    Returns paths that begin with `folder`, sorted by POSIX path relative to it.

    Raises:
        ImageError: `folder` or a folder below cannot be listed.
    """
    def refuse(error: OSError) -> None:
        raise image_error(Path(error.filename), error.strerror or str(error)) from error

    root = Path(folder)
    seen = {os.path.realpath(root)}
    found: list[Path] = []
    for parent, folders, files in os.walk(root, onerror=refuse, followlinks=True):
        kept = []
        for name in sorted(folders):
            real = os.path.realpath(os.path.join(parent, name))
            if not name.startswith(".") and real not in seen and not is_run(real):
                seen.add(real)
                kept.append(name)
        folders[:] = kept
        found += [Path(parent, name) for name in files
                  if not name.startswith(".") and _looks_like_image(Path(parent, name))]
    return sorted(found, key=lambda path: path.relative_to(root).as_posix())


def _looks_like_image(path: Path) -> bool:
    if path.suffix.lower() in IMAGE_SUFFIXES:
        return True
    try:
        if not path.is_file():  # opening a named pipe would wait forever
            return False
        with open(path, "rb") as file:
            return IMAGE_MAGIC.match(file.read(16)) is not None
    except OSError:
        return False


def expand_inputs(patterns: Sequence[str]) -> list[tuple[Path, Path]]:
    """Turns command-line arguments into source files and names for their results.

    Args:
        patterns: Each a file (taken as it is), a folder (`find_images`) or a glob, in which `**`
            crosses folders. An existing path is that path even if it reads like a glob.

    Returns:
        (source, relative name) pairs in the order given, each source once. Below a folder, or the
        fixed part of a glob, the path is kept; else the name is the file's. Should two sources
        claim one name, the later becomes "name-2.jpg".

    Raises:
        ImageError: A pattern matches no image, or a folder cannot be listed.
    """
    sources: dict[Path, Path] = {}  # by the name of the result
    seen: set[str] = set()
    for pattern in patterns:
        base, matches = _matches(Path(pattern))
        if not matches:
            raise ImageError("an input must be an image file, a folder of images or a glob that "
                             f"matches some. Received: {pattern!r}")
        for source in matches:
            if os.path.abspath(source) in seen:
                continue
            seen.add(os.path.abspath(source))
            name = wanted = source.relative_to(base)
            count = 1
            while name in sources:
                count += 1
                name = wanted.with_name(f"{wanted.stem}-{count}{wanted.suffix}")
            sources[name] = source
    return [(source, name) for name, source in sources.items()]


def _matches(path: Path) -> tuple[Path, list[Path]]:
    """Returns the folder that names are relative to, and the images."""
    if path.is_dir():
        return path, find_images(path)
    if path.exists():
        return path.parent, [path]
    base = next(parent for parent in path.parents if parent.is_dir())
    matches: list[Path] = []
    for name in sorted(glob.glob(str(path.relative_to(base)), root_dir=base, recursive=True)):
        if (base / name).is_dir():
            matches += find_images(base / name)
        elif _looks_like_image(base / name):
            matches.append(base / name)
    return base, matches


def output_path(output_dir: str | os.PathLike, relative_name: str | os.PathLike,
                image_format: str, has_alpha: bool = False) -> Path:
    """Names the result of an image: its own name, where that can hold the result.

    ".png" is added (not swapped in: a.gif and a.png must not clash) to the names of GIF and other
    formats that we cannot write, and to a JPEG or BMP name when there is transparency to keep.
    `image_format` is the source's `DecodedImage.format`.
    """
    path = Path(output_dir, relative_name)
    suffix = path.suffix.lower()
    if suffix in WRITE_FORMATS:
        keep = not has_alpha or WRITE_FORMATS[suffix] in ALPHA_FORMATS
    else:
        keep = suffix not in IMAGE_SUFFIXES and image_format in ("MPO", *WRITE_FORMATS.values())
    return path if keep else path.with_name(path.name + ".png")
