"""What the card of a model of photographs states beside evaluate.py's table.

    python benchmarks/photos.py sheet FOLDER HISTORIC [--model=photos] [--output=sheet.jpg]
    python benchmarks/photos.py faces FOLDER [--model=photos]
    python benchmarks/photos.py crops FOLDER [--model=photos]
    python benchmarks/photos.py speed [--model=photos]

sheet: 24 photographs of FOLDER and 12 of HISTORIC, evenly spread over their names and not chosen,
as gray, original and colorized. faces: CIEDE2000 in the middle of face pictures, in thirds by the
skin's individual typology angle (Chardin et al. 1991), from dark to light. crops: how much the
colors of two crops, 16 px apart, differ where they overlap, over their mean chroma. speed: seconds
of a first target and of a second one, for the same picture.
"""

from __future__ import annotations

import time

from absl import flags
from PIL import Image
import numpy as np
from skimage import color as skcolor
from skimage import data as skdata

from colorizer import cli, data, evaluation, inference

SHEET, HISTORIC, CELL, SHEET_COLUMNS = 24, 12, 192, 4  # groups of gray, original, colorized a row
MIDDLE = slice(3, 5)  # of eighths of a side: the middle of a face
CROP, SHIFT = 224, 16  # pixels


def spread(folder: str, count: int) -> list:
    """So many of the folder's images, evenly spread over their sorted names."""
    paths = data.find_images(folder)
    return [paths[i * len(paths) // count] for i in range(min(count, len(paths)))]


def sheet(colorizer: inference.Colorizer, folder: str, historic: str, output: str) -> None:
    cells = []
    for path in spread(folder, SHEET) + spread(historic, HISTORIC):
        rgb8 = data.resize_and_crop(data.read_rgb(path), 2 * CELL)
        group = [evaluation.gray_image(rgb8), rgb8, colorizer(rgb8)]
        if data.is_gray(rgb8):
            group.pop(1)
        cells.append(np.concatenate([data.resize_and_crop(one, CELL) for one in group] + [
            np.full((CELL, CELL * (3 - len(group)) + 8, 3), 255, np.uint8)], axis=1))
    rows = [np.concatenate(cells[start:start + SHEET_COLUMNS], axis=1)
            for start in range(0, len(cells), SHEET_COLUMNS)]
    Image.fromarray(np.concatenate(rows)).save(output, quality=80)
    print(output)


def faces(colorizer: inference.Colorizer, folder: str) -> None:
    values = []
    for path in data.find_images(folder):
        rgb8 = data.resize_and_crop(data.read_rgb(path), 128)
        middle = slice(MIDDLE.start * 16, MIDDLE.stop * 16)
        original, result, gray = (skcolor.rgb2lab(image[middle, middle]) for image in (
            rgb8, colorizer(rgb8), evaluation.gray_image(rgb8)))
        lightness, _, yellow = np.median(original.reshape(-1, 3), axis=0)
        angle = np.degrees(np.arctan2(lightness - 50.0, yellow))
        values.append((angle, *(skcolor.deltaE_ciede2000(original, image).mean()
                                for image in (gray, result))))
    ordered = np.array(sorted(values))
    print(f"{len(ordered)} faces; typology angle, delta_e gray, model")
    for name, part in zip(("dark", "middle", "light"), np.array_split(ordered, 3)):
        print(f"{name:8s}" + "".join(f"{value:8.2f}" for value in part.mean(axis=0)))


def crops(colorizer: inference.Colorizer, folder: str) -> None:
    shares = []
    for path in data.find_images(folder):
        rgb8 = data.resize_and_crop(data.read_rgb(path), CROP + SHIFT)
        one, other = (skcolor.rgb2lab(colorizer(rgb8[at:at + CROP, at:at + CROP]))[..., 1:]
                      for at in (0, SHIFT))
        one, other = one[SHIFT:, SHIFT:], other[:-SHIFT, :-SHIFT]
        chroma = np.hypot(*np.moveaxis(one, -1, 0)).mean()
        shares.append(np.hypot(*np.moveaxis(one - other, -1, 0)).mean() / max(chroma, 1e-6))
    print(f"{len(shares)} images: median share {np.median(shares):.3f}, mean {np.mean(shares):.3f}")


def speed(colorizer: inference.Colorizer) -> None:
    first, second = [], []
    for left in range(12):
        rgb8 = skdata.astronaut()[:256, 8 * left:8 * left + 256]
        for seconds, saturation in ((first, 0.3), (second, 0.5)):
            start = time.perf_counter()
            colorizer(rgb8, saturation=saturation)
            seconds.append(time.perf_counter() - start)
    print(f"256 px, median ms: first target {1e3 * np.median(first[2:]):.0f}, "
          f"another {1e3 * np.median(second[2:]):.0f}")


def main(argv: list[str]) -> None:
    values = flags.FlagValues()
    cli.define(values, "model", "photos", "str", "a shipped model or a run", "Benchmark")
    cli.define(values, "output", "sheet.jpg", "str", "file of the sheet", "Benchmark")
    kind, *folders = cli.parse(argv, values, __doc__ or "")
    colorizer = inference.Colorizer.load(values.model)
    if kind == "sheet":
        sheet(colorizer, *folders, values.output)
    else:
        {"faces": faces, "crops": crops, "speed": speed}[kind](colorizer, *folders)


if __name__ == "__main__":
    cli.run(main)
