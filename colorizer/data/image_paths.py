"""Image files by name: which ones a command means, and how their results are called."""

from __future__ import annotations

from collections.abc import Sequence
import glob
import os
from pathlib import Path

from colorizer.data.images import (
    ALPHA_FORMATS, IMAGE_MAGIC, IMAGE_SUFFIXES, WRITE_FORMATS, ImageError, image_error
)


def find_images(folder: str | os.PathLike) -> list[Path]:
    """Lists the image files under a folder, recursively.

    A file counts by its suffix (so that damaged ones are reported later, not lost) or, where the
    suffix is missing or odd, by its first bytes. Hidden files and folders are skipped. Links to
    folders are followed, each folder at most once.

    Returns:
        Paths that begin with `folder`, sorted by POSIX path relative to it.

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
            if not name.startswith(".") and real not in seen:
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
        if not path.is_file():
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
        (source, relative name) pairs in the order given, each source once. A file's name is its
        basename; below a folder, or the fixed part of a glob, the path relative to that is kept.
        Should two sources claim one name, the later becomes "name-2.jpg".

    Raises:
        ImageError: A pattern matches no image, or a folder cannot be listed.
    """
    pairs: list[tuple[Path, Path]] = []
    sources: set[str] = set()
    names: set[Path] = set()
    for pattern in patterns:
        base, matches = _matches(pattern)
        if not matches:
            raise ImageError("an input must be an image file, a folder of images or a glob that "
                             f"matches some. Received: {pattern!r}")
        for source in matches:
            if os.path.abspath(source) in sources:
                continue
            sources.add(os.path.abspath(source))
            name = wanted = source.relative_to(base)
            count = 1
            while name in names:
                count += 1
                name = wanted.with_name(f"{wanted.stem}-{count}{wanted.suffix}")
            names.add(name)
            pairs.append((source, name))
    return pairs


def _matches(pattern: str) -> tuple[Path, list[Path]]:
    path = Path(pattern)
    if path.is_dir():
        return path, find_images(path)
    if path.exists():
        return path.parent, [path]
    base = next(parent for parent in path.parents if parent.is_dir())
    matches: list[Path] = []
    for name in sorted(glob.glob(str(path.relative_to(base)), root_dir=base, recursive=True)):
        match = base / name
        if match.is_dir():
            matches += find_images(match)
        elif _looks_like_image(match):
            matches.append(match)
    return base, matches


def output_path(output_dir: str | os.PathLike, relative_name: str | os.PathLike,
                image_format: str, has_alpha: bool = False) -> Path:
    """Names the result of an image: its own name, where that can hold the result.

    ".png" is added (not swapped in: a.gif and a.png must not clash) to the names of GIF and other
    formats that we cannot write, and to a JPEG or BMP name when there is transparency to keep.

    Args:
        output_dir: Folder of the results.
        relative_name: Path below it, from `expand_inputs`.
        image_format: `DecodedImage.format` of the source.
        has_alpha: Whether transparency must be kept.
    """
    path = Path(output_dir, relative_name)
    suffix = path.suffix.lower()
    if suffix in WRITE_FORMATS:
        keep = not has_alpha or WRITE_FORMATS[suffix] in ALPHA_FORMATS
    else:
        writable = image_format in WRITE_FORMATS.values() or image_format == "MPO"
        keep = writable and suffix not in IMAGE_SUFFIXES
    return path if keep else path.with_name(path.name + ".png")
