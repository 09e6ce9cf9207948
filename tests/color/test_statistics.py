"""Statistics, their gradients and their achievable ranges against float64 NumPy and skimage."""

import functools

import numpy as np
import pytest
from skimage import color as skcolor
import tensorflow as tf

from colorizer import color
from colorizer.color.controls import CONTROLS
from tests.color.cielab import overshoot
from tests.gradients import gradient
from tests.references import (
    BY_NAME, PER_PIXEL, REFERENCES, circular, named, of_one_color, random_images, smooth_images
)

# Black, white, gray, brown, the primaries, and what is between them.
FLAT = np.concatenate([of_one_color(rgb) for rgb in [
    (0, 0, 0), (1, 1, 1), (0.5, 0.5, 0.5), (0.4, 0.3, 0.2), (1, 0, 0), (0, 1, 0), (0, 0, 1),
    (1, 1, 0), (0, 1, 1), (1, 0, 1)]])
each_statistic = pytest.mark.parametrize("name", REFERENCES)


def measured(name, rgb):
    rgb = tf.constant(rgb, tf.float32)
    return (color.measure(BY_NAME[name], rgb) if name in BY_NAME else color.linear_hue(rgb)).numpy()


@each_statistic
def test_a_statistic_agrees_with_its_definition(name):
    for rgb in (random_images(), smooth_images(16), FLAT):
        expected, result = REFERENCES[name](rgb), measured(name, rgb)
        assert result.shape == (len(rgb),) and result.dtype == np.float32
        around = name == "hue" or (name == "linear_hue" and rgb is FLAT)
        np.testing.assert_allclose(
            circular(result, expected) if around else result - expected, 0, atol=5e-5)


@each_statistic
def test_the_gradient_of_a_statistic_is_finite_at_gray_black_white_and_without_a_mean_hue(name):
    half_gray, complementary = FLAT.copy(), FLAT.copy()
    half_gray[:, :2] = 0.5
    complementary[:, :2] = 1 - complementary[:, :2]
    rgb = np.concatenate([FLAT, half_gray, complementary, 0.5 + 1e-6 * FLAT])
    assert np.isfinite(gradient(getattr(color, name), rgb)).all()
    assert np.abs(gradient(getattr(color, name), random_images())).max(axis=(1, 2, 3)).all()


def test_hue_is_averaged_around_the_wrap_without_gray_pixels_and_linear_hue_is_not():
    half_gray = of_one_color((0.2, 0.2, 0.6))  # hue 2/3
    half_gray[:, :2] = 0.5
    hsv = np.full((1, 4, 4, 3), [0.98, 0.6, 0.8])
    hsv[:, ::2, :, 0] = 0.02
    rgb = np.concatenate([half_gray, skcolor.hsv2rgb(hsv)])
    np.testing.assert_allclose(circular(measured("hue", rgb), [2 / 3, 0]), 0, atol=1e-5)
    np.testing.assert_allclose(measured("linear_hue", rgb), [1 / 3, 0.5], atol=1e-5)


def test_distance_is_around_the_circle_and_at_most_a_half_for_hue_only():
    values = np.linspace(0, 1, 101, dtype=np.float32)
    for control in CONTROLS:
        result = color.distance(control, values[:, None], values[None])
        straight = np.abs(values[:, None] - values[None])
        expected = np.minimum(straight, 1 - straight) if control.name == "hue" else straight
        np.testing.assert_allclose(result, expected, atol=1e-6)


@functools.lru_cache(maxsize=None)
def colors_of_lightness(l_star):
    """RGB float [n, 3] of all colors of this L* inside the gamut, on a grid of ab."""
    step = 1.0 if 20 <= l_star <= 80 else 0.5
    a, b = np.meshgrid(*[np.arange(-110, 110 + step / 2, step)] * 2)
    lab = np.stack([np.full_like(a, l_star), a, b], axis=-1).reshape(-1, 3)
    return skcolor.lab2rgb(lab[overshoot(lab) <= 1e-4])


def searched(control, l_star):
    values = REFERENCES[control.name](colors_of_lightness(l_star)[:, None, None])
    return np.array([values.min(), values.max()])


def achievable(control, *l_stars):
    """The range of one image with a column of each lightness: (minimum, maximum)."""
    l_star = tf.tile(tf.constant([[l_stars]], tf.float32), [1, 2, 1])
    return np.array([bound.numpy()[0] for bound in color.achievable_range(control, l_star)])


@pytest.mark.parametrize("control", PER_PIXEL, ids=named)
def test_the_achievable_range_is_what_a_search_over_ab_finds(control):
    for l_star in (0, 100):  # black and white achieve nothing but themselves
        gray = REFERENCES[control.name](of_one_color([l_star / 100] * 3))[0]
        np.testing.assert_allclose(achievable(control, l_star), gray, atol=0.01)
    for l_star in (5, 35, 65, 90, 97):
        np.testing.assert_allclose(
            achievable(control, l_star), searched(control, l_star), atol=0.02)
    np.testing.assert_allclose(  # of an image: the mean of its pixels
        achievable(control, 35, 90), (searched(control, 35) + searched(control, 90)) / 2, atol=0.02)
