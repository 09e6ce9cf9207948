"""Images in memory at their edges. Expected values come from how they were made."""

from __future__ import annotations

from PIL import Image
import numpy as np
import pytest

from colorizer.data import images, read_rgb, sample_paths
from colorizer.data.decoding import ImageError
from tests.colors import noise, write


def test_gray_tolerates_jpeg_noise_but_not_a_tint(tmp_path):
    gray = np.repeat(noise(64, 64)[..., :1], 3, axis=-1)
    jpeg = images.read_rgb(write(tmp_path / "a.jpg", gray, quality=60))
    sepia = np.clip(gray.astype(int) + (4, 0, -4), 0, 255).astype(np.uint8)
    assert images.is_gray(np.stack([gray, jpeg, sepia])).tolist() == [True, True, False]


def test_sepia_and_a_gray_scan_with_a_colored_edge_are_toned_and_photographs_are_not():
    gray = np.asarray(Image.fromarray(noise(8, 8)).resize((96, 80), Image.Resampling.BICUBIC))
    gray = np.repeat(gray[..., :1], 3, axis=-1) / 255.0
    sepia = np.rint(255 * gray ** np.array([0.7, 1.0, 1.5])).astype(np.uint8)
    scan = np.rint(255 * gray).astype(np.uint8)
    scan[:, :8] = (180, 120, 40)
    assert images.is_toned(sepia) and images.is_toned(scan)
    assert not any(images.is_toned(read_rgb(path)) for path in sample_paths())
    drawing = np.full((48, 48, 3), (140, 140, 180), np.uint8)  # each lightness has one color, too
    drawing[5:20, 5:20], drawing[25:42, 25:42] = (220, 100, 60), (30, 200, 90)
    drawing[5:20, 25:42] = (90, 20, 120)
    assert not images.is_toned(drawing)


def test_pil_images_of_every_mode_are_taken_as_they_look():
    palette = Image.fromarray(noise(4, 6)).quantize(8)
    for image in (palette, palette.convert("RGBA"), palette.convert("CMYK")):
        batch, is_one = images.as_batch(image)
        np.testing.assert_array_equal(batch[0], np.asarray(image.convert("RGB")))
        assert is_one


def test_resize_and_crop_keeps_the_center_is_antialiased_and_gives_a_square_of_anything():
    np.testing.assert_array_equal(images.resize_and_crop(noise(32, 41), 32), noise(32, 41)[:, 4:36])
    whole = Image.fromarray(noise(90, 30)).resize((10, 30), Image.Resampling.LANCZOS)
    expected = np.asarray(whole)[10:20].astype(int)
    np.testing.assert_allclose(images.resize_and_crop(noise(90, 30), 10), expected, atol=1)
    for height, width in ((5, 300), (1, 1), (1, 200_000)):
        assert images.resize_and_crop(noise(height, width), 32).shape == (32, 32, 3)


@pytest.mark.parametrize("shape, batch", [
    ((5, 7), (1, 5, 7, 1)), ((5, 7, 1), (1, 5, 7, 1)), ((5, 7, 3), (1, 5, 7, 3)),
    ((5, 7, 9), (5, 7, 9, 1)), ((5, 7, 9, 3), (5, 7, 9, 3)), ((5, 7, 3, 1), (5, 7, 3, 1))])
def test_axes_tell_an_image_from_a_batch(shape, batch):
    array = np.arange(np.prod(shape), dtype=np.uint16).reshape(shape)
    result, is_one = images.as_batch(array)
    np.testing.assert_array_equal(result, array.reshape(batch), strict=True)
    assert is_one == (batch[0] == 1)


@pytest.mark.parametrize("shape, dtype", [
    *[(shape, "uint8") for shape in (
        (), (5,), (5, 7, 2), (5, 7, 4), (5, 7, 9, 4), (1, 5, 7, 9, 3), (5, 0, 3), (0, 4, 4, 3))],
    *[((4, 5), dtype) for dtype in ("int64", "bool", "U3", "object")]])
def test_other_shapes_types_and_ranges_are_refused_by_name(shape, dtype):
    with pytest.raises(ImageError) as caught:
        images.as_batch(np.zeros(shape, dtype))
    assert str(caught.value).endswith(f"Received: dtype={np.dtype(dtype)}, shape={list(shape)}")
    for value in (-0.01, 255.0, np.nan):
        with pytest.raises(ImageError, match="in \\[0, 1\\]. Received: "):
            images.as_batch(np.array([[0.5, value]]))


@pytest.mark.parametrize("dtype, full", [
    ("uint8", 255), ("uint16", 65535), ("float16", 1), ("float32", 1), ("float64", 1)])
def test_white_is_1_and_a_fifth_of_it_is_a_fifth_in_every_type(dtype, full):
    rgb = images.unit_rgb(np.array([[[[0], [full / 5], [full]]]]).astype(dtype))
    np.testing.assert_allclose(rgb, [[[[0.0] * 3, [0.2] * 3, [1.0] * 3]]], atol=1e-4)
