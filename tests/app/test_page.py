"""The page in a real browser: what a user does with it, and what may go wrong."""

import io
import time
import zipfile

from PIL import Image
import numpy as np
import pytest
from skimage import color as skcolor, data as skdata

from colorizer.inference import Colorizer
from tests.app.conftest import MEGABYTES
from tests.app.page import Page
from tests.colors import SHARED

TABS = ("Colorize", "Which is real?", "Runs")


@pytest.fixture(scope="module")
def photographs(tmp_path_factory):
    """Three files: a JPEG with a date and 300 dpi, a gray PNG with transparency, and a second JPEG.
    """
    folder = tmp_path_factory.mktemp("photographs")
    exif = Image.Exif()
    exif[0x0132], exif[0x010E] = "1931:05:04 12:00:00", "The <b>cup</b>"
    paths = [folder / name for name in ("coffee & cup.jpg", "gray.png", "launch.jpg")]
    Image.fromarray(skdata.coffee()).save(paths[0], exif=exif, dpi=(300, 300))
    gray = Image.fromarray(skdata.cat()[:200, :300]).convert("L")
    gray.putalpha(Image.linear_gradient("L").resize(gray.size))
    gray.save(paths[1])
    Image.fromarray(skdata.rocket()).save(paths[2])
    return paths


@pytest.fixture(scope="module")
def driver(open_browser):
    return open_browser()


@pytest.fixture
def page(server, driver, tmp_path):
    return Page(driver, server.url, tmp_path)


def chroma(rgb):
    return np.hypot(*np.moveaxis(skcolor.rgb2lab(rgb)[..., 1:], -1, 0)).mean()


def at(rgb, x, y):
    """The mean a* and b* around a point, given by shares of width and height."""
    row, column = int(y * rgb.shape[0]), int(x * rgb.shape[1])
    return skcolor.rgb2lab(rgb)[row - 3:row + 4, column - 3:column + 4, 1:].mean(axis=(0, 1))


def test_sliders_change_the_picture_and_natural_takes_them_back(page, photographs):
    natural = page.upload(photographs[0])
    assert chroma(natural) > 8 and chroma(page.picture("gray")) < 1.5
    values = {"saturation": 0.8, "hue": 0.6, "colorfulness": 0.1, "warmth": 0.8, "vividness": 2}
    for name, value in values.items():
        assert page.is_natural(name)
        moved = page.move(name, value)
        assert np.abs(moved.astype(int) - natural).mean() > 2
        np.testing.assert_array_equal(page.set_natural(name), natural)
    moved = skcolor.rgb2hsv(page.move("saturation", 0.3))[..., 1].mean()
    assert moved == pytest.approx(0.3, abs=0.05)  # by JPEG
    assert chroma(page.move("vividness", 0)) < 1.5


def test_a_hint_colors_what_is_clicked_until_it_is_undone(page, photographs):
    natural = page.upload(photographs[0])
    first = page.point(0.6, 0.75)
    red = skcolor.rgb2lab(np.array([192, 57, 43], np.uint8))[1:]
    before, after = (np.linalg.norm(at(picture, 0.6, 0.75) - red) for picture in (natural, first))
    assert after < 0.5 * before
    page.point(0.2, 0.2)
    assert len(page.all("#viewer .hint")) == 2
    np.testing.assert_array_equal(page.change(lambda: page.click("#undo")), first)
    np.testing.assert_array_equal(page.change(lambda: page.click("#clear")), natural)
    assert not page.all("#viewer .hint")


def test_the_line_between_gray_and_color_moves(page, photographs):
    page.upload(photographs[0])
    page.driver.execute_script("""const split = document.querySelector("#viewer .split");
        split.value = 80; split.dispatchEvent(new Event("input"));""")
    image, line = (page.all(f"#viewer {name}")[0].rect for name in (".color", ".line"))
    assert (line["x"] - image["x"]) / image["width"] == pytest.approx(0.8, abs=0.01)


def test_a_download_has_full_size_and_metadata_and_what_python_gives(page, photographs):
    page.upload(photographs[0])
    page.move("hue", 0.6)
    path = page.download("#download")
    result, source = Image.open(path), Image.open(photographs[0])
    assert path.name == photographs[0].name and result.size == source.size
    assert dict(result.getexif()) == dict(source.getexif())
    assert result.info["dpi"] == (300, 300) and "icc_profile" in result.info
    expected = Colorizer.load("photos")(source, hue=0.6)
    assert np.abs(np.asarray(result).astype(int) - expected).mean() < 1.5  # of JPEG


def test_several_files_are_shown_in_turn_and_come_as_one_zip(page, photographs, tmp_path):
    bad = tmp_path / "half.jpg"
    bad.write_bytes(photographs[2].read_bytes()[:5000])
    first = page.upload(bad, *photographs)
    page.wait(lambda: "half.jpg: " in page.text())
    with zipfile.ZipFile(page.download("#all")) as archive:
        assert archive.namelist() == [path.name for path in photographs]
        with Image.open(io.BytesIO(archive.read("gray.png"))) as result:
            assert result.mode == "RGBA" and result.size == (300, 200)
            assert np.ptp(np.asarray(result)[..., :3].astype(int), axis=-1).mean() > 3
    page.click("#shown input")
    second = page.change(lambda: next(
        one for one in page.all("#shown [role=option], [role=option]")
        if "launch" in one.text).click())
    assert second.shape != first.shape


def test_pictures_of_one_name_are_all_kept(page, photographs, tmp_path):
    others = [tmp_path / folder / photographs[0].name for folder in "ab"]
    for path, image in zip(others, (skdata.cat(), skdata.coffee()[::-1])):
        path.parent.mkdir()
        Image.fromarray(image).save(path)
    page.upload(photographs[0], photographs[0], *others)
    page.wait(lambda: page.all("#all")[0].is_displayed())
    page.move("vividness", 0)
    with zipfile.ZipFile(page.download("#all")) as archive:
        sizes = {name: Image.open(io.BytesIO(archive.read(name))).size
                 for name in archive.namelist()}
        gray = np.asarray(Image.open(io.BytesIO(archive.read(photographs[0].name))))
    assert sizes == {"coffee & cup.jpg": (600, 400), "coffee & cup-2.jpg": (451, 300),
                     "coffee & cup-3.jpg": (600, 400)}
    assert chroma(gray) < 1.5


def test_pasted_and_built_in_pictures_are_colored(page):
    buffer = io.BytesIO()
    Image.fromarray(skdata.cat()).convert("L").save(buffer, "PNG")
    assert chroma(page.paste(buffer.getvalue())) > 3
    assert chroma(page.change(lambda: page.click("#examples button"))) > 3


def test_another_model_has_its_own_colors_and_only_its_own_controls(page, photographs):
    page.upload(photographs[0])
    page.click("#model input")
    other = page.change(lambda: next(
        one for one in page.all("[role=option]") if "cifar10" in one.text).click())
    assert chroma(other) > 1.5
    page.wait(lambda: not page.all("#color") or not page.all("#color")[0].is_displayed())


def test_bad_files_are_named_and_change_nothing(page, photographs, tmp_path):
    natural = page.upload(photographs[0])
    noise = np.random.default_rng(0).integers(0, 256, (900, 900, 3)).astype(np.uint8)
    Image.fromarray(noise).save(tmp_path / "large.png")
    assert (tmp_path / "large.png").stat().st_size > MEGABYTES * 2**20
    Image.new("L", (5000, 5000)).save(tmp_path / "wide.png")
    (tmp_path / "empty.jpg").write_bytes(b"")
    (tmp_path / "text.png").write_text("no picture")
    for name, words in (("large.png", "maximum allowed size"), ("wide.png", "20 megapixels"),
                        ("empty.jpg", "empty"), ("text.png", "not an image")):
        page.send(tmp_path / name)
        page.wait(lambda: words in page.text())
        page.close_messages()
    np.testing.assert_array_equal(page.picture(), natural)


@pytest.mark.parametrize("folder", ["bad", "cases"])
def test_hostile_files_leave_the_page_alive(server, page, photographs, folder):
    paths = [path for path in sorted((SHARED / folder).glob("*")) if path.is_file()]
    if not paths:
        pytest.skip("no hostile files in ../shared/data")
    page.send(*[path for path in paths if path.stat().st_size])
    page.wait(lambda: page.source())
    page.wait(lambda: "README.md: not an image" in page.text())
    assert chroma(page.upload(photographs[0])) > 8
    assert server.process.poll() is None and "Traceback" not in server.log.read_text()


def test_users_do_not_see_each_other_and_a_closed_tab_leaves_nothing(
        server, open_browser, photographs, tmp_path):
    pages = [Page(open_browser(), server.url, tmp_path) for _ in range(2)]
    shown = [page.upload(path) for page, path in zip(pages, (photographs[0], photographs[2]))]
    assert shown[0].shape != shown[1].shape
    pages[0].point(0.5, 0.5)
    pages[1].move("vividness", 2.0)
    np.testing.assert_array_equal(pages[1].set_natural("vividness"), shown[1])
    assert not pages[1].all("#viewer .hint")
    pages[1].download("#download")
    assert photographs[2].name in server.files()
    for page in pages:
        page.driver.quit()
    deadline = time.monotonic() + 60  # Gradio looks for closed tabs every 15 s
    while photographs[2].name in server.files() and time.monotonic() < deadline:
        time.sleep(0.5)
    assert not {path.name for path in photographs} & set(server.files())


def test_the_turing_test_counts_and_gives_an_interval(page):
    page.tab("Which is real?")
    page.click("#start")
    page.wait(lambda: len(page.all("#pair img")) == 2)
    for number in range(1, 6):
        page.wait(lambda: f"{number} of 5." in page.text())
        if number < 3:
            page.click("#left" if number % 2 else "#right")
        else:
            page.all("body")[0].send_keys("1")
    page.wait(lambda: "95 % Wilson interval" in page.text() and "of 5 trials" in page.text())
    assert not page.all("#pair img")


def test_a_run_shows_its_curves_and_grids(page):
    page.tab("Runs")
    page.wait(lambda: "tiny" in page.all("#run input")[0].get_attribute("value"))
    page.wait(lambda: len(page.all("#run-content img")) >= 2)
    assert "evaluate.py --workdir=" in page.text()


def test_a_phone_has_no_sideways_scrolling(server, open_browser, photographs):
    driver = open_browser(500, 844)
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", {
        "width": 390, "height": 844, "deviceScaleFactor": 2, "mobile": True})
    page = Page(driver, server.url)
    page.upload(photographs[0])
    for tab in TABS:
        page.tab(tab)
        time.sleep(0.3)
        assert page.driver.execute_script("return document.documentElement.scrollWidth") <= 390
    page.tab("Colorize")
    assert page.all("#viewer .color")[0].rect["width"] > 300
    assert page.driver.execute_script(
        "return [...document.querySelectorAll('.natural')].map(one => one.scrollWidth > "
        "one.clientWidth)") == [False] * 5


def test_nothing_is_asked_of_other_hosts_and_only_this_machine_is_listened_to(server, page):
    assert page.hosts() == {"127.0.0.1"}
    with open("/proc/net/tcp") as table:
        listening = [line.split()[1] for line in table if line.split()[3] == "0A"]
    assert [one.split(":")[0] for one in listening
            if int(one.split(":")[1], 16) == server.port] == ["0100007F"]


def test_a_stopped_server_leaves_nothing(server, page, photographs):
    page.upload(photographs[0])
    page.download("#download")
    server.stop()
    assert server.files() == []
