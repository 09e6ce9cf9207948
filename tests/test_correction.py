"""The colors of a picture moved the last step to what was asked."""

import colorsys

import keras
import numpy as np
import pytest
from skimage import color as skcolor

from colorizer.inference import postprocess as correction


def pictures(count=3, size=12, seed=0, chroma=25.0):
    """Smooth Lab pictures with some color, well inside the gamut."""
    rng = np.random.default_rng(seed)
    low = np.concatenate([rng.uniform(35, 75, (count, 3, 3, 1)),
                          rng.uniform(-chroma, chroma, (count, 3, 3, 2))], axis=-1)
    return np.asarray(keras.ops.image.resize(low, (size, size)), np.float32)


def saturation(rgb):
    return np.mean([colorsys.rgb_to_hsv(*pixel)[1] for pixel in rgb.reshape(-1, 3)])


def meet(lab, **targets):
    return np.asarray(correction.meet_targets(lab, targets))


@pytest.mark.parametrize("target", [0.0, 0.1, 0.35, 0.6])
def test_the_mean_hsv_saturation_becomes_the_target(target):
    for rgb in meet(pictures(), saturation=target):
        assert saturation(rgb) == pytest.approx(target, abs=0.005)


@pytest.mark.parametrize("name, channel", [("red", 0), ("green", 1), ("blue", 2)])
def test_the_mean_of_a_channel_becomes_the_target(name, channel):
    before = skcolor.lab2rgb(pictures())[..., channel].mean()
    for rgb in meet(pictures(), **{name: before + 0.05}):
        assert rgb[..., channel].mean() == pytest.approx(before + 0.05, abs=0.005)


def test_the_mean_b_becomes_the_warmth():
    for rgb in meet(pictures(), warmth=0.62):
        assert skcolor.rgb2lab(rgb)[..., 2].mean() == pytest.approx(12.0, abs=0.5)


@pytest.mark.parametrize("target", [0.05, 0.4, 0.7, 0.98])
def test_one_tint_is_turned_to_the_hue_the_shorter_way(target):
    lab = np.full((1, 8, 8, 3), [60.0, 18.0, 12.0], np.float32)
    rgb = meet(lab, hue=target)[0].reshape(-1, 3)
    off = np.array([colorsys.rgb_to_hsv(*pixel)[0] for pixel in rgb]) - target
    assert np.abs(off - np.round(off)).max() < 0.01


def test_two_targets_are_met_together():
    lab = np.full((1, 8, 8, 3), [60.0, 18.0, 12.0], np.float32)
    rgb = meet(lab, saturation=0.4, hue=0.6)[0].reshape(-1, 3)
    hue, value = np.mean([colorsys.rgb_to_hsv(*pixel)[:2] for pixel in rgb], axis=0)
    assert hue == pytest.approx(0.6, abs=0.02) and value == pytest.approx(0.4, abs=0.02)


def test_a_target_for_each_picture_and_its_own_lightness():
    lab = pictures()
    rgb = meet(lab, saturation=np.array([0.1, 0.3, 0.5], np.float32))
    assert [saturation(picture) for picture in rgb] == pytest.approx([0.1, 0.3, 0.5], abs=0.005)
    np.testing.assert_allclose(skcolor.rgb2lab(rgb)[..., 0], lab[..., 0], atol=0.1)


def test_a_picture_that_meets_its_target_stays_as_it_is():
    once = meet(pictures(), saturation=0.3)
    again = meet(skcolor.rgb2lab(once).astype(np.float32), saturation=0.3)
    np.testing.assert_allclose(again, once, atol=0.01)


@pytest.mark.parametrize("targets", [{"saturation": 0.8}, {"hue": 0.3}, {"colorfulness": 0.5}])
def test_a_gray_picture_which_has_no_hue_is_given_none(targets):
    lab = pictures(chroma=0.0)
    assert np.ptp(meet(lab, **targets), axis=-1).max() < 0.02


def test_little_saturation_is_taken_away_to_none():
    lab = pictures(chroma=0.8)
    assert saturation(meet(lab, saturation=0.0)[0]) < 1e-3 < saturation(skcolor.lab2rgb(lab)[0])


def test_a_target_out_of_reach_is_approached_and_nothing_is_torn():
    lab = pictures()
    lab[..., 0] = 97.0 + 0.03 * (lab[..., 0] - 55.0)  # near white there is little saturation
    rgb = meet(lab, saturation=1.0)
    assert np.isfinite(rgb).all() and rgb.min() >= 0.0 and rgb.max() <= 1.0
    np.testing.assert_allclose(skcolor.rgb2lab(rgb)[..., 0], lab[..., 0], atol=0.1)
