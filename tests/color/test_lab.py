"""sRGB <-> Lab and the model's tensors against skimage, Pillow and published values."""

from PIL import Image
import numpy as np
import pytest
from skimage import color as skcolor
import tensorflow as tf

from colorizer import color
from tests.color.cielab import as_float, linear_of, random_lab, rgb8_grid
from tests.gradients import gradient

EDGES = [(0, 0, 0), (1, 1, 1), (0.5, 0.5, 0.5), (1, 0, 0), (0, 0, 1 / 255), (-0.5, 1.5, 0.3),
         (0.04045, 0.04045, 0.04045)]  # the last is where the curve of sRGB begins


def test_primaries_have_their_published_lab():
    # Bruce Lindbloom's calculator, sRGB, D65; the tolerance allows for his matrix.
    rgb = np.float32([(1, 1, 1), (0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1)])
    np.testing.assert_allclose(color.rgb_to_lab(rgb), [
        (100, 0, 0), (0, 0, 0), (53.24, 80.09, 67.20), (87.73, -86.18, 83.18),
        (32.30, 79.19, -107.86)], atol=0.02)


@pytest.mark.parametrize("step", [8, pytest.param(1, marks=pytest.mark.soak)])
def test_8_bit_colors_agree_with_skimage_come_back_and_are_inside_the_gamut(step):
    for rgb8 in np.array_split(rgb8_grid(step), 256 // step**2 + 1):
        lab = color.rgb_to_lab(as_float(rgb8))
        np.testing.assert_allclose(lab, skcolor.rgb2lab(rgb8), atol=0.01)
        np.testing.assert_array_equal(np.round(255 * np.asarray(color.lab_to_rgb(lab))), rgb8)
        np.testing.assert_array_equal(color.to_gamut(lab), lab)


def test_lab_to_linear_agrees_with_the_standard_outside_the_gamut_and_lab_to_rgb_clips():
    lab = random_lab()
    rgb, linear = np.asarray(color.lab_to_rgb(lab)), linear_of(lab)
    np.testing.assert_allclose(color.lab_to_linear(lab), linear, atol=1e-5)
    assert rgb.min() >= 0.0 and rgb.max() <= 1.0
    np.testing.assert_allclose(rgb[linear > 1], 1.0, atol=1e-6)
    np.testing.assert_allclose(rgb[linear < 0], 0.0, atol=1e-6)


def test_gradients_are_finite_for_black_white_gray_and_outside_the_gamut():
    for rgb in EDGES:
        result = gradient(color.rgb_to_lab, [rgb])
        assert np.isfinite(result).all() and np.abs(result).max() > 0
    assert np.isfinite(gradient(color.lab_to_rgb, random_lab())).all()


@pytest.mark.parametrize("shape", [(3,), (4, 3), (2, 5, 4, 3)])
def test_conversions_keep_shape_and_float32(shape):
    lab = color.rgb_to_lab(tf.fill(shape, 0.4))
    for result in (lab, color.lab_to_rgb(lab), color.lab_to_linear(lab), color.to_gamut(3 * lab)):
        assert result.dtype == tf.float32 and tuple(result.shape) == shape


def test_lab_is_scaled_by_50_and_110_and_back():
    lab = np.float32([(0, 0, 0), (100, 110, -110), (50, -55, 11)])
    l_scaled, ab_scaled = color.lab_to_scaled(lab)
    np.testing.assert_allclose(l_scaled, [[-1], [1], [0]], atol=1e-6)
    np.testing.assert_allclose(ab_scaled, [(0, 0), (1, -1), (-0.5, 0.1)], atol=1e-6)
    np.testing.assert_allclose(color.scaled_to_lab(l_scaled, ab_scaled), lab, atol=2e-5)


def test_scaled_tensors_of_8_bit_colors_lie_in_the_range_of_tanh_and_give_them_back():
    rgb8 = rgb8_grid(15)
    rgb = as_float(rgb8)
    l_scaled, ab_scaled = map(np.asarray, color.lab_to_scaled(color.rgb_to_lab(rgb)))
    # L* = 0 and 100 are reached; b* of blue is -107.86 of 110.
    np.testing.assert_allclose([l_scaled.min(), l_scaled.max()], [-1, 1], atol=1e-5)
    np.testing.assert_allclose(np.abs(ab_scaled).max(), 107.86 / 110, atol=1e-3)
    np.testing.assert_allclose(
        color.rgb_to_l_scaled(rgb), skcolor.rgb2lab(rgb)[:, :1] / 50 - 1, atol=2e-4)
    result = color.scaled_to_rgb8(l_scaled, ab_scaled)
    assert result.dtype == tf.uint8
    np.testing.assert_array_equal(result, rgb8)


def test_luma_is_that_of_pillow():
    rgb8 = np.random.default_rng(0).integers(0, 256, (16, 16, 3)).astype(np.uint8)
    rgb8[0, :2] = [[0] * 3, [255] * 3]
    luma = np.asarray(Image.fromarray(rgb8).convert("L"), np.float32)  # ITU-R 601, rounded
    scaled = np.asarray(color.rgb_to_luma_scaled(as_float(rgb8)))[..., 0]
    np.testing.assert_allclose((scaled + 1.0) * 127.5, luma, atol=1.0)
    np.testing.assert_allclose(scaled[0, :2], [-1, 1], atol=1e-6)
