"""The curves of runs, as TensorBoard's own files hold them."""

import numpy as np
import tensorflow as tf

from colorizer.evaluation import curves


def test_the_points_of_all_starts_of_a_run_make_one_curve(tmp_path):
    for steps in ((1, 2), (3,)):  # a run that was resumed
        writer = tf.summary.create_file_writer(str(tmp_path / "tensorboard"))
        with writer.as_default():
            for step in steps:
                tf.summary.scalar("1 validation/delta_e", 10.0 - step, step)
        writer.close()
    found = curves.read_curves(tmp_path)
    assert list(found) == ["delta_e"]
    np.testing.assert_allclose(found["delta_e"], [[1, 9], [2, 8], [3, 7]])
    figure = curves.draw_curves({"a": found, "b": {}})
    assert figure.dtype == np.uint8 and figure.min() < 128 < figure.max()


def test_what_is_no_run_has_no_curves(tmp_path):
    assert curves.read_curves(tmp_path) == {}
