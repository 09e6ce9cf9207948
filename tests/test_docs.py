"""The pages of docs/, as `mkdocs build --strict` makes them."""

import html
import pathlib
import re
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent
# What a browser fetches by itself; a link in the text is no request.
FETCHED = re.compile(
    r"<(?:script|img|iframe|source|video|link)\b[^>]*?\b(?:src|href)=.?(?:https?:)?//")


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    for module in ("mkdocs", "material", "mkdocstrings_handlers.python"):
        pytest.importorskip(module, reason="the pages need pip install -e .[docs]")
    folder = tmp_path_factory.mktemp("docs") / "site"
    result = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", folder], cwd=ROOT,
        capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr
    return folder


def text_of(path):
    return html.unescape(re.sub("<[^>]*>", "", path.read_text(encoding="utf-8")))


def test_reference_has_public_names_with_their_docstrings(site):
    page = (site / "api.html").read_text(encoding="utf-8")
    for name in ("inference.Colorizer", "inference.Colorizer.__call__", "data.load_dataset",
                 "losses.l1_loss", "config.TrainConfig"):
        assert f'id="colorizer.{name}"' in page
    assert '>>> colorizer = Colorizer.load("photos")' in text_of(site / "api.html")


def test_reference_has_settings_with_default_and_help(site):
    text = text_of(site / "api.html")
    assert "label_smoothing: float = 0.1" in text
    assert "how far the discriminator's label for real images is below 1" in text


def test_links_out_of_docs_lead_into_the_site(site):
    assert 'href="CONTRIBUTING.html"' in (site / "index.html").read_text(encoding="utf-8")
    assert (site / "colorizer/pretrained/efficientnet_lite0/source.json").is_file()


def test_no_page_needs_another_host(site):
    pages = list(site.rglob("*.html"))
    assert len(pages) > 10
    for page in pages:
        assert not FETCHED.search(page.read_text(encoding="utf-8")), page
    for style in site.rglob("*.css"):
        assert not re.search(r"url\(.?(?:https?:)?//", style.read_text(encoding="utf-8")), style
