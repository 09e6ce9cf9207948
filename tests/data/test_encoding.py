"""Image files written, at their edges. Expected values come from Pillow and tifffile."""

from __future__ import annotations

import dataclasses
import io

from PIL import ExifTags, Image, ImageCms, PngImagePlugin
import numpy as np
import pytest
import tensorflow as tf
import tifffile

from colorizer.data.decoding import read_image
from colorizer.data.encoding import write_image
from colorizer.data.images import read_rgb
from colorizer.data.metadata import read_metadata
from tests.colors import noise, write


@pytest.mark.parametrize("name, image_format, has_alpha", [
    ("a.PNG", "PNG", True), ("a.webp", "WEBP", True), ("a.bmp", "BMP", False),
    ("a.tif", "TIFF", True), ("no suffix", "PNG", True), ("a.2019", "PNG", True),
    ("写真 (1) — naïve[1].png", "PNG", True), ("x" * 251 + ".png", "PNG", True)])
def test_lossless_formats_give_back_every_pixel_and_the_colors_beneath_alpha(
        tmp_path, name, image_format, has_alpha):
    path, rgb, alpha = tmp_path / "new" / name, noise(9, 11), noise(9, 11, seed=1)[..., 0].copy()
    alpha[0] = 0
    for expected in [rgb, np.dstack([rgb, alpha])][:1 + has_alpha]:
        write_image(path, rgb, alpha if expected.shape[-1] == 4 else None)
        np.testing.assert_array_equal(read_rgb(path), rgb)
        with Image.open(path) as image:
            assert image.format == image_format
            np.testing.assert_array_equal(np.asarray(image), expected)


def test_jpeg_is_written_at_quality_95_without_chroma_subsampling_and_no_alpha(tmp_path):
    write_image(tmp_path / "a.jpg", noise(16, 16))
    whole = write(tmp_path / "b.jpg", noise(16, 16), quality=95, subsampling="4:4:4").read_bytes()
    with pytest.raises(OSError):
        write_image(tmp_path / "a.jpg", noise(2, 2), np.zeros((2, 2), np.uint8))
    for wrong in (noise(2, 2) / 255, noise(2, 2)[..., 0], noise(2, 2)[np.newaxis]):
        with pytest.raises(ValueError, match="`rgb` must be uint8 or.*Received"):
            write_image(tmp_path / "a.jpg", wrong)
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [whole, whole]


@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.tif", "a.webp"])
def test_metadata_go_from_file_to_file_without_the_orientation(tmp_path, name):
    exif, info = Image.Exif(), PngImagePlugin.PngInfo()
    exif.update({0x010E: "Harbour", 0x0132: "1931:05:02 10:00:00", 0x013B: "Example",
                 0x8298: "(c) Archive", 0x0112: 6})
    exif[ExifTags.IFD.GPSInfo] = {1: "N", 2: (53.0, 32.0, 0.0)}
    info.add_itxt("Author", "Ænne")
    xmp = b"<x:xmpmeta xmlns:x='adobe:ns:meta/'/>"
    info.add_itxt("XML:com.adobe.xmp", xmp.decode())
    options = {"dpi": (600, 600)}
    options.update({"a.png": {"pnginfo": info}, "a.jpg": {"xmp": xmp, "comment": b"plate 12"},
                    "a.webp": {"xmp": xmp}, "a.tif": {}}[name])
    if name == "a.tif":
        exif[700] = xmp
    options["exif"] = exif.tobytes()
    source = read_image(write(tmp_path / name, noise(8, 9), **options))
    for deep in (False, True):
        rgb = source.rgb * np.uint16(257) if deep else source.rgb
        write_image(tmp_path / "new" / name, rgb, metadata=source.metadata)
        with Image.open(tmp_path / "new" / name) as image:
            image.load()
            found = image.getexif()
            assert {tag: found.get(tag) for tag in (0x010E, 0x0132, 0x013B, 0x8298)} == {
                tag: exif[tag] for tag in (0x010E, 0x0132, 0x013B, 0x8298)}
            assert found.get(0x0112, 1) == 1 and image.size == (8, 9)
            if not (deep and name == "a.tif"):
                assert found.get_ifd(ExifTags.IFD.GPSInfo)[1] == "N"
            assert name == "a.webp" or image.info["dpi"] == pytest.approx((600, 600), abs=0.1)
            assert b"adobe:ns:meta" in (image.info.get("xmp") or b"")
            assert image.info.get("comment", b"") == (b"plate 12" if name == "a.jpg" else b"")
            if name == "a.png":
                assert image.text["Author"] == "Ænne"
            assert "sRGB" in ImageCms.getProfileDescription(
                ImageCms.ImageCmsProfile(io.BytesIO(image.info["icc_profile"])))


@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.tif", "a.bmp", "a.webp"])
def test_metadata_that_a_format_cannot_hold_are_left_out(tmp_path, name):
    exif = Image.Exif()
    # What a camera says of its own file would be taken for how this one's pixels lie.
    exif.update({0x0100: 4000, 0x0101: 3000, 0x0106: 6, 0x011C: 2, 0x0153: 3, 0x010E: "Harbour"})
    source = write(tmp_path / "source.png", noise(8, 9), exif=exif.tobytes())
    kept = dataclasses.replace(
        read_image(source).metadata, xmp=b"x" * 80_000, comment=b"y" * 80_000)
    write_image(tmp_path / name, noise(8, 9), metadata=kept)
    assert read_rgb(tmp_path / name).shape == (8, 9, 3)
    for dpi in ((300, float("nan")), (float("inf"),) * 2, (4e9, 4e9), "x", (0, 0)):
        image = Image.fromarray(noise(4, 4))
        image.info["dpi"] = dpi
        write_image(tmp_path / name, noise(4, 4), metadata=read_metadata(image))


@pytest.mark.parametrize("name", ["a.png", "a.tif"])
def test_16_bits_are_written_exactly_with_and_without_alpha(tmp_path, name):
    rgb = np.random.default_rng(0).integers(0, 65536, (6, 5, 3)).astype(np.uint16)
    alpha = noise(6, 5)[..., 0]
    for given in (None, alpha):
        write_image(tmp_path / name, rgb, given)
        if name == "a.tif":
            stored = tifffile.imread(tmp_path / name)
        else:
            stored = tf.io.decode_png((tmp_path / name).read_bytes(), dtype=tf.uint16).numpy()
        np.testing.assert_array_equal(stored[..., :3], rgb)
        if given is not None:
            np.testing.assert_array_equal(stored[..., 3], given.astype(int) * 257)
    write_image(tmp_path / "a.bmp", rgb)
    np.testing.assert_array_equal(read_rgb(tmp_path / "a.bmp"), np.rint(rgb / 257))


def test_an_existing_file_is_not_replaced_by_an_exclusive_write(tmp_path):
    write_image(tmp_path / "a.png", noise(2, 2), exclusive=True)
    whole = (tmp_path / "a.png").read_bytes()
    with pytest.raises(FileExistsError):
        write_image(tmp_path / "a.png", noise(3, 3), exclusive=True)
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [whole]
