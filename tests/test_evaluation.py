"""Tables of one model and of several: order, marks, files, pictures."""

from __future__ import annotations

import csv
import json

from PIL import Image
import numpy as np
import pytest

from colorizer.evaluation import evaluator as evaluation
from colorizer.data import grids

PICTURES = np.random.default_rng(0).integers(0, 256, (5, 16, 16, 3), dtype=np.uint8)
BATCHES = (PICTURES[:3], PICTURES[3:])


def darker(rgb8):
    """A model whose every channel is off by the same: a mean absolute error known by hand."""
    return np.where(rgb8 >= 20, rgb8 - 20, rgb8 + 20).astype(np.uint8)


@pytest.fixture(scope="module")
def table():
    return evaluation.compare(
        {"darker": darker, "perfect": np.copy, "colorless": evaluation.gray_picture}, BATCHES)


def test_the_gray_baseline_comes_first_then_the_models_in_order(table):
    assert list(table.rows) == ["gray baseline", "darker", "perfect", "colorless"]
    assert table.examples == 5
    assert {row: values.shape for row, values in table.delta_e.items()} == dict.fromkeys(
        table.rows, (5,))


def test_each_model_is_measured_on_every_picture(table):
    assert table.rows["darker"]["mae_rgb"] == pytest.approx(20)
    assert table.rows["darker"]["psnr"] == pytest.approx(20 * np.log10(255 / 20))
    assert table.rows["perfect"]["mae_rgb"] == table.rows["perfect"]["delta_e"] == 0
    assert table.rows["perfect"]["acc2_lab"] == 100
    assert table.rows["colorless"] == table.rows["gray baseline"]


def test_one_model_alone_is_measured_as_in_company(table):
    alone = evaluation.evaluate(darker, BATCHES)
    assert list(alone.rows) == ["gray baseline", "model"]
    assert alone.rows["model"] == table.rows["darker"]


def test_the_table_has_a_row_a_model_and_stars_the_best(table):
    lines = table.table().splitlines()
    rows = {line[:14].strip(): line[14:].split() for line in lines[3:7]}
    assert list(rows) == list(table.rows)
    assert rows["perfect"][0] == "0.000*" and rows["darker"][0] == "20.000"
    assert lines[0].split() == ["mae_rgb", "acc2_rgb", "acc5_rgb", "acc2_lab", "acc5_lab", "psnr",
                                "ssim", "delta_e", "worsened", "colorfulness",
                                "colorfulness"]
    # Neither more nor less colorful is better.
    assert rows["perfect"][:-2] == [cell for cell in rows["perfect"] if cell.endswith("*")]


def test_pictures_are_worsened_where_their_colors_are_much_further_off_than_gray():
    gray = np.full((1, 16, 16, 3), 128, np.uint8)
    tinted = gray + np.array([6, 0, 0], np.uint8)
    vivid = np.array([200, 80, 60], np.uint8) + np.zeros_like(gray)

    def wrong_on_the_first(batch):
        return np.where(np.arange(len(batch))[:, None, None, None] == 0, vivid, batch)

    batch = np.concatenate([tinted, vivid, tinted, tinted])
    table = evaluation.evaluate(wrong_on_the_first, [batch])
    assert table.rows["model"]["worsened"] == 25.0
    assert table.rows["gray baseline"]["worsened"] == 0.0


def test_every_model_has_its_verdict(table):
    lines = table.table().splitlines()
    assert [line.partition(":")[0] for line in lines[7:10]] == ["darker", "perfect", "colorless"]
    assert "mae_rgb 0.00 is better than gray" in lines[8]
    assert "WORSE than gray" in lines[9]  # no better: it has learned nothing


def test_both_files_hold_every_row(table, tmp_path):
    paths = table.write(tmp_path / "new")
    assert [path.name for path in paths] == ["results.json", "results.csv"]
    assert json.loads(paths[0].read_text())["rows"].keys() == table.rows.keys()
    with open(paths[1]) as file:
        values = {row["row"]: float(row["mae_rgb"]) for row in csv.DictReader(file)}
    assert values == {row: metrics["mae_rgb"] for row, metrics in table.rows.items()}


def test_the_comparison_shows_original_gray_and_each_model_side_by_side(tmp_path):
    evaluation.write_comparison(tmp_path / "c.png", {"a": darker, "b": np.copy}, PICTURES[:2])
    shown = np.asarray(Image.open(tmp_path / "c.png"))
    side = 96  # 16 px are enlarged six times
    for row, original in enumerate(PICTURES[:2]):
        top = grids.GRID_HEADER + row * (side + grids.GRID_GAP)
        gray = evaluation.gray_picture(original[None])[0]
        for column, expected in enumerate((original, gray, darker(original), original)):
            left = grids.GRID_GAP + column * (side + grids.GRID_GAP)
            np.testing.assert_array_equal(
                shown[top:top + side:6, left:left + side:6], expected)
