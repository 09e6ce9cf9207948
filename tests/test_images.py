"""Picture files at their edges. Expected values come from how the files were made."""

from __future__ import annotations

import os
from pathlib import Path
import struct
import zlib

from PIL import Image
import numpy as np
import pytest

from colorizer.data import images
from colorizer.data.images import ImageError

BAD = Path(__file__).resolve().parents[2] / "shared" / "data" / "bad"
needs_bad = pytest.mark.skipif(not BAD.is_dir(), reason="shared sample data not present")

RED, GREEN, BLUE = (255, 0, 0), (0, 255, 0), (0, 0, 255)


def noise(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def save(path: Path, array: np.ndarray, **options) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path, **options)
    return path


def png_header(width: int, height: int) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header)
            + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b""))


def reason(path: Path) -> str:
    with pytest.raises(ImageError) as caught:
        images.read_picture(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ") and "\n" not in message
    return message[len(f"{path}: "):]


# ---------------------------------------------------------------------------------------- reading

def test_rgb_png_reads_exactly(tmp_path):
    rgb = noise(5, 7)
    picture = images.read_picture(save(tmp_path / "a.png", rgb))
    assert picture.rgb.dtype == np.float32 and picture.alpha is None and picture.format == "PNG"
    np.testing.assert_array_equal(picture.rgb, (rgb / 255).astype(np.float32))
    np.testing.assert_array_equal(images.read_rgb(tmp_path / "a.png"), rgb)


def test_every_8_bit_value_survives_read_rgb(tmp_path):
    ramp = np.arange(256, dtype=np.uint8).reshape(16, 16)
    rgb = images.read_rgb(save(tmp_path / "a.png", ramp))
    np.testing.assert_array_equal(rgb, np.stack([ramp] * 3, axis=-1))


def test_16_bit_gray_keeps_its_precision(tmp_path):
    values = np.array([[0, 1, 256], [32768, 65534, 65535]], dtype=np.uint16)
    picture = images.read_picture(save(tmp_path / "a.png", values))
    expected = (values / 65535).astype(np.float32)
    np.testing.assert_allclose(picture.rgb, np.stack([expected] * 3, axis=-1), rtol=1e-6)


def test_big_endian_16_bit_tiff_equals_the_png(tmp_path):
    values = np.array([[0, 258, 65535]], dtype=np.uint16)
    Image.frombytes("I;16B", (3, 1), values.astype(">u2").tobytes()).save(tmp_path / "a.tif")
    rgb = images.read_picture(tmp_path / "a.tif").rgb
    np.testing.assert_allclose(rgb[0, :, 0], [0, 258 / 65535, 1], rtol=1e-6)


@pytest.mark.parametrize("values, expected", [
    (np.array([[0, 65535]], np.int32), [0, 1]),
    (np.array([[0, 13107]], np.int32), [0, 0.2]),
    (np.array([[-100, 0, 300]], np.int32), [0, 0.25, 1]),
    (np.array([[0.0, 0.5]], np.float32), [0, 0.5]),
    (np.array([[0.0, 50.0, 200.0]], np.float32), [0, 0.25, 1]),
    (np.array([[-3.0, -3.0]], np.float32), [0, 0]),
])
def test_32_bit_modes_use_their_scale_or_are_stretched(tmp_path, values, expected):
    rgb = images.read_picture(save(tmp_path / "a.tif", values)).rgb
    np.testing.assert_allclose(rgb[0, :, 1], expected, rtol=1e-6)


def test_nan_pixels_are_refused(tmp_path):
    path = save(tmp_path / "a.tif", np.array([[0.0, np.nan]], np.float32))
    assert "not all finite" in reason(path)


# How a picture whose stored rows are [[R, G], [B, K]] must be displayed, EXIF 2.3 table 6.
@pytest.mark.parametrize("orientation, top_left_first", [
    (1, "RGBK"), (2, "GRKB"), (3, "KBGR"), (4, "BKRG"),
    (5, "RBGK"), (6, "BRKG"), (7, "KGBR"), (8, "GKRB"),
    (0, "RGBK"), (99, "RGBK")])
@pytest.mark.parametrize("name", ["a.png", "a.tif"])
def test_exif_orientation_is_applied(tmp_path, orientation, top_left_first, name):
    colors = {"R": RED, "G": GREEN, "B": BLUE, "K": (0, 0, 0)}
    stored = np.array([[RED, GREEN], [BLUE, (0, 0, 0)]], np.uint8)
    exif = Image.Exif()
    exif[0x0112] = orientation
    rgb = images.read_rgb(save(tmp_path / name, stored, exif=exif))
    expected = np.array([colors[c] for c in top_left_first], np.uint8).reshape(2, 2, 3)
    np.testing.assert_array_equal(rgb, expected)


def test_orientation_turns_alpha_and_16_bit_too(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    rgba = np.zeros((1, 2, 4), np.uint8)
    rgba[0, :, 3] = [10, 20]
    picture = images.read_picture(save(tmp_path / "a.png", rgba, exif=exif))
    np.testing.assert_array_equal(picture.alpha, [[10], [20]])
    deep = save(tmp_path / "b.png", np.array([[0, 65535]], np.uint16), exif=exif)
    np.testing.assert_array_equal(images.read_picture(deep).rgb[:, :, 0], [[0], [1]])


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
def test_damaged_exif_does_not_lose_the_picture(tmp_path):
    path = save(tmp_path / "a.jpg", noise(8, 8), exif=b"Exif\0\0II*\0\xff\xff\xff\x7f")
    assert images.read_rgb(path).shape == (8, 8, 3)


def test_cmyk_becomes_rgb(tmp_path):
    cmyk = np.array([[(0, 0, 0, 0), (0, 0, 0, 255), (0, 255, 255, 0)]], np.uint8)
    Image.fromarray(cmyk, "CMYK").save(tmp_path / "a.tif")
    rgb = images.read_rgb(tmp_path / "a.tif")
    np.testing.assert_array_equal(rgb, [[(255, 255, 255), (0, 0, 0), RED]])


def test_palette_transparency_becomes_alpha(tmp_path):
    palette = Image.new("P", (2, 1))
    palette.putpalette([*RED, *BLUE])
    palette.putdata([0, 1])
    palette.save(tmp_path / "a.png", transparency=0)
    picture = images.read_picture(tmp_path / "a.png")
    np.testing.assert_array_equal(picture.rgb, [[(1, 0, 0), (0, 0, 1)]])
    np.testing.assert_array_equal(picture.alpha, [[0, 255]])
    palette.save(tmp_path / "b.png")
    assert images.read_picture(tmp_path / "b.png").alpha is None


def test_16_bit_transparent_value_becomes_alpha(tmp_path):
    path = save(tmp_path / "a.png", np.array([[500, 501]], np.uint16), transparency=500)
    np.testing.assert_array_equal(images.read_picture(path).alpha, [[0, 255]])


def test_gray_alpha_keeps_both_parts(tmp_path):
    Image.merge("LA", [Image.new("L", (3, 2), 51), Image.new("L", (3, 2), 7)]).save(
        tmp_path / "a.png")
    picture = images.read_picture(tmp_path / "a.png")
    np.testing.assert_allclose(picture.rgb, np.full((2, 3, 3), 0.2), rtol=1e-6)
    np.testing.assert_array_equal(picture.alpha, np.full((2, 3), 7))
    assert picture.alpha.dtype == np.uint8


def test_read_rgb_ignores_alpha(tmp_path):
    rgba = np.zeros((1, 1, 4), np.uint8)
    rgba[0, 0] = (10, 20, 30, 0)
    np.testing.assert_array_equal(images.read_rgb(save(tmp_path / "a.png", rgba)), [[[10, 20, 30]]])


def test_one_bit_is_black_and_white(tmp_path):
    path = save(tmp_path / "a.png", np.array([[True, False]]))
    np.testing.assert_array_equal(images.read_rgb(path), [[(255,) * 3, (0,) * 3]])


@pytest.mark.parametrize("name", ["a.gif", "a.webp", "a.png"])
def test_animation_gives_its_first_frame(tmp_path, name):
    frames = [Image.new("RGB", (4, 3), color) for color in (RED, GREEN, BLUE)]
    options = {"lossless": True} if name == "a.webp" else {}
    frames[0].save(tmp_path / name, save_all=True, append_images=frames[1:], **options)
    picture = images.read_picture(tmp_path / name)
    np.testing.assert_array_equal(picture.rgb, np.broadcast_to((1, 0, 0), (3, 4, 3)))


def test_bytes_not_name_decide_the_format(tmp_path):
    path = save(tmp_path / "a.png", noise(8, 8), format="JPEG")
    assert images.read_picture(path).format == "JPEG"


@pytest.mark.parametrize("name", [
    "写真 (1) — naïve.png", "no suffix", "a[1].png", "x" * 251 + ".png"])
def test_odd_names_read_and_write(tmp_path, name):
    images.write_picture(tmp_path / name, noise(3, 4))
    np.testing.assert_array_equal(images.read_rgb(tmp_path / name), noise(3, 4))


# ------------------------------------------------------------------------------------- refusing

def test_empty_file_is_refused(tmp_path):
    (tmp_path / "a.jpg").touch()
    assert reason(tmp_path / "a.jpg") == "empty file"


@pytest.mark.parametrize("content", [
    b"just text\n", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n"])
def test_text_and_postscript_are_no_images(tmp_path, content):
    (tmp_path / "a.png").write_bytes(content)
    assert reason(tmp_path / "a.png") == "not an image (bytes not recognized)"


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.gif", "a.webp", "a.bmp", "a.tif"])
@pytest.mark.parametrize("share", [0.02, 0.3, 0.9])
def test_truncated_file_is_refused_as_damaged(tmp_path, name, share):
    path = save(tmp_path / name, noise(64, 64))
    content = path.read_bytes()
    path.write_bytes(content[:max(16, int(len(content) * share))])
    assert reason(path).startswith("damaged: ")


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize("width, height, megapixels", [
    (30_000, 30_000, 900), (10_000, 10_001, 101), (15_000, 10_000, 150)])
def test_huge_header_is_refused_before_decoding(tmp_path, width, height, megapixels):
    (tmp_path / "a.png").write_bytes(png_header(width, height))
    assert reason(tmp_path / "a.png") == f"{megapixels} megapixels exceeds the limit of 100"


@pytest.mark.filterwarnings("error")
def test_bomb_warning_raised_as_error_is_an_image_error(tmp_path):
    (tmp_path / "a.png").write_bytes(png_header(15_000, 10_000))
    assert reason(tmp_path / "a.png") == "150 megapixels exceeds the limit of 100"


@pytest.mark.filterwarnings("error")
def test_header_within_the_limit_is_judged_by_its_data(tmp_path):
    (tmp_path / "a.png").write_bytes(png_header(10_000, 9_000))
    assert reason(tmp_path / "a.png").startswith("damaged: ")


def test_missing_file_folder_and_pipe_are_refused(tmp_path):
    assert reason(tmp_path / "none.png") == "No such file or directory"
    assert reason(tmp_path) == "not a regular file"
    os.mkfifo(tmp_path / "pipe.png")
    assert reason(tmp_path / "pipe.png") == "not a regular file"


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may read everything")
def test_unreadable_file_is_refused(tmp_path):
    path = save(tmp_path / "a.png", noise(2, 2))
    path.chmod(0)
    assert reason(path) == "Permission denied"


def test_line_breaks_in_a_name_do_not_break_the_message(tmp_path):
    with pytest.raises(ImageError) as caught:
        images.read_picture(tmp_path / "a\nb.png")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.gif", "a.webp", "a.bmp", "a.tif"])
@pytest.mark.filterwarnings("ignore")
def test_random_damage_gives_a_picture_or_an_image_error(tmp_path, name, seed):
    content = bytearray(save(tmp_path / name, noise(16, 16)).read_bytes())
    random = np.random.default_rng(seed)
    for position in random.integers(0, min(len(content), 200), 6):
        content[position] = random.integers(256)
    (tmp_path / name).write_bytes(content)
    try:
        assert images.read_picture(tmp_path / name).rgb.shape[-1] == 3
    except ImageError as error:
        assert str(error).startswith(f"{tmp_path / name}: ")


# ------------------------------------------------------------------------------- gray and resize

def test_is_gray_tolerates_jpeg_noise_but_not_a_tint(tmp_path):
    gray = np.repeat(noise(64, 64)[..., :1], 3, axis=-1)
    jpeg = images.read_rgb(save(tmp_path / "a.jpg", gray, quality=60))
    sepia = np.clip(gray.astype(int) + (4, 0, -4), 0, 255).astype(np.uint8)
    assert images.is_gray(gray) and images.is_gray(jpeg)
    assert not images.is_gray(sepia) and not images.is_gray(noise(8, 8))


@pytest.mark.parametrize("spread, gray", [(0, True), (1, True), (2, False), (255, False)])
def test_is_gray_threshold_is_a_mean_spread_of_two(spread, gray):
    rgb = np.zeros((4, 4, 3), np.uint8)
    rgb[..., 1] = spread
    assert bool(images.is_gray(rgb)) is gray


def test_is_gray_answers_for_each_picture_of_a_batch():
    batch = np.stack([np.full((4, 5, 3), 9, np.uint8), noise(4, 5)])
    np.testing.assert_array_equal(images.is_gray(batch), [True, False])
    assert images.is_gray(batch[np.newaxis]).shape == (1, 2)
    assert images.is_gray(batch[:0]).shape == (0,)


@pytest.mark.parametrize("height, width", [(2, 2), (32, 32), (5, 300), (300, 5), (101, 64), (1, 1)])
@pytest.mark.parametrize("size", [1, 32, 64])
def test_resize_and_crop_gives_a_square(height, width, size):
    result = images.resize_and_crop(noise(height, width), size)
    assert result.shape == (size, size, 3) and result.dtype == np.uint8


def test_resize_and_crop_of_the_right_size_changes_nothing():
    rgb = noise(32, 32)
    np.testing.assert_array_equal(images.resize_and_crop(rgb, 32), rgb)
    wide = noise(32, 41)
    np.testing.assert_array_equal(images.resize_and_crop(wide, 32), wide[:, 4:36])


def test_resize_and_crop_keeps_the_center():
    rgb = noise(90, 30)
    whole = Image.fromarray(rgb).resize((10, 30), Image.Resampling.LANCZOS)
    expected = np.asarray(whole)[10:20].astype(int)
    np.testing.assert_allclose(images.resize_and_crop(rgb, 10), expected, atol=1)


def test_reduction_is_antialiased():
    checks = np.indices((64, 64)).sum(axis=0) % 2 * 255
    reduced = images.resize_and_crop(np.stack([checks] * 3, axis=-1).astype(np.uint8), 8)
    np.testing.assert_allclose(reduced, 127.5, atol=3)


def test_very_long_strip_stays_cheap():
    strip = np.zeros((1, 200_000, 3), np.uint8)  # whole, it would be 256 x 51 million pixels
    assert images.resize_and_crop(strip, 256).shape == (256, 256, 3)


# ---------------------------------------------------------------------------------------- writing

@pytest.mark.parametrize("name, picture_format", [
    ("a.png", "PNG"), ("a.PNG", "PNG"), ("a.webp", "WEBP"), ("a.bmp", "BMP"), ("a.tif", "TIFF"),
    ("a.TIFF", "TIFF"), ("a", "PNG"), ("a.2019", "PNG")])
def test_lossless_formats_give_back_every_pixel(tmp_path, name, picture_format):
    rgb = noise(9, 11)
    images.write_picture(tmp_path / "new" / "folder" / name, rgb)
    with Image.open(tmp_path / "new" / "folder" / name) as image:
        assert image.format == picture_format
        np.testing.assert_array_equal(np.asarray(image.convert("RGB")), rgb)


@pytest.mark.parametrize("name", ["a.png", "a.webp", "a.tif", "a"])
def test_alpha_survives_with_the_colors_beneath_it(tmp_path, name):
    rgb, alpha = noise(4, 5), noise(4, 5, seed=1)[..., 0]
    alpha[0] = 0
    images.write_picture(tmp_path / name, rgb, alpha)
    with Image.open(tmp_path / name) as image:
        np.testing.assert_array_equal(np.asarray(image), np.dstack([rgb, alpha]))


def test_jpeg_is_written_at_quality_95_without_chroma_subsampling(tmp_path):
    images.write_picture(tmp_path / "a.jpg", noise(16, 16))
    Image.fromarray(noise(16, 16)).save(tmp_path / "b.jpg", quality=95, subsampling="4:4:4")
    assert (tmp_path / "a.jpg").read_bytes() == (tmp_path / "b.jpg").read_bytes()


@pytest.mark.parametrize("name", ["a.jpg", "a.bmp"])
def test_alpha_is_not_lost_silently(tmp_path, name):
    with pytest.raises(ValueError, match="`alpha` needs.*Received"):
        images.write_picture(tmp_path / name, noise(2, 2), np.zeros((2, 2), np.uint8))


def test_only_uint8_rgb_is_written(tmp_path):
    for wrong in (noise(2, 2) / 255, noise(2, 2)[..., 0], noise(2, 2)[np.newaxis]):
        with pytest.raises(ValueError, match="`rgb` must be uint8.*Received"):
            images.write_picture(tmp_path / "a.png", wrong)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("function", ["save", "replace"])
def test_failed_write_leaves_the_old_file_and_no_other(tmp_path, monkeypatch, function):
    path = tmp_path / "a.png"
    path.write_bytes(b"old")

    def fail(*args, **kwargs):
        raise OSError("disk full")

    monkeypatch.setattr(Image.Image if function == "save" else os, function, fail)
    with pytest.raises(OSError, match="disk full"):
        images.write_picture(path, noise(2, 2))
    assert list(tmp_path.iterdir()) == [path] and path.read_bytes() == b"old"


def test_written_file_has_ordinary_permissions(tmp_path):
    images.write_picture(tmp_path / "a.png", noise(2, 2))
    (tmp_path / "plain").touch()
    assert (tmp_path / "a.png").stat().st_mode == (tmp_path / "plain").stat().st_mode


# ----------------------------------------------------------- the shared hostile files (its README)

@needs_bad
@pytest.mark.parametrize("name, picture_format, size, has_alpha", [
    ("cmyk.jpg", "JPEG", (320, 214), False),
    ("gray_1channel.jpg", "JPEG", (320, 214), False),
    ("progressive_420.jpg", "JPEG", (320, 214), False),
    ("exif_orientation6.jpg", "JPEG", (320, 214), False),
    ("gray16.png", "PNG", (320, 214), False),
    ("rgb48.png", "PNG", (128, 96), False),
    ("gray_alpha.png", "PNG", (256, 171), True),
    ("palette_transparent.png", "PNG", (256, 171), True),
    ("rgba.png", "PNG", (256, 171), True),
    ("one_pixel.png", "PNG", (1, 1), False),
    ("thin_3x2000.png", "PNG", (3, 2000), False),
    ("animated.gif", "GIF", (128, 128), False),
    ("gray.tif", "TIFF", (320, 214), False),
    ("photo.webp", "WEBP", (320, 214), False),
    ("photo.bmp", "BMP", (96, 64), False),
    ("naïve photo — 写真 (1).jpg", "JPEG", (320, 214), False),
    ("jpeg_named.png", "JPEG", (256, 171), False),
    ("UPPERCASE.JPG", "JPEG", (256, 171), False),
    ("no_extension", "JPEG", (320, 214), False),
    (".hidden.jpg", "JPEG", (64, 43), False),
])
def test_odd_shared_file_reads(name, picture_format, size, has_alpha):
    picture = images.read_picture(BAD / name)
    height, width = picture.rgb.shape[:2]
    assert (picture.format, (width, height)) == (picture_format, size)
    assert (picture.alpha is not None) == has_alpha
    assert 0 <= picture.rgb.min() <= picture.rgb.max() <= 1


@needs_bad
@pytest.mark.parametrize("name, why", [
    ("truncated.jpg", "damaged: "), ("zero_byte.jpg", "empty file"),
    ("text_named.png", "not an image"), ("corrupt_idat.png", "damaged: "),
    ("bomb_30000x30000.png", "900 megapixels exceeds the limit of 100"),
    ("bomb_header_only.png", "900 megapixels exceeds the limit of 100"),
    ("README.md", "not an image"),
])
def test_hostile_shared_file_is_refused(name, why):
    assert reason(BAD / name).startswith(why)
