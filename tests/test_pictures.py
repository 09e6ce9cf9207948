"""Which arrays are pictures."""

import numpy as np
import pytest

from colorizer.data import arrays as pictures


@pytest.mark.parametrize("shape, batch, one", [
    ((5, 7), (1, 5, 7, 1), True), ((5, 7, 1), (1, 5, 7, 1), True), ((5, 7, 3), (1, 5, 7, 3), True),
    ((5, 7, 9), (5, 7, 9, 1), False), ((5, 7, 9, 1), (5, 7, 9, 1), False),
    ((5, 7, 9, 3), (5, 7, 9, 3), False), ((5, 7, 3, 1), (5, 7, 3, 1), False),
    ((1, 1), (1, 1, 1, 1), True), ((2, 6, 5), (2, 6, 5, 1), False),
])
def test_axes_tell_a_picture_from_a_batch(shape, batch, one):
    array = np.arange(np.prod(shape), dtype=np.uint16).reshape(shape)
    result, is_one = pictures.as_batch(array)
    assert result.shape == batch and is_one == one
    np.testing.assert_array_equal(result.ravel(), array.ravel())


@pytest.mark.parametrize("shape", [
    (), (5,), (5, 7, 2), (5, 7, 4), (5, 7, 9, 4), (5, 7, 9, 2), (1, 5, 7, 9, 3), (0, 5), (5, 0, 3),
    (0, 4, 4, 3)])
def test_other_shapes_are_refused_by_name(shape):
    with pytest.raises(pictures.PictureError, match="Received: dtype=uint8, shape=") as caught:
        pictures.as_batch(np.zeros(shape, np.uint8))
    assert str(list(shape)) in str(caught.value)


@pytest.mark.parametrize("dtype", ["int8", "int32", "int64", "uint32", "bool", "complex64", "U3",
                                   "object"])
def test_other_types_are_refused_by_name(dtype):
    with pytest.raises(pictures.PictureError, match="Received: dtype="):
        pictures.as_batch(np.zeros((4, 5), dtype))


@pytest.mark.parametrize("value", [-0.01, 1.01, 255.0, np.nan, np.inf])
def test_floats_outside_0_to_1_are_refused(value):
    array = np.full((4, 5), 0.5)
    array[2, 3] = value
    with pytest.raises(pictures.PictureError, match="in \\[0, 1\\]. Received: "):
        pictures.as_batch(array)


@pytest.mark.parametrize("dtype, full", [("uint8", 255), ("uint16", 65535), ("float32", 1.0),
                                         ("float64", 1.0), ("float16", 1.0)])
def test_white_is_1_and_a_fifth_of_it_is_a_fifth_in_every_type(dtype, full):
    array = np.array([0, full / 5, full]).astype(dtype).reshape(1, 1, 3, 1)
    rgb = pictures.unit_rgb(array)
    assert rgb.dtype == np.float32 and rgb.shape == (1, 1, 3, 3)
    np.testing.assert_allclose(rgb[0, 0], np.repeat([[0.0], [0.2], [1.0]], 3, 1), atol=1e-4)
