"""Targets are drawn so that the edited image meets them all."""

import numpy as np
import pytest
from skimage import color as skcolor

from colorizer.color.controls import CONTROL_NAMES, CONTROLS
from colorizer.training.targets import draw_targets, num_draws
from tests.references import REFERENCES, circular, lab_of, smooth_images

COUNT, DRAWS = len(CONTROLS), num_draws(CONTROLS)
IMAGES = smooth_images(32, 8)


def drawn(rgb, uniform, condition_dropout=0.0):
    edited, targets = draw_targets(CONTROLS, lab_of(rgb), np.float32(uniform), condition_dropout)
    return np.asarray(edited), np.asarray(targets.values), np.asarray(targets.desired)


@pytest.fixture
def uniform():
    return np.random.default_rng(1).uniform(size=(len(IMAGES), DRAWS))


def test_the_edited_image_meets_its_targets_at_the_originals_lightness(uniform):
    # Never beyond amount 1, where a target is the end of its range.
    uniform[:, 1 + COUNT:] = 0.1 + 0.8 * uniform[:, 1 + COUNT:]
    edited, values, _ = drawn(IMAGES, uniform)
    for name, value in zip(CONTROL_NAMES, values.T):
        error = value - REFERENCES[name](edited)
        error = circular(error, 0) if name == "hue" else error
        np.testing.assert_allclose(error, 0, atol=2e-3, err_msg=name)
    assert values[:, CONTROL_NAMES.index("colorfulness")].max() > 1.0  # however large
    np.testing.assert_allclose(
        skcolor.rgb2lab(edited)[..., 0], skcolor.rgb2lab(IMAGES)[..., 0], atol=0.05)


def test_an_image_with_targets_has_at_least_one(uniform):
    _, _, desired = drawn(IMAGES, 0.4 + 0.6 * uniform)
    np.testing.assert_array_equal(desired.sum(axis=1), 1.0)


def test_the_share_without_targets_is_left_as_it_is(uniform):
    edited, _, desired = drawn(IMAGES, uniform, condition_dropout=0.4)
    natural = uniform[:, 0] < 0.4
    assert 5 < natural.sum() < 20
    np.testing.assert_array_equal(desired[natural], 0.0)
    np.testing.assert_allclose(edited[natural], IMAGES[natural], atol=1e-4)
    assert (desired[~natural].sum(axis=1) >= 1).all()


def test_a_control_drawn_alone_beyond_its_range_gets_its_end():
    uniform = np.full((2, DRAWS), 0.99)  # no control is desired
    index = CONTROL_NAMES.index("saturation")
    uniform[:, 1 + index] = 0.0
    uniform[:, 1 + COUNT + index] = [0.999, 0.001]
    edited, values, _ = drawn(IMAGES[:2], uniform)
    np.testing.assert_allclose(values[:, index], [1.0, 0.0])
    saturation = REFERENCES["saturation"](edited)
    assert saturation[0] > 0.7 and saturation[1] < 1e-4
