"""Targets as the networks see them: the control vector, and what it does to feature maps."""

import keras
import numpy as np
import pytest

from colorizer import models
from colorizer.color.controls import CONTROLS, select


def vector(controls=CONTROLS, **targets):
    given = models.fixed_targets(controls, targets, 2)
    assert given.values.shape == given.desired.shape == (2, len(controls))
    first, second = np.asarray(models.encode_targets(controls, given))
    np.testing.assert_array_equal(first, second)
    return first


def test_the_control_vector_tells_no_target_from_any_value_closes_the_hue_circle_and_is_ordered():
    assert vector().shape == (models.condition_size(CONTROLS),) == (15,)
    np.testing.assert_array_equal(vector(saturation=None), 0.0)
    assert np.abs(vector(saturation=0.5)).sum() == 1.0  # value 0, desired 1
    np.testing.assert_allclose(vector(hue=0.0), vector(hue=1.0), atol=1e-6)
    assert np.abs(vector(hue=0.25) - vector(hue=0.75)).max() == pytest.approx(2.0)
    np.testing.assert_allclose(vector(select(["warmth", "hue"]), hue=0.25, warmth=0.75),
                               [0.5, 1.0, 0.0, 1.0, 1.0], atol=1e-6)
    assert models.condition_size(()) == 0


def test_targets_scale_and_shift_every_feature_map_and_nothing_at_first():
    model = models.build_generator(16, 2, num_downsamples=1, condition_size=3, init="normal")
    maps = keras.Model(model.inputs, [
        *(model.get_layer(f"decoder_0_{part}").output for part in ("norm", "film")), model.output])
    l_scaled = np.random.default_rng(0).uniform(-1, 1, (2, 16, 16, 1)).astype(np.float32)
    condition = np.float32([[0.5, -1.0, 2.0], [1.0, 0.3, -0.7]])
    plain, modulated, ab = maps([l_scaled, condition])
    np.testing.assert_array_equal(modulated, plain)
    np.testing.assert_array_equal(ab, maps([l_scaled, 0 * condition])[-1])

    rng = np.random.default_rng(1)
    for part in ("gamma", "beta"):
        for weight in model.get_layer(f"decoder_0_{part}").weights:
            weight.assign(rng.normal(0, 0.3, weight.shape))
    kernel, bias = model.get_layer("condition_embed").get_weights()
    embedding = np.maximum(condition @ kernel + bias, 0)
    (gamma, gamma_bias), (beta, beta_bias) = (
        model.get_layer(f"decoder_0_{part}").get_weights() for part in ("gamma", "beta"))
    plain, modulated, moved = maps([l_scaled, condition])
    expected = (plain * (1 + embedding @ gamma + gamma_bias)[:, None, None]
                + (embedding @ beta + beta_bias)[:, None, None])
    np.testing.assert_allclose(modulated, expected, rtol=1e-4, atol=1e-5)
    assert np.abs(moved - ab).max() > 0


def test_a_discriminator_judges_the_image_and_its_targets():
    model = models.build_discriminator(16, 2, norm="spectral", condition_size=3)
    l_scaled, ab = np.zeros((2, 16, 16, 1)), np.full((2, 16, 16, 2), 0.1)
    given, none = np.ones((2, 3)), np.zeros((2, 3))
    np.testing.assert_array_equal(model([l_scaled, ab, given]), model([l_scaled, ab, none]))
    model.get_layer("conv_3_beta").kernel.assign_add(np.ones((64, 16)))
    assert np.abs(model([l_scaled, ab, given]) - model([l_scaled, ab, none])).max() > 1e-3
