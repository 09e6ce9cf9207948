"""What may be asked of a model, and how a wrong wish is answered."""

import pytest

from colorizer.color import controls

SOME = controls.select(["warmth", "hue"])


def refused(targets, obeyed, fixed):
    with pytest.raises(controls.ControlError) as caught:
        controls.check(targets, obeyed, fixed)
    message = str(caught.value)
    assert "\n" not in message and "Received: " in message
    return message


def test_what_a_model_obeys_may_be_asked_and_none_means_nothing():
    controls.check({"hue": 0.0, "warmth": 1.0, "saturation": None}, SOME, {})
    controls.check({"hue": None}, (), {"saturation": 1.0})


@pytest.mark.parametrize("targets, words", [
    ({"sheen": 0.5}, "one of saturation, hue, red"),
    ({"hue": 1.01}, "hue=1.01"), ({"hue": -0.01}, "hue=-0.01"), ({"hue": float("nan")}, "hue=nan"),
    ({"hue": 0.1, "red": 0.25}, "obeys warmth, hue alone. Received: red=0.25")])
def test_what_a_conditional_model_cannot_be_given_is_named(targets, words):
    assert words in refused(targets, SOME, {})


def test_a_model_without_choice_says_what_it_can_do():
    assert "knows no targets: train one with --conditional" in refused({"hue": 0.5}, (), {})
    fixed = refused({"saturation": 0.5}, (), {"saturation": 1.0, "hue": 0.6})
    assert "was trained for saturation=1, hue=0.6 alone" in fixed
    assert fixed.endswith("Received: saturation=0.5")


@pytest.mark.parametrize("names", [[], ["sheen"], ["hue", "hue"]])
def test_a_choice_of_controls_names_them_once(names):
    with pytest.raises(controls.ControlError, match="each once. Received: controls="):
        controls.select(names)


def test_gray_with_a_hue_is_called_a_contradiction():
    assert "saturation=0" in controls.contradiction({"saturation": 0.0, "hue": 0.3})
    assert controls.contradiction({"saturation": 0.0}) is None
    assert controls.contradiction({"saturation": 0.2, "hue": 0.3}) is None
