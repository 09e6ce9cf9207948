"""Enlarging ab along the edges of L, beside loops in NumPy and Pillow's own resizing."""

from PIL import Image
import numpy as np
import pytest

from colorizer.inference import upsampling


def window(array, y, x):
    rows, columns = (slice(max(0, at - 1), at + 2) for at in (y, x))
    return array[rows, columns].reshape(-1, array.shape[-1])


def mean_by_loop(array):
    return np.stack([[window(array, y, x).mean(axis=0) for x in range(array.shape[1])]
                     for y in range(array.shape[0])])


def slope_by_loop(lightness, ab):
    """Ridge regression of ab on L in each window; the mean over the windows of a pixel."""
    slope = np.zeros_like(ab)
    for y, x in np.ndindex(*lightness.shape[:2]):
        l_near, ab_near = window(lightness, y, x), window(ab, y, x)
        l_near, ab_near = l_near - l_near.mean(), ab_near - ab_near.mean(axis=0)
        slope[y, x] = (l_near * ab_near).mean(axis=0) / ((l_near**2).mean() + 0.01)
    return mean_by_loop(slope)


def pillow(array, height, width):
    return np.stack([Image.fromarray(channel).resize((width, height), Image.Resampling.BICUBIC)
                     for channel in np.moveaxis(array, -1, 0)], axis=-1)


def random_images(height, width, channels, seed=0):
    rng = np.random.default_rng(seed)
    return rng.uniform(-1.0, 1.0, (1, height, width, channels)).astype(np.float32)


def enlarge(l_small, ab_small, l_full):
    return np.asarray(upsampling.Upsampler(l_small, ab_small, l_full.shape[1:3]).rows(0, l_full))


@pytest.mark.parametrize("size", [(23, 31), (6, 9), (4, 5), (1, 1), (1, 40)])
def test_full_size_ab_is_the_enlarged_slope_times_lightness_plus_the_enlarged_offset(size):
    lightness, ab = random_images(6, 9, 1), random_images(6, 9, 2, seed=1)
    full = random_images(*size, 1, seed=2)
    slope = slope_by_loop(lightness[0], ab[0])
    expected = pillow(slope, *size) * full[0] + pillow(ab[0] - slope * lightness[0], *size)
    np.testing.assert_allclose(enlarge(lightness, ab, full)[0], expected, atol=1e-4)


def test_ab_stays_as_it_is_where_the_scale_does_and_where_it_is_constant():
    lightness, ab = random_images(12, 10, 1), random_images(12, 10, 2, seed=1)
    np.testing.assert_allclose(enlarge(lightness, ab, lightness), ab, atol=1e-5)
    ab[:] = 0.3, -0.2
    result = enlarge(lightness, ab, random_images(61, 50, 1))
    np.testing.assert_allclose(result, np.broadcast_to(ab[:, :1, :1], (1, 61, 50, 2)), atol=1e-5)
    np.testing.assert_allclose(upsampling.smooth_flat(lightness, ab), ab, atol=1e-6)


def test_an_ab_edge_on_an_edge_of_lightness_stays_sharp():
    """A step of 1 in L and of 0.4 in a, eight times larger, rises by most of it in 1 pixel."""
    small, large = (np.tile(np.float32(np.arange(size) >= size // 2)[:, None] - 0.5,
                            (1, size, 1, 1)) for size in (8, 64))
    a = enlarge(small, np.float32(0.4 * small * [1, 0]), large)[0, 32, :, 0]
    assert a[32] - a[31] > 0.7 * 0.4


def test_smoothing_moves_ab_to_its_mean_as_far_as_the_lightness_is_flat():
    lightness, ab = 0.05 * random_images(6, 7, 1), random_images(6, 7, 2, seed=1)
    variance = np.stack([[window(lightness[0], y, x).var(axis=0) for x in range(7)]
                         for y in range(6)])
    mean = mean_by_loop(mean_by_loop(ab[0]))
    expected = ab[0] + 0.001 / (0.001 + variance) * (mean - ab[0])
    np.testing.assert_allclose(upsampling.smooth_flat(lightness, ab)[0], expected, atol=1e-5)
