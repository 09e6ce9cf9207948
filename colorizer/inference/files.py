"""Image files colorized one after the other, and contact sheets of several targets."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
import shutil
from typing import Any, Mapping, Sequence

from keras import ops
import numpy as np
from tqdm import tqdm

from colorizer import data
from colorizer.files import make_output_folder
from colorizer.inference.colorizer import Colorizer
from colorizer.inference.hints import Hint, HintError

# A full disk; and what Pillow raises for what a format cannot hold, as WebP 20,000 pixels.
WRITE_ERRORS = (OSError, ValueError, ArithmeticError, RuntimeError)
SHEET_CELL = 512  # pixels of the longer side of an image in a contact sheet


@dataclass
class FileResults:
    """What became of some image files."""

    written: int = 0
    skipped: int = 0  # whose results were there already
    warnings: list[str] = field(default_factory=list)  # a line for what was left out of one
    failures: list[str] = field(default_factory=list)  # a line for each that could not be colorized


def colorize_files(
    colorizer: Colorizer, sources: Sequence[tuple[Path, Path]], output: str | Path, *,
    overwrite: bool = False, combinations: Sequence[Mapping[str, Any]] = ({},),
    vivid: float = 1.0, hints: Sequence[Hint] = (), strip: bool = False,
) -> FileResults:
    """Colorizes image files, one after the other; a bad one does not stop the others.

    16-bit gray gives 16-bit color, where the file can hold it.

    Args:
        colorizer: the model.
        sources: (file, name below `output`) pairs, as from `data.expand_inputs`.
        output: folder for the results or, for one image, a file. No source is ever replaced.
        overwrite: whether results that exist are replaced, not skipped.
        combinations: targets by control; for more than one a contact sheet is made.
        vivid: factor on the chroma of the results, in [0, 4].
        hints: the colors of some points of the only image.
        strip: whether the results are without the metadata of their sources.

    Raises:
        UserError: `vivid` or a target is out of range, the model does not support it, hints do not
            go with the image, or nothing can be written to `output`.

    Example:
        >>> sources = data.expand_inputs([str(path) for path in data.sample_paths()])
        >>> colorize_files(Colorizer.load("photos"), sources, "colorized", overwrite=True).written
        5
    """
    for targets in combinations:
        colorizer.check(targets, vivid, hints)
    if hints and (len(sources) > 1 or len(combinations) > 1):
        raise HintError("hints go with one image and one value of each target. Received: "
                        f"{len(sources)} images, {len(combinations)} combinations of targets")
    sheet, results = len(combinations) > 1, FileResults()
    named = data.name_results(sources, output, sheet=sheet)
    is_file = [path for _, path in named] == [Path(output)]
    make_output_folder(Path(output).parent if is_file else output)
    # tqdm draws nothing on a terminal that says it has 0 columns, as Colab's does.
    columns = shutil.get_terminal_size().columns
    for source, path in tqdm(named, unit=" images", ncols=columns, disable=len(named) < 2):
        try:
            if path.exists() and not overwrite:
                results.skipped += 1
                continue
            image = data.read_image(source)
            results.warnings += [f"{source}: {warning}" for warning in image.warnings]
            if sheet:
                data.save_grid(path, contact_sheet(colorizer, image.rgb, combinations, vivid))
            else:
                rgb = colorizer(image.rgb, vivid=vivid, hints=hints, dtype=image.rgb.dtype.name,
                                **combinations[0])
                alpha = image.alpha if data.holds_alpha(path) else None
                if alpha is not image.alpha:
                    results.warnings.append(f"{source}: {path.suffix} files hold no transparency")
                data.write_image(path, rgb, alpha, data.Metadata() if strip else image.metadata,
                                 exclusive=not overwrite)
            results.written += 1
        except data.ImageError as error:
            results.failures.append(str(error))
        except FileExistsError:
            results.skipped += 1
        except WRITE_ERRORS as error:
            results.failures.append(f"{source}: cannot be written: {error}")
    return results


def contact_sheet(
    colorizer: Colorizer, rgb: np.ndarray, combinations: Sequence[Mapping[str, Any]],
    vivid: float = 1.0,
) -> dict[str, np.ndarray]:
    """One image colorized for several targets: heading -> uint8 [1, h, w, 3], at most 512 px.

    `rgb` is uint8 or uint16 [h, w, 3]; `vivid` is a factor on the chroma, in [0, 4].
    """
    shrink = min(1.0, SHEET_CELL / max(rgb.shape[:2]))
    size = tuple(max(1, round(side * shrink)) for side in rgb.shape[:2])
    small = data.unit_rgb(rgb)
    small = np.clip(ops.image.resize(small, size, antialias=True), 0.0, 1.0)
    return {" ".join(f"{name} {value:g}" for name, value in targets.items()):
            colorizer(small, vivid=vivid, **targets)[None] for targets in combinations}
