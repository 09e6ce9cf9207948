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


def test_colors_keep_lightness_and_hue_and_come_inside_with_the_largest_chroma_there():
    lab = random_lab()
    result = np.asarray(color.to_gamut(lab))
    np.testing.assert_array_equal(result[:, 0], lab[:, 0])
    np.testing.assert_allclose(result, reference_to_gamut(lab), atol=0.05)
    assert (np.hypot(*result[:, 1:].T) <= np.hypot(*lab[:, 1:].T) * (1 + 1e-6)).all()
    assert overshoot(result).max() < 1e-3
    outside = np.asarray(color.to_gamut(random_lab_outside(2000)))
    assert (overshoot(with_chroma_scaled(outside, 1.02)) > 0).all()


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
    lighter = np.broadcast_to([1.0, 0.0, 0.0], lab.shape)
    for direction, rtol, atol in ((outwards, 0, 0.02), (along, 0, 0.03), (lighter, 0.02, 0.05)):
        after, before = (reference_to_gamut(lab + step * direction) for step in (1e-3, -1e-3))
        np.testing.assert_allclose((jacobian @ direction[..., None])[..., 0],
                                   (after - before) / 2e-3, rtol=rtol, atol=atol)
