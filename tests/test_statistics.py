"""Statistics, their gradients and their reach against float64 NumPy and skimage."""

import functools

import numpy as np
import pytest
from skimage import color as skcolor
import tensorflow as tf

from colorizer.color import controls
from colorizer.color import statistics
from tests.references import (
    BY_NAME, PER_PIXEL, REFERENCES, circular, lab_of, named, of_one_color, random_pictures,
    smooth_pictures
)

SPECIAL = {
    "black": (0, 0, 0), "white": (1, 1, 1), "gray": (0.5, 0.5, 0.5), "brown": (0.4, 0.3, 0.2),
    "red": (1, 0, 0), "green": (0, 1, 0), "blue": (0, 0, 1),
    "yellow": (1, 1, 0), "cyan": (0, 1, 1), "magenta": (1, 0, 1),
}


def measured(name, rgb):
    return getattr(statistics, name)(tf.constant(rgb, tf.float32)).numpy()


def pictures_of_one_color():
    return np.concatenate([of_one_color(rgb) for rgb in SPECIAL.values()])


# -------------------------------------------------------------------------------------- statistics

def test_names_are_unique_and_each_has_its_statistic():
    assert len(set(controls.NAMES)) == len(controls.CONTROLS) == len(BY_NAME)
    rgb = random_pictures()
    for control in controls.CONTROLS:
        assert control.help and control.name.isidentifier()
        np.testing.assert_array_equal(
            statistics.measure(control, tf.constant(rgb, tf.float32)), measured(control.name, rgb))


@pytest.mark.parametrize("name", REFERENCES)
@pytest.mark.parametrize("make", [random_pictures, smooth_pictures])
def test_statistic_agrees_with_its_definition(name, make):
    rgb = make()
    expected, result = REFERENCES[name](rgb), measured(name, rgb)
    assert result.shape == (len(rgb),) and result.dtype == np.float32
    np.testing.assert_allclose(
        circular(result, expected) if name == "hue" else result - expected, 0, atol=2e-5)


@pytest.mark.parametrize("name", REFERENCES)
def test_statistic_of_one_color_agrees_with_its_definition(name):
    result, expected = measured(name, pictures_of_one_color()), REFERENCES[name](
        pictures_of_one_color())
    np.testing.assert_allclose(
        circular(result, expected) if "hue" in name else result - expected, 0, atol=5e-5)


def gradient(name, rgb):
    x = tf.constant(rgb, tf.float32)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = getattr(statistics, name)(x)
    return tape.gradient(y, x).numpy()


def central_differences(name, rgb, step=1e-6):
    """Of the float64 definition, one picture: all neighbors in one batch."""
    shifts = step * np.eye(rgb.size).reshape(-1, *rgb.shape[1:])
    change = REFERENCES[name](rgb + shifts) - REFERENCES[name](rgb - shifts)
    change = (change + 0.5) % 1 - 0.5 if name == "hue" else change
    return (change / (2 * step)).reshape(rgb.shape)


@pytest.mark.parametrize("name", REFERENCES)
@pytest.mark.parametrize("rgb", [
    random_pictures(1), random_pictures(3)[2:], smooth_pictures(1)[:, ::8, ::8] + 1e-3
    * np.random.default_rng(5).uniform(size=(1, 4, 4, 3))], ids=["random", "random_2", "smooth"])
def test_gradient_of_statistic_is_that_of_its_definition(name, rgb):
    expected = central_differences(name, rgb)
    assert np.abs(expected).max() > 0
    np.testing.assert_allclose(
        gradient(name, rgb), expected, rtol=2e-3, atol=2e-3 * np.abs(expected).max())


@pytest.mark.parametrize("name", REFERENCES)
def test_gradient_of_statistic_is_finite(name):
    half_gray, complementary, almost_gray = (pictures_of_one_color() for _ in range(3))
    half_gray[:, :2] = 0.5
    complementary[:, :2] = 1 - complementary[:, :2]  # no mean hue
    almost_gray = 0.5 + 1e-6 * almost_gray
    for rgb in (pictures_of_one_color(), half_gray, complementary, almost_gray):
        assert np.isfinite(gradient(name, rgb)).all()


def test_gray_pixels_have_no_weight_in_hue_and_count_as_red_in_linear_hue():
    picture = of_one_color((0.2, 0.2, 0.6))  # hue 2/3
    picture[:, :2] = 0.5
    np.testing.assert_allclose(measured("hue", picture), 2 / 3, atol=1e-6)
    np.testing.assert_allclose(measured("linear_hue", picture), 1 / 3, atol=1e-6)


def test_hue_is_averaged_around_the_wrap_and_linear_hue_is_not():
    hsv = np.full((1, 4, 4, 3), [0.98, 0.6, 0.8])
    hsv[:, ::2, :, 0] = 0.02
    rgb = skcolor.hsv2rgb(hsv)
    np.testing.assert_allclose(circular(measured("hue", rgb), 0), 0, atol=1e-5)
    np.testing.assert_allclose(measured("linear_hue", rgb), 0.5, atol=1e-5)


@pytest.mark.parametrize("value, target, around, straight", [
    (0.9, 0.1, 0.2, 0.8), (0.1, 0.9, 0.2, 0.8), (0.25, 0.5, 0.25, 0.25), (0, 1, 0, 1),
    (0.75, 0.25, 0.5, 0.5), (0.3, 0.3, 0, 0), (1, 0.4, 0.4, 0.6),
])
def test_distance_is_circular_for_hue_only(value, target, around, straight):
    value, target = tf.constant([value], tf.float32), tf.constant([target], tf.float32)
    for control in controls.CONTROLS:
        np.testing.assert_allclose(statistics.distance(control, value, target),
                                   [around if control.name == "hue" else straight], atol=1e-6)


def test_distance_in_hue_is_at_most_a_half():
    values = np.linspace(0, 1, 101, dtype=np.float32)
    result = statistics.distance(BY_NAME["hue"], values[:, None], values[None]).numpy()
    assert result.min() >= 0 and result.max() <= 0.5 + 1e-6
    np.testing.assert_allclose(result, circular(values[:, None], values[None]), atol=1e-6)


# ------------------------------------------------------------------------------------------- reach

@functools.lru_cache(maxsize=None)
def colors_of_lightness(l_star):
    """All in-gamut colors on a grid of ab, from a float64 inverse of CIE Lab: ([n, 3] RGB)."""
    step = 1.0 if 20 <= l_star <= 80 else 0.5
    a, b = np.meshgrid(*[np.arange(-110, 110 + step / 2, step)] * 2)
    lab = np.stack([np.full_like(a, l_star), a, b], axis=-1).reshape(-1, 3)
    fy = (lab[:, 0] + 16) / 116
    f = np.stack([fy + lab[:, 1] / 500, fy, fy - lab[:, 2] / 200], axis=-1)
    xyz = np.where(f**3 > 0.008856, f**3, (f - 16 / 116) / 7.787) * [0.95047, 1.0, 1.08883]
    linear = np.linalg.solve([[0.412453, 0.357580, 0.180423], [0.212671, 0.715160, 0.072169],
                              [0.019334, 0.119193, 0.950227]], xyz.T).T
    inside = (np.abs(linear - 0.5) <= 0.5 + 1e-4).all(axis=1)
    return skcolor.lab2rgb(lab[inside])


def reached(control, *l_stars):
    """`reach` of one picture, a column of each lightness: (lowest, highest)."""
    l_star = tf.tile(tf.constant([[l_stars]], tf.float32), [1, 2, 1])
    return np.array([bound.numpy()[0] for bound in statistics.reach(control, l_star)])


def searched(control, l_star):
    values = REFERENCES[control.name](colors_of_lightness(l_star)[:, None, None])
    return np.array([values.min(), values.max()])


@pytest.mark.parametrize("l_star", [5, 20, 35, 50, 65, 80, 90, 97])
@pytest.mark.parametrize("control", PER_PIXEL, ids=named)
def test_reach_is_what_a_search_over_ab_finds(control, l_star):
    np.testing.assert_allclose(reached(control, l_star), searched(control, l_star), atol=0.02)


@pytest.mark.parametrize("control", PER_PIXEL, ids=named)
def test_reach_of_a_picture_is_the_mean_of_its_pixels(control):
    expected = (searched(control, 20) + searched(control, 80)) / 2
    np.testing.assert_allclose(reached(control, 20, 80), expected, atol=0.02)


@pytest.mark.parametrize("name, l_star", [
    ("red", 100), ("green", 0), ("green", 100),
    ("saturation", 0), ("saturation", 100), ("red", 0), ("blue", 0), ("blue", 100),
    ("warmth", 0), ("warmth", 100)])
def test_black_and_white_reach_nothing_but_themselves(name, l_star):
    gray = REFERENCES[name](of_one_color([l_star / 100] * 3))[0]
    np.testing.assert_allclose(reached(BY_NAME[name], l_star), gray, atol=0.01)


@pytest.mark.parametrize("control", [*PER_PIXEL, BY_NAME["hue"]], ids=named)
def test_pictures_lie_within_their_reach(pictures, control):
    lowest, highest = statistics.reach(control, lab_of(pictures)[..., 0])
    value = REFERENCES[control.name](pictures)
    assert lowest.shape == highest.shape == (len(pictures),)
    assert (value >= lowest.numpy() - 0.01).all() and (value <= highest.numpy() + 0.01).all()
