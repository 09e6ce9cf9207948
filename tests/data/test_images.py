"""Image files and arrays at their edges. Expected values come from how the files were made."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
import os
import warnings

from PIL import Image
import numpy as np
import pytest

from colorizer.data import images
from colorizer.data.images import ImageError
from tests.colors import noise, write

NAMES = ["a.png", "a.jpg", "a.gif", "a.webp", "a.bmp", "a.tif"]
RED, GREEN, BLUE, BLACK = (255, 0, 0), (0, 255, 0), (0, 0, 255), (0, 0, 0)
PALETTE = Image.fromarray(np.array([[RED, BLUE]], np.uint8)).quantize()


def reason(path):
    with pytest.raises(ImageError) as caught:
        images.read_image(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ") and "\n" not in message
    return message[len(f"{path}: "):]


def test_every_8_bit_value_is_read_exactly_and_bytes_decide_the_format(tmp_path):
    rgb = np.stack([np.arange(256, dtype=np.uint8).reshape(16, 16)] * 3, axis=-1)
    rgb[..., 1] = rgb[::-1, :, 0]
    read = images.read_image(write(tmp_path / "a.jpg", rgb, format="PNG"))
    assert read.alpha is None and read.format == "PNG"
    np.testing.assert_array_equal(read.rgb, (rgb / 255).astype(np.float32), strict=True)
    np.testing.assert_array_equal(images.read_rgb(tmp_path / "a.jpg"), rgb)


@pytest.mark.parametrize("values, name, expected", [
    (np.array([[0, 13107, 65534, 65535]], np.uint16), "a.png", [0, 0.2, 65534 / 65535, 1]),
    (np.array([[0, 13107, 65535]], ">u2"), "a.tif", [0, 0.2, 1]),
    (np.array([[0, 13107, 65535]], np.int32), "a.tif", [0, 0.2, 1]),
    (np.array([[-100, 0, 300]], np.int32), "a.tif", [0, 0.25, 1]),
    (np.array([[0.0, 0.5]], np.float32), "a.tif", [0, 0.5]),
    (np.array([[0.0, 50.0, 200.0]], np.float32), "a.tif", [0, 0.25, 1]),
    (np.array([[-3.0, -3.0]], np.float32), "a.tif", [0, 0])])
def test_deep_gray_keeps_its_precision_and_its_scale_or_is_stretched(
        tmp_path, values, name, expected):
    rgb = images.read_image(write(tmp_path / name, values)).rgb
    np.testing.assert_allclose(rgb, np.stack([[expected]] * 3, axis=-1), rtol=1e-6)


# How an image whose stored rows are [[R, G], [B, K]] must be displayed, EXIF 2.3 table 6.
@pytest.mark.parametrize("name", ["a.png", "a.tif", "a.webp"])
@pytest.mark.parametrize("orientation, displayed", [
    (1, "RGBK"), (2, "GRKB"), (3, "KBGR"), (4, "BKRG"), (5, "RBGK"), (6, "BRKG"), (7, "KGBR"),
    (8, "GKRB"), (0, "RGBK"), (99, "RGBK")])
def test_exif_orientation_is_applied_to_color_and_alpha(tmp_path, orientation, displayed, name):
    colors = {"R": (*RED, 10), "G": (*GREEN, 20), "B": (*BLUE, 30), "K": (*BLACK, 40)}
    stored, expected = (np.array([colors[letter] for letter in letters], np.uint8).reshape(2, 2, 4)
                        for letters in ("RGBK", displayed))
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"lossless": True} if name == "a.webp" else {}
    read = images.read_image(write(tmp_path / name, stored, exif=exif, **options))
    np.testing.assert_array_equal(np.dstack([read.rgb * 255, read.alpha]), expected)


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
def test_damaged_exif_loses_neither_the_pixels_nor_a_sound_orientation(tmp_path, monkeypatch):
    path = write(tmp_path / "a.jpg", noise(8, 8), exif=b"Exif\0\0II*\0\xff\xff\xff\x7f")
    assert images.read_rgb(path).shape == (8, 8, 3)
    exif = Image.Exif()
    exif[0x0112] = 6
    path = write(tmp_path / "b.png", noise(4, 9), exif=exif)
    monkeypatch.setattr(Image.Exif, "tobytes", lambda self: 1 / 0)  # as on a tag of a wrong type
    assert images.read_rgb(path).shape == (9, 4, 3)


@pytest.mark.parametrize("name, stored, options, rgb, alpha", [
    ("a.tif", Image.frombytes("CMYK", (2, 1), b"\0\0\0\xff\0\xff\xff\0"), {}, [BLACK, RED], None),
    ("a.png", Image.fromarray(np.array([[True, False]])), {}, [(255,) * 3, BLACK], None),
    ("a.png", PALETTE, {}, [RED, BLUE], None),
    ("a.png", PALETTE, {"transparency": PALETTE.getpixel((0, 0))}, [RED, BLUE], [0, 255]),
    ("a.png", Image.fromarray(np.array([[257, 514]], np.uint16)), {"transparency": 514},
     [(1,) * 3, (2,) * 3], [255, 0]),
    ("a.png", Image.new("LA", (2, 1), (51, 7)), {}, [(51,) * 3] * 2, [7, 7]),
    ("a.webp", Image.new("RGBA", (2, 1), (10, 20, 30, 0)), {"lossless": True, "exact": True},
     [(10, 20, 30)] * 2, [0, 0]),
    *[(name, Image.new("RGB", (2, 1), RED),
       {"save_all": True, "append_images": [Image.new("RGB", (2, 1), BLUE)]}, [RED] * 2, None)
      for name in ("a.gif", "a.png")]])  # of an animation, the first frame
def test_every_mode_becomes_rgb_and_its_transparency_alpha(
        tmp_path, name, stored, options, rgb, alpha):
    stored.save(tmp_path / name, **options)
    read = images.read_image(tmp_path / name)
    np.testing.assert_allclose(read.rgb, np.array([rgb]) / 255, atol=1e-6)
    np.testing.assert_array_equal(images.read_rgb(tmp_path / name), [rgb])
    assert (None if read.alpha is None else read.alpha.tolist()) == (alpha and [alpha])


def test_what_is_no_readable_file_or_no_image_is_refused(tmp_path):
    path = tmp_path / "a.png"
    for text in ("", "text\n", "%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n"):
        path.write_text(text)
        assert reason(path) == ("not an image (bytes not recognized)" if text else "empty file")
    path.chmod(0)
    if not os.access(path, os.R_OK):  # root may read everything
        assert reason(path) == "Permission denied"
    os.mkfifo(tmp_path / "pipe.png")
    assert reason(tmp_path / "pipe.png") == reason(tmp_path) == "not a regular file"
    with pytest.raises(ImageError, match="a b.png: No such file or directory"):  # in one line
        images.read_image(tmp_path / "a\nb.png")
    path = write(tmp_path / "a.tif", np.array([[0.0, np.nan]], np.float32))
    assert reason(path) == "damaged: pixel values are not all finite"


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.filterwarnings("ignore")
def test_a_truncated_file_is_refused_and_random_damage_gives_an_image_or_an_error(tmp_path, name):
    path = write(tmp_path / name, noise(64, 64))
    whole = path.read_bytes()
    for share in (0.02, 0.3, 0.9):
        path.write_bytes(whole[:max(16, int(len(whole) * share))])
        assert reason(path).startswith("damaged: ")
    for seed in range(20):
        content, random = bytearray(whole), np.random.default_rng(seed)
        for position in random.integers(0, 200, 6):
            content[position] = random.integers(256)
        path.write_bytes(content)
        try:
            assert images.read_image(path).rgb.shape[-1] == 3
        except ImageError as error:
            assert str(error).startswith(f"{path}: ")


@pytest.mark.parametrize("action", ["ignore", "error"])
def test_a_huge_header_is_refused_before_decoding(tmp_path, action):
    for size in ("30000 30000", "10000 10001"):
        (tmp_path / "a.ppm").write_text(f"P6 {size} 255\n")
        with warnings.catch_warnings(action=action):
            assert reason(tmp_path / "a.ppm") == "more than 100 megapixels"


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name", NAMES[:-1])  # of a large TIFF Pillow may warn
def test_pillows_own_lower_limit_holds_for_others_only(tmp_path, monkeypatch, name):
    path = write(tmp_path / name, noise(20, 30))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 500)
    monkeypatch.setattr(images, "MAX_PIXELS", 1000)
    with ThreadPoolExecutor(8) as executor:
        assert {rgb.shape for rgb in executor.map(images.read_rgb, [path] * 50)} == {(20, 30, 3)}
    assert Image.MAX_IMAGE_PIXELS == 500


def test_gray_tolerates_jpeg_noise_but_not_a_tint(tmp_path):
    gray = np.repeat(noise(64, 64)[..., :1], 3, axis=-1)
    jpeg = images.read_rgb(write(tmp_path / "a.jpg", gray, quality=60))
    sepia = np.clip(gray.astype(int) + (4, 0, -4), 0, 255).astype(np.uint8)
    assert images.is_gray(np.stack([gray, jpeg, sepia])).tolist() == [True, True, False]


def test_resize_and_crop_keeps_the_center_is_antialiased_and_gives_a_square_of_anything():
    np.testing.assert_array_equal(images.resize_and_crop(noise(32, 41), 32), noise(32, 41)[:, 4:36])
    whole = Image.fromarray(noise(90, 30)).resize((10, 30), Image.Resampling.LANCZOS)
    expected = np.asarray(whole)[10:20].astype(int)
    np.testing.assert_allclose(images.resize_and_crop(noise(90, 30), 10), expected, atol=1)
    for height, width in ((5, 300), (1, 1), (1, 200_000)):
        assert images.resize_and_crop(noise(height, width), 32).shape == (32, 32, 3)


@pytest.mark.parametrize("name, image_format, has_alpha", [
    ("a.PNG", "PNG", True), ("a.webp", "WEBP", True), ("a.bmp", "BMP", False),
    ("a.tif", "TIFF", True), ("no suffix", "PNG", True), ("a.2019", "PNG", True),
    ("写真 (1) — naïve[1].png", "PNG", True), ("x" * 251 + ".png", "PNG", True)])
def test_lossless_formats_give_back_every_pixel_and_the_colors_beneath_alpha(
        tmp_path, name, image_format, has_alpha):
    path, rgb, alpha = tmp_path / "new" / name, noise(9, 11), noise(9, 11, seed=1)[..., 0].copy()
    alpha[0] = 0
    for expected in [rgb, np.dstack([rgb, alpha])][:1 + has_alpha]:
        images.write_image(path, rgb, alpha if expected.shape[-1] == 4 else None)
        np.testing.assert_array_equal(images.read_rgb(path), rgb)
        with Image.open(path) as image:
            assert image.format == image_format
            np.testing.assert_array_equal(np.asarray(image), expected)


def test_jpeg_is_written_at_quality_95_without_chroma_subsampling_and_no_alpha(tmp_path):
    images.write_image(tmp_path / "a.jpg", noise(16, 16))
    whole = write(tmp_path / "b.jpg", noise(16, 16), quality=95, subsampling="4:4:4").read_bytes()
    with pytest.raises(OSError):
        images.write_image(tmp_path / "a.jpg", noise(2, 2), np.zeros((2, 2), np.uint8))
    for wrong in (noise(2, 2) / 255, noise(2, 2)[..., 0], noise(2, 2)[np.newaxis]):
        with pytest.raises(ValueError, match="`rgb` must be uint8.*Received"):
            images.write_image(tmp_path / "a.jpg", wrong)
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [whole, whole]


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
