"""The colors of an image moved the rest of the way to its targets."""

import colorsys

import keras
import numpy as np
import pytest
from skimage import color as skcolor

from colorizer.inference import postprocess


def smooth_lab(count=3, size=12, seed=0, chroma=25.0):
    """Smooth Lab images with some color, well inside the gamut."""
    rng = np.random.default_rng(seed)
    low = np.concatenate([rng.uniform(35, 75, (count, 3, 3, 1)),
                          rng.uniform(-chroma, chroma, (count, 3, 3, 2))], axis=-1)
    return np.asarray(keras.ops.image.resize(low, (size, size)), np.float32)


def saturation(rgb):
    return np.mean([colorsys.rgb_to_hsv(*pixel)[1] for pixel in rgb.reshape(-1, 3)])


def meet(lab, **targets):
    return np.asarray(postprocess.meet_targets(lab, targets))


def test_each_image_gets_the_mean_hsv_saturation_of_its_target_at_its_own_lightness():
    lab, targets = smooth_lab(4), [0.0, 0.1, 0.35, 0.6]
    rgb = meet(lab, saturation=np.array(targets, np.float32))
    assert [saturation(image) for image in rgb] == pytest.approx(targets, abs=0.005)
    np.testing.assert_allclose(skcolor.rgb2lab(rgb)[..., 0], lab[..., 0], atol=0.1)


def test_the_mean_of_a_channel_or_of_b_becomes_the_target():
    for channel, name in enumerate(("red", "green", "blue")):
        target = skcolor.lab2rgb(smooth_lab())[..., channel].mean() + 0.05
        for rgb in meet(smooth_lab(), **{name: target}):
            assert rgb[..., channel].mean() == pytest.approx(target, abs=0.005)
    for rgb in meet(smooth_lab(), warmth=0.62):
        assert skcolor.rgb2lab(rgb)[..., 2].mean() == pytest.approx(12.0, abs=0.5)


def test_one_tint_is_turned_to_the_hue_the_shorter_way():
    targets = np.array([0.05, 0.4, 0.7, 0.98], np.float32)
    lab = np.full((4, 8, 8, 3), [60.0, 18.0, 12.0], np.float32)
    for rgb, target in zip(meet(lab, hue=targets), targets):
        off = np.array([colorsys.rgb_to_hsv(*pixel)[0] for pixel in rgb.reshape(-1, 3)]) - target
        assert np.abs(off - np.round(off)).max() < 0.01


def test_two_targets_are_met_together():
    lab = np.full((1, 8, 8, 3), [60.0, 18.0, 12.0], np.float32)
    rgb = meet(lab, saturation=0.4, hue=0.6)[0].reshape(-1, 3)
    hue, value = np.mean([colorsys.rgb_to_hsv(*pixel)[:2] for pixel in rgb], axis=0)
    assert hue == pytest.approx(0.6, abs=0.02) and value == pytest.approx(0.4, abs=0.02)


def test_a_gray_image_which_has_no_hue_is_given_none_and_a_faint_tint_is_taken_away():
    for targets in ({"saturation": 0.8}, {"hue": 0.3}, {"colorfulness": 0.5}):
        assert np.ptp(meet(smooth_lab(chroma=0.0), **targets), axis=-1).max() < 0.02
    lab = smooth_lab(chroma=0.8)
    assert saturation(meet(lab, saturation=0.0)[0]) < 1e-3 < saturation(skcolor.lab2rgb(lab)[0])


def test_a_target_out_of_reach_is_approached_and_nothing_is_torn():
    lab = smooth_lab()
    lab[..., 0] = 97.0 + 0.03 * (lab[..., 0] - 55.0)  # near white there is little saturation
    rgb = meet(lab, saturation=1.0)
    assert np.isfinite(rgb).all() and rgb.min() >= 0.0 and rgb.max() <= 1.0
    np.testing.assert_allclose(skcolor.rgb2lab(rgb)[..., 0], lab[..., 0], atol=0.1)
    assert saturation(rgb) > 2 * saturation(skcolor.lab2rgb(lab))


def test_chroma_is_scaled_from_the_gamut_s_edge_where_the_colors_lie_outside():
    l_scaled = np.zeros((1, 1, 2, 1), np.float32)  # L* 50
    ab_scaled = np.array([[[[0.1, 0.0], [1.0, 0.0]]]], np.float32)  # a* of 11 and of 110
    rgb = skcolor.lab2rgb(np.stack([np.full(1100, 50.0), np.arange(1100) / 10, np.zeros(1100)], -1))
    edge = np.argmin(np.all((rgb > 0.0) & (rgb < 1.0), axis=-1)) / 10  # the first a* outside
    result = 110.0 * np.asarray(postprocess.scale_chroma(l_scaled, ab_scaled, 0.5))
    np.testing.assert_allclose(result[0, 0], [[5.5, 0.0], [edge / 2, 0.0]], atol=0.1)
