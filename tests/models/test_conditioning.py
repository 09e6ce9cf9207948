"""Targets: drawn so that they can be had together, encoded, and missed by the right distance."""

import numpy as np
import pytest
from skimage import color as skcolor
import tensorflow as tf

from colorizer.models import conditioning
from colorizer.color import controls
from tests.references import reference_colorfulness

EVERY = controls.CONTROLS
COUNT = len(EVERY)
DRAWS = conditioning.draws(EVERY)


def pictures(batch=64, size=8, seed=0):
    low = np.random.default_rng(seed).uniform(0.1, 0.9, (batch, 4, 4, 3)).astype(np.float32)
    return np.clip(tf.image.resize(low, (size, size)).numpy(), 0, 1)


def lab_of(rgb):
    return skcolor.rgb2lab(rgb).astype(np.float32)


def split(rgb):
    lab = (skcolor.rgb2lab(rgb) / [50, 110, 110] - [1, 0, 0]).astype(np.float32)
    return lab[..., :1], lab[..., 1:]


def test_the_drawn_picture_is_the_answer_to_its_targets():
    rgb = pictures()
    uniform = np.random.default_rng(1).uniform(size=(64, DRAWS)).astype(np.float32)
    # Never beyond amount 1, where ends of the range are asked for.
    uniform[:, 1 + COUNT:] = 0.1 + 0.8 * uniform[:, 1 + COUNT:]
    moved, targets = conditioning.draw_targets(EVERY, lab_of(rgb), uniform, 0.0)
    moved = np.asarray(moved)
    hsv = skcolor.rgb2hsv(moved)
    expected = {
        "saturation": hsv[..., 1].mean((1, 2)), "red": moved[..., 0].mean((1, 2)),
        "green": moved[..., 1].mean((1, 2)), "blue": moved[..., 2].mean((1, 2)),
        "warmth": 0.5 + skcolor.rgb2lab(moved)[..., 2].mean((1, 2)) / 100,
    }
    for name, value in expected.items():
        np.testing.assert_allclose(
            targets.values[:, controls.NAMES.index(name)], value, atol=2e-3, err_msg=name)
    difference = skcolor.rgb2lab(moved)[..., 0] - skcolor.rgb2lab(rgb)[..., 0]
    assert np.abs(difference).max() < 0.05
    # Colorfulness and hue included, however large: the picture misses nothing of what is asked.
    missed = conditioning.control_losses(EVERY, *split(moved), targets, controls.NAMES)
    assert np.asarray(targets.values)[:, controls.NAMES.index("colorfulness")].max() > 1.0
    for name, values in missed.items():
        np.testing.assert_allclose(values, 0.0, atol=2e-3, err_msg=name)


def test_a_picture_with_targets_has_at_least_one():
    uniform = np.random.default_rng(2).uniform(0.4, 1.0, (64, DRAWS)).astype(np.float32)
    _, targets = conditioning.draw_targets(EVERY, lab_of(pictures()), uniform, 0.0)
    np.testing.assert_array_equal(np.asarray(targets.asked).sum(axis=1), 1.0)


def test_a_model_may_obey_some_of_the_controls_in_any_order():
    some = controls.select(["warmth", "hue"])
    targets = conditioning.fixed_targets(some, {"hue": 0.25, "warmth": 0.75}, 1)
    np.testing.assert_allclose(np.asarray(conditioning.encode(some, targets))[0],
                               [0.5, 1.0, 0.0, 1.0, 1.0], atol=1e-6)
    gray = np.zeros((1, 4, 4, 3), np.float32)
    losses = conditioning.control_losses(
        some, gray[..., :1], gray[..., 1:], targets, ["warmth", "hue"])
    assert set(losses) == {"warmth", "hue"}
    assert float(losses["warmth"][0]) == pytest.approx(0.25, abs=1e-3)


def test_the_published_hue_term_is_linear_in_mean_and_distance():
    # Hues 0.98 and 0.02 of a turn, half the pixels each: their plain mean is 0.5.
    rgb = np.tile(skcolor.hsv2rgb([[0.98, 0.5, 0.6], [0.02, 0.5, 0.6]])[None, None], (1, 4, 2, 1))
    missed = {mean: float(conditioning.control_losses(
        EVERY, *split(rgb), conditioning.fixed_targets(EVERY, {"hue": 0.95}, 1),
        ["hue"], mean)["hue"][0]) for mean in ("linear", "circular")}
    assert missed["linear"] == pytest.approx(0.45, abs=2e-3)
    assert missed["circular"] == pytest.approx(0.05, abs=2e-3)


def test_the_share_without_targets_is_left_as_it_is():
    rgb = pictures()
    uniform = np.random.default_rng(1).uniform(size=(64, DRAWS)).astype(np.float32)
    moved, targets = conditioning.draw_targets(EVERY, lab_of(rgb), uniform, 0.4)
    natural = uniform[:, 0] < 0.4
    assert 10 < natural.sum() < 40
    np.testing.assert_array_equal(np.asarray(targets.asked)[natural], 0.0)
    np.testing.assert_allclose(np.asarray(moved)[natural], rgb[natural], atol=1e-4)
    assert np.asarray(targets.asked)[~natural].sum() > 0


def test_a_control_drawn_alone_beyond_its_range_is_asked_for_its_end():
    rgb = pictures(2)
    uniform = np.full((2, DRAWS), 0.99, np.float32)  # nothing asked
    index = controls.NAMES.index("saturation")
    uniform[:, 1 + index] = 0.0
    uniform[:, 1 + COUNT + index] = [0.999, 0.001]
    moved, targets = conditioning.draw_targets(EVERY, lab_of(rgb), uniform, 0.0)
    np.testing.assert_allclose(np.asarray(targets.values)[:, index], [1.0, 0.0])
    saturation = skcolor.rgb2hsv(np.asarray(moved))[..., 1].mean((1, 2))
    assert saturation[0] > 0.8 and saturation[1] < 1e-4


def test_the_control_vector_tells_unasked_from_any_value_and_closes_the_hue_circle():
    def vector(**targets):
        wanted = conditioning.fixed_targets(EVERY, targets, 1)
        return np.asarray(conditioning.encode(EVERY, wanted))[0]

    assert vector().shape == (conditioning.condition_size(EVERY),)
    np.testing.assert_array_equal(vector(), 0.0)
    assert np.abs(vector(saturation=0.5)).sum() == 1.0  # value 0, asked 1
    np.testing.assert_allclose(vector(hue=0.0), vector(hue=1.0), atol=1e-6)
    assert np.abs(vector(hue=0.25) - vector(hue=0.75)).max() == pytest.approx(2.0)


def test_losses_are_distances_of_the_statistic_to_the_target():
    gray = np.zeros((2, 4, 4, 2), np.float32)
    l_scaled = np.zeros((2, 4, 4, 1), np.float32)  # L* 50, whose gray is 0.4663 in sRGB
    targets = conditioning.fixed_targets(
        EVERY, {"saturation": 0.3, "red": 0.6, "warmth": 0.75, "hue": 0.9}, 2)
    losses = conditioning.control_losses(EVERY, l_scaled, gray, targets, controls.NAMES)
    assert set(losses) == set(controls.NAMES)
    np.testing.assert_allclose(losses["saturation"], 0.3, atol=1e-4)
    np.testing.assert_allclose(losses["red"], 0.6 - 0.4663, atol=2e-3)
    np.testing.assert_allclose(losses["warmth"], 0.25, atol=1e-3)
    np.testing.assert_allclose(losses["hue"], 0.1, atol=1e-5)  # from 0, the short way round
    np.testing.assert_array_equal(losses["green"], 0.0)  # not asked for


def test_targets_that_no_ab_can_reach_are_not_fought_for():
    white = np.full((1, 4, 4, 1), 1.0, np.float32)
    targets = conditioning.fixed_targets(EVERY, {"saturation": 1.0, "blue": 0.0}, 1)
    losses = conditioning.control_losses(
        EVERY, white, np.zeros((1, 4, 4, 2), np.float32), targets, controls.NAMES)
    # The nearest table entry spans half a unit of L*: 0.05 of what would be lost, 1.
    np.testing.assert_allclose(losses["saturation"], 0.0, atol=0.05)
    np.testing.assert_allclose(losses["blue"], 0.0, atol=0.05)


def test_colors_outside_the_gamut_buy_no_saturation_in_white():
    white = np.full((1, 4, 4, 1), 0.999, np.float32)
    noise = np.random.default_rng(0).uniform(-1, 1, (1, 4, 4, 2)).astype(np.float32)
    targets = conditioning.fixed_targets(EVERY, {"saturation": 0.0}, 1)
    losses = conditioning.control_losses(EVERY, white, noise, targets, ["saturation"])
    assert float(losses["saturation"][0]) < 0.01


def test_what_is_asked_for_nothing_misses_its_originals_colorfulness():
    real = pictures(2)
    duller = (real + real.mean(axis=-1, keepdims=True)) / 2
    asked = np.zeros((2, COUNT), np.float32)
    asked[1, controls.NAMES.index("hue")] = 1.0
    missed = conditioning.original_colorfulness_loss(
        *split(duller), *split(real), conditioning.Targets(np.zeros_like(asked), asked))
    inner = np.s_[:, 1:-1, 1:-1]
    expected = np.abs(
        reference_colorfulness(duller[inner]) - reference_colorfulness(real[inner]))[0]
    assert expected > 0.05
    np.testing.assert_allclose(missed, [expected, 0.0], atol=1e-4)


def test_neither_a_stripe_along_the_border_nor_fine_lines_buy_the_originals_colorfulness():
    l_real, ab_real = split(pictures(1, size=64))
    wanted = conditioning.fixed_targets(EVERY, {}, 1)
    gray = np.zeros_like(ab_real)
    striped, lined = gray.copy(), gray.copy()
    striped[:, :5, :, 1] = -0.4
    lined[:, ::2, :, 1], lined[:, 1::2, :, 1] = 0.1, -0.1
    dull, bought, fine = (
        float(conditioning.original_colorfulness_loss(l_real, ab, l_real, ab_real, wanted)[0])
        for ab in (gray, striped, lined))
    assert dull > 0.1
    np.testing.assert_allclose([bought, fine], dull, atol=1e-3)


def test_what_is_foretold_is_compared_by_logarithms_where_nothing_is_asked_for():
    real = pictures(3)
    real[2] = 0.5  # gray: counts as 0.03
    asked = np.zeros((3, COUNT), np.float32)
    asked[1, controls.NAMES.index("hue")] = 1.0
    foretold = np.float32([[0.2], [0.2], [0.06]])
    missed = conditioning.foretelling_loss(
        foretold, *split(real), conditioning.Targets(np.zeros_like(asked), asked))
    expected = np.log(0.2 / reference_colorfulness(real)[0]) ** 2
    np.testing.assert_allclose(missed, [expected, 0.0, np.log(2.0) ** 2], rtol=1e-3)


def test_the_originals_colorfulness_has_finite_gradients_from_gray():
    l_real, ab_real = map(tf.constant, split(pictures(2)))
    gray = tf.zeros_like(ab_real)
    with tf.GradientTape() as tape:
        tape.watch(gray)
        missed = conditioning.original_colorfulness_loss(
            l_real, gray, l_real, ab_real, conditioning.fixed_targets(EVERY, {}, 2))
    assert np.isfinite(tape.gradient(missed, gray)).all()


@pytest.mark.parametrize("lightness", [-1.0, 0.0, 1.0])
def test_gradients_are_finite_for_gray_pictures(lightness):
    l_scaled = tf.fill((1, 4, 4, 1), lightness)
    ab = tf.zeros((1, 4, 4, 2))
    targets = conditioning.fixed_targets(EVERY, {name: 0.7 for name in controls.NAMES}, 1)
    for hue_mean in ("circular", "linear"):
        with tf.GradientTape() as tape:
            tape.watch(ab)
            losses = conditioning.control_losses(
                EVERY, l_scaled, ab, targets, controls.NAMES, hue_mean)
            total = tf.add_n(list(losses.values()))
        assert np.isfinite(tape.gradient(total, ab)).all()


@pytest.mark.parametrize("texts, expected", [
    ({"saturation": None, "hue": None}, [{}]),
    ({"saturation": "0.5", "hue": None}, [{"saturation": 0.5}]),
    ({"saturation": "0,1", "hue": "0.25"}, [{"saturation": 0.0, "hue": 0.25},
                                            {"saturation": 1.0, "hue": 0.25}]),
])
def test_targets_are_read_as_typed(texts, expected):
    assert controls.parse_targets(texts) == expected


@pytest.mark.parametrize("text", ["", "x", "nan", "-0.1", "1.01", "0.5,", "inf"])
def test_a_target_that_is_no_number_in_range_is_refused_and_named(text):
    with pytest.raises(controls.ControlError, match="`hue` must be a number"):
        controls.parse_targets({"hue": text})
