"""colorize.py as a user runs it: what it writes, what it refuses, how it exits."""

import pathlib
import subprocess
import sys

from PIL import Image
import numpy as np
import pytest
from skimage import color as skcolor

import colorize
from colorizer.errors import UserError
from colorizer.inference import export_model
from colorizer.models import pretrained
from tests.tiny_runs import write_run

ROOT = pathlib.Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return write_run(tmp_path_factory.mktemp("run"))


@pytest.fixture(scope="module")
def conditional(tmp_path_factory):
    return write_run(tmp_path_factory.mktemp("conditional"), conditional=True)


@pytest.fixture(autouse=True)
def folder_with_a_picture(tmp_path, monkeypatch):
    Image.new("RGB", (30, 20), (80, 90, 100)).save(tmp_path / "a.png")
    monkeypatch.chdir(tmp_path)


def colorize_main(*arguments):
    return colorize.main(["colorize.py", *map(str, arguments)])


@pytest.mark.parametrize("arguments, words", [
    (["--model=nowhere"], "model=nowhere"), (["--model=."], "model=."),
    (["--workdir=nowhere", "a.png"], "nowhere"),
    (["--model={run}", "nowhere.jpg"], "nowhere.jpg"), (["--model={run}", "*.gif"], "gif"),
    (["--model={run}", "a.png", "--hue=0.3"], "no targets.*hue=0.3"),
    (["--model={run}", "a.png", "--vivid=5"], "`vivid` must be in .0, 4.. Received: vivid=5"),
    (["--model={run}", "a.png", "--output=a.png"], "a.png is an image to colorize"),
    (["a.png", "--saturation=1.5"], "saturation=1.5"), (["a.png", "--hue=nan"], "hue=nan"),
    (["a.png", "--warmth=0.1,x"], "warmth=0.1,x"), (["a.png", "--warmth="], "warmth=")])
def test_what_the_user_can_mend_is_refused_in_one_line(run, tmp_path, arguments, words):
    with pytest.raises(UserError, match=words) as caught:
        colorize_main(*(argument.format(run=run) for argument in arguments))
    assert len(str(caught.value).splitlines()) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]


def test_a_wrong_model_is_refused_without_tensorflow():
    result = subprocess.run(
        [sys.executable, "-X", "importtime", str(ROOT / "colorize.py"), "--model=nowhere"],
        capture_output=True, text=True)
    assert result.returncode == 2
    *imported, message = result.stderr.splitlines()
    assert message.startswith("colorize.py: error: `model` must be one of the package's own")
    imported = {line.rpartition("|")[2].strip().partition(".")[0] for line in imported}
    assert "colorizer" in imported and not imported & {"tensorflow", "keras"}


def test_the_program_names_what_failed_and_exits_1(run, tmp_path):
    (tmp_path / "bad.jpg").write_text("no picture")
    result = subprocess.run(
        [sys.executable, str(ROOT / "colorize.py"), f"--model={run}", ".", "--output", "out"],
        capture_output=True, text=True)
    assert result.returncode == 1, result.stderr
    assert "bad.jpg" in result.stderr and "Traceback" not in result.stderr
    assert result.stdout == f"1 picture colorized by {run} into out, 1 failed\n"
    assert Image.open(tmp_path / "out" / "a.png").size == (30, 20)


def test_a_shipped_model_and_the_built_in_photographs_are_taken_if_nothing_is_named(
        run, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(pretrained, "PRETRAINED", tmp_path / "models")
    export_model(run, tmp_path / "models" / "photos")
    assert colorize_main() == 0
    assert "5 pictures colorized by photos into colorized, 0 failed" in capsys.readouterr().out
    assert Image.open("colorized/rocket.jpg").size == (640, 427)


def test_results_stay_unless_overwrite_is_given(run, tmp_path, capsys):
    flags = ["a.png", f"--workdir={run}", "--output=out"]
    assert [colorize_main(*flags), colorize_main(*flags)] == [0, 0]
    assert "--overwrite replaces them" in capsys.readouterr().out
    assert colorize_main(*flags, "--overwrite", "--vivid=0") == 0
    assert np.ptp(np.asarray(Image.open("out/a.png")).astype(int), axis=-1).max() <= 1


def test_a_conditional_model_takes_targets_and_makes_contact_sheets(conditional, capsys):
    flags = ["a.png", f"--model={conditional}", "--output=out"]
    assert colorize_main(*flags, "--saturation=0", "--hue=0.08") == 0
    assert capsys.readouterr().err.count("contradicts") == 1
    assert np.ptp(np.asarray(Image.open("out/a.png")).astype(int), axis=-1).max() <= 1
    Image.new("L", (1024, 16), 100).save("wide.png")
    flags = ["wide.png", f"--model={conditional}", "--output=out", "--hue=0.1"]
    assert colorize_main(*flags, "--saturation=0.2,0.6,0") == 0
    assert capsys.readouterr().err.count("contradicts") == 1
    sheet = np.asarray(Image.open("out/wide.png-sheet.png"))
    assert 3 * 512 < sheet.shape[1] < 3 * 550  # at most 512 px an image
    saturation = skcolor.rgb2hsv(sheet)[-8, :, 1]  # a row of the three images
    found = [saturation[start + 100:start + 400].mean() for start in (4, 520, 1036)]
    assert found == pytest.approx([0.2, 0.6, 0.0], abs=0.1)
