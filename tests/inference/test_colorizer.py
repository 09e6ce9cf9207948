"""Colors for images of any size."""

from PIL import Image
import numpy as np
import pytest
from skimage import color as skcolor

from colorizer import data, models
from colorizer.color import controls
from colorizer.inference import Colorizer, colorizer as module
from tests.tiny_runs import tiny_config


def smooth_image(height, width, seed=0):
    """float32 [h, w, 3] of moderate colors."""
    rng = np.random.default_rng(seed)
    low = rng.integers(60, 190, (4, 4, 3)).astype(np.uint8)
    resized = Image.fromarray(low).resize((width, height), Image.Resampling.BICUBIC)
    return np.asarray(resized).astype(np.float32) / 255.0


def difference(one, other):
    return np.abs(one.astype(int) - other).max()


def lightness_error(rgb, result):
    """The largest difference of L* where no channel is at its end."""
    inside = np.all((result > 0) & (result < 255), axis=-1)
    one, other = (skcolor.rgb2lab(part)[..., 0][inside] for part in (rgb, result))
    return np.abs(one - other).max()


@pytest.mark.parametrize("size", [(1, 1), (3, 2000), (2000, 3), (32, 32), (31, 47), (300, 500)])
def test_the_result_has_the_size_and_the_lightness_of_the_input(colorizer, size):
    rgb = smooth_image(*size)
    result = colorizer(rgb)
    assert result.shape == (*size, 3) and result.dtype == np.uint8
    assert np.ptp(result.astype(int), axis=-1).mean() > 2.0
    assert lightness_error(rgb, result) < 0.6  # 8-bit rounding


def test_only_the_lightness_of_the_input_counts(colorizer):
    rgb = smooth_image(40, 40)
    lab = skcolor.rgb2lab(rgb)
    lab[..., 1:] = 0
    assert difference(colorizer(rgb), colorizer(skcolor.lab2rgb(lab).astype(np.float32))) <= 1


@pytest.mark.parametrize("size", [(32, 32), (70, 90)])
def test_an_image_comes_out_the_same_alone_in_a_batch_and_in_parts(colorizer, monkeypatch, size):
    batch = np.stack([smooth_image(*size, seed) for seed in range(32)])
    together = colorizer(batch)
    assert together.shape == batch.shape
    for index in (0, 13, 31):
        assert difference(together[index], colorizer(batch[index])) <= 1
    monkeypatch.setattr(module, "NETWORK_PIXELS", 2 * 32 * 48)
    monkeypatch.setattr(module, "ROW_PIXELS", 2 * 90 * 16)
    assert difference(colorizer(batch[:5]), together[:5]) <= 1


@pytest.mark.parametrize("shape", [(20, 30), (20, 30, 1), (4, 20, 30), (4, 20, 30, 1)])
@pytest.mark.parametrize("dtype, full", [("uint8", 255), ("uint16", 65535), ("float64", 1.0)])
def test_gray_images_of_every_type_are_colorized_as_their_rgb(colorizer, shape, dtype, full):
    gray8 = (smooth_image(20, 30)[..., 0] * 255).astype(np.uint8)
    gray = (gray8 / 255 * full).round(12).astype(dtype)
    expected = colorizer(np.repeat(gray8[..., None], 3, axis=-1))
    result = colorizer(np.broadcast_to(gray[..., None] if shape[-1] == 1 else gray, shape))
    assert result.shape == (4, 20, 30, 3)[-3 if shape[0] == 20 else 0:]
    assert difference(result, expected) <= 1


def test_a_list_of_images_of_any_sizes_is_colorized_one_by_one(colorizer):
    several = [smooth_image(20, 30), (smooth_image(33, 12) * 255).astype(np.uint8),
               smooth_image(9, 9)[..., 0]]
    for result, one in zip(colorizer(several), several, strict=True):
        np.testing.assert_array_equal(result, colorizer(one))
    assert colorizer([]) == []
    with pytest.raises(data.ImageError, match="shape=\\[5, 6, 4\\]"):
        colorizer([smooth_image(20, 30), np.zeros((5, 6, 4), np.uint8)])


def test_the_network_sees_its_own_scale(colorizer):
    assert colorizer.working_size(32, 32) == (32, 32)
    assert colorizer.working_size(3000, 4000) == (32, 48)
    assert colorizer.working_size(3, 2000) == (32, 256)


def test_vivid_multiplies_the_chroma_at_the_same_lightness_and_hue(colorizer):
    rgb = smooth_image(32, 32)
    plain = colorizer(rgb)
    np.testing.assert_array_equal(colorizer(rgb, vivid=1), plain)
    assert np.ptp(colorizer(rgb, vivid=0).astype(int), axis=-1).max() <= 1
    for factor in (0.5, 2.0):
        result = colorizer(rgb, vivid=factor)
        assert lightness_error(plain / 255, result) < 0.6
        inside = np.all([(one > 0) & (one < 255) for one in (plain, result)], axis=(0, -1))
        ab, expected = (skcolor.rgb2lab(one)[inside][:, 1:] for one in (result, plain))
        assert inside.mean() > 0.2
        np.testing.assert_allclose(ab, factor * expected, atol=2.0)  # 8-bit rounding
    assert lightness_error(rgb, colorizer(rgb, vivid=4)) < 0.6


def test_a_conditional_model_meets_targets_before_vivid_and_only_with_correction(conditional):
    rgb = smooth_image(32, 32)
    np.testing.assert_array_equal(conditional(rgb, hue=None), conditional(rgb))
    assert [control.name for control in conditional.controls] == list(controls.CONTROL_NAMES)
    met, half = (conditional(rgb, saturation=0.3, hue=None, vivid=vivid) for vivid in (1, 0.5))
    assert skcolor.rgb2hsv(met)[..., 1].mean() == pytest.approx(0.3, abs=0.01)
    met, half = skcolor.rgb2lab(met), skcolor.rgb2lab(half)
    np.testing.assert_allclose(half[..., 1:], 0.5 * met[..., 1:], atol=1.5)
    own = conditional.colorize_rgb8(np.uint8(255 * rgb)[None], correct=False, saturation=0.1)
    assert abs(skcolor.rgb2hsv(own)[..., 1].mean() - 0.1) > 0.05


@pytest.mark.parametrize("values, words", [
    ({"hue": 1.5}, r"`hue` must be a number in \[0, 1\]. Received: hue=1.5"),
    ({"sheen": 0.5}, "sheen"),
    *(({"vivid": value}, rf"`vivid` must be in \[0, 4\].*vivid={value}")
      for value in (-0.1, 4.1, float("nan"), float("inf")))])
def test_values_out_of_range_are_refused_and_named(conditional, values, words):
    with pytest.raises(controls.ControlError, match=words):
        conditional(smooth_image(8, 8), **values)


def test_an_unconditional_model_refuses_targets_and_says_what_it_was_trained_for(colorizer):
    fixed = Colorizer(colorizer.generator, tiny_config(desired_hue=0.5))
    assert (colorizer.controls, fixed.fixed_targets) == ((), {"hue": 0.5})
    for model, words in ((colorizer, "no targets"), (fixed, "hue=0.5")):
        with pytest.raises(controls.ControlError, match=f"{words}.*Received: warmth=0.3"):
            model(smooth_image(8, 8), warmth=0.3)


@pytest.fixture(scope="module")
def lab_colorizer():
    """A network that predicts L* 60 and no color."""
    config = tiny_config(predict_lightness=True)
    generator = models.generator_from_config(config, fixed_size=False)
    generator.get_layer("lab").bias.assign([np.arctanh(0.2), 0.0, 0.0])
    return Colorizer(generator, config)


def test_a_predicted_lightness_is_given_with_the_detail_of_a_larger_image(lab_colorizer):
    lightness = skcolor.rgb2lab(lab_colorizer(smooth_image(32, 32)))[..., 0]
    np.testing.assert_allclose(lightness, 60.0, atol=0.3)  # 8-bit rounding
    checks = np.where(np.add(*np.indices((96, 128))) % 2 == 0, 0.1, -0.1)[..., None]
    rgb = np.clip(smooth_image(96, 128) + checks, 0, 1).astype(np.float32)
    lightness = skcolor.rgb2lab(lab_colorizer(rgb))[..., 0]
    assert lightness.mean() == pytest.approx(60.0, abs=1.0)
    assert lightness.std() > 5.0


def test_a_model_that_predicts_lightness_is_shown_luma(lab_colorizer, monkeypatch):
    rgb = np.zeros((32, 32, 3), np.float32)
    rgb[:16] = [0.0, 0.0, 1.0]  # L* 32.3, luma 0.114
    rgb[16:] = skcolor.lab2rgb([[[32.3026, 0.0, 0.0]]])  # the same lightness, another luma
    seen, predict = [], lab_colorizer._predict
    monkeypatch.setattr(
        lab_colorizer, "_predict", lambda gray: seen.append(gray) or predict(gray))
    lab_colorizer(rgb)
    np.testing.assert_allclose(seen[0][0, 0, 0, 0], 2 * 0.114 - 1, atol=1e-5)
    np.testing.assert_allclose(seen[0][0, -1, 0, 0], 2 * rgb[-1, 0, 0] - 1, atol=1e-4)


def test_a_shipped_model_colorizes_any_size_meets_targets_and_does_alike_in_a_batch(shipped):
    for size in ((31, 47), (1, 1), (3, 2000)):
        assert shipped(smooth_image(*size)).shape == (*size, 3)
    images = np.stack([smooth_image(50, 70, seed=seed) for seed in range(4)])
    for targets in ({}, {"saturation": 0.3}):
        together = shipped(images, **targets)
        assert np.ptp(together.astype(int), axis=-1).max(axis=(1, 2)).min() > 5
        for index in (0, 3):
            assert difference(together[index], shipped(images[index], **targets)) <= 1
    found = skcolor.rgb2hsv(together)[..., 1].mean(axis=(1, 2))
    np.testing.assert_allclose(found, 0.3, atol=0.03)
