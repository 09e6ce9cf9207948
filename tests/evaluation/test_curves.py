"""The curves of runs, as TensorBoard's own files hold them."""

import os

import numpy as np
import pytest
import tensorflow as tf

from colorizer.evaluation import curves


@pytest.mark.parametrize("name", ["run[1]", os.fsdecode(b"caf\xe9")])
def test_the_points_of_all_starts_of_a_run_make_one_curve(tmp_path, name):
    folder = tmp_path / name / "tensorboard"
    for steps in ((1, 2), (3,)):  # a run that was resumed
        writer = tf.summary.create_file_writer(os.fsencode(folder))
        with writer.as_default():
            for step in steps:
                tf.summary.scalar("1 validation/delta_e", 10.0 - step, step)
        writer.close()
    newest = max(folder.iterdir())
    newest.write_bytes(newest.read_bytes() + b"cut")
    found = curves.read_curves(folder.parent)
    assert list(found) == ["delta_e"]
    np.testing.assert_allclose(found["delta_e"], [[1, 9], [2, 8], [3, 7]])
    figure = curves.draw_curves({"a": found, "b": {}})
    assert figure.dtype == np.uint8 and figure.min() < 128 < figure.max()


def test_what_is_no_run_has_no_curves(tmp_path):
    assert curves.read_curves(tmp_path) == {}
