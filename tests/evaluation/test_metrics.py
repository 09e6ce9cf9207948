"""Metrics by hand, against skimage, and CIEDE2000 of published Lab values."""

import numpy as np
import pytest
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from colorizer.evaluation import metrics

SIZE = 16  # SSIM needs 11 pixels


def plain(*colors):
    """One image of each color."""
    return np.broadcast_to(np.uint8(colors)[:, None, None], (len(colors), SIZE, SIZE, 3)).copy()


def noise(batch=2, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (batch, SIZE, SIZE, 3), dtype=np.uint8)


def summary(original, result):
    return metrics.summarize(metrics.per_example(original, result))


def test_equal_images_are_perfect():
    found = summary(noise(), noise())
    assert found["mae_rgb"] == found["delta_e"] == 0
    assert found["acc2_rgb"] == found["acc5_rgb"] == 100
    assert found["acc2_lab"] == found["acc5_lab"] == 100
    assert found["ssim"] == pytest.approx(1) and found["colorfulness_ratio"] == 1


def test_opposite_images_are_as_bad_as_can_be():
    found = summary(plain((0, 0, 0)), plain((255, 255, 255)))
    assert found["mae_rgb"] == 255
    assert found["acc5_rgb"] == found["acc5_lab"] == found["psnr"] == 0
    # Between neutrals whose mean L* is 50, CIEDE2000 is the difference of L*.
    assert found["delta_e"] == pytest.approx(100, abs=0.01)


def test_every_metric_is_one_finite_value_an_image_whatever_else_is_in_the_batch():
    original, result = noise(3), noise(3, seed=1)
    together = metrics.per_example(original, result)
    alone = metrics.per_example(original[1:2], result[1:2])
    for name, values in together.items():
        assert values.shape == (3,) and values.dtype == np.float64, name
        assert np.isfinite(values).all(), name
        np.testing.assert_allclose(values[1:2], alone[name], rtol=1e-5, err_msg=name)


# -------------------------------------------------------------------------------------------- rgb

def test_the_absolute_error_does_not_wrap_around():
    found = summary(plain((10, 0, 200)), plain((0, 20, 255)))
    assert found["mae_rgb"] == pytest.approx((10 + 20 + 55) / 3)


@pytest.mark.parametrize("difference, acc2, acc5", [
    # 2 % of 255 is 5.1, 5 % is 12.75.
    (5, 1, 1), (6, 0, 1), (12, 0, 1), (13, 0, 0),
])
def test_rgb_accuracy_counts_channels_within_the_share_of_the_range(difference, acc2, acc5):
    found = summary(plain((100, 100, 100)), plain((100 + difference, 100, 100 - difference)))
    assert found["acc2_rgb"] == pytest.approx(100 * (1 + 2 * acc2) / 3)
    assert found["acc5_rgb"] == pytest.approx(100 * (1 + 2 * acc5) / 3)


def test_psnr_is_the_mean_of_the_ratios_of_very_different_images():
    original = noise(4)
    result = np.stack([original[0] ^ 1, original[1] ^ 8, original[2] ^ 64, 255 - original[3]])
    expected = [peak_signal_noise_ratio(*pair) for pair in zip(original, result)]
    np.testing.assert_allclose(metrics.per_example(original, result)["psnr"], expected)
    assert summary(original, result)["psnr"] == pytest.approx(np.mean(expected))
    pooled = peak_signal_noise_ratio(original, result)
    assert abs(pooled - np.mean(expected)) > 10  # what a mean squared error over all gives


def test_the_psnr_of_an_equal_image_is_that_of_rounding_to_8_bits():
    original, result = noise(2), noise(2)
    result[1] ^= 1
    np.testing.assert_allclose(
        metrics.psnr(original, result), 10 * np.log10([12 * 255**2, 255**2]))


def test_ssim_is_that_of_skimage():
    original, result = noise(1), noise(1) // 2
    expected = structural_similarity(
        original[0], result[0], channel_axis=-1, data_range=255, gaussian_weights=True, sigma=1.5,
        use_sample_covariance=False)
    assert summary(original, result)["ssim"] == pytest.approx(expected, abs=1e-4)


# -------------------------------------------------------------------------------------------- lab

@pytest.mark.parametrize("difference, threshold, expected", [
    ((2, 0, 0), 2, 1), ((3, 0, 0), 2, 0), ((5, 0, 0), 5, 1), ((6, 0, 0), 5, 0),
    # 2.2 * 2 = 4.4 and 2.2 * 5 = 11.
    ((0, 4, 0), 2, 1), ((0, 5, 0), 2, 0), ((0, 0, -4), 2, 1), ((0, 0, -5), 2, 0),
    ((0, 11, -11), 5, 1), ((0, 12, 0), 5, 0), ((0, 0, 12), 5, 0),
    ((2, 4, 4), 2, 1), ((2, 4, 5), 2, 0), ((3, 4, 4), 2, 0),
])
def test_lab_accuracy_by_hand(difference, threshold, expected):
    original = np.tile([50.0, 10.0, -20.0], (1, 2, 2, 1))
    assert metrics.acc_lab(original, original + difference, threshold)[0] == expected


@pytest.mark.parametrize("one, other, expected", [
    (50.4, 52.4, 1),  # rounded 50 and 52
    (50.4, 52.6, 0),  # rounded 50 and 53: too far, though they differ by 2.2
    (49.6, 52.4, 1),  # rounded 50 and 52: close, though they differ by 2.8
])
def test_lab_accuracy_rounds_before_it_compares(one, other, expected):
    original, result = np.zeros((1, 2, 2, 3)), np.zeros((1, 2, 2, 3))
    original[..., 0], result[..., 0] = one, other
    assert metrics.acc_lab(original, result, 2.0)[0] == expected


def test_lab_accuracy_is_the_share_of_pixels():
    original = np.zeros((1, 2, 2, 3))
    result = original.copy()
    result[0, 0, 0] = [50, 0, 0]
    assert metrics.acc_lab(original, result, 2.0)[0] == 0.75


@pytest.mark.parametrize("one, other, expected", [
    # Equations 2 to 22 of Sharma, Wu and Dalal 2005, by hand, of the Lab values by Lindbloom.
    ((255, 0, 0), (0, 255, 0), 86.608), ((255, 0, 0), (0, 0, 255), 52.881),
    ((255, 255, 255), (0, 0, 255), 64.234),
])
def test_delta_e_is_the_ciede2000_of_the_srgb_colors(one, other, expected):
    assert summary(plain(one), plain(other))["delta_e"] == pytest.approx(expected, abs=0.02)


def test_delta_e_is_the_mean_over_the_pixels():
    original, result = plain((0, 0, 0)), plain((0, 0, 0))
    result[:, : SIZE // 4] = 255
    assert summary(original, result)["delta_e"] == pytest.approx(25, abs=0.01)


# ----------------------------------------------------------------------------------- colorfulness

def test_colorfulness_of_gray_is_zero():
    gray = np.repeat(noise(2)[..., :1], 3, axis=-1)
    np.testing.assert_allclose(metrics.colorfulness(gray), [0, 0], atol=1e-9)


def test_colorfulness_by_hand():
    image = plain((0, 0, 0))
    image[:, ::2] = (255, 0, 0)  # rg is 0 or 255, yb 0 or 127.5
    spread = center = np.sqrt(127.5**2 + 63.75**2)
    assert metrics.colorfulness(image)[0] == pytest.approx(spread + 0.3 * center)


def test_the_colorfulness_ratio_compares_the_means():
    original, result = plain((255, 0, 0), (255, 0, 0)), plain((255, 0, 0), (155, 0, 0))
    # Plain images: 0.3 * |center|, which is proportional to red.
    assert summary(original, result)["colorfulness_ratio"] == pytest.approx((255 + 155) / 510)
