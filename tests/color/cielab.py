"""CIE Lab -> linear sRGB in float64, from the standards and not from our code, and Lab colors."""

import numpy as np

XYZ_OF_LINEAR_RGB = [[0.412453, 0.357580, 0.180423], [0.212671, 0.715160, 0.072169],
                     [0.019334, 0.119193, 0.950227]]
WHITE = [0.95047, 1.0, 1.08883]


def linear_of(lab):
    """CIE 15:2004 8.2.1 inverted, then XYZ -> linear sRGB."""
    lab = np.asarray(lab, np.float64)
    fy = (lab[..., 0] + 16) / 116
    f = np.stack([fy + lab[..., 1] / 500, fy, fy - lab[..., 2] / 200], axis=-1)
    xyz = np.where(f**3 > 0.008856, f**3, (f - 16 / 116) / 7.787) * WHITE
    return np.linalg.solve(XYZ_OF_LINEAR_RGB, xyz[..., None])[..., 0]


def overshoot(lab):
    """How far the linear RGB of a color leaves [0, 1]; negative inside."""
    linear = linear_of(lab)
    return np.maximum(linear - 1, -linear).max(axis=-1)


def random_lab(count=10_000, low=0.0, high=100.0):
    """Colors inside and far outside the gamut, L* between `low` and `high`."""
    rng = np.random.default_rng(0)
    return np.float32(rng.uniform([low, -110, -110], [high, 110, 110], (count, 3)))


def random_lab_outside(count=10_000):
    lab = random_lab(count, 2.0, 98.0)
    return lab[overshoot(lab) > 1e-3]


def rgb8_grid(step):
    values = np.unique([*range(0, 256, step), 1, 2, 10, 11, 254, 255]).astype(np.uint8)
    return np.stack(np.meshgrid(values, values, values, indexing="ij"), axis=-1).reshape(-1, 3)


def as_float(rgb8):
    return (rgb8 / 255).astype(np.float32)
