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


def palette():
    image = Image.new("P", (2, 1))
    image.putpalette([*RED, *BLUE])
    image.putdata([0, 1])
    return image


def reason(path):
    with pytest.raises(ImageError) as caught:
        images.read_image(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ") and "\n" not in message
    return message[len(f"{path}: "):]


def test_every_8_bit_value_is_read_exactly(tmp_path):
    rgb = np.stack([np.arange(256, dtype=np.uint8).reshape(16, 16)] * 3, axis=-1)
    rgb[..., 1] = rgb[::-1, :, 0]
    read = images.read_image(write(tmp_path / "a.png", rgb))
    assert read.rgb.dtype == np.float32 and read.alpha is None and read.format == "PNG"
    np.testing.assert_array_equal(read.rgb, (rgb / 255).astype(np.float32))
    np.testing.assert_array_equal(images.read_rgb(tmp_path / "a.png"), rgb)


@pytest.mark.parametrize("name, values, expected", [
    ("a.png", np.array([[0, 13107, 65534, 65535]], np.uint16), [0, 0.2, 65534 / 65535, 1]),
    ("a.tif", Image.frombytes("I;16B", (2, 1), b"\x33\x33\xff\xff"), [0.2, 1]),
    ("a.tif", np.array([[0, 13107, 65535]], np.int32), [0, 0.2, 1]),
    ("a.tif", np.array([[-100, 0, 300]], np.int32), [0, 0.25, 1]),
    ("a.tif", np.array([[0.0, 0.5]], np.float32), [0, 0.5]),
    ("a.tif", np.array([[0.0, 50.0, 200.0]], np.float32), [0, 0.25, 1]),
    ("a.tif", np.array([[-3.0, -3.0]], np.float32), [0, 0])])
def test_deep_gray_keeps_its_precision_and_its_scale_or_is_stretched(
        tmp_path, name, values, expected):
    image = Image.fromarray(values) if isinstance(values, np.ndarray) else values
    image.save(tmp_path / name)
    rgb = images.read_image(tmp_path / name).rgb
    np.testing.assert_allclose(rgb, np.stack([[expected]] * 3, axis=-1), rtol=1e-6)


# How an image whose stored rows are [[R, G], [B, K]] must be displayed, EXIF 2.3 table 6.
@pytest.mark.parametrize("orientation, displayed", [
    (1, "RGBK"), (2, "GRKB"), (3, "KBGR"), (4, "BKRG"),
    (5, "RBGK"), (6, "BRKG"), (7, "KGBR"), (8, "GKRB"),
    (0, "RGBK"), (99, "RGBK")])
@pytest.mark.parametrize("name", ["a.png", "a.tif", "a.webp"])
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
    ("a.png", palette(), {}, [RED, BLUE], None),
    ("a.png", palette(), {"transparency": 0}, [RED, BLUE], [0, 255]),
    ("a.png", Image.fromarray(np.array([[257, 514]], np.uint16)), {"transparency": 514},
     [(1,) * 3, (2,) * 3], [255, 0]),
    ("a.png", Image.merge("LA", [Image.new("L", (2, 1), 51), Image.new("L", (2, 1), 7)]), {},
     [(51,) * 3] * 2, [7, 7]),
    ("a.webp", Image.new("RGBA", (2, 1), (10, 20, 30, 0)), {"lossless": True, "exact": True},
     [(10, 20, 30)] * 2, [0, 0])])
def test_every_mode_becomes_rgb_and_its_transparency_alpha(
        tmp_path, name, stored, options, rgb, alpha):
    stored.save(tmp_path / name, **options)
    read = images.read_image(tmp_path / name)
    np.testing.assert_allclose(read.rgb, np.array([rgb]) / 255, atol=1e-6)
    np.testing.assert_array_equal(images.read_rgb(tmp_path / name), [rgb])
    assert (None if read.alpha is None else read.alpha.tolist()) == (alpha and [alpha])


@pytest.mark.parametrize("name", ["a.gif", "a.webp", "a.png"])
def test_animation_gives_its_first_frame(tmp_path, name):
    frames = [Image.new("RGB", (4, 3), color) for color in (RED, GREEN, BLUE)]
    options = {"lossless": True} if name == "a.webp" else {}
    frames[0].save(tmp_path / name, save_all=True, append_images=frames[1:], **options)
    np.testing.assert_array_equal(
        images.read_rgb(tmp_path / name), np.broadcast_to(RED, (3, 4, 3)))


def test_bytes_not_name_decide_the_format(tmp_path):
    path = write(tmp_path / "a.png", noise(8, 8), format="JPEG")
    assert images.read_image(path).format == "JPEG"


def test_odd_names_read_and_write(tmp_path):
    for name in ("写真 (1) — naïve.png", "no suffix", "a[1].png", "x" * 251 + ".png"):
        images.write_image(tmp_path / name, noise(3, 4))
        np.testing.assert_array_equal(images.read_rgb(tmp_path / name), noise(3, 4))


# ------------------------------------------------------------------------------------- refusing

@pytest.mark.parametrize("content, why", [
    (b"", "empty file"), (b"just text\n", "not an image (bytes not recognized)"),
    (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "not an image (bytes not recognized)")])
def test_empty_files_text_and_postscript_are_no_images(tmp_path, content, why):
    (tmp_path / "a.png").write_bytes(content)
    assert reason(tmp_path / "a.png") == why


def test_pixels_that_are_no_numbers_are_refused(tmp_path):
    path = write(tmp_path / "a.tif", np.array([[0.0, np.nan]], np.float32))
    assert reason(path) == "damaged: pixel values are not all finite"


@pytest.mark.parametrize("name", NAMES)
def test_truncated_file_is_refused_as_damaged(tmp_path, name):
    content = write(tmp_path / name, noise(64, 64)).read_bytes()
    for share in (0.02, 0.3, 0.9):
        (tmp_path / name).write_bytes(content[:max(16, int(len(content) * share))])
        assert reason(tmp_path / name).startswith("damaged: ")


@pytest.mark.parametrize("width, height, megapixels", [
    (30_000, 30_000, 900), (10_000, 10_001, 101), (15_000, 10_000, 150)])
@pytest.mark.parametrize("action", ["ignore", "error"])
def test_huge_header_is_refused_before_decoding(tmp_path, width, height, megapixels, action):
    (tmp_path / "a.ppm").write_text(f"P6 {width} {height} 255\n")
    with warnings.catch_warnings(action=action):
        assert reason(tmp_path / "a.ppm") == f"{megapixels} megapixels exceeds the limit of 100"


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name", ["a.png", "a.tif"])
def test_pillows_own_lower_limit_holds_for_others_only(tmp_path, monkeypatch, name):
    assert Image.MAX_IMAGE_PIXELS == 1024**3 // 12  # as Pillow has it: importing changes nothing
    path = write(tmp_path / name, noise(20, 30))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 500)
    monkeypatch.setattr(images, "MAX_PIXELS", 1000)
    with ThreadPoolExecutor(8) as executor:
        for rgb in executor.map(images.read_rgb, [path] * 200):
            np.testing.assert_array_equal(rgb, noise(20, 30))
    with pytest.raises(Image.DecompressionBombWarning):
        Image.open(path).load()


def test_what_is_no_readable_file_is_refused(tmp_path):
    assert reason(tmp_path / "none.png") == "No such file or directory"
    with pytest.raises(ImageError, match="a b.png: No such file"):  # in one line
        images.read_image(tmp_path / "a\nb.png")
    assert reason(tmp_path) == "not a regular file"
    os.mkfifo(tmp_path / "pipe.png")
    assert reason(tmp_path / "pipe.png") == "not a regular file"
    write(tmp_path / "a.png", noise(2, 2)).chmod(0)
    if not os.access(tmp_path / "a.png", os.R_OK):  # root may read everything
        assert reason(tmp_path / "a.png") == "Permission denied"


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.filterwarnings("ignore")
def test_random_damage_gives_an_image_or_an_image_error(tmp_path, name):
    whole = write(tmp_path / name, noise(16, 16)).read_bytes()
    for seed in range(20):
        content, random = bytearray(whole), np.random.default_rng(seed)
        for position in random.integers(0, min(len(content), 200), 6):
            content[position] = random.integers(256)
        (tmp_path / name).write_bytes(content)
        try:
            assert images.read_image(tmp_path / name).rgb.shape[-1] == 3
        except ImageError as error:
            assert str(error).startswith(f"{tmp_path / name}: ")


# ------------------------------------------------------------------------------- gray and resize

def test_is_gray_tolerates_jpeg_noise_but_not_a_tint(tmp_path):
    gray = np.repeat(noise(64, 64)[..., :1], 3, axis=-1)
    jpeg = images.read_rgb(write(tmp_path / "a.jpg", gray, quality=60))
    sepia = np.clip(gray.astype(int) + (4, 0, -4), 0, 255).astype(np.uint8)
    assert images.is_gray(gray) and images.is_gray(jpeg) and not images.is_gray(sepia)


def test_is_gray_tells_a_mean_spread_below_2_for_each_image_of_a_batch():
    batch = np.zeros((4, 4, 5, 3), np.uint8)
    batch[..., 1] = np.array([0, 1, 2, 255])[:, None, None]
    np.testing.assert_array_equal(images.is_gray(batch), [True, True, False, False])
    assert images.is_gray(batch[:0]).shape == (0,)


@pytest.mark.parametrize("height, width", [
    (2, 2), (32, 32), (5, 300), (300, 5), (101, 64), (1, 1), (1, 200_000)])
def test_resize_and_crop_gives_a_square(height, width):
    for size in (1, 32, 64):
        result = images.resize_and_crop(noise(height, width), size)
        assert result.shape == (size, size, 3) and result.dtype == np.uint8


def test_resize_and_crop_keeps_the_center_and_is_antialiased():
    for rgb in (noise(32, 32), noise(32, 41)):
        left = (rgb.shape[1] - 32) // 2
        np.testing.assert_array_equal(images.resize_and_crop(rgb, 32), rgb[:, left:left + 32])
    whole = Image.fromarray(noise(90, 30)).resize((10, 30), Image.Resampling.LANCZOS)
    expected = np.asarray(whole)[10:20].astype(int)
    np.testing.assert_allclose(images.resize_and_crop(noise(90, 30), 10), expected, atol=1)


# ---------------------------------------------------------------------------------------- writing

@pytest.mark.parametrize("name, image_format, has_alpha", [
    ("a.png", "PNG", True), ("a.PNG", "PNG", True), ("a.webp", "WEBP", True),
    ("a.bmp", "BMP", False), ("a.tif", "TIFF", True), ("a.TIFF", "TIFF", True), ("a", "PNG", True),
    ("a.2019", "PNG", True)])
def test_lossless_formats_give_back_every_pixel_and_the_colors_beneath_alpha(
        tmp_path, name, image_format, has_alpha):
    path, rgb, alpha = tmp_path / "new" / name, noise(9, 11), noise(9, 11, seed=1)[..., 0].copy()
    alpha[0] = 0
    for expected in [rgb, np.dstack([rgb, alpha])][:1 + has_alpha]:
        images.write_image(path, rgb, alpha if expected.shape[-1] == 4 else None)
        with Image.open(path) as image:
            assert image.format == image_format
            np.testing.assert_array_equal(np.asarray(image), expected)


def test_jpeg_is_written_at_quality_95_without_chroma_subsampling(tmp_path):
    images.write_image(tmp_path / "a.jpg", noise(16, 16))
    Image.fromarray(noise(16, 16)).save(tmp_path / "b.jpg", quality=95, subsampling="4:4:4")
    assert (tmp_path / "a.jpg").read_bytes() == (tmp_path / "b.jpg").read_bytes()


def test_what_cannot_be_written_whole_is_refused(tmp_path, monkeypatch):
    for name in ("a.jpg", "a.bmp"):
        with pytest.raises(ValueError, match="`alpha` needs.*Received"):
            images.write_image(tmp_path / name, noise(2, 2), np.zeros((2, 2), np.uint8))
    for wrong in (noise(2, 2) / 255, noise(2, 2)[..., 0], noise(2, 2)[np.newaxis]):
        with pytest.raises(ValueError, match="`rgb` must be uint8.*Received"):
            images.write_image(tmp_path / "a.png", wrong)
    (tmp_path / "a.png").write_bytes(b"old")
    monkeypatch.setattr(Image.Image, "save", lambda *args, **kwargs: os.open("/no/where", 0))
    with pytest.raises(OSError):
        images.write_image(tmp_path / "a.png", noise(2, 2))
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"old"]


# ----------------------------------------------------------------------------------------- arrays

@pytest.mark.parametrize("shape, batch", [
    ((5, 7), (1, 5, 7, 1)), ((5, 7, 1), (1, 5, 7, 1)), ((5, 7, 3), (1, 5, 7, 3)),
    ((1, 1), (1, 1, 1, 1)), ((5, 7, 9), (5, 7, 9, 1)), ((2, 6, 5), (2, 6, 5, 1)),
    ((5, 7, 9, 1), (5, 7, 9, 1)), ((5, 7, 9, 3), (5, 7, 9, 3)), ((5, 7, 3, 1), (5, 7, 3, 1))])
def test_axes_tell_an_image_from_a_batch(shape, batch):
    array = np.arange(np.prod(shape), dtype=np.uint16).reshape(shape)
    result, is_one = images.as_batch(array)
    assert result.shape == batch and is_one == (batch[0] == 1)
    np.testing.assert_array_equal(result.ravel(), array.ravel())


@pytest.mark.parametrize("shape, dtype", [
    *[(shape, "uint8") for shape in (
        (), (5,), (5, 7, 2), (5, 7, 4), (5, 7, 9, 4), (5, 7, 9, 2), (1, 5, 7, 9, 3), (0, 5),
        (5, 0, 3), (0, 4, 4, 3))],
    *[((4, 5), dtype) for dtype in (
        "int8", "int32", "int64", "uint32", "bool", "complex64", "U3", "object")]])
def test_other_shapes_and_types_are_refused_by_name(shape, dtype):
    with pytest.raises(ImageError) as caught:
        images.as_batch(np.zeros(shape, dtype))
    text = str(caught.value)
    assert f"Received: dtype={np.dtype(dtype)}" in text and text.endswith(f"={list(shape)}")


@pytest.mark.parametrize("value", [-0.01, 1.01, 255.0, np.nan, np.inf])
def test_floats_outside_0_to_1_are_refused(value):
    with pytest.raises(ImageError, match="in \\[0, 1\\]. Received: "):
        images.as_batch(np.array([[0.5, value]]))


@pytest.mark.parametrize("dtype, full", [
    ("uint8", 255), ("uint16", 65535), ("float16", 1), ("float32", 1), ("float64", 1)])
def test_white_is_1_and_a_fifth_of_it_is_a_fifth_in_every_type(dtype, full):
    rgb = images.unit_rgb(np.array([0, full / 5, full]).astype(dtype).reshape(1, 1, 3, 1))
    assert rgb.dtype == np.float32 and rgb.shape == (1, 1, 3, 3)
    np.testing.assert_allclose(rgb[0, 0], np.repeat([[0.0], [0.2], [1.0]], 3, 1), atol=1e-4)
