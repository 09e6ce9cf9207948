"""The loss of the color controls: distances to targets, by hand and against skimage."""

import numpy as np
import pytest
from skimage import color as skcolor

from colorizer import color
from colorizer.color.controls import CONTROL_NAMES, CONTROLS, select
from colorizer.losses import control_losses
from tests.gradients import gradient

EVERY = dict.fromkeys(CONTROL_NAMES, 0.7)


def loss_of(l_scaled, ab_scaled, targets, controls=CONTROLS, hue_mean="circular"):
    """Control -> loss of generated images, `targets`: control -> target, missing for none."""
    l_star = color.scaled_to_lab(l_scaled, ab_scaled)[..., 0]
    shape = (len(l_scaled), len(controls))
    values = np.broadcast_to([targets.get(one.name, 0.0) for one in controls], shape)
    desired = np.broadcast_to([one.name in targets for one in controls], shape)
    return control_losses(controls, color.scaled_to_rgb(l_scaled, ab_scaled), l_star,
                          np.float32(values), np.float32(desired), hue_mean)


def flat(lightness, batch=1):
    """Gray images of one scaled L: (l_scaled, ab_scaled)."""
    return (np.full((batch, 4, 4, 1), lightness, np.float32),
            np.zeros((batch, 4, 4, 2), np.float32))


def test_losses_are_distances_of_the_statistic_to_the_target():
    targets = {"saturation": 0.3, "red": 0.6, "warmth": 0.75, "hue": 0.9}
    losses = loss_of(*flat(0.0, batch=2), targets)  # L* 50, whose gray is 0.4663 in sRGB
    assert set(losses) == set(CONTROL_NAMES)
    expected = {"saturation": 0.3, "red": 0.6 - 0.4663, "warmth": 0.25,
                "hue": 0.1}  # from 0, the short way round
    for name, loss in losses.items():  # 0 without a target
        np.testing.assert_allclose(loss, [expected.get(name, 0.0)] * 2, atol=2e-3, err_msg=name)
    # Any choice of controls, in any order.
    losses = loss_of(*flat(-1.0), {"hue": 0.25, "warmth": 0.5}, select(["warmth", "hue"]))
    np.testing.assert_allclose([losses["warmth"][0], losses["hue"][0]], [0, 0.25], atol=1e-3)


def test_the_published_hue_term_is_linear_in_mean_and_distance():
    # Hues 0.98 and 0.02 of a turn, half the pixels each: their plain mean is 0.5.
    rgb = np.tile(skcolor.hsv2rgb([[0.98, 0.5, 0.6], [0.02, 0.5, 0.6]])[None, None], (1, 4, 2, 1))
    scaled = [np.float32(part) for part in color.lab_to_scaled(skcolor.rgb2lab(rgb))]
    for hue_mean, expected in (("linear", 0.45), ("circular", 0.05)):
        loss = loss_of(*scaled, {"hue": 0.95}, hue_mean=hue_mean)["hue"][0]
        assert float(loss) == pytest.approx(expected, abs=2e-3)


def test_targets_that_no_ab_can_meet_are_not_fought_for_and_white_has_no_saturation():
    losses = loss_of(*flat(1.0), {"saturation": 1.0, "blue": 0.0})  # white
    # The nearest table entry spans half a unit of L*: 0.05 of what would be lost, 1.
    np.testing.assert_allclose([losses["saturation"], losses["blue"]], 0.0, atol=0.05)
    noise = np.random.default_rng(0).uniform(-1, 1, (1, 4, 4, 2)).astype(np.float32)
    assert float(loss_of(flat(0.999)[0], noise, {"saturation": 0.0})["saturation"][0]) < 0.01


@pytest.mark.parametrize("hue_mean", ["circular", "linear"])
def test_gradients_are_finite_for_black_gray_and_white(hue_mean):
    l_scaled, ab_scaled = map(np.concatenate, zip(flat(-1.0), flat(0.0), flat(1.0)))
    assert np.isfinite(gradient(
        lambda ab: sum(loss_of(l_scaled, ab, EVERY, hue_mean=hue_mean).values()),
        ab_scaled)).all()
