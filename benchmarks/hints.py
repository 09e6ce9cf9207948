"""Color hints measured: how much the first points help, beside an optimization that spreads them.

    python benchmarks/hints.py FOLDER [--model=photos] [--examples=200]

FOLDER has photographs of any size; their central squares are taken at 128 px. Points lie at random
places and have the original's a* and b*. The rival takes the same natural colors and the same
points, and spreads what is wrong at the points by the optimization of A. Levin, D. Lischinski and
Y. Weiss, *Colorization using Optimization*, SIGGRAPH 2004 (equations 1 and 2, windows of 3 x 3),
with a weak pull to no change. Prints PSNR (dB) and CIEDE2000, means over the images.
"""

from __future__ import annotations

from absl import flags
import numpy as np
from scipy import sparse
from scipy.sparse.linalg import splu
from skimage import color as skcolor

from colorizer import cli, data, inference
from colorizer.evaluation import metrics

SIDE = 128
COUNTS = (0, 1, 2, 5, 10, 20, 50)
PULL = 1e-4  # of the rival, in units of its squared differences
MIN_VARIANCE = 1e-5  # of L in [0, 1]


def levin_spread(lightness: np.ndarray, rows, columns, values: np.ndarray) -> np.ndarray:
    """Spreads values [n, 2] at pixels over an image by its lightness [h, w] in [0, 1]."""
    height, width = lightness.shape
    index = np.arange(height * width).reshape(height, width)
    entries: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
    pad = np.pad(lightness, 1, mode="edge")
    window = np.stack([pad[i:i + height, j:j + width] for i in range(3) for j in range(3)])
    variance = np.maximum(window.var(axis=0), MIN_VARIANCE)
    for i in (-1, 0, 1):
        for j in (-1, 0, 1):
            if i == j == 0:
                continue
            y, x = (slice(max(0, -s), n - max(0, s)) for s, n in ((i, height), (j, width)))
            y2, x2 = (slice(max(0, s), n + min(0, s)) for s, n in ((i, height), (j, width)))
            weight = np.exp(-(lightness[y, x] - lightness[y2, x2])**2 / (2 * variance[y, x]))
            entries.append((index[y, x].ravel(), index[y2, x2].ravel(), weight.ravel()))
    at, to, weights = (np.concatenate(parts) for parts in zip(*entries))
    affinity = sparse.csr_matrix((weights, (at, to)), shape=(index.size, index.size))
    affinity = sparse.diags(1.0 / np.asarray(affinity.sum(axis=1)).ravel()) @ affinity
    difference = sparse.eye(index.size) - affinity
    fixed = np.zeros(index.size)
    fixed[index[rows, columns]] = 1.0
    wanted = np.zeros((index.size, 2))
    wanted[index[rows, columns]] = values
    system = difference.T @ difference + sparse.diags(fixed + PULL)
    return splu(system.tocsc()).solve(wanted).reshape(height, width, 2)


def main(argv: list[str]) -> None:
    values = flags.FlagValues()
    cli.define(values, "model", "photos", "str", "a model that takes hints", "Benchmark")
    cli.define(values, "examples", 200, "int", "number of images", "Benchmark")
    folder, = cli.parse(argv, values, __doc__ or "")
    paths = data.find_images(folder)
    paths = paths[::max(1, len(paths) // values.examples)][:values.examples]
    colorizer = inference.Colorizer.load(values.model)
    rng = np.random.default_rng(0)
    results: dict[tuple[str, int], list[tuple[float, float]]] = {}
    for path in paths:
        rgb8 = data.resize_and_crop(data.read_rgb(path), SIDE)
        lab = skcolor.rgb2lab(rgb8)
        natural = colorizer(rgb8)
        ab = skcolor.rgb2lab(natural)[..., 1:]
        places = rng.permutation(SIDE * SIDE)[:max(COUNTS)]
        for count in COUNTS:
            rows, columns = places[:count] // SIDE, places[:count] % SIDE
            hints = [inference.Hint(int(x), int(y), tuple(int(v) for v in rgb8[y, x]))
                     for y, x in zip(rows, columns)]
            rival = natural
            if count:
                spread = levin_spread(
                    lab[..., 0] / 100, rows, columns, lab[rows, columns, 1:] - ab[rows, columns])
                rival = np.concatenate([lab[..., :1], ab + spread], axis=-1)
                rival = np.round(255 * np.clip(skcolor.lab2rgb(rival), 0, 1)).astype(np.uint8)
            for name, image in (("model", colorizer(rgb8, hints=hints)), ("levin", rival)):
                delta_e = skcolor.deltaE_ciede2000(lab, skcolor.rgb2lab(image)).mean()
                results.setdefault((name, count), []).append(
                    (float(metrics.psnr(rgb8[None], image[None])[0]), float(delta_e)))
    print(f"{len(paths)} images of {SIDE} px\npoints   model: psnr delta_e   levin: psnr delta_e")
    for count in COUNTS:
        row = [f"{value:8.2f}" for name in ("model", "levin")
               for value in np.mean(results[name, count], axis=0)]
        print(f"{count:6d} {' '.join(row)}")


if __name__ == "__main__":
    cli.run(main)
