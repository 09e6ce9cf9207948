"""The colors of an image moved the rest of the way to its targets."""

import keras
import numpy as np
import pytest
from skimage import color as skcolor

from colorizer.inference import postprocess
from tests.references import REFERENCES, circular, reference_saturation as saturation


def smooth_lab(count=3, size=12, seed=0, chroma=25.0):
    """Smooth Lab images with some color, well inside the gamut."""
    rng = np.random.default_rng(seed)
    low = np.concatenate([rng.uniform(35, 75, (count, 3, 3, 1)),
                          rng.uniform(-chroma, chroma, (count, 3, 3, 2))], axis=-1)
    return np.asarray(keras.ops.image.resize(low, (size, size)), np.float32)


def meet(lab, **targets):
    return np.asarray(postprocess.meet_targets(lab, targets))


@pytest.mark.parametrize("name", ["saturation", "red", "green", "blue", "colorfulness", "warmth"])
def test_each_image_gets_the_statistic_of_its_target_at_its_own_lightness(name):
    lab = smooth_lab(4)
    targets = REFERENCES[name](skcolor.lab2rgb(lab)) + np.float32([-0.05, 0, 0.02, 0.05])
    rgb = meet(lab, **{name: np.float32(targets)})
    np.testing.assert_allclose(REFERENCES[name](rgb), targets, atol=0.005)
    np.testing.assert_allclose(skcolor.rgb2lab(rgb)[..., 0], lab[..., 0], atol=0.1)


@pytest.mark.parametrize("also, tolerance", [({}, 0.01), ({"saturation": 0.4}, 0.02)])
def test_one_tint_is_turned_to_the_hue_also_together_with_another_target(also, tolerance):
    targets = np.array([0.05, 0.4, 0.6, 0.98], np.float32)
    rgb = meet(np.full((4, 8, 8, 3), [60.0, 18.0, 12.0], np.float32), hue=targets, **also)
    for name, values in {"hue": targets, **also}.items():
        assert circular(REFERENCES[name](rgb), values).max() < tolerance


def test_a_gray_image_which_has_no_hue_is_given_none_and_a_faint_tint_is_taken_away():
    for targets in ({"saturation": 0.8}, {"hue": 0.3}, {"colorfulness": 0.5}):
        assert np.ptp(meet(smooth_lab(chroma=0.0), **targets), axis=-1).max() < 0.02
    lab = smooth_lab(chroma=0.8)
    assert saturation(meet(lab, saturation=0.0)).max() < 1e-3
    assert saturation(skcolor.lab2rgb(lab)).min() > 1e-3


def test_a_small_spot_of_color_is_taken_away_by_saturation_0():
    lab = np.full((2, 40, 40, 3), [60.0, 0.0, 0.0], np.float32)
    lab[:, 20, 20] = [60.0, 30.0, 20.0]
    assert 1e-4 < saturation(skcolor.lab2rgb(lab)).max() < postprocess.MET
    assert np.ptp(meet(lab, saturation=0.0), axis=-1).max() < 0.02


def test_an_image_gets_the_same_colors_in_a_batch_as_alone():
    lab = smooth_lab(6)
    saturation = np.float32([0.1, 0.2, 0.3, 0.4, 0.5, 1.0])  # the last one goes through all steps
    batch = meet(lab, saturation=saturation)
    alone = [meet(lab[i:i + 1], saturation=saturation[i:i + 1])[0] for i in range(6)]
    np.testing.assert_allclose(batch, alone, atol=2e-5)


def test_a_target_out_of_reach_is_approached_and_nothing_is_torn():
    lab = smooth_lab()
    lab[..., 0] = 97.0 + 0.03 * (lab[..., 0] - 55.0)  # near white there is little saturation
    rgb = meet(lab, saturation=1.0)
    assert np.isfinite(rgb).all() and rgb.min() >= 0.0 and rgb.max() <= 1.0
    np.testing.assert_allclose(skcolor.rgb2lab(rgb)[..., 0], lab[..., 0], atol=0.1)
    assert saturation(rgb).mean() > 2 * saturation(skcolor.lab2rgb(lab)).mean()


def test_chroma_is_scaled_from_the_gamut_s_edge_where_the_colors_lie_outside():
    l_scaled = np.zeros((1, 1, 2, 1), np.float32)  # L* 50
    ab_scaled = np.array([[[[0.1, 0.0], [1.0, 0.0]]]], np.float32)  # a* of 11 and of 110
    rgb = skcolor.lab2rgb(np.stack([np.full(1100, 50.0), np.arange(1100) / 10, np.zeros(1100)], -1))
    edge = np.argmin(np.all((rgb > 0.0) & (rgb < 1.0), axis=-1)) / 10  # the first a* outside
    result = 110.0 * np.asarray(postprocess.scale_chroma(l_scaled, ab_scaled, 0.5))
    np.testing.assert_allclose(result[0, 0], [[5.5, 0.0], [edge / 2, 0.0]], atol=0.1)
