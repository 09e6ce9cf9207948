"""The table of controls, which targets a model can be given, and how wrong ones are answered."""

import math

import pytest

from colorizer.color import controls
from colorizer.color.controls import ControlError

SOME = controls.select(["warmth", "hue"])


def test_supported_targets_are_accepted_and_none_means_no_target():
    assert [control.name for control in SOME] == ["warmth", "hue"]
    controls.check_targets({"hue": 0.0, "warmth": 1.0, "saturation": None}, SOME, {})
    controls.check_targets({"hue": None}, (), {"saturation": 1.0})


@pytest.mark.parametrize("targets, supported, fixed, words", [
    ({"sheen": 0.5}, SOME, {}, "one of saturation, hue, red"),
    *(({"hue": hue}, SOME, {}, f"hue={hue}")
      for hue in (1.01, -0.01, math.nan, math.inf, "0.5")),
    ({"hue": 0.1, "red": 0.25}, SOME, {}, "Received: red=0.25"),
    ({"hue": 0.5}, (), {}, "takes no targets: a model trained with --conditional"),
    ({"hue": 0.5}, (), {"saturation": 1.0, "hue": 0.6}, "trained for saturation=1, hue=0.6 only"),
])
def test_a_target_that_the_model_cannot_be_given_is_refused_in_one_line(
        targets, supported, fixed, words):
    with pytest.raises(ControlError) as caught:
        controls.check_targets(targets, supported, fixed)
    message = str(caught.value)
    assert words in message and "\n" not in message and "Received: " in message


@pytest.mark.parametrize("texts, expected", [
    ({"saturation": None, "hue": None}, [{}]),
    ({"saturation": "0.5", "hue": None}, [{"saturation": 0.5}]),
    ({"saturation": "0,1", "hue": "0.25"}, [{"saturation": 0.0, "hue": 0.25},
                                            {"saturation": 1.0, "hue": 0.25}]),
])
def test_targets_are_read_as_typed(texts, expected):
    assert controls.parse_targets(texts) == expected


@pytest.mark.parametrize("text", ["", "x", "0.5,"])
def test_a_target_that_is_no_number_is_refused_and_named(text):
    with pytest.raises(ControlError, match=f"`hue` must be a number.*Received: hue={text}$"):
        controls.parse_targets({"hue": text})


@pytest.mark.parametrize("targets, named", [
    ({"saturation": 0.0, "hue": 0.3}, "saturation=0"),
    ({"colorfulness": 0.0, "saturation": 0.4}, "colorfulness=0"),
    ({"saturation": 0.0, "colorfulness": 0.0, "hue": None}, None),
    ({"saturation": 0.0}, None), ({"saturation": 0.2, "hue": 0.3}, None), ({}, None),
])
def test_gray_with_a_hue_or_with_color_is_called_a_contradiction(targets, named):
    found = controls.contradiction(targets)
    assert named in found if named else found is None
