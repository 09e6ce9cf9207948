"""The results table of one model and of several: order, marks, files, images kept on the way."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest

from colorizer import data
from colorizer.evaluation import evaluator, report

IMAGES = np.random.default_rng(0).integers(0, 256, (5, 16, 16, 3), dtype=np.uint8)
BATCHES = (IMAGES[:3], IMAGES[3:])


def darker(rgb8):
    """Every channel is off by 20."""
    return np.where(rgb8 >= 20, rgb8 - 20, rgb8 + 20).astype(np.uint8)


@pytest.fixture(scope="module")
def result():
    return evaluator.compare(
        {"darker": darker, "perfect": np.copy, "colorless": evaluator.gray_image}, iter(BATCHES))


def test_each_model_is_measured_on_every_image_beside_the_gray_baseline(result):
    assert list(result.rows) == ["gray baseline", "darker", "perfect", "colorless"]
    assert result.examples == 5
    assert list(result.originals) == list(range(5))  # a small split is kept whole
    assert result.rows["darker"]["mae_rgb"] == pytest.approx(20)
    assert result.rows["perfect"]["mae_rgb"] == result.rows["perfect"]["delta_e"] == 0
    assert result.rows["colorless"] == result.rows["gray baseline"]


def test_one_model_alone_is_measured_as_in_company(result):
    alone = evaluator.evaluate(darker, BATCHES)
    assert alone.rows == {"gray baseline": result.rows["gray baseline"],
                          "model": result.rows["darker"]}
    assert alone.text("validation").endswith("\n5 validation images.")
    assert evaluator.evaluate(darker, [IMAGES[:1]]).text().endswith("\n1 test image.")


def test_the_table_has_a_column_a_model_and_stars_the_best(result):
    lines = result.text().splitlines()
    assert lines[0].split() == ["gray", "baseline", "darker", "perfect", "colorless"]
    cells = {line[:40].strip(): line[40:].split() for line in lines[1:12]}
    assert cells["mae_rgb of 255, lower is better"][1:3] == ["20.000", "0.000*"]
    assert cells["acc2_lab %, higher is better"][2] == "100.000*"
    # Neither more nor less colorful is better.
    assert [any("*" in cell for cell in row) for row in cells.values()] == 9 * [True] + 2 * [False]
    assert [line.partition(":")[0] for line in lines[12:15]] == ["darker", "perfect", "colorless"]
    assert "mae_rgb 0.00 is better than gray" in lines[13]
    assert "WORSE than gray" in lines[14]  # no better: it has learned nothing
    assert lines[15] == "5 test images."


def test_images_are_worsened_where_their_colors_are_much_further_off_than_gray():
    gray = np.full((1, 16, 16, 3), 128, np.uint8)
    tinted = gray + np.array([6, 0, 0], np.uint8)
    vivid = np.array([200, 80, 60], np.uint8) + np.zeros_like(gray)
    found = evaluator.evaluate(lambda batch: np.concatenate([vivid, batch[1:]]),
                               [np.concatenate([tinted, vivid, tinted, tinted])])
    assert found.rows["model"]["worsened"] == 25.0
    assert found.rows["gray baseline"]["worsened"] == 0.0


def test_both_files_hold_every_row(result, tmp_path):
    json_path, csv_path = result.write(tmp_path)
    assert json.loads(json_path.read_text()) == {"examples": 5, "rows": result.rows}
    rows = csv.DictReader(csv_path.read_text().splitlines())
    for row, (name, values) in zip(rows, result.rows.items(), strict=True):
        assert row.pop("row") == name and row.pop("examples") == "5"
        assert {metric: float(cell) for metric, cell in row.items()} == values


def test_of_a_large_split_evenly_spread_images_are_kept_in_bounded_memory(monkeypatch):
    monkeypatch.setattr(evaluator, "MAX_KEPT_BYTES", 7 * IMAGES[0].nbytes)
    images = np.arange(50, dtype=np.uint8)[:, None, None, None] + np.zeros_like(IMAGES[:1])
    kept = evaluator.evaluate(np.copy, np.array_split(images, 3)).originals
    assert list(kept) == [0, 8, 16, 24, 32, 40, 48]
    assert [image[0, 0, 0] for image in kept.values()] == list(kept)
    assert all(image.base is None for image in kept.values())  # else its batch stays as well


@pytest.fixture
def shown(monkeypatch):
    """The columns and the row labels of the grid that is written."""
    grid = {}
    monkeypatch.setattr(data, "save_grid", lambda path, columns, row_labels=None: grid.update(
        columns, labels=row_labels))
    return grid


def test_a_comparison_shows_each_model_beside_images_from_all_over_the_split(shown):
    images = np.arange(50, dtype=np.uint8)[:, None, None, None] + np.zeros_like(IMAGES[:1])
    report.save_compared("c.png", evaluator.evaluate(np.copy, [images]), {"a": darker})
    chosen = images[[0, 6, 12, 18, 24, 30, 36, 42]]
    assert list(shown) == ["original", "gray", "a", "labels"]
    for name, expected in ("original", chosen), ("gray", chosen), ("a", darker(chosen)):
        np.testing.assert_array_equal(shown[name], expected)


def test_the_ranked_grid_shows_the_best_median_and_worst_images(shown):
    tint = np.random.default_rng(0).permutation(20)  # 0 is the best, 19 the worst

    def tinted(rgb8):
        return np.uint8(rgb8 + tint[:len(rgb8), None, None, None] * [0, 0, 1])

    images = np.full((20, 16, 16, 3), 128, np.uint8) + np.arange(20)[:, None, None, None]
    result = evaluator.evaluate(tinted, [np.uint8(images)])
    report.save_ranked("r.png", result, lambda rgb8: 255 - rgb8)
    expected = [*range(6), *range(7, 13), *range(14, 20)]
    assert [int(tint[image[0, 0, 0] - 128]) for image in shown["original"]] == expected
    np.testing.assert_array_equal(shown["colorized"], 255 - shown["original"])
    assert [label.split()[0] for label in shown["labels"]] == (
        6 * ["best"] + 6 * ["median"] + 6 * ["worst"]) and shown["labels"][0] == "best 0.0"
