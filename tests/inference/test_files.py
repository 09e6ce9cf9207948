"""Image files colorized one after the other; sheets and flags: tests/programs/test_colorize.py."""

from PIL import Image
import numpy as np
import pytest

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
    done, failures = colorize_files(colorizer, sources, tmp_path / "o", overwrite=True)
    assert done == 1 and len(failures) == 2
    assert "bad.png" in failures[0] and "taken.png: cannot be written" in failures[1]
    assert Image.open(tmp_path / "o" / "good.png").size == (20, 10)


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


def test_what_no_image_can_be_given_is_refused_before_anything_is_written(colorizer, tmp_path):
    for wrong in ({"vivid": 5.0}, {"combinations": [{"hue": 0.5}]}):
        with pytest.raises(ControlError):
            colorize_files(colorizer, [], tmp_path / "o", **wrong)
    assert not (tmp_path / "o").exists()
    (tmp_path / "o").write_text("a file")
    with pytest.raises(UserError, match="`output` must be a folder"):
        colorize_files(colorizer, [], tmp_path / "o")
