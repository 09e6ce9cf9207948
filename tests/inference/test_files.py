"""Image files colorized one after the other; sheets and flags: tests/programs/test_colorize.py."""

from PIL import Image, PngImagePlugin
import numpy as np
import pytest
from skimage import color as skcolor
import tensorflow as tf

from colorizer import data
from colorizer.color.controls import ControlError
from colorizer.errors import UserError
from colorizer.inference import colorize_files


def test_bad_images_and_results_that_cannot_be_written_do_not_stop_the_others(colorizer, tmp_path):
    for name in ("good.png", "taken.png"):
        Image.new("RGB", (20, 10), (90, 120, 80)).save(tmp_path / name)
    (tmp_path / "bad.png").write_bytes(b"")
    sources = data.expand_inputs([str(tmp_path)])
    (tmp_path / "o" / "taken.png").mkdir(parents=True)
    results = colorize_files(colorizer, sources, tmp_path / "o", overwrite=True)
    assert results.written == 1 and len(results.failures) == 2
    assert "bad.png" in results.failures[0]
    assert "taken.png: cannot be written" in results.failures[1]
    assert Image.open(tmp_path / "o" / "good.png").size == (20, 10)


def test_alpha_and_orientation_are_kept(colorizer, tmp_path):
    rgba = np.zeros((6, 10, 4), np.uint8)
    rgba[..., :3], rgba[..., 3] = 120, np.arange(60).reshape(6, 10)
    Image.fromarray(rgba).save(tmp_path / "alpha.png")
    exif = Image.Exif()
    exif[0x0112] = 6  # stored lying, to be turned a quarter
    Image.new("RGB", (30, 20), (50, 90, 130)).save(tmp_path / "turned.jpg", exif=exif)
    sources = data.expand_inputs([str(tmp_path / "alpha.png"), str(tmp_path / "turned.jpg")])
    assert colorize_files(colorizer, sources, tmp_path / "o").written == 2
    alpha = np.asarray(Image.open(tmp_path / "o" / "alpha.png"))[..., 3]
    np.testing.assert_array_equal(alpha, rgba[..., 3])
    assert Image.open(tmp_path / "o" / "turned.jpg").size == (20, 30)


def test_what_no_image_can_be_given_is_refused_before_anything_is_written(colorizer, tmp_path):
    for wrong in ({"vivid": 5.0}, {"combinations": [{"hue": 0.5}]}):
        with pytest.raises(ControlError):
            colorize_files(colorizer, [], tmp_path / "o", **wrong)
    assert not (tmp_path / "o").exists()
    (tmp_path / "o").write_text("a file")
    with pytest.raises(UserError, match="`output` must be a folder"):
        colorize_files(colorizer, [], tmp_path / "o")


def test_transparency_that_a_name_cannot_hold_and_a_size_that_a_format_cannot_are_told(
        colorizer, tmp_path):
    Image.new("RGBA", (9, 9)).save(tmp_path / "a.jpg", format="PNG")
    Image.new("L", (17_000, 1)).save(tmp_path / "b.webp", format="PNG")
    Image.new("L", (9, 9)).save(tmp_path / "c.png")
    results = colorize_files(colorizer, data.expand_inputs([str(tmp_path)]), tmp_path / "o")
    assert results.written == 2 and "b.webp: cannot be written" in results.failures[0]
    assert "transparency" in results.warnings[0]
    assert sorted(path.name for path in (tmp_path / "o").iterdir()) == ["a.jpg", "c.png"]


def test_16_bit_gray_gives_16_bit_color_with_its_fine_lightness_and_its_metadata(
        colorizer, tmp_path):
    gray = np.linspace(20000, 21000, 40 * 30).reshape(30, 40).astype(np.uint16)
    info = PngImagePlugin.PngInfo()
    info.add_text("Description", "plate 12")
    Image.fromarray(gray).save(tmp_path / "a.png", pnginfo=info)
    sources = data.expand_inputs([str(tmp_path / "a.png")])
    for strip in (False, True):
        colorize_files(colorizer, sources, tmp_path / "o.png", strip=strip, overwrite=True)
        rgb = tf.io.decode_png((tmp_path / "o.png").read_bytes(), dtype=tf.uint16).numpy()
        lightness = skcolor.rgb2lab(rgb)[..., 0] - skcolor.rgb2lab(
            np.repeat(gray[..., None], 3, axis=-1))[..., 0]
        assert abs(lightness).max() < 0.01  # of 100; a level of 8 bits is 0.4
        with Image.open(tmp_path / "o.png") as image:
            assert image.text.get("Description") == (None if strip else "plate 12")


def test_what_is_there_is_skipped_also_if_another_program_writes_it_meanwhile(
        colorizer, tmp_path, monkeypatch):
    Image.new("RGB", (20, 10), (90, 120, 80)).save(tmp_path / "a.png")
    sources, output = data.expand_inputs([str(tmp_path / "a.png")]), tmp_path / "o"
    read_image = data.read_image

    def meanwhile(path):
        output.joinpath("a.png").write_text("of another program")
        return read_image(path)

    monkeypatch.setattr(data, "read_image", meanwhile)
    results = colorize_files(colorizer, sources, output)
    assert (results.written, results.skipped, results.failures) == (0, 1, [])
    assert colorize_files(colorizer, sources, output).skipped == 1
    assert (output / "a.png").read_text() == "of another program"
