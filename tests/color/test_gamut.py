"""The gamut mapping against a float64 NumPy twin."""

import numpy as np
import pytest

from colorizer import color
from tests.color.cielab import (
    as_float, linear_of, overshoot, random_lab, random_lab_outside, rgb8_grid
)
from tests.gradients import gradient

EDGES = [(0, 0, 0), (100, 0, 0), (50, 0, 0), (50, 20, -10), (50, 1e-7, 0), (50, -110, 110),
         (100, 110, 110), (0, -110, 110)]  # neutral, inside, almost gray, far outside


def with_chroma_scaled(lab, factor):
    factor = np.broadcast_to(factor, np.shape(lab)[:-1])
    return np.concatenate([lab[..., :1], lab[..., 1:] * factor[..., None]], axis=-1)


def reference_to_gamut(lab):
    lab = np.asarray(lab, np.float64)
    low, high = np.zeros(lab.shape[:-1]), np.ones(lab.shape[:-1])
    for _ in range(40):
        middle = (low + high) / 2
        inside = overshoot(with_chroma_scaled(lab, middle)) <= 0
        low, high = np.where(inside, middle, low), np.where(inside, high, middle)
    return np.where(overshoot(lab)[..., None] <= 0, lab, with_chroma_scaled(lab, low))


def test_lightness_and_hue_stay_and_chroma_never_grows():
    lab = random_lab()
    result = np.asarray(color.to_gamut(lab))
    np.testing.assert_array_equal(result[:, 0], lab[:, 0])
    chroma, before = np.hypot(*result[:, 1:].T), np.hypot(*lab[:, 1:].T)
    assert (chroma <= before * (1 + 1e-6)).all()
    # The cross product of the two (a, b) is 0 where the hue angle is the same, or the opposite.
    cross = lab[:, 1] * result[:, 2] - lab[:, 2] * result[:, 1]
    np.testing.assert_allclose(cross / before, 0, atol=1e-4)
    assert ((lab[:, 1:] * result[:, 1:]).sum(axis=1) >= 0).all()


def test_colors_come_inside_with_the_largest_chroma_there():
    assert overshoot(np.asarray(color.to_gamut(random_lab()))).max() < 1e-3
    lab = random_lab_outside(2000)
    result = np.asarray(color.to_gamut(lab))
    assert (overshoot(with_chroma_scaled(result, 1.02)) > 0).all()
    np.testing.assert_allclose(result, reference_to_gamut(lab), atol=0.05)


def test_scaled_tensors_outside_the_gamut_become_rgb_of_the_same_lightness():
    lab = random_lab_outside(1000)
    rgb = color.scaled_to_rgb(*color.lab_to_scaled(lab))
    np.testing.assert_allclose(color.rgb_to_lab(rgb)[:, 0], lab[:, 0], atol=0.05)


@pytest.mark.parametrize("function", [
    color.to_gamut, lambda lab: color.scaled_to_rgb(*color.lab_to_scaled(lab))])
def test_gradients_are_finite_all_over_the_lab_cube(function):
    for lab in (np.float32(EDGES), random_lab()):
        assert np.isfinite(gradient(function, lab)).all()


def test_the_gradient_is_one_inside_and_outside_that_of_the_gamuts_edge():
    inside = np.asarray(color.rgb_to_lab(as_float(rgb8_grid(60)[5:50])))
    np.testing.assert_array_equal(gradient(color.to_gamut, inside), np.ones_like(inside))
    lab = random_lab_outside(1500)
    lab = lab[(lab[:, 0] > 10) & (lab[:, 0] < 95)].astype(np.float64)
    # Where two channels leave the gamut together, its edge has a kink.
    linear = linear_of(reference_to_gamut(lab))
    lab = lab[np.sort(np.concatenate([1 - linear, linear], axis=-1), axis=-1)[:, 1] > 0.02]
    assert len(lab) > 300
    outwards = lab * [0, 1, 1] / np.hypot(lab[:, 1], lab[:, 2])[:, None]
    along = np.stack([np.zeros(len(lab)), -outwards[:, 2], outwards[:, 1]], axis=-1)
    jacobian = np.stack([gradient(lambda x, i=i: color.to_gamut(x)[..., i], lab)
                         for i in range(3)], axis=1)

    def moved(direction):
        return (jacobian @ direction[..., None])[..., 0]

    def expected(direction, step=1e-3):
        return (reference_to_gamut(lab + step * direction)
                - reference_to_gamut(lab - step * direction)) / (2 * step)

    lighter = np.broadcast_to([1.0, 0.0, 0.0], lab.shape)
    np.testing.assert_allclose(moved(outwards), 0, atol=0.02)
    np.testing.assert_allclose(moved(along), expected(along), atol=0.03)
    np.testing.assert_allclose(moved(lighter), expected(lighter), rtol=0.02, atol=0.05)
