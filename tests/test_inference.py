"""Colors for pictures of any size."""

from PIL import Image
import keras
import numpy as np
import pytest
from skimage import color as skcolor

from colorizer.models import conditioning
from colorizer.color import controls
from colorizer.data import image_paths
from colorizer.inference import colorizer as inference
from colorizer.models import generator as networks
from colorizer.inference import files as picture_files
from colorizer.data import arrays as pictures
from colorizer.models import pretrained as saved_models


@pytest.fixture(scope="module")
def colorizer():
    keras.utils.set_random_seed(0)
    generator = networks.build_generator(32, 4, fixed_size=False)
    rng = np.random.default_rng(0)
    for variable in generator.weights:  # an untrained generator would color nothing
        if variable.path == "ab/kernel":
            variable.assign(rng.normal(0, 0.2, variable.shape))
    return inference.Colorizer(generator, 32)


def picture(height, width, seed=0):
    rng = np.random.default_rng(seed)
    low = rng.integers(60, 190, (4, 4, 3)).astype(np.uint8)
    resized = Image.fromarray(low).resize((width, height), Image.Resampling.BICUBIC)
    return np.asarray(resized).astype(np.float32) / 255.0


@pytest.mark.parametrize("size", [(31, 47), (1, 1), (3, 2000), (2000, 3), (32, 32), (100, 33)])
def test_output_size_equals_input_size(colorizer, size):
    assert colorizer(picture(*size)).shape == (*size, 3)


@pytest.mark.parametrize("size", [(75, 120), (32, 32), (31, 47), (300, 500)])
def test_lightness_of_the_output_is_the_lightness_of_the_input(colorizer, size):
    rgb = picture(*size)
    lab_in, lab_out = skcolor.rgb2lab(rgb), skcolor.rgb2lab(colorizer(rgb))
    assert np.abs(lab_out[..., 1:]).mean() > 1.0
    inside = np.all((colorizer(rgb) > 0) & (colorizer(rgb) < 255), axis=-1)
    assert np.abs(lab_out[..., 0] - lab_in[..., 0])[inside].max() < 0.6  # 8-bit rounding


def test_only_the_lightness_of_the_input_counts(colorizer):
    rgb = picture(40, 40)
    lab = skcolor.rgb2lab(rgb)
    lab[..., 1:] = 0
    gray = skcolor.lab2rgb(lab).astype(np.float32)
    assert np.abs(colorizer(rgb).astype(int) - colorizer(gray)).max() <= 1


@pytest.mark.parametrize("size", [(32, 32), (45, 60)])
def test_a_picture_alone_and_in_a_batch_come_out_the_same(colorizer, size):
    batch = np.stack([picture(*size, seed) for seed in range(32)])
    together = colorizer(batch)
    assert together.shape == batch.shape
    for index in (0, 13, 31):
        assert np.abs(together[index].astype(int) - colorizer(batch[index])).max() <= 1


def test_a_batch_that_the_network_takes_in_shares_comes_out_the_same(colorizer, monkeypatch):
    batch = np.stack([picture(32, 32, seed) for seed in range(5)])
    whole = colorizer(batch)
    monkeypatch.setattr(inference, "NETWORK_PIXELS", 2 * 32 * 32)
    assert np.abs(colorizer(batch).astype(int) - whole).max() <= 1


def test_bands_of_rows_come_out_as_the_whole_picture(colorizer, monkeypatch):
    rgb = picture(70, 90)
    whole = colorizer(rgb)
    monkeypatch.setattr(inference, "ROW_PIXELS", 90 * 16)
    assert np.abs(colorizer(rgb).astype(int) - whole).max() <= 1


@pytest.mark.parametrize("shape, result", [
    ((20, 30), (20, 30, 3)), ((20, 30, 1), (20, 30, 3)), ((4, 20, 30), (4, 20, 30, 3)),
    ((4, 20, 30, 1), (4, 20, 30, 3))])
@pytest.mark.parametrize("dtype, full", [("uint8", 255), ("uint16", 65535), ("float64", 1.0)])
def test_gray_pictures_of_every_type_are_colored_as_their_rgb(
        colorizer, shape, result, dtype, full):
    gray8 = (picture(20, 30)[..., 0] * 255).astype(np.uint8)
    gray = (gray8 / 255 * full).round(12).astype(dtype)
    expected = colorizer(np.repeat(gray8[..., None], 3, axis=-1))
    colored = colorizer(np.broadcast_to(gray[..., None] if shape[-1] == 1 else gray, shape))
    assert colored.shape == result and colored.dtype == np.uint8
    assert np.abs(colored.astype(int) - expected).max() <= 1


def test_a_list_of_pictures_of_any_sizes_is_colored_one_by_one(colorizer):
    several = [picture(20, 30), (picture(33, 12) * 255).astype(np.uint8), picture(9, 9)[..., 0]]
    for result, one in zip(colorizer(several), several):
        np.testing.assert_array_equal(result, colorizer(one))
    with pytest.raises(pictures.PictureError, match="shape=\\[5, 6, 4\\]"):
        colorizer([picture(20, 30), np.zeros((5, 6, 4), np.uint8)])


def test_network_sees_its_own_scale(colorizer):
    assert colorizer.working_size(32, 32) == (32, 32)
    assert colorizer.working_size(3000, 4000) == (32, 48)
    assert colorizer.working_size(3, 2000) == (32, 256)


def test_bad_pictures_do_not_stop_the_others(colorizer, tmp_path):
    Image.new("RGB", (20, 10), (90, 120, 80)).save(tmp_path / "good.png")
    (tmp_path / "bad.png").write_bytes(b"")
    sources = image_paths.expand_inputs([str(tmp_path)])
    done, failures = picture_files.colorize_files(
        colorizer, sources, tmp_path / "o", overwrite=False)
    assert done == 1 and len(failures) == 1 and "bad.png" in failures[0]
    assert Image.open(tmp_path / "o" / "good.png").size == (20, 10)


def test_nothing_is_overwritten_unless_asked(colorizer, tmp_path):
    source = tmp_path / "a.png"
    Image.new("L", (8, 8), 100).save(source)
    sources = image_paths.expand_inputs([str(source)])
    (tmp_path / "a.png").stat()
    output = tmp_path / "o"
    assert picture_files.colorize_files(colorizer, sources, output, overwrite=False) == (1, [])
    (output / "a.png").write_bytes(b"mine")
    done, failures = picture_files.colorize_files(colorizer, sources, output, overwrite=False)
    assert done == 0 and "--overwrite" in failures[0]
    assert (output / "a.png").read_bytes() == b"mine"
    assert picture_files.colorize_files(colorizer, sources, output, overwrite=True) == (1, [])


def test_alpha_and_orientation_are_kept(colorizer, tmp_path):
    rgba = np.zeros((6, 10, 4), np.uint8)
    rgba[..., :3], rgba[..., 3] = 120, np.arange(60).reshape(6, 10)
    Image.fromarray(rgba).save(tmp_path / "alpha.png")
    exif = Image.Exif()
    exif[0x0112] = 6  # stored lying, to be turned a quarter
    Image.new("RGB", (30, 20), (50, 90, 130)).save(tmp_path / "turned.jpg", exif=exif)
    sources = image_paths.expand_inputs([str(tmp_path / "alpha.png"), str(tmp_path / "turned.jpg")])
    assert picture_files.colorize_files(
        colorizer, sources, tmp_path / "o", overwrite=False) == (2, [])
    alpha = np.asarray(Image.open(tmp_path / "o" / "alpha.png"))[..., 3]
    np.testing.assert_array_equal(alpha, rgba[..., 3])
    assert Image.open(tmp_path / "o" / "turned.jpg").size == (20, 30)


def lab_generator(lightness):
    """A network that predicts one lightness, in [-1, 1], and no color, whatever it sees."""
    generator = networks.build_generator(32, 2, fixed_size=False, output_channels="lab")
    generator.get_layer("lab").bias.assign([np.arctanh(lightness), 0.0, 0.0])
    return generator


def test_a_model_of_lab_gives_the_lightness_that_it_predicts_at_its_own_size():
    rgb8 = inference.Colorizer(lab_generator(0.2), 32)(picture(32, 32))
    np.testing.assert_allclose(skcolor.rgb2lab(rgb8)[..., 0], 60.0, atol=0.3)  # 8-bit rounding


def test_a_model_of_lab_keeps_the_detail_of_a_larger_picture():
    rgb = picture(96, 128)
    checks = np.where(np.add(*np.indices((96, 128))) % 2 == 0, 0.1, -0.1)[..., None]
    colorizer = inference.Colorizer(lab_generator(0.0), 32)
    lightness = skcolor.rgb2lab(colorizer(np.clip(rgb + checks, 0, 1).astype(np.float32)))[..., 0]
    assert lightness.mean() == pytest.approx(50.0, abs=1.0)
    assert (lightness[:, ::2].std(), lightness.std()) > (5.0, 5.0)


def test_a_model_of_luma_is_shown_luma():
    generator = networks.build_generator(32, 2, fixed_size=False, init="normal")
    rgb = np.zeros((32, 32, 3), np.float32)
    rgb[:16] = [0.0, 0.0, 1.0]  # L* 32.3, luma 0.114
    rgb[16:] = skcolor.lab2rgb([[[32.3026, 0.0, 0.0]]])  # the same lightness, another luma
    seen = []
    colorizer = inference.Colorizer(generator, 32, luma=True)
    predict = colorizer._predict
    colorizer._predict = lambda inputs: seen.append(inputs) or predict(inputs)
    colorizer(rgb)
    np.testing.assert_allclose(seen[0][0, 0, 0, 0], 2 * 0.114 - 1, atol=1e-5)
    np.testing.assert_allclose(seen[0][0, -1, 0, 0], 2 * rgb[-1, 0, 0] - 1, atol=1e-4)


@pytest.mark.slow
def test_a_12_megapixel_photograph_is_colored(colorizer):
    rgb = picture(3000, 4000)
    result = colorizer(rgb)
    assert result.shape == (3000, 4000, 3)
    lab_in, lab_out = (skcolor.rgb2lab(part[::10, ::10]) for part in (rgb, result))
    inside = np.all((result > 0) & (result < 255), axis=-1)[::10, ::10]
    assert np.abs(lab_out[..., 0] - lab_in[..., 0])[inside].max() < 0.6


def test_a_model_of_some_controls_obeys_those_and_names_them():
    some = controls.select(["warmth"])
    generator = networks.build_generator(
        32, 2, fixed_size=False, condition_size=conditioning.condition_size(some))
    model = inference.Colorizer(generator, 32, obeyed=some)
    gray = np.full((32, 32), 120, np.uint8)
    for target in (0.3, 0.7):
        warmth = 0.5 + skcolor.rgb2lab(model(gray, warmth=target))[..., 2].mean() / 100
        assert warmth == pytest.approx(target, abs=0.02)
    with pytest.raises(controls.ControlError, match="obeys warmth alone. Received: hue=0.5"):
        model(gray, hue=0.5)


@pytest.mark.parametrize("name", saved_models.names())
def test_a_shipped_model_colors_pictures_of_any_size_and_obeys(name):
    colorizer = inference.Colorizer.load(name)
    for size in ((31, 47), (1, 1), (3, 2000)):
        assert colorizer(picture(*size)).shape == (*size, 3)
    rgb = colorizer(picture(50, 70))
    assert np.ptp(rgb.astype(int), axis=-1).max() > 5
    asked = colorizer(picture(50, 70), saturation=0.3)
    highest, lowest = asked.max(axis=-1) / 255.0, asked.min(axis=-1) / 255.0
    assert np.mean((highest - lowest) / highest) == pytest.approx(0.3, abs=0.03)


@pytest.mark.parametrize("targets", [{}, {"saturation": 0.4, "hue": 0.6}])
@pytest.mark.parametrize("name", saved_models.names())
def test_a_shipped_model_colors_a_picture_alone_and_in_a_batch_of_32_alike(name, targets):
    colorizer = inference.Colorizer.load(name)
    pictures = np.stack([picture(40, 40, seed=seed) for seed in range(32)])
    together = colorizer(pictures, **targets).astype(int)
    for index in (0, 17, 31):
        alone = colorizer(pictures[index], **targets)
        assert np.abs(together[index] - alone).max() <= 1
