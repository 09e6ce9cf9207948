"""Grids of images: geometry and labels."""

from __future__ import annotations

import numpy as np
import pytest

from colorizer.data import grids, images
from tests.colors import image, noise

GAP, HEADER = grids.GRID_GAP, grids.GRID_HEADER


@pytest.mark.parametrize("count, size, cell, blocks, rows", [
    (1, 32, 96, 1, 1), (8, 32, 96, 1, 8), (9, 32, 96, 2, 5), (2, 256, 256, 1, 2)])
def test_rows_go_down_and_then_to_a_second_block(count, size, cell, blocks, rows):
    column = np.stack([image((10 * index,) * 3, size, size) for index in range(count)])
    grid = grids.make_grid({"gray": column, "ours": column, "true": column})
    assert grid.dtype == np.uint8
    assert grid.shape == (HEADER + rows * (cell + GAP), blocks * (GAP + 3 * (cell + GAP)), 3)
    for index in range(count):
        x = index // rows * (grid.shape[1] // blocks) + GAP
        y = HEADER + index % rows * (cell + GAP)
        np.testing.assert_array_equal(grid[y:y + cell, x:x + cell], 10 * index)
        assert grid[:HEADER, x:x + cell].min() < 128  # has a heading


def test_a_saved_grid_is_enlarged_without_blending_and_has_room_for_its_texts(tmp_path):
    columns = dict.fromkeys(["a", "a heading wider than its column"], noise(4, 4)[np.newaxis])
    grids.save_grid(tmp_path / "new" / "grid.png", columns, ["0.25"])
    grid = images.read_rgb(tmp_path / "new" / "grid.png")
    left = grid.shape[1] - grids.make_grid(columns).shape[1] + GAP
    np.testing.assert_array_equal(
        grid[HEADER:HEADER + 96, left:left + 96], noise(4, 4).repeat(24, axis=0).repeat(24, axis=1))
    assert grid.shape[1] > left + 3 * 96 and grid[HEADER:, :left].min() < 128  # has a label
