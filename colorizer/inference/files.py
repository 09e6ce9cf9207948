"""Image files colorized one after the other, and contact sheets of several targets."""

from __future__ import annotations

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

SHEET_CELL = 512  # pixels of the longer side of an image in a contact sheet


def colorize_files(
    colorizer: Colorizer, sources: Sequence[tuple[Path, Path]], output: str | Path, *,
    overwrite: bool = False, combinations: Sequence[Mapping[str, Any]] = ({},),
    vivid: float = 1.0, hints: Sequence[Hint] = (),
) -> tuple[int, list[str]]:
    """Colorizes image files, one after the other; a bad one does not stop the others.

    Args:
        colorizer: the model.
        sources: (file, name below `output`) pairs, as from `data.expand_inputs`.
        output: folder for the results.
        overwrite: whether results that exist are replaced.
        combinations: targets by control; for more than one a contact sheet is made.
        vivid: factor on the chroma of the results, in [0, 4].
        hints: the colors of some points of the only image.

    Returns:
        The number of images written, and one line for each that failed.

    Raises:
        UserError: `vivid` or a target is out of range, the model does not support it, hints do not
            go with the image, or nothing can be written to `output`.

    Example:
        >>> sources = data.expand_inputs([str(path) for path in data.sample_paths()])
        >>> colorize_files(Colorizer.load("photos"), sources, "colorized", overwrite=True)
        (5, [])
    """
    for targets in combinations:
        colorizer.check(targets, vivid, hints)
    if hints and (len(sources) > 1 or len(combinations) > 1):
        raise HintError("hints go with one image and one value of each target. Received: "
                        f"{len(sources)} images, {len(combinations)} combinations of targets")
    folder, sheet = make_output_folder(output), len(combinations) > 1
    done, failures = 0, []
    # tqdm draws nothing on a terminal that says it has 0 columns, as Colab's does.
    columns = shutil.get_terminal_size().columns
    for source, name in tqdm(sources, unit=" images", ncols=columns, disable=len(sources) < 2):
        try:
            image = data.read_image(source)
            path = folder / f"{name}-sheet.png" if sheet else data.output_path(
                folder, name, image.format, has_alpha=image.alpha is not None)
            if path.exists() and not overwrite:
                raise data.ImageError(f"{path}: exists already; --overwrite replaces it")
            if sheet:
                data.save_grid(path, contact_sheet(colorizer, image.rgb, combinations, vivid))
            else:
                rgb8 = colorizer(image.rgb, vivid=vivid, hints=hints, **combinations[0])
                data.write_image(path, rgb8, image.alpha)
            done += 1
        except data.ImageError as error:
            failures.append(str(error))
        except OSError as error:
            failures.append(f"{source}: cannot be written: {error}")
    return done, failures


def contact_sheet(
    colorizer: Colorizer, rgb: np.ndarray, combinations: Sequence[Mapping[str, Any]],
    vivid: float = 1.0,
) -> dict[str, np.ndarray]:
    """One image colorized for several targets: heading -> uint8 [1, h, w, 3], at most 512 px.

    `rgb` is float32 [h, w, 3] in [0, 1]; `vivid` is a factor on the chroma, in [0, 4].
    """
    shrink = min(1.0, SHEET_CELL / max(rgb.shape[:2]))
    size = tuple(max(1, round(side * shrink)) for side in rgb.shape[:2])
    small = np.clip(ops.image.resize(rgb, size, antialias=True), 0.0, 1.0)
    return {" ".join(f"{name} {value:g}" for name, value in targets.items()):
            colorizer(small, vivid=vivid, **targets)[None] for targets in combinations}
