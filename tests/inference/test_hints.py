"""Color hints: how they are written, where they lie, and that they are met."""

import numpy as np
import pytest
from skimage import color as skcolor, data as skdata

from colorizer import models
from colorizer.config import TrainConfig
from colorizer.errors import UserError
from colorizer.inference import Colorizer, Hint, HintError, parse_hint, read_hints
from colorizer.inference.hints import hint_map, hint_points


@pytest.fixture(scope="module")
def photo_colorizer():
    """The network of photographs with small random colors."""
    config = TrainConfig().replace(
        dataset="x", encoder="efficientnet_lite0", image_size=64, base_channels=1, batch_size=1,
        hint_share=0.5, conditional=True)
    generator = models.generator_from_config(config)
    kernel = generator.get_layer("decoder").get_layer("ab").kernel
    kernel.assign(np.random.default_rng(0).normal(0, 2e-3, kernel.shape))
    return Colorizer(generator, config)


def color_error(rgb8, hint, result):
    """CIEDE2000 at the hint between the result and the hint's a and b at the image's lightness."""
    row, column = hint.place(*rgb8.shape[:2])
    wanted = skcolor.rgb2lab(np.array(hint.rgb, np.uint8))
    wanted[0] = skcolor.rgb2lab(rgb8[row, column])[0]
    return skcolor.deltaE_ciede2000(wanted, skcolor.rgb2lab(result[row, column]))


@pytest.mark.parametrize("text, hint", [
    ("120,80,#c0392b", Hint(120, 80, (192, 57, 43))),
    ("0, 7.5 ,00ff7f", Hint(0, 7.5, (0, 255, 127))),
    ("50%,25%,#000080", Hint(0.5, 0.25, (0, 0, 128), relative=True))])
def test_hints_are_read_in_pixels_and_in_percent(text, hint):
    assert parse_hint(text) == hint


@pytest.mark.parametrize("text", [
    "", "1,2", "1,2,red", "1,2,#12345", "50%,2,#c0392b", "nan,1,#c0392b", "1,2,#c0392b,4"])
def test_other_hints_are_refused_with_an_example(text):
    with pytest.raises(HintError, match="120,80,#c0392b"):
        parse_hint(text)


@pytest.mark.parametrize("content", ["[1]", '{"x": 1}', "[", '["1,2"]'])
def test_a_file_of_hints_is_a_list_of_them(tmp_path, content):
    path = tmp_path / "hints.json"
    path.write_text('["1,2,#c0392b", "50%,50%,#000080"]')
    assert [hint.rgb for hint in read_hints(path)] == [(192, 57, 43), (0, 0, 128)]
    path.write_text(content)
    with pytest.raises(UserError):
        read_hints(path)


@pytest.mark.parametrize("hint, place", [
    (Hint(0, 0, (0, 0, 0)), (0, 0)), (Hint(199, 99, (0, 0, 0)), (24, 49)),
    (Hint(1.0, 1.0, (0, 0, 0), relative=True), (24, 49)),
    (Hint(0.5, 0.5, (0, 0, 0), relative=True), (12, 25))])
def test_a_hint_is_a_patch_at_its_place_on_the_networks_map(hint, place):
    # An image of 100 x 200 on a map of 25 x 50.
    mask = np.asarray(hint_map(hint_points([hint], (100, 200)), (100, 200), (25, 50)))[0, ..., 2]
    rows, columns = np.nonzero(mask)
    assert mask[place] == 1 and np.abs(rows - place[0]).max() <= 1
    assert np.abs(columns - place[1]).max() <= 1


def test_hints_are_met_at_their_points_whatever_the_network_says(photo_colorizer):
    rgb8 = skdata.astronaut()
    hints = [Hint(60, 60, (150, 100, 60)), Hint(0.9, 0.5, (90, 110, 160), relative=True),
             Hint(250, 120, (180, 130, 120))]
    plain = photo_colorizer(rgb8)
    for targets in ({}, {"saturation": 0.4}):
        result = photo_colorizer(rgb8, hints=hints, **targets)
        errors = [color_error(rgb8, hint, result) for hint in hints]
        assert max(errors) < 3.0 < max(color_error(rgb8, hint, plain) for hint in hints)
    np.testing.assert_array_equal(photo_colorizer(rgb8, hints=[]), plain)


def test_hints_that_go_with_nothing_are_refused(photo_colorizer, colorizer):
    rgb8, hint = skdata.astronaut(), Hint(5, 5, (1, 2, 3))
    for image, hints in ((rgb8, [Hint(512, 5, (1, 2, 3))]), (rgb8, [Hint(5, -1, (1, 2, 3))]),
                         (rgb8, [Hint(1.5, 0.2, (1, 2, 3), relative=True)]),
                         (rgb8[None].repeat(2, 0), [hint]), ([rgb8, rgb8], [hint])):
        with pytest.raises(HintError):
            photo_colorizer(image, hints=hints)
    with pytest.raises(HintError, match="hint_share"):
        colorizer(rgb8, hints=[hint])


def test_a_second_target_for_the_same_image_leaves_the_encoder_alone(photo_colorizer, monkeypatch):
    rgb8 = skdata.astronaut()
    first = photo_colorizer(rgb8)
    with monkeypatch.context() as patch:
        patch.setattr(photo_colorizer._predict, "_encode", None)
        assert (photo_colorizer(rgb8, hue=0.6) != first).any()
    assert (photo_colorizer(rgb8[::-1]) != first[::-1]).any()


def test_weights_that_changed_are_seen_once_the_last_image_is_forgotten(photo_colorizer):
    rgb8 = skdata.astronaut()
    first = photo_colorizer(rgb8)
    weights = photo_colorizer.generator.get_layer("encoder").weights
    values = [variable.numpy() for variable in weights]
    for variable, value in zip(weights, values):
        variable.assign(1.1 * value)
    photo_colorizer.forget()
    changed = photo_colorizer(rgb8)
    for variable, value in zip(weights, values):
        variable.assign(value)
    photo_colorizer.forget()
    assert (changed != first).any()
    np.testing.assert_array_equal(photo_colorizer(rgb8), first)
