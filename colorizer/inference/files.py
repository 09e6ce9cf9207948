"""Picture files, colored one after the other; contact sheets of several targets."""

from __future__ import annotations

from pathlib import Path
from typing import Mapping, Sequence

from keras import ops
import numpy as np
from tqdm import tqdm

from colorizer.data import grids
from colorizer.data import image_paths
from colorizer.data import images
from colorizer.inference import colorizer as inference

SHEET_CELL = 512  # pixels of the longer side of a picture in a contact sheet


def colorize_files(
    colorizer: inference.Colorizer, sources: Sequence[tuple[Path, Path]], output: Path, *,
    overwrite: bool, combinations: Sequence[Mapping[str, float]] = ({},),
) -> tuple[int, list[str]]:
    """Colors picture files, one after the other; a bad one does not stop the others.

    Args:
        colorizer: the model.
        sources: (file, name below `output`) pairs, as from `image_paths.expand_inputs`.
        output: folder for the results.
        overwrite: whether results that exist are replaced.
        combinations: targets by control; for more than one a contact sheet is made.

    Returns:
        The number of pictures written, and one line for each that failed.
    """
    done, failures = 0, []
    for source, name in tqdm(sources, unit=" pictures", disable=len(sources) < 2):
        try:
            picture = images.read_picture(source)
            sheet = len(combinations) > 1
            target = output / f"{name}-sheet.png" if sheet else image_paths.output_path(
                output, name, picture.format, has_alpha=picture.alpha is not None)
            if target.exists() and not overwrite:
                raise images.ImageError(f"{target}: exists already; --overwrite replaces it")
            if sheet:
                grids.save_grid(target, contact_sheet(colorizer, picture.rgb, combinations))
            else:
                rgb = colorizer(picture.rgb, **combinations[0])
                images.write_picture(target, rgb, picture.alpha)
            done += 1
        except images.ImageError as error:
            failures.append(str(error))
        except OSError as error:
            failures.append(f"{source}: cannot be written: {error}")
    return done, failures


def contact_sheet(
    colorizer: inference.Colorizer, rgb: np.ndarray, combinations: Sequence[Mapping[str, float]]
) -> dict[str, np.ndarray]:
    """One picture colored for several targets: heading -> uint8 [1, h, w, 3], at most 512 px.

    Args:
        colorizer: a conditional model.
        rgb: float32 [h, w, 3] in [0, 1].
        combinations: targets by control.
    """
    shrink = min(1.0, SHEET_CELL / max(rgb.shape[:2]))
    size = tuple(max(1, round(side * shrink)) for side in rgb.shape[:2])
    small = np.clip(ops.image.resize(rgb, size, antialias=True), 0.0, 1.0)
    return {" ".join(f"{name} {value:g}" for name, value in targets.items()):
            colorizer(small, **targets)[None] for targets in combinations}
