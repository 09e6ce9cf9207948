"""Desired, limit and achieved of fixed targets, by definitions from outside."""

import json

import numpy as np
import pytest
from skimage import color as skcolor

from colorizer.evaluation import evaluator
from tests.references import REFERENCES

IMAGES = np.random.default_rng(1).integers(150, 256, (6, 16, 16, 3), dtype=np.uint8)


def tinted(rgb8):
    """Every image in one color of its own lightness."""
    lab = np.stack([skcolor.rgb2lab(image) for image in rgb8])
    lab[..., 1:] = (30.0, 20.0)
    return np.round(255 * skcolor.lab2rgb(lab)).astype(np.uint8)


def test_the_means_of_the_results_stand_beside_target_and_limit(tmp_path):
    desired = {"saturation": 1.0, "hue": 0.05}
    result = evaluator.compare({"tinted": tinted}, [IMAGES[:4], IMAGES[4:]], desired=desired)
    saturation, hue = result.achieved["saturation"], result.achieved["hue"]
    expected = REFERENCES["saturation"](tinted(IMAGES) / 255)
    assert saturation.desired == 1.0
    assert saturation.means["tinted"] == pytest.approx(expected.mean(), abs=1e-4)
    assert saturation.means["gray baseline"] == pytest.approx(0.0, abs=0.01)
    assert expected.mean() < saturation.limit < 1.0  # white and nearly white cannot be saturated
    assert hue.means["tinted"] == pytest.approx(
        REFERENCES["hue"](tinted(IMAGES[:1]) / 255)[0], abs=0.01)
    assert "gray baseline" not in hue.means  # gray has no hue
    text = result.text()
    assert f"saturation: desired 1.00, limit {saturation.limit:.2f}, achieved " in text
    assert text.index("saturation: desired") < text.index("tinted: mae_rgb")
    assert "; hue " in result.summary("tinted")
    written = json.loads(result.write(tmp_path)[0].read_text())
    assert written["achieved"]["saturation"]["means"] == saturation.means


def test_without_targets_nothing_is_said_of_them():
    result = evaluator.evaluate(tinted, [IMAGES])
    assert result.achieved == {} and "desired" not in result.text()
