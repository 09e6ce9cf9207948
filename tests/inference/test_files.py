"""Image files colorized one after the other."""

from PIL import Image
import numpy as np
import pytest
from skimage import color as skcolor

from colorizer import data
from colorizer.color.controls import ControlError
from colorizer.errors import UserError
from colorizer.inference import colorize_files


def test_bad_images_do_not_stop_the_others(colorizer, tmp_path):
    Image.new("RGB", (20, 10), (90, 120, 80)).save(tmp_path / "good.png")
    (tmp_path / "bad.png").write_bytes(b"")
    sources = data.expand_inputs([str(tmp_path)])
    done, failures = colorize_files(colorizer, sources, tmp_path / "o")
    assert done == 1 and len(failures) == 1 and "bad.png" in failures[0]
    assert Image.open(tmp_path / "o" / "good.png").size == (20, 10)


def test_nothing_is_overwritten_unless_wanted(colorizer, tmp_path):
    Image.new("L", (8, 8), 100).save(tmp_path / "a.png")
    sources, output = data.expand_inputs([str(tmp_path / "a.png")]), tmp_path / "o"
    assert colorize_files(colorizer, sources, output) == (1, [])
    (output / "a.png").write_bytes(b"mine")
    done, failures = colorize_files(colorizer, sources, output)
    assert done == 0 and "--overwrite" in failures[0]
    assert (output / "a.png").read_bytes() == b"mine"
    assert colorize_files(colorizer, sources, output, overwrite=True) == (1, [])
    assert Image.open(output / "a.png").size == (8, 8)


def test_a_result_that_cannot_be_written_is_named_and_the_others_follow(colorizer, tmp_path):
    for name in ("a", "b"):
        Image.new("L", (8, 8), 100).save(tmp_path / f"{name}.png")
    (tmp_path / "o" / "a.png").mkdir(parents=True)
    done, failures = colorize_files(
        colorizer, data.expand_inputs([str(tmp_path / "a.png"), str(tmp_path / "b.png")]),
        tmp_path / "o", overwrite=True)
    assert done == 1 and "a.png: cannot be written" in failures[0]


def test_alpha_and_orientation_are_kept(colorizer, tmp_path):
    rgba = np.zeros((6, 10, 4), np.uint8)
    rgba[..., :3], rgba[..., 3] = 120, np.arange(60).reshape(6, 10)
    Image.fromarray(rgba).save(tmp_path / "alpha.png")
    exif = Image.Exif()
    exif[0x0112] = 6  # stored lying, to be turned a quarter
    Image.new("RGB", (30, 20), (50, 90, 130)).save(tmp_path / "turned.jpg", exif=exif)
    sources = data.expand_inputs([str(tmp_path / "alpha.png"), str(tmp_path / "turned.jpg")])
    assert colorize_files(colorizer, sources, tmp_path / "o") == (2, [])
    alpha = np.asarray(Image.open(tmp_path / "o" / "alpha.png"))[..., 3]
    np.testing.assert_array_equal(alpha, rgba[..., 3])
    assert Image.open(tmp_path / "o" / "turned.jpg").size == (20, 30)


def test_several_targets_make_a_contact_sheet_of_at_most_512_px_an_image(conditional, tmp_path):
    Image.new("L", (1024, 16), 100).save(tmp_path / "a.png")
    sources = data.expand_inputs([str(tmp_path / "a.png")])
    combinations = [{"saturation": 0.2}, {"saturation": 0.6}]
    assert colorize_files(
        conditional, sources, tmp_path / "o", combinations=combinations) == (1, [])
    sheet = np.asarray(Image.open(tmp_path / "o" / "a.png-sheet.png"))
    assert 1024 < sheet.shape[1] < 1100
    saturation = skcolor.rgb2hsv(sheet)[-8, :, 1]  # a row of both images
    found = saturation[100:400].mean(), saturation[-400:-100].mean()
    assert found == pytest.approx((0.2, 0.6), abs=0.1)


def test_what_no_image_can_be_given_is_refused_before_anything_is_written(colorizer, tmp_path):
    for wrong in ({"vivid": 5.0}, {"combinations": [{"hue": 0.5}]}):
        with pytest.raises(ControlError):
            colorize_files(colorizer, [], tmp_path / "o", **wrong)
    assert not (tmp_path / "o").exists()
    (tmp_path / "o").write_text("a file")
    with pytest.raises(UserError, match="`output` must be a folder"):
        colorize_files(colorizer, [], tmp_path / "o")
