"""Image files by name: which ones a command means, and how their results are called."""

from __future__ import annotations

from collections.abc import Container, Sequence
import glob
import os
from pathlib import Path

from colorizer.data.decoding import IMAGE_MAGIC, ImageError, image_error
from colorizer.data.encoding import ALPHA_FORMATS, WRITE_FORMATS
from colorizer.files import is_run

# Some of these Pillow cannot read alone (.heic): listed, so that they are reported and not lost.
IMAGE_SUFFIXES = frozenset(WRITE_FORMATS) | {
    ".jpe", ".jfif", ".gif", ".dib", ".pbm", ".pgm", ".ppm", ".pnm", ".jp2", ".avif", ".heic",
    ".heif"}


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


def expand_inputs(
    patterns: Sequence[str], output: str | os.PathLike | None = None
) -> list[tuple[Path, Path]]:
    """Turns command-line arguments into source files and names for their results.

    Args:
        patterns: Each a file (taken as it is), a folder (`find_images`) or a glob, in which `**`
            crosses folders. An existing path is that path even if it reads like a glob.
        output: A folder of results: what a folder or a glob finds in it, below its own top, is no
            source.

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
        if output is not None and not Path(pattern).is_file() and _below(output, base):
            matches = [source for source in matches if not _below(source, output)]
        if not matches:
            raise ImageError("an input must be an image file, a folder of images or a glob that "
                             f"matches some. Received: {pattern!r}")
        for source in matches:
            if os.path.abspath(source) in seen:
                continue
            seen.add(os.path.abspath(source))
            sources[free_name(source.relative_to(base), sources)] = source
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


def _below(path: str | os.PathLike, folder: str | os.PathLike) -> bool:
    return Path(os.path.realpath(folder)) in Path(os.path.realpath(path)).parents


def name_results(
    sources: Sequence[tuple[Path, Path]], output: str | os.PathLike, *, sheet: bool = False
) -> list[tuple[Path, Path]]:
    """Names the results of images: (source, result) pairs, no two results the same.

    `sources` are those of `expand_inputs`. `output` is a folder, in which a result has the name of
    its source, with ".png" added (not swapped in: a.gif and a.png must not clash) where we cannot
    write such files; or, for one image, a file. A `sheet` is a PNG file "<name>-sheet.png".

    Raises ImageError if `output` is named like a file and there are several images, or a result
    would replace one of them.
    """
    originals = {_identity(source) for source, _ in sources} - {None}
    is_file = Path(output).suffix.lower() in WRITE_FORMATS and not Path(output).is_dir()
    if is_file and len(sources) > 1:
        raise ImageError("`output` must be a folder for several images. "
                         f"Received: {len(sources)} images, output={output}")
    results: dict[Path, Path] = {}  # result -> source
    for source, name in sources:
        path = Path(output, name)
        if is_file:
            path = Path(output)
        elif sheet:
            path = path.with_name(f"{path.name}-sheet.png")
        elif path.suffix.lower() not in WRITE_FORMATS:
            path = path.with_name(path.name + ".png")
        path = free_name(path, results)
        if _identity(path) in originals:
            raise ImageError(f"`output` must be another folder: {path} is an image to colorize and "
                             f"would be replaced. Received: output={output}")
        results[path] = source
    return [(source, path) for path, source in results.items()]


def free_name(wanted: Path, taken: Container[Path]) -> Path:
    """The path itself or, where it is taken, "name-2.jpg" and so on."""
    path, count = wanted, 1
    while path in taken:
        count += 1
        path = wanted.with_name(f"{wanted.stem}-{count}{wanted.suffix}")
    return path


def _identity(path: Path) -> tuple[int, int] | None:
    """Tells a file from all others, whatever its path; None if it is not there."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def holds_alpha(path: Path) -> bool:
    """Whether a file of this name can hold transparency."""
    return WRITE_FORMATS.get(path.suffix.lower()) in ALPHA_FORMATS
