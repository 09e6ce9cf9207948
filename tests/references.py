"""The statistics by their definitions in float64, from skimage and papers, and test images."""

import functools
import operator
from pathlib import Path

import numpy as np
from skimage import color as skcolor

from colorizer.color import controls
from tests.colors import SHARED

ROOT = Path(__file__).resolve().parents[1]
CIFAR = SHARED / "tfds"
IMAGES = 64  # of each kind
BY_NAME = {control.name: control for control in controls.CONTROLS}
LINE = [control for control in controls.CONTROLS if not control.circular]
named = operator.attrgetter("name")
PER_PIXEL = [control for control in controls.CONTROLS if control.per_pixel]


def reference_saturation(rgb):
    return skcolor.rgb2hsv(rgb)[..., 1].mean(axis=(1, 2))


def reference_hue(rgb):
    """The circular mean with chroma as weight."""
    chroma = np.ptp(rgb, axis=-1)
    total = (chroma * np.exp(2j * np.pi * skcolor.rgb2hsv(rgb)[..., 0])).mean(axis=(1, 2))
    return np.angle(total) / (2 * np.pi) % 1


def reference_colorfulness(rgb):
    """Hasler and Suesstrunk 2003, section 5, on 0-255; over 100."""
    r, g, b = np.moveaxis(255 * rgb, -1, 0)
    red_green, yellow_blue = r - g, (r + g) / 2 - b
    spread = np.hypot(red_green.std(axis=(1, 2)), yellow_blue.std(axis=(1, 2)))
    center = np.hypot(red_green.mean(axis=(1, 2)), yellow_blue.mean(axis=(1, 2)))
    return (spread + 0.3 * center) / 100


REFERENCES = {
    "saturation": reference_saturation, "hue": reference_hue,
    "linear_hue": lambda rgb: skcolor.rgb2hsv(rgb)[..., 0].mean(axis=(1, 2)),
    "red": lambda rgb: rgb[..., 0].mean(axis=(1, 2)),
    "green": lambda rgb: rgb[..., 1].mean(axis=(1, 2)),
    "blue": lambda rgb: rgb[..., 2].mean(axis=(1, 2)),
    "colorfulness": reference_colorfulness,
    "warmth": lambda rgb: (skcolor.rgb2lab(rgb)[..., 2].mean(axis=(1, 2)) + 50) / 100,
}


def circular(left, right):
    difference = np.abs(np.asarray(left) - right) % 1
    return np.minimum(difference, 1 - difference)


def random_images(count=4, height=6, width=5):
    return np.random.default_rng(0).uniform(0.05, 0.95, (count, height, width, 3))


def smooth_images(count=IMAGES, size=32):
    """Slow waves of lightness and of color about a cast, saturated as photographs are."""
    rng = np.random.default_rng(1)
    y, x = np.meshgrid(*[np.linspace(0, 1, size)] * 2, indexing="ij")
    fy, fx, phase = rng.uniform(0.3, 1.5, (3, count, 3, 1, 1)) * [[[[[1]]]], [[[[1]]]], [[[[9]]]]]
    waves = np.sin(2 * np.pi * (fy * y + fx * x) + phase)
    light = rng.uniform(45, 60, (count, 1, 1)) + 28 * waves[:, 0]
    color = rng.uniform(5, 15, (count, 1, 1, 1)) * np.moveaxis(waves[:, 1:], 1, -1)
    color = color + rng.uniform(-8, 8, (count, 1, 1, 2))
    rgb = skcolor.lab2rgb(np.concatenate([light[..., None], color], axis=-1))
    return np.round(rgb * 255) / 255


@functools.lru_cache(maxsize=None)
def cifar_images():
    import tensorflow_datasets as tfds  # which few tests need

    dataset = tfds.load("cifar10", split="test", data_dir=str(CIFAR), download=False)
    return np.stack([row["image"] for row in dataset.take(IMAGES).as_numpy_iterator()]) / 255


def lab_of(rgb):
    return skcolor.rgb2lab(rgb).astype(np.float32)


def of_one_color(rgb, side=4):
    return np.full((1, side, side, 3), rgb, np.float64)
