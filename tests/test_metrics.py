"""Metrics by hand, and CIEDE2000 against the authors' test data."""

import numpy as np
import pytest
from skimage import color as skcolor

from colorizer.evaluation import metrics

SIZE = 16  # SSIM needs 11 pixels


def plain(rgb, batch=1):
    return np.broadcast_to(np.uint8(rgb), (batch, SIZE, SIZE, 3)).copy()


def noise(batch=2, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (batch, SIZE, SIZE, 3), dtype=np.uint8)


def of(original, result, name):
    return metrics.per_example(original, result)[name]


def ciede2000(lab1, lab2):
    """Sharma, Wu and Dalal 2005, equations 2 to 22."""
    (l1, a1, b1), (l2, a2, b2) = lab1, lab2
    mean_c7 = ((np.hypot(a1, b1) + np.hypot(a2, b2)) / 2) ** 7
    g = 0.5 * (1 - np.sqrt(mean_c7 / (mean_c7 + 25.0**7)))
    c1, c2 = np.hypot((1 + g) * a1, b1), np.hypot((1 + g) * a2, b2)
    h1 = np.degrees(np.arctan2(b1, (1 + g) * a1)) % 360
    h2 = np.degrees(np.arctan2(b2, (1 + g) * a2)) % 360
    turn, mean_h = h2 - h1, (h1 + h2) / 2
    if c1 * c2 == 0:
        turn, mean_h = 0.0, h1 + h2
    elif abs(h2 - h1) > 180:
        turn -= 360 * np.sign(turn)
        mean_h += 180 if h1 + h2 < 360 else -180
    dl, dc = l2 - l1, c2 - c1
    dh = 2 * np.sqrt(c1 * c2) * np.sin(np.radians(turn / 2))
    l, c = (l1 + l2) / 2, (c1 + c2) / 2
    t = (1 - 0.17 * np.cos(np.radians(mean_h - 30)) + 0.24 * np.cos(np.radians(2 * mean_h))
         + 0.32 * np.cos(np.radians(3 * mean_h + 6)) - 0.2 * np.cos(np.radians(4 * mean_h - 63)))
    rotation = -2 * np.sqrt(c**7 / (c**7 + 25.0**7)) * np.sin(
        np.radians(60 * np.exp(-(((mean_h - 275) / 25) ** 2))))
    x = dl / (1 + 0.015 * (l - 50) ** 2 / np.sqrt(20 + (l - 50) ** 2))
    y, z = dc / (1 + 0.045 * c), dh / (1 + 0.015 * c * t)
    return np.sqrt(x**2 + y**2 + z**2 + rotation * y * z)


# --------------------------------------------------------------------------------------- extremes

def test_equal_pictures_are_perfect():
    rgb = noise()
    values = metrics.per_example(rgb, rgb)
    for name in ("mae_rgb", "mse_rgb", "delta_e"):
        np.testing.assert_array_equal(values[name], [0, 0])
    for name in ("acc2_rgb", "acc5_rgb", "acc2_lab", "acc5_lab"):
        np.testing.assert_array_equal(values[name], [1, 1])
    np.testing.assert_allclose(values["ssim"], [1, 1], atol=1e-6)
    np.testing.assert_array_equal(values["colorfulness"], values["original_colorfulness"])
    summary = metrics.summarize(values)
    assert summary["psnr"] == np.inf
    assert summary["acc2_rgb"] == summary["acc5_lab"] == 100.0
    assert summary["colorfulness_ratio"] == 1.0


def test_opposite_pictures_are_as_bad_as_can_be():
    values = metrics.per_example(plain((0, 0, 0)), plain((255, 255, 255)))
    summary = metrics.summarize(values)
    assert summary["mae_rgb"] == 255 and summary["mae_rgb_percent"] == 100
    assert summary["acc5_rgb"] == summary["acc5_lab"] == 0
    assert summary["psnr"] == 0
    # Between neutrals whose mean L* is 50, CIEDE2000 is the difference of L*.
    assert summary["delta_e"] == pytest.approx(100, abs=0.01)


def test_every_metric_is_one_finite_value_a_picture():
    values = metrics.per_example(noise(3), noise(3, seed=1))
    for name, value in values.items():
        assert value.shape == (3,) and value.dtype == np.float64, name
        assert np.isfinite(value).all(), name


def test_a_picture_is_judged_by_itself():
    original, result = noise(3), noise(3, seed=1)
    together = metrics.per_example(original, result)
    alone = metrics.per_example(original[1:2], result[1:2])
    for name in together:
        np.testing.assert_allclose(together[name][1:2], alone[name], rtol=1e-5, err_msg=name)


# -------------------------------------------------------------------------------------------- rgb

def test_mae_and_mse_by_hand_do_not_wrap_around():
    original, result = plain((10, 0, 200)), plain((0, 20, 255))
    assert of(original, result, "mae_rgb")[0] == pytest.approx((10 + 20 + 55) / 3)
    assert of(original, result, "mse_rgb")[0] == pytest.approx((100 + 400 + 3025) / 3)


@pytest.mark.parametrize("difference, acc2, acc5", [
    # 2 % of 255 is 5.1, 5 % is 12.75.
    (5, 1, 1), (6, 0, 1), (12, 0, 1), (13, 0, 0),
])
def test_rgb_accuracy_counts_channels_within_the_share_of_the_range(difference, acc2, acc5):
    original, result = plain((100, 100, 100)), plain((100 + difference, 100, 100 - difference))
    assert of(original, result, "acc2_rgb")[0] == pytest.approx((1 + 2 * acc2) / 3)
    assert of(original, result, "acc5_rgb")[0] == pytest.approx((1 + 2 * acc5) / 3)


def test_psnr_is_of_the_pooled_error_not_the_mean_of_psnrs():
    original = plain((100, 100, 100), batch=2)
    result = original.copy()
    result[0] += 1  # MSE 1
    result[1] += 9  # MSE 81
    summary = metrics.summarize(metrics.per_example(original, result))
    assert summary["psnr"] == pytest.approx(10 * np.log10(255**2 / 41))
    mean_of_psnrs = (10 * np.log10(255**2) + 10 * np.log10(255**2 / 81)) / 2
    assert abs(summary["psnr"] - mean_of_psnrs) > 1


def test_one_equal_picture_does_not_make_the_psnr_infinite():
    original = plain((100, 100, 100), batch=2)
    result = original.copy()
    result[0] += 2
    summary = metrics.summarize(metrics.per_example(original, result))
    assert summary["psnr"] == pytest.approx(10 * np.log10(255**2 / 2))


def test_ssim_of_plain_pictures_is_the_luminance_term():
    # Wang et al. 2004, equation 13 with no variance: (2 x y + C1) / (x^2 + y^2 + C1).
    c1 = (0.01 * 255) ** 2
    expected = (2 * 50 * 200 + c1) / (50**2 + 200**2 + c1)
    assert of(plain((50,) * 3), plain((200,) * 3), "ssim")[0] == pytest.approx(expected, abs=1e-4)


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


@pytest.mark.parametrize("lab1, lab2, expected", [
    # Sharma, Wu and Dalal 2005, table 1, pairs 1, 4, 7, 9, 18, 19, 20, 21, 25, 26, 29, 34.
    ((50, 2.6772, -79.7751), (50, 0, -82.7485), 2.0425),
    ((50, -1.3802, -84.2814), (50, 0, -82.7485), 1.0000),
    ((50, 0, 0), (50, -1, 2), 2.3669),
    ((50, 2.49, -0.001), (50, -2.49, 0.0009), 7.1792),
    ((50, 2.5, 0), (73, 25, -18), 27.1492),
    ((50, 2.5, 0), (61, -5, 29), 22.8977),
    ((50, 2.5, 0), (56, -27, -3), 31.9030),
    ((50, 2.5, 0), (58, 24, 15), 19.4535),
    ((60.2574, -34.0099, 36.2677), (60.4626, -34.1751, 39.4387), 1.2644),
    ((63.0109, -31.0961, -5.8663), (62.8187, -29.7946, -4.0864), 1.2630),
    ((22.7233, 20.0904, -46.6940), (23.0331, 14.9730, -42.5619), 2.0373),
    ((2.0776, 0.0795, -1.1350), (0.9033, -0.0636, -0.5514), 0.9082),
])
def test_the_ciede2000_of_these_tests_and_of_skimage_are_the_published(lab1, lab2, expected):
    assert ciede2000(lab1, lab2) == pytest.approx(expected, abs=1e-4)
    assert skcolor.deltaE_ciede2000(lab1, lab2) == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("rgb1, lab1, rgb2, lab2", [
    # Lab of the primaries as published by Lindbloom.
    ((255, 0, 0), (53.2408, 80.0925, 67.2032), (0, 255, 0), (87.7347, -86.1827, 83.1793)),
    ((255, 0, 0), (53.2408, 80.0925, 67.2032), (0, 0, 255), (32.2970, 79.1875, -107.8602)),
    ((255, 255, 255), (100, 0, 0), (0, 0, 255), (32.2970, 79.1875, -107.8602)),
])
def test_delta_e_is_the_ciede2000_of_the_srgb_colors(rgb1, lab1, rgb2, lab2):
    assert of(plain(rgb1), plain(rgb2), "delta_e")[0] == pytest.approx(
        ciede2000(lab1, lab2), abs=0.02)


def test_delta_e_is_the_mean_over_the_pixels():
    original, result = plain((0, 0, 0)), plain((0, 0, 0))
    result[:, : SIZE // 4] = 255
    assert of(original, result, "delta_e")[0] == pytest.approx(25, abs=0.01)


# ----------------------------------------------------------------------------------- colorfulness

def test_colorfulness_of_gray_is_zero():
    gray = np.repeat(noise(2)[..., :1], 3, axis=-1)
    np.testing.assert_allclose(metrics.colorfulness(gray), [0, 0], atol=1e-9)


def test_colorfulness_by_hand():
    picture = plain((0, 0, 0))
    picture[:, ::2] = (255, 0, 0)  # rg is 0 or 255, yb 0 or 127.5
    spread = center = np.sqrt(127.5**2 + 63.75**2)
    assert metrics.colorfulness(picture)[0] == pytest.approx(spread + 0.3 * center)


def test_colorfulness_is_the_formula_of_the_paper():
    rgb = noise(1)
    r, g, b = (rgb[0, ..., i].astype(float).ravel() for i in range(3))
    rg, yb = r - g, (r + g) / 2 - b
    variance = np.mean((rg - rg.mean()) ** 2) + np.mean((yb - yb.mean()) ** 2)
    expected = variance**0.5 + 0.3 * (rg.mean() ** 2 + yb.mean() ** 2) ** 0.5
    assert metrics.colorfulness(rgb)[0] == pytest.approx(expected)


def test_colorfulness_ratio_compares_the_means():
    colorful, pale = plain((255, 0, 0)), plain((255, 0, 0))
    pale[:] = (155, 0, 0)
    original = np.concatenate([colorful, colorful])
    result = np.concatenate([colorful, pale])
    summary = metrics.summarize(metrics.per_example(original, result))
    # Plain pictures: 0.3 * |center|, which is proportional to red.
    assert summary["colorfulness_ratio"] == pytest.approx((255 + 155) / (2 * 255))
