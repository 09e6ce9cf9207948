"""Grids of pictures: geometry, labels, refusals."""

from __future__ import annotations

from PIL import Image
import numpy as np
import pytest

from colorizer.data import grids

GAP, HEADER = grids.GRID_GAP, grids.GRID_HEADER


def noise(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def batch(count: int, size: int) -> np.ndarray:
    return np.stack([np.full((size, size, 3), 10 * i, np.uint8) for i in range(count)])


@pytest.mark.parametrize("count, size, cell, blocks, rows", [
    (1, 32, 96, 1, 1), (8, 32, 96, 1, 8), (9, 32, 96, 2, 5), (16, 32, 96, 2, 8),
    (2, 256, 256, 1, 2)])
def test_grid_geometry(count, size, cell, blocks, rows):
    pictures = batch(count, size)
    grid = grids.make_grid({"gray": pictures, "ours": pictures, "true": pictures})
    assert grid.dtype == np.uint8
    assert grid.shape == (
        HEADER + rows * (cell + GAP), blocks * (GAP + 3 * (cell + GAP)), 3)


def test_grid_holds_each_picture_enlarged_without_blending():
    left, right = noise(4, 4)[np.newaxis], noise(4, 4, seed=1)[np.newaxis]
    grid = grids.make_grid({"a": left, "b": right}, scale=10)
    for picture, x in ((left[0], GAP), (right[0], GAP + 40 + GAP)):
        enlarged = picture.repeat(10, axis=0).repeat(10, axis=1)
        np.testing.assert_array_equal(grid[HEADER:HEADER + 40, x:x + 40], enlarged)


def test_grid_rows_go_down_then_to_the_second_block():
    grid = grids.make_grid({"a": batch(16, 32)})
    block = GAP + 96 + GAP
    for index in range(16):
        x = index // 8 * block + GAP
        y = HEADER + index % 8 * (96 + GAP)
        np.testing.assert_array_equal(grid[y:y + 96, x:x + 96], 10 * index)


def test_grid_gaps_are_white_and_every_column_has_a_header():
    grid = grids.make_grid({"first": batch(9, 32), "second": batch(9, 32)})
    assert (grid[HEADER:, :GAP] == 255).all() and (grid[-GAP:] == 255).all()
    for x in (GAP, 2 * GAP + 96):
        for block in (0, grid.shape[1] // 2):
            assert grid[:HEADER, block + x:block + x + 96].min() < 128


def test_long_header_and_row_labels_widen_the_grid():
    plain = grids.make_grid({"a": batch(2, 32)})
    header = grids.make_grid({"a saturation target of 0.75, hue 0.6": batch(2, 32)})
    labels = grids.make_grid({"a": batch(2, 32)}, row_labels=["0.25", "0.50"])
    assert header.shape[1] > plain.shape[1] and labels.shape[1] > plain.shape[1]
    np.testing.assert_array_equal(labels[:, -100:], plain[:, -100:])


@pytest.mark.parametrize("columns, labels", [
    ({}, None), ({"a": batch(1, 4)[:0]}, None), ({"a": batch(2, 4), "b": batch(3, 4)}, None),
    ({"a": batch(2, 4)[..., 0]}, None), ({"a": batch(2, 4)}, ["one"])])
def test_grid_refuses_what_does_not_fit(columns, labels):
    with pytest.raises(ValueError, match="must hold|must be non-empty"):
        grids.make_grid(columns, labels)


def test_save_grid_writes_the_grid_as_png(tmp_path):
    grids.save_grid(tmp_path / "new" / "grid.png", {"a": batch(2, 8)}, ["x", "y"], scale=2)
    with Image.open(tmp_path / "new" / "grid.png") as image:
        assert image.format == "PNG"
        np.testing.assert_array_equal(
            np.asarray(image), grids.make_grid({"a": batch(2, 8)}, ["x", "y"], scale=2))
