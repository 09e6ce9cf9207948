"""Calibration of models whose answers are known: exact, deaf to targets, gray."""

import csv
import functools
import json

from PIL import Image
import numpy as np
import pytest
from skimage import color as skcolor
import tensorflow as tf

from colorizer import color
from colorizer.color import controls
from colorizer.evaluation import calibration

SIZE, COUNT = 16, 8
SATURATION, HUE, GREEN = controls.select(["saturation", "hue", "green"])
DESIRED = (0.1, 0.3, 0.5)


def smooth():
    """Soft images with a dominant color each: 4x4 noise around it, enlarged."""
    base = np.stack([np.roll((180, 125, 85), index) for index in range(COUNT)])
    noise = np.random.default_rng(0).uniform(-30, 30, (COUNT, 4, 4, 3))
    noise = (base[:, None, None] + noise).astype("uint8")
    return np.stack([np.asarray(Image.fromarray(one).resize((SIZE, SIZE), Image.Resampling.BICUBIC))
                     for one in noise])


@functools.cache
def retarget(name):
    """`color.retarget` as a plain graph, which is much faster than eager."""
    signature = [tf.TensorSpec([None, SIZE, SIZE, 3]), tf.TensorSpec([None])]
    return tf.function(
        lambda lab, target: color.retarget(lab, controls.select([name])[0], target),
        autograph=False, input_signature=signature)


def exact(original, **targets):
    """Gives exactly what is desired: the original, moved to the target."""
    for name, target in targets.items():
        lab = skcolor.rgb2lab(original).astype("float32")
        moved = retarget(name)(lab, np.full(len(original), target, "float32"))
        return np.uint8(np.round(255 * moved.numpy()))
    return original


def deaf(original, **targets):
    """Gives its unconditional colors, whatever is desired."""
    return original


def gray(original, **targets):
    return np.repeat(np.uint8(np.round(original.mean(-1, keepdims=True))), 3, axis=-1)


def saturations(rgb8):
    """Mean HSV saturation of each image."""
    return skcolor.rgb2hsv(rgb8)[..., 1].mean((1, 2))


def calibrate(colorize, control, targets=DESIRED, images=None, **settings):
    images = smooth() if images is None else images
    return calibration.calibrate(colorize, [images], controls=[control],
                                 targets={control.name: targets}, **settings)


@pytest.fixture(scope="module")
def of_exact():
    return calibration.calibrate(
        exact, iter([smooth()[:5], smooth()[5:]]), controls=[SATURATION, HUE],
        targets={"saturation": DESIRED, "hue": DESIRED})


@pytest.fixture
def without_edits(monkeypatch):
    """Leaves the baseline out: compiling the edit of a control takes seconds."""
    monkeypatch.setattr(calibration, "_retarget", lambda control, rgb8, target: rgb8)


# ------------------------------------------------------------------------------------------ models

def test_an_exact_model_is_found_exact(of_exact):
    assert of_exact.examples == COUNT
    assert [(row.control, row.desired) for row in of_exact.rows] == [
        (name, target) for name in ("saturation", "hue") for target in DESIRED]
    for row in of_exact.rows:
        assert row.images == COUNT
        assert row.limit == pytest.approx(row.desired, abs=1e-6)  # mid grays can reach all of these
        assert row.achieved == pytest.approx(row.desired, abs=0.01)
        assert row.error < 0.01 and row.limit_error < 0.01
        assert row.network_limit_error == row.limit_error  # nothing else was given
        assert row.delta_e < 0.05  # XLA against eager: rounding only


def test_the_baseline_is_the_unconditional_colors_moved_by_the_same_edit(of_exact):
    for row in of_exact.rows:  # the unconditional colors of this model are the originals
        assert row.baseline_achieved == pytest.approx(row.desired, abs=0.01)
        assert row.baseline_limit_error < 0.01 and row.baseline_delta_e == 0.0

    def colorless_unless_told(original, **targets):
        return exact(original, **targets) if targets else gray(original)

    row, = calibrate(colorless_unless_told, SATURATION, [0.3]).rows
    assert row.delta_e < 0.05
    assert row.baseline_limit_error > 0.2 and row.baseline_delta_e > 1.0  # gray stays gray


def test_a_deaf_model_has_the_error_of_its_distance_from_the_target():
    images = smooth()
    own = saturations(images)
    result = calibrate(deaf, SATURATION, images=images)
    for row in result.rows:
        assert row.achieved == pytest.approx(own.mean(), abs=1e-5)
        assert row.spread == pytest.approx(own.std(), abs=1e-5)
        assert row.error == pytest.approx(np.abs(own - row.desired).mean(), abs=1e-5)
        delta_e = skcolor.deltaE_ciede2000(
            skcolor.rgb2lab(exact(images, saturation=row.desired)), skcolor.rgb2lab(images))
        assert row.delta_e == pytest.approx(delta_e.mean(), abs=0.05)
    assert "NOT better than the baseline's (0.00)" in result.text()


def test_the_limit_is_what_the_lightness_allows(without_edits):
    # Green gives 0.715160 of the light, so Y of the gray 250 (0.9559 linear) allows at least
    # (0.955973 - 0.284840) / 0.715160 = 0.93843 linear, that is 0.9720 in sRGB.
    white = np.full((1, SIZE, SIZE, 3), 250, np.uint8)
    row, = calibrate(deaf, GREEN, [0.2], white).rows
    assert row.limit == pytest.approx(0.9720, abs=0.01)  # its table has steps of 0.25 L*
    assert row.error == pytest.approx(250 / 255 - 0.2, abs=1e-4)
    assert row.limit_error == pytest.approx(250 / 255 - row.limit, abs=1e-4)


def test_the_network_is_told_from_its_correction():
    images = smooth()
    for row in calibrate(exact, SATURATION, images=images, network=deaf).rows:
        assert row.limit_error < 0.01
        assert row.network_limit_error == pytest.approx(
            np.abs(saturations(images) - row.desired).mean(), abs=1e-5)


def test_every_control_is_measured_at_its_own_targets_by_default(without_edits):
    called = []

    def spy(original, **targets):
        called.append(targets)
        return original

    assert len(calibration.calibrate(spy, [smooth()[:1]], controls=[SATURATION, HUE]).rows) == 23
    assert called == [{}, *({"saturation": i / 10} for i in range(11)),
                      *({"hue": i / 12} for i in range(12))]


def test_no_images_are_refused():
    with pytest.raises(ValueError, match="at least one image"):
        calibration.calibrate(deaf, [])


# --------------------------------------------------------------------------------------------- hue

def test_hue_is_averaged_and_measured_around_the_circle():
    # Hues 350 and 10 degrees: their mean is 0, each is 1 / 36 of a turn from it. The circular
    # deviation is sqrt(-2 ln cos(10 degrees)) / (2 pi) turns.
    images = np.zeros((2, SIZE, SIZE, 3), np.uint8)
    images[0], images[1] = (180, 60, 80), (180, 80, 60)
    row, = calibrate(deaf, HUE, [0.0], images).rows
    assert min(row.achieved, 1.0 - row.achieved) == pytest.approx(0.0, abs=1e-5)
    assert row.spread == pytest.approx(np.sqrt(-2 * np.log(np.cos(np.pi / 18))) / (2 * np.pi))
    assert row.error == row.limit_error == pytest.approx(1 / 36, abs=1e-5)


def test_gray_results_have_no_hue(tmp_path):
    def half_gray(original, **targets):
        return np.concatenate([gray(original[:3]), original[3:]])

    assert calibrate(half_gray, HUE, [0.5]).rows[0].images == COUNT - 3
    result = calibrate(gray, HUE, [0.5])
    assert result.rows[0].images == 0 and np.isnan(result.rows[0].achieved)
    assert list(result.scalars()) == ["hue/delta_e"]
    assert "nan" in result.text()
    written = json.loads(result.write(tmp_path)[0].read_text())
    assert written["rows"][0]["achieved"] is None and written["means"] == result.scalars()


# ------------------------------------------------------------------------------------------- files

def test_files_hold_every_row(of_exact, tmp_path):
    paths = of_exact.write(tmp_path)
    assert [path.name for path in paths] == [
        "calibration.json", "calibration.csv", "calibration.png"]
    values = json.loads(paths[0].read_text())
    assert values["examples"] == COUNT
    with open(paths[1], newline="") as file:
        rows = list(csv.DictReader(file))
    for row, from_json, from_csv in zip(of_exact.rows, values["rows"], rows, strict=True):
        assert from_csv["control"] == from_json["control"] == row.control
        assert float(from_csv["achieved"]) == from_json["achieved"] == row.achieved
    np.testing.assert_array_equal(np.asarray(Image.open(paths[2])), of_exact.figure())


def test_the_figure_has_a_panel_a_control(of_exact):
    figure = of_exact.figure()
    width, height = (round(inches * calibration.DPI) for inches in calibration.PANEL_INCHES)
    assert figure.dtype == np.uint8 and figure.shape == (height, 2 * width, 3)
    assert (figure != 255).any(-1)[:, width:].any()


def test_text_and_scalars_name_every_control(of_exact):
    text, scalars = of_exact.text(), of_exact.scalars()
    for control in (SATURATION, HUE):
        assert f"{control.name}: {control.help}" in text
        assert f"{control.name}: error 0.00" in text
        mean = np.mean([row.error for row in of_exact.rows if row.control == control.name])
        assert scalars[f"{control.name}/error"] == pytest.approx(mean)
    assert len(scalars) == 4 and text.endswith(f"{COUNT} images.")
    headings = [column[:2] for column in calibration.COLUMNS]
    assert all(len(word) < 11 for heading in headings for word in heading)
