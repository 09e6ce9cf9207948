"""Image files at their edges. Expected values come from how the files were made."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
import os
import struct
import warnings
import zlib

from PIL import Image, PngImagePlugin
import numpy as np
import pytest
import tifffile

from colorizer.data import decoding
from colorizer.data.decoding import ImageError
from colorizer.data.images import read_rgb
from tests.colors import noise, write

NAMES = ["a.png", "a.jpg", "a.gif", "a.webp", "a.bmp", "a.tif"]
RED, GREEN, BLUE, BLACK = (255, 0, 0), (0, 255, 0), (0, 0, 255), (0, 0, 0)
PALETTE = Image.fromarray(np.array([[RED, BLUE]], np.uint8)).quantize()


def reason(path):
    with pytest.raises(ImageError) as caught:
        decoding.read_image(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ") and "\n" not in message
    return message[len(f"{path}: "):]


def test_every_8_bit_value_is_read_exactly_and_bytes_decide_the_format(tmp_path):
    rgb = np.stack([np.arange(256, dtype=np.uint8).reshape(16, 16)] * 3, axis=-1)
    rgb[..., 1] = rgb[::-1, :, 0]
    read = decoding.read_image(write(tmp_path / "a.jpg", rgb, format="PNG"))
    assert read.alpha is None and read.format == "PNG"
    np.testing.assert_array_equal(read.rgb, rgb, strict=True)
    np.testing.assert_array_equal(read_rgb(tmp_path / "a.jpg"), rgb)


@pytest.mark.parametrize("values, name, expected", [
    (np.array([[0, 13107, 65534, 65535]], np.uint16), "a.png", [0, 13107, 65534, 65535]),
    (np.array([[0, 13107, 65535]], ">u2"), "a.tif", [0, 13107, 65535]),
    (np.array([[0, 13107, 65535]], np.int32), "a.tif", [0, 13107, 65535]),
    (np.array([[0.0, 0.2, 1.0004]], np.float32), "a.tif", [0, 13107, 65535]),
    (np.array([[-0.01, 51.0, 255.0]], np.float32), "a.tif", [0, 13107, 65535]),
    (np.array([[0.0, 13107.0, 65535.0]], np.float32), "a.tif", [0, 13107, 65535])])
def test_deep_gray_keeps_its_precision_and_its_scale(tmp_path, values, name, expected):
    rgb = decoding.read_image(write(tmp_path / name, values)).rgb
    np.testing.assert_array_equal(rgb, np.stack([[expected]] * 3, axis=-1).astype("uint16"),
                                  strict=True)


@pytest.mark.parametrize("values, options, expected", [
    (np.array([[0, 2**32 // 5, 2**32 - 1]], np.uint32), {}, [0, 13107, 65535]),
    (np.array([[0, 13107, 65535]], np.uint32), {}, [0, 13107, 65535]),
    (np.array([[65535, 52428, 0]], np.uint16), {"photometric": "miniswhite"}, [0, 13107, 65535]),
    (np.array([[0, 6553, 32767]], np.int16), {}, [0, 13106, 65535])])
def test_other_kinds_of_deep_tiff_are_read_to_their_scale(tmp_path, values, options, expected):
    tifffile.imwrite(tmp_path / "a.tif", values, **options)
    rgb = decoding.read_image(tmp_path / "a.tif").rgb
    np.testing.assert_allclose(rgb[0, :, 0], expected, atol=1)


@pytest.mark.parametrize("values", [
    np.array([[-3.0, 0.5]], np.float32), np.array([[0, 1e6]], np.float32),
    np.array([[-100, 300]], np.int32), np.zeros((4, 5, 2), np.uint16)])
def test_what_is_not_supported_is_not_called_damaged(tmp_path, values):
    tifffile.imwrite(tmp_path / "a.tif", values, photometric="minisblack", planarconfig="contig")
    assert reason(tmp_path / "a.tif").startswith("not supported: ")


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
    read = decoding.read_image(write(tmp_path / name, stored, exif=exif, **options))
    np.testing.assert_array_equal(np.dstack([read.rgb, read.alpha]), expected)


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
def test_damaged_exif_loses_neither_the_pixels_nor_a_sound_orientation(tmp_path, monkeypatch):
    path = write(tmp_path / "a.jpg", noise(8, 8), exif=b"Exif\0\0II*\0\xff\xff\xff\x7f")
    assert read_rgb(path).shape == (8, 8, 3)
    exif = Image.Exif()
    exif[0x0112] = 6
    path = write(tmp_path / "b.png", noise(4, 9), exif=exif)
    monkeypatch.setattr(Image.Exif, "tobytes", lambda self: 1 / 0)  # as on a tag of a wrong type
    assert read_rgb(path).shape == (9, 4, 3)


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
    read = decoding.read_image(tmp_path / name)
    np.testing.assert_array_equal(read_rgb(tmp_path / name), [rgb])
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
        decoding.read_image(tmp_path / "a\nb.png")
    path = write(tmp_path / "a.tif", np.array([[0.0, np.nan]], np.float32))
    assert reason(path) == "not supported: pixel values that are not all finite"


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
            assert decoding.read_image(path).rgb.shape[-1] == 3
        except ImageError as error:
            assert str(error).startswith(f"{path}: ")


@pytest.mark.parametrize("action", ["ignore", "error"])
def test_a_huge_header_is_refused_before_decoding(tmp_path, action):
    for size in ("30000 30000", "10000 10001"):
        (tmp_path / "a.ppm").write_text(f"P6 {size} 255\n")
        with warnings.catch_warnings(action=action):
            assert reason(tmp_path / "a.ppm").startswith("more than 100 megapixels")


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name", NAMES[:-1])  # of a large TIFF Pillow may warn
def test_pillows_own_lower_limit_holds_for_others_only(tmp_path, monkeypatch, name):
    path = write(tmp_path / name, noise(20, 30))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 500)
    monkeypatch.setattr(decoding, "MAX_PIXELS", 1000)
    with ThreadPoolExecutor(8) as executor:
        assert {rgb.shape for rgb in executor.map(read_rgb, [path] * 50)} == {(20, 30, 3)}
    assert Image.MAX_IMAGE_PIXELS == 500


def gray_profile(gamma):
    """An ICC profile of gray with a power law, as the ICC specification lays it out."""
    white = struct.pack(">4siiii", b"XYZ ", 0, 63190, 65536, 54061)
    curve = struct.pack(">4siIHxx", b"curv", 0, 1, round(gamma * 256))
    text = b"desc" + struct.pack(">iI", 0, 5) + b"gray\0" + bytes(78)
    tags, place, body = [], 128 + 4 + 3 * 12, b""
    for name, content in ((b"desc", text), (b"wtpt", white), (b"kTRC", curve)):
        content += bytes(-len(content) % 4)
        tags.append(struct.pack(">4sII", name, place + len(body), len(content)))
        body += content
    head = struct.pack(">I4sI4s4s4s12s4s4s", place + len(body), b"\0\0\0\0", 0x02400000, b"mntr",
                       b"GRAY", b"XYZ ", bytes(12), b"acsp", bytes(4))
    head += bytes(28) + struct.pack(">iii", 63190, 65536, 54061)
    return head.ljust(128, b"\0") + struct.pack(">I", 3) + b"".join(tags) + body


def srgb(light):
    """IEC 61966-2-1."""
    light = np.asarray(light, float)
    return np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)


@pytest.mark.parametrize("gamma", [1.0, 1.8])
def test_gray_profiles_of_8_and_16_bits_are_applied(tmp_path, gamma):
    level = np.arange(256, dtype=np.uint8)[np.newaxis]
    for values in (level, level * np.uint16(257)):
        path = write(tmp_path / "a.png", values, icc_profile=gray_profile(gamma))
        rgb = decoding.read_image(path).rgb
        full = np.iinfo(rgb.dtype).max
        expected = full * srgb((level / 255) ** gamma)
        np.testing.assert_allclose(rgb[..., 0], expected, atol=0.6 * full / 255)


def test_the_gamma_of_a_png_and_the_profile_of_colors_are_applied(tmp_path):
    info = PngImagePlugin.PngInfo()
    info.add(b"gAMA", struct.pack(">I", 100_000))  # linear light
    level = np.arange(256, dtype=np.uint8)[np.newaxis]
    rgb = read_rgb(write(tmp_path / "a.png", level, pnginfo=info))
    np.testing.assert_allclose(rgb[..., 1], 255 * srgb(level / 255), atol=0.51)
    lab = Image.frombytes("LAB", (2, 1), bytes((137, 0, 0, 255, 0, 0)))  # L* 53.7 and 100
    lab.save(tmp_path / "a.tif")
    np.testing.assert_allclose(read_rgb(tmp_path / "a.tif"), [[[128] * 3, [255] * 3]], atol=2)


def test_a_damaged_profile_or_metadata_lose_no_pixels(tmp_path):
    expected = noise(9, 7)
    read = decoding.read_image(write(tmp_path / "a.png", expected, icc_profile=b"no profile"))
    np.testing.assert_array_equal(read.rgb, expected)
    assert "color profile" in read.warnings[0]
    for after_pixels in (False, True):
        info = PngImagePlugin.PngInfo()
        info.add(b"zTXt", b"a\0\0" + zlib.compress(b"x" * 2**23), after_pixels)
        read = decoding.read_image(write(tmp_path / "b.png", expected, pnginfo=info))
        np.testing.assert_array_equal(read.rgb, expected)
        assert "metadata" in read.warnings[0]


@pytest.mark.parametrize("progressive", [False, True])
def test_a_jpeg_without_its_end_is_read_if_no_pixel_is_missing(tmp_path, progressive):
    path = write(tmp_path / "a.jpg", noise(64, 64), progressive=progressive)
    whole, expected = path.read_bytes(), read_rgb(path)
    for missing in (1, 2):
        path.write_bytes(whole[:-missing])
        read = decoding.read_image(path)
        np.testing.assert_array_equal(read.rgb, expected)
        assert "last bytes" in read.warnings[0]
    path.write_bytes(whole[:-20])
    assert reason(path).startswith("damaged: ")


def test_a_thumbnail_before_a_page_is_passed_over_and_other_pages_are_named(tmp_path):
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        file.write(noise(3, 4), photometric="rgb", subfiletype=1)
        for seed in (1, 2):
            file.write(noise(30, 40, seed), photometric="rgb")
    read = decoding.read_image(tmp_path / "a.tif")
    np.testing.assert_array_equal(read.rgb, noise(30, 40, seed=1))
    assert read.warnings == ("only the first of its 2 pages is read",)


def test_what_telephones_put_behind_a_photograph_changes_nothing(tmp_path):
    first, second = Image.fromarray(noise(64, 64)), Image.fromarray(noise(64, 64, seed=1))
    first.save(tmp_path / "a.jpg", format="MPO", save_all=True, append_images=[second])
    read = decoding.read_image(tmp_path / "a.jpg")
    assert read.warnings == () and read.format == "MPO"
    with open(tmp_path / "a.jpg", "ab") as file:  # a video, in which any bytes come
        file.write(noise(3000, 1000).tobytes())
    np.testing.assert_array_equal(read_rgb(tmp_path / "a.jpg"), read.rgb)


def test_many_scans_a_long_side_and_heic_are_refused_in_words(tmp_path):
    whole = write(tmp_path / "a.jpg", noise(64, 64), progressive=True).read_bytes()
    scan = whole[whole.rindex(b"\xff\xda"):-2]
    size = struct.pack(">HH", 9000, 9000)
    large = whole.replace(struct.pack(">HH", 64, 64), size, 1)[:-2] + 30 * scan
    (tmp_path / "a.jpg").write_bytes(large + b"\xff\xd9")
    assert reason(tmp_path / "a.jpg") == "too many progressive scans"
    (tmp_path / "a.ppm").write_text("P5 2000000 1 255\n")
    assert reason(tmp_path / "a.ppm") == "a side of more than 1000000 pixels"
    with open(tmp_path / "a.tif", "wb") as file:
        file.truncate(10**9)
    assert reason(tmp_path / "a.tif") == "a file of more than 800 MB"
    (tmp_path / "a.heic").write_bytes(b"\0\0\0\x18ftypheic" + bytes(200))
    assert "pip install pillow-heif" in reason(tmp_path / "a.heic")
