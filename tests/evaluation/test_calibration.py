"""Calibration of models whose answers are known: exact, deaf to targets, gray."""

import csv
import json

from PIL import Image
import numpy as np
import pytest
from skimage import color as skcolor

from colorizer.color import controls
from colorizer.evaluation import calibration

SIZE, COUNT = 16, 10
SATURATION, HUE, GREEN = controls.select(["saturation", "hue", "green"])
DESIRED = (0.1, 0.3, 0.5)
# Each has a dominant color, in turn orange, blue and green.
IMAGES = np.uint8(
    np.stack([np.roll((180, 125, 85), index) for index in range(COUNT)])[:, None, None]
    + np.random.default_rng(0).uniform(-30, 30, (COUNT, SIZE, SIZE, 3)))


def exact(original, **targets):
    """Gives exactly what is desired: the original, moved to the target."""
    for name, target in targets.items():
        return calibration._retarget(controls.select([name])[0], original, target)
    return original


def deaf(original, **targets):
    return original


def gray(original, **targets):
    return np.repeat(np.uint8(np.round(original.mean(-1, keepdims=True))), 3, axis=-1)


def calibrate(colorize, control, targets=DESIRED, images=IMAGES):
    return calibration.calibrate(
        colorize, [images], controls=[control], targets={control.name: targets})


@pytest.fixture(scope="module")
def of_exact():
    return calibration.calibrate(
        exact, iter([IMAGES[:1], IMAGES[1:]]), controls=[SATURATION, HUE],
        targets={"saturation": DESIRED, "hue": DESIRED})


@pytest.fixture
def without_edits(monkeypatch):  # compiling the edit of a control takes seconds
    monkeypatch.setattr(calibration, "_retarget", lambda control, rgb8, target: rgb8)


def test_an_exact_model_and_the_baseline_of_its_originals_are_found_exact(of_exact):
    assert of_exact.examples == COUNT
    assert [(row.control, row.desired) for row in of_exact.rows] == [
        (name, target) for name in ("saturation", "hue") for target in DESIRED]
    for row in of_exact.rows:
        assert row.images == COUNT
        assert row.limit == pytest.approx(row.desired, abs=1e-6)  # mid grays can reach all of these
        assert row.achieved == pytest.approx(row.desired, abs=0.01)
        assert row.error < 0.01 and row.limit_error < 0.01 and row.delta_e == 0.0
        # The unconditional colors of this model are the originals.
        assert row.baseline_achieved == row.achieved
        assert row.baseline_limit_error == row.limit_error and row.baseline_delta_e == 0.0


def test_the_baseline_is_made_of_the_unconditional_colors():
    def colorless_unless_told(original, **targets):
        return exact(original, **targets) if targets else gray(original)

    row, = calibrate(colorless_unless_told, SATURATION, [0.3]).rows
    assert row.baseline_limit_error > 0.2 and row.baseline_delta_e > 1.0  # gray stays gray


def test_a_deaf_model_has_the_error_of_its_distance_from_the_target():
    own = skcolor.rgb2hsv(IMAGES)[..., 1].mean((1, 2))
    result = calibrate(deaf, SATURATION)
    for row in result.rows:
        assert row.achieved == pytest.approx(own.mean(), abs=1e-5)
        assert row.spread == pytest.approx(own.std(), abs=1e-5)
        assert row.error == pytest.approx(np.abs(own - row.desired).mean(), abs=1e-5)
        delta_e = skcolor.deltaE_ciede2000(
            skcolor.rgb2lab(exact(IMAGES, saturation=row.desired)), skcolor.rgb2lab(IMAGES))
        assert row.delta_e == pytest.approx(delta_e.mean())
    assert "NOT better than the baseline's (0.00)" in result.text()


def test_the_limit_is_what_the_lightness_allows(without_edits):
    # Green gives 0.715160 of the light, so Y of the gray 250 (0.9559 linear) allows at least
    # (0.955973 - 0.284840) / 0.715160 = 0.93843 linear, that is 0.9720 in sRGB.
    white = np.full((1, SIZE, SIZE, 3), 250, np.uint8)
    row, = calibrate(deaf, GREEN, [0.2], white).rows
    assert row.limit == pytest.approx(0.9720, abs=0.01)  # its table has steps of 0.25 L*
    assert row.limit_error == pytest.approx(250 / 255 - row.limit, abs=1e-4)


def test_every_control_is_measured_at_its_own_targets_by_default(without_edits):
    called = []
    calibration.calibrate(lambda original, **targets: called.append(targets) or original,
                          [IMAGES[:1]], controls=[SATURATION, HUE])
    assert called == [{}, *({"saturation": i / 10} for i in range(11)),
                      *({"hue": i / 12} for i in range(12))]
    with pytest.raises(ValueError, match="at least one image"):
        calibration.calibrate(deaf, [])


def test_hue_is_averaged_and_measured_around_the_circle(without_edits):
    # Hues 350 and 10 degrees: their mean is 0, each is 1 / 36 of a turn from it. The circular
    # deviation is sqrt(-2 ln cos(10 degrees)) / (2 pi) turns.
    images = np.zeros((2, SIZE, SIZE, 3), np.uint8)
    images[0], images[1] = (180, 60, 80), (180, 80, 60)
    row, = calibrate(deaf, HUE, [0.0], images).rows
    assert min(row.achieved, 1.0 - row.achieved) == pytest.approx(0.0, abs=1e-5)
    assert row.spread == pytest.approx(np.sqrt(-2 * np.log(np.cos(np.pi / 18))) / (2 * np.pi))
    assert row.error == row.limit_error == pytest.approx(1 / 36, abs=1e-5)


def test_gray_results_have_no_hue(tmp_path, without_edits):
    partly_gray = np.concatenate([gray(IMAGES[:3]), IMAGES[3:]])
    assert calibrate(deaf, HUE, [0.5], partly_gray).rows[0].images == COUNT - 3
    result = calibrate(gray, HUE, [0.5])
    assert result.rows[0].images == 0 and np.isnan(result.rows[0].achieved)
    assert list(result.scalars()) == ["hue/delta_e"]
    assert "nan" in result.text()
    written = json.loads(result.write(tmp_path)[0].read_text())
    assert written["rows"][0]["achieved"] is None and written["means"] == result.scalars()


def test_files_hold_every_row_and_a_figure_with_a_panel_a_control(of_exact, tmp_path):
    json_path, csv_path, figure_path = of_exact.write(tmp_path)
    values = json.loads(json_path.read_text())
    assert values["examples"] == COUNT
    rows = list(csv.DictReader(csv_path.read_text().splitlines()))
    for row, from_json, from_csv in zip(of_exact.rows, values["rows"], rows, strict=True):
        assert from_csv["control"] == from_json["control"] == row.control
        assert float(from_csv["achieved"]) == from_json["achieved"] == row.achieved
    figure = np.asarray(Image.open(figure_path))
    assert figure.shape == (290, 640, 3)  # two panels of 3.2 x 2.9 inches
    assert (figure != 255).any(-1)[:, 320:].any()


def test_text_and_scalars_name_every_control(of_exact):
    text, scalars = of_exact.text(), of_exact.scalars()
    for control in (SATURATION, HUE):
        assert f"{control.name}: {control.help}" in text
        assert f"{control.name}: error 0.00" in text
        mean = np.mean([row.error for row in of_exact.rows if row.control == control.name])
        assert scalars[f"{control.name}/error"] == pytest.approx(mean)
    assert len(scalars) == 4 and text.endswith(f"{COUNT} images.")
