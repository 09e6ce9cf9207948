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
    assert [found[name] for name in metrics.ACCURACIES] == 4 * [100]
    assert found["ssim"] == pytest.approx(1) and found["colorfulness_ratio"] == 1
    # An infinite ratio is held at that of rounding to 8 bits.
    assert found["psnr"] == pytest.approx(10 * np.log10(12 * 255**2))


def test_opposite_images_are_as_bad_as_can_be():
    black, white = plain((0, 0, 0)), plain((255, 255, 255))
    found = summary(black, white)
    assert found["mae_rgb"] == 255
    assert found["acc5_rgb"] == found["acc5_lab"] == found["psnr"] == 0
    # Between neutrals whose mean L* is 50, CIEDE2000 is the difference of L*.
    assert found["delta_e"] == pytest.approx(100, abs=0.01)
    white[:, SIZE // 4:] = 0  # of every pixel the mean
    assert summary(black, white)["delta_e"] == pytest.approx(25, abs=0.01)


def test_every_metric_is_one_value_an_image_whatever_else_is_in_the_batch():
    original, result = noise(3), noise(3, seed=1)
    alone = metrics.per_example(original[1:2], result[1:2])
    for name, values in metrics.per_example(original, result).items():
        assert values.shape == (3,) and values.dtype == np.float64, name
        np.testing.assert_allclose(values[1:2], alone[name], rtol=1e-5, err_msg=name)


@pytest.mark.parametrize("difference, acc2, acc5", [
    # 2 % of 255 is 5.1, 5 % is 12.75.
    (5, 1, 1), (6, 0, 1), (12, 0, 1), (13, 0, 0),
])
def test_rgb_accuracy_counts_channels_within_the_share_of_the_range(difference, acc2, acc5):
    found = summary(plain((100, 100, 100)), plain((100 + difference, 100, 100 - difference)))
    assert found["acc2_rgb"] == pytest.approx(100 * (1 + 2 * acc2) / 3)
    assert found["acc5_rgb"] == pytest.approx(100 * (1 + 2 * acc5) / 3)
    assert found["mae_rgb"] == pytest.approx(2 * difference / 3)  # nothing wraps around at 0


def test_psnr_is_the_mean_of_the_ratios_of_very_different_images():
    original = noise(4)
    result = np.stack([original[0] ^ 1, original[1] ^ 8, original[2] ^ 64, 255 - original[3]])
    expected = [peak_signal_noise_ratio(*pair) for pair in zip(original, result)]
    np.testing.assert_allclose(metrics.per_example(original, result)["psnr"], expected)
    assert summary(original, result)["psnr"] == pytest.approx(np.mean(expected))


def test_ssim_is_that_of_skimage():
    expected = structural_similarity(
        noise(1)[0], noise(1)[0] // 2, channel_axis=-1, data_range=255, gaussian_weights=True,
        sigma=1.5, use_sample_covariance=False)
    assert summary(noise(1), noise(1) // 2)["ssim"] == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("difference, threshold, expected", [
    # 2.2 * 2 = 4.4 and 2.2 * 5 = 11.
    ((2, 4, -4), 2, 1), ((3, 0, 0), 2, 0), ((0, 5, 0), 2, 0), ((0, 0, -5), 2, 0),
    ((5, 11, -11), 5, 1), ((6, 0, 0), 5, 0), ((0, 12, 0), 5, 0), ((0, 0, 12), 5, 0),
])
def test_lab_accuracy_by_hand(difference, threshold, expected):
    original = np.tile([50.0, 10.0, -20.0], (1, 2, 2, 1))
    assert metrics.acc_lab(original, original + difference, threshold)[0] == expected


def test_lab_accuracy_is_the_share_of_pixels_that_are_close_when_rounded():
    original, result = np.zeros((1, 2, 2, 3)), np.zeros((1, 2, 2, 3))
    original[0, :, :, 0] = [[50.4, 50.4], [49.6, 0]]
    # Close: 50 and 52. Too far: 50 and 53, though they differ by 2.2. Close: 50 and 52 again.
    result[0, :, :, 0] = [[52.4, 52.6], [52.4, 0]]
    assert metrics.acc_lab(original, result, 2.0)[0] == 0.75


@pytest.mark.parametrize("one, other, expected", [
    # Equations 2 to 22 of Sharma, Wu and Dalal 2005, by hand, of the Lab values by Lindbloom.
    ((255, 0, 0), (0, 255, 0), 86.608), ((255, 0, 0), (0, 0, 255), 52.881),
    ((255, 255, 255), (0, 0, 255), 64.234),
])
def test_delta_e_is_the_ciede2000_of_the_srgb_colors(one, other, expected):
    assert summary(plain(one), plain(other))["delta_e"] == pytest.approx(expected, abs=0.02)


def test_colorfulness_by_hand():
    image = plain((0, 0, 0))
    image[:, ::2] = (255, 0, 0)  # rg is 0 or 255, yb 0 or 127.5
    spread = center = np.sqrt(127.5**2 + 63.75**2)
    assert metrics.colorfulness(image)[0] == pytest.approx(spread + 0.3 * center)
    gray = np.repeat(noise()[..., :1], 3, axis=-1)
    np.testing.assert_allclose(metrics.colorfulness(gray), [0, 0], atol=1e-9)
    # Of plain images it is 0.3 * |center|, which is proportional to red. The means are compared.
    original, result = plain((255, 0, 0), (255, 0, 0)), plain((255, 0, 0), (155, 0, 0))
    assert summary(original, result)["colorfulness_ratio"] == pytest.approx((255 + 155) / 510)
