"""Grids of images: geometry, labels, refusals."""

from __future__ import annotations

import numpy as np
import pytest

from colorizer.data import grids, images
from tests.colors import noise

GAP, HEADER = grids.GRID_GAP, grids.GRID_HEADER


def batch(count, size):
    return np.stack([np.full((size, size, 3), 10 * i, np.uint8) for i in range(count)])


@pytest.mark.parametrize("count, size, cell, blocks, rows", [
    (1, 32, 96, 1, 1), (8, 32, 96, 1, 8), (9, 32, 96, 2, 5), (16, 32, 96, 2, 8),
    (2, 256, 256, 1, 2)])
def test_rows_go_down_and_then_to_a_second_block(count, size, cell, blocks, rows):
    column = batch(count, size)
    grid = grids.make_grid({"gray": column, "ours": column, "true": column})
    assert grid.dtype == np.uint8
    assert grid.shape == (HEADER + rows * (cell + GAP), blocks * (GAP + 3 * (cell + GAP)), 3)
    for index in range(count):
        x = index // rows * (grid.shape[1] // blocks) + GAP
        y = HEADER + index % rows * (cell + GAP)
        np.testing.assert_array_equal(grid[y:y + cell, x:x + cell], 10 * index)


def test_images_are_enlarged_without_blending():
    left, right = noise(4, 4)[np.newaxis], noise(4, 4, seed=1)[np.newaxis]
    grid = grids.make_grid({"a": left, "b": right}, scale=10)
    for rgb, x in ((left[0], GAP), (right[0], GAP + 40 + GAP)):
        np.testing.assert_array_equal(
            grid[HEADER:HEADER + 40, x:x + 40], rgb.repeat(10, axis=0).repeat(10, axis=1))


def test_gaps_are_white_columns_have_headers_and_texts_have_room():
    plain = grids.make_grid({"first": batch(9, 32), "second": batch(9, 32)})
    assert (plain[HEADER:, :GAP] == 255).all() and (plain[-GAP:] == 255).all()
    for x in (GAP, 2 * GAP + 96):
        for block in (0, plain.shape[1] // 2):
            assert plain[:HEADER, block + x:block + x + 96].min() < 128
    columns = {"a saturation target of 0.75, hue 0.6": batch(9, 32), "second": batch(9, 32)}
    assert grids.make_grid(columns).shape[1] > plain.shape[1]
    labeled = grids.make_grid({"a": batch(2, 32)}, row_labels=["0.25", "0.50"])
    np.testing.assert_array_equal(labeled[:, -100:], grids.make_grid({"a": batch(2, 32)})[:, -100:])


@pytest.mark.parametrize("columns, labels", [
    ({}, None), ({"a": batch(1, 4)[:0]}, None), ({"a": batch(2, 4), "b": batch(3, 4)}, None),
    ({"a": batch(2, 4)[..., 0]}, None), ({"a": batch(2, 4)}, ["one"])])
def test_what_does_not_fit_is_refused(columns, labels):
    with pytest.raises(ValueError, match="must hold|must be non-empty"):
        grids.make_grid(columns, labels)


def test_save_grid_writes_the_grid(tmp_path):
    arguments = {"a": batch(2, 8)}, ["x", "y"], 2
    grids.save_grid(tmp_path / "new" / "grid.png", *arguments)
    np.testing.assert_array_equal(
        images.read_rgb(tmp_path / "new" / "grid.png"), grids.make_grid(*arguments))
