"""Calibration of models whose answers are known: exact, deaf, gray, speckled."""

import csv
import json
import re

from PIL import Image
import keras
import numpy as np
import pytest
from skimage import color as skcolor

from colorizer.evaluation import calibration
from colorizer.color import controls
from colorizer.evaluation import curves
from colorizer.color import transforms as edits

SIZE, COUNT = 16, 8
BY_NAME = {control.name: control for control in controls.CONTROLS}
SATURATION, HUE, GREEN = (BY_NAME[name] for name in ("saturation", "hue", "green"))
ASKED = (0.1, 0.3, 0.5)


def smooth(count=COUNT, seed=0):
    """Soft pictures with a dominant color each: 4x4 noise around it, enlarged."""
    base = np.stack([np.roll((180, 125, 85), index) for index in range(count)])
    noise = np.random.default_rng(seed).uniform(-30, 30, (count, 4, 4, 3))
    noise = (base[:, None, None] + noise).astype("uint8")
    return np.stack([np.asarray(Image.fromarray(one).resize((SIZE, SIZE), Image.Resampling.BICUBIC))
                     for one in noise])


def oracle(original, **targets):
    """Gives exactly what is asked: the original, moved to the target."""
    if not targets:
        return original
    (name, target), = targets.items()
    lab = skcolor.rgb2lab(original).astype("float32")
    moved = edits.retarget(lab, BY_NAME[name], np.full(len(original), target, "float32"))
    return np.uint8(np.round(255 * keras.ops.convert_to_numpy(moved)))


def deaf(original, **targets):
    """Gives its natural colors, whatever is asked."""
    return original


def gray(original, **targets):
    return np.repeat(np.uint8(np.round(original.mean(-1, keepdims=True))), 3, axis=-1)


def saturations(rgb8):
    """Mean HSV saturation of each picture."""
    rgb = rgb8.astype(float)
    return ((rgb.max(-1) - rgb.min(-1)) / rgb.max(-1)).mean((1, 2))


def of(colorize, control, targets=ASKED, pictures=None, **settings):
    pictures = smooth() if pictures is None else pictures
    return calibration.calibrate(colorize, [pictures], controls=[control],
                                 targets={control.name: targets}, **settings)


@pytest.fixture(scope="module")
def exact():
    return calibration.calibrate(
        oracle, [smooth()[:5], smooth()[5:]], controls=[SATURATION, HUE],
        targets={"saturation": ASKED, "hue": ASKED})


# ------------------------------------------------------------------------------------------ models

def test_an_exact_model_is_found_exact(exact):
    assert exact.examples == COUNT
    assert [(row.control, row.target) for row in exact.rows] == [
        (name, target) for name in ("saturation", "hue") for target in ASKED]
    for row in exact.rows:
        assert row.counted == COUNT
        assert row.limit == pytest.approx(row.target, abs=1e-6)  # mid grays reach all of these
        assert row.achieved == pytest.approx(row.target, abs=0.01)
        assert row.mae_limit < 0.01 and row.mae_target < 0.01 and row.edited_mae_limit < 0.01
        assert row.mae_rgb < 0.05 and row.delta_e < 0.05  # XLA against eager: rounding only
    assert exact.monotone == {"saturation": 1.0}
    assert exact.total_variation == pytest.approx({"flat": 1.0, "all": 1.0})


def test_the_default_rival_is_the_model_asked_nothing(exact):
    for row in exact.rows:  # the oracle's natural colors are the originals
        assert row.same_edit_rival_mae_rgb == 0.0 and row.same_edit_rival_delta_e == 0.0
        assert row.same_edit_rival_mae_limit == row.edited_mae_limit
        for achieved in (row.rival_achieved, row.same_edit_rival_achieved):
            assert achieved == pytest.approx(row.target, abs=0.01)
        assert 0.0 < row.rival_delta_e < 5.0  # the same target by other, plainer edits


def test_a_deaf_model_misses_by_its_distance_from_the_target():
    pictures = smooth()
    own = saturations(pictures)
    result = of(deaf, SATURATION, pictures=pictures)
    assert result.monotone == {"saturation": 1.0}  # never falls, and yet badly calibrated
    for row in result.rows:
        assert row.achieved == pytest.approx(own.mean(), abs=1e-5)
        assert row.spread == pytest.approx(own.std(), abs=1e-5)
        assert row.mae_target == pytest.approx(np.abs(own - row.target).mean(), abs=1e-5)
        assert row.rival_mae_limit < 0.01
        edited = oracle(pictures, saturation=row.target).astype(float)
        assert row.mae_rgb == pytest.approx(np.abs(edited - pictures).mean(), abs=0.05)
        delta_e = skcolor.deltaE_ciede2000(
            skcolor.rgb2lab(edited / 255), skcolor.rgb2lab(pictures)).mean()
        assert row.delta_e == pytest.approx(delta_e, abs=0.05)
    by_distance = sorted(result.rows, key=lambda row: abs(row.target - own.mean()))
    assert [row.mae_target for row in by_distance] == sorted(row.mae_target for row in result.rows)
    assert "saturation: misses the limit by" in result.text() and "NOT better" in result.text()


def test_a_picture_whose_statistic_falls_is_not_monotone():
    def contrary(original, **targets):
        result = oracle(original, **targets)
        if targets:
            result[:2] = oracle(original[:2], saturation=0.6 - targets["saturation"])
        return result

    assert of(contrary, SATURATION).monotone == {"saturation": (COUNT - 2) / COUNT}


def test_the_limit_is_what_the_lightness_allows():
    # Green gives 0.715160 of the light, so Y of the gray 250 (0.9559 linear) allows at least
    # (0.955973 - 0.284840) / 0.715160 = 0.93843 linear, that is 0.9720 in sRGB.
    white = np.full((1, SIZE, SIZE, 3), 250, np.uint8)
    row, = of(deaf, GREEN, targets=[0.2], pictures=white).rows
    assert row.limit == pytest.approx(0.9720, abs=0.01)  # reach is tabulated in steps of 0.25 L*
    assert row.mae_target == pytest.approx(250 / 255 - 0.2, abs=1e-4)
    assert row.mae_limit == pytest.approx(250 / 255 - row.limit, abs=1e-4)


def test_the_network_is_told_from_its_correction():
    pictures = smooth()
    result = of(oracle, SATURATION, pictures=pictures, network=deaf)
    for row in result.rows:
        assert row.mae_limit < 0.01
        assert row.network_mae_limit == pytest.approx(
            np.abs(saturations(pictures) - row.target).mean(), abs=1e-5)
    assert all(row.network_mae_limit == row.mae_limit for row in of(deaf, SATURATION).rows)


def test_a_given_rival_is_moved_to_the_target():
    row, = of(oracle, SATURATION, targets=[0.3], rival=gray).rows
    assert row.mae_rgb < 0.05
    assert row.rival_mae_rgb > 5.0 and row.rival_delta_e > 1.0  # gray has no colors to vivify
    assert row.same_edit_rival_mae_rgb > 5.0 and row.same_edit_rival_delta_e > 1.0


def test_the_summary_tells_both_rivals(exact):
    saturation = exact.text().splitlines()[-3]
    assert saturation.startswith("saturation: misses the limit by 0.00")
    assert re.search(r"delta_e 0\.0\d: better than \d\.\d\d, the rival's, NOT better than 0\.00, "
                     "the rival's by the same edit", saturation)
    assert all(len(word) < 12 for heading in curves.COLUMNS for word in heading[:2])


# --------------------------------------------------------------------------------------------- hue

def test_hue_is_averaged_and_measured_around_the_circle():
    # Hues 350 and 10 degrees: their mean is 0, each is 1 / 36 of a turn from it. The circular
    # deviation is sqrt(-2 ln cos(10 degrees)) / (2 pi) turns.
    pictures = np.zeros((2, SIZE, SIZE, 3), np.uint8)
    pictures[0], pictures[1] = (180, 60, 80), (180, 80, 60)
    row, = of(deaf, HUE, targets=[0.0], pictures=pictures).rows
    assert min(row.achieved, 1.0 - row.achieved) == pytest.approx(0.0, abs=1e-5)
    assert row.spread == pytest.approx(np.sqrt(-2 * np.log(np.cos(np.pi / 18))) / (2 * np.pi))
    assert row.mae_target == row.mae_limit == pytest.approx(1 / 36, abs=1e-5)


def test_gray_results_have_no_hue():
    def half_gray(original, **targets):
        return np.concatenate([gray(original[:3]), original[3:]])

    row, = of(half_gray, HUE, targets=[0.5]).rows
    assert row.counted == COUNT - 3
    result = of(gray, HUE, targets=[0.5])
    assert result.rows[0].counted == 0 and np.isnan(result.rows[0].achieved)
    assert "hue/mae_limit" not in result.scalars() and "hue/delta_e" in result.scalars()


# --------------------------------------------------------------------------------- total variation

def test_a_checkerboard_shows_in_flat_regions():
    pictures = smooth()
    pictures[:, :, 8:] = np.uint8([120, 110, 100])  # flat and nearly without variation
    board = np.int16(np.indices((SIZE, SIZE)).sum(0) % 2 * 2 - 1)[..., None] * [9, -4, 9]
    speckled = np.uint8(pictures + board)
    result = of(lambda original, **targets: speckled, SATURATION, targets=[0.3], pictures=pictures)
    assert result.total_variation["flat"] > 5.0
    assert result.total_variation["flat"] > result.total_variation["all"] > 1.2


def test_speckle_shows_where_it_is_asked_for():
    pictures = smooth()
    pictures[:, :, 8:] = np.uint8([120, 110, 100])
    board = np.int16(np.indices((SIZE, SIZE)).sum(0) % 2 * 2 - 1)[..., None] * [9, -4, 9]

    def speckles_above_a_third(original, **targets):
        result = oracle(original, **targets)
        return np.uint8(result + board) if targets.get("saturation", 0) > 0.34 else result

    clean, speckled = of(speckles_above_a_third, SATURATION, targets=[0.3, 0.4],
                         pictures=pictures).rows
    assert clean.flat_variation == pytest.approx(1.0, abs=0.02)
    assert speckled.flat_variation > 5.0


def test_total_variation_by_hand():
    # A vertical edge between two colors of almost one lightness, and a gray copy of it.
    pictures = np.zeros((1, SIZE, SIZE, 3), np.uint8)
    pictures[..., :8, :], pictures[..., 8:, :] = (150, 120, 110), (110, 135, 110)
    lab = skcolor.rgb2lab(pictures[0, 0])
    assert abs(lab[7, 0] - lab[8, 0]) < 1.0  # every pixel is flat
    half = lab * [1, 0.5, 0.5]
    result = np.uint8(np.round(255 * skcolor.lab2rgb(half)))[None, None].repeat(SIZE, 1)
    values = of(lambda original, **targets: result, SATURATION, targets=[0.3], pictures=pictures)
    step = [np.hypot(*(row[7] - row[8])[1:]) for row in (skcolor.rgb2lab(result[0, 0]), lab)]
    assert values.total_variation == pytest.approx({"flat": step[0] / step[1],
                                                    "all": step[0] / step[1]})
    assert values.total_variation["all"] == pytest.approx(0.5, abs=0.05)


# ------------------------------------------------------------------------------------------- files

def test_files_hold_every_row(exact, tmp_path):
    paths = exact.write(tmp_path / "new")
    assert [path.name for path in paths] == [
        "calibration.json", "calibration.csv", "calibration.png"]
    values = json.loads(paths[0].read_text())
    assert values["examples"] == COUNT and values["monotone"] == {"saturation": 1.0}
    with open(paths[1], newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(values["rows"]) == 6
    for row, from_json, from_csv in zip(exact.rows, values["rows"], rows):
        assert from_csv["control"] == from_json["control"] == row.control
        assert float(from_csv["achieved"]) == from_json["achieved"] == row.achieved
    np.testing.assert_array_equal(np.asarray(Image.open(paths[2])), exact.figure())


def test_what_is_nan_is_null_in_json(tmp_path):
    flat = np.full((1, SIZE, SIZE, 3), 90, np.uint8)  # no hue, no variation
    result = of(deaf, HUE, targets=[0.5], pictures=flat)
    values = json.loads(result.write(tmp_path)[0].read_text())
    assert values["rows"][0]["achieved"] is None
    assert values["total_variation"] == {"flat": None, "all": None}
    assert "nan" in result.text()


def test_the_figure_has_a_panel_a_control(exact):
    figure = exact.figure()
    assert figure.dtype == np.uint8
    width, height = (round(inches * curves.DPI) for inches in curves.PANEL_INCHES)
    assert figure.shape == (height, 2 * width, 3)  # two controls side by side
    assert (figure != 255).any(-1)[:, width:].any()


def test_text_and_scalars_name_every_control(exact):
    text, scalars = exact.text(), exact.scalars()
    for control in ("saturation", "hue"):
        assert f"{control}: {BY_NAME[control].help}" in text
        assert f"{control}: misses the limit by" in text
        mean = np.mean([row.mae_limit for row in exact.rows if row.control == control])
        assert scalars[f"{control}/mae_limit"] == pytest.approx(mean)
    assert scalars["saturation/monotone"] == 1.0 and "hue/monotone" not in scalars
    assert scalars["total_variation/flat"] == pytest.approx(1.0)
    assert f"{COUNT} pictures" in text


def test_no_pictures_are_refused():
    with pytest.raises(ValueError, match="at least one picture"):
        calibration.calibrate(deaf, [])
