"""Where a run and its images are, and how their paths are spelled."""

import os
from pathlib import Path
import re
import shlex

import pytest

from colorizer.config import ConfigError
from colorizer.errors import printable
from colorizer.training import run
from tests.colors import COLORS, image, write
from tests.training.faults.harness import config, step_of


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder of 39 images, `pics` in the current one."""
    monkeypatch.chdir(tmp_path)
    for number, color in enumerate(COLORS[:39]):
        write(Path("pics", f"{number}.png"), image(color))
    return tmp_path / "pics"


def go_on(train, capsys, dataset, workdir="run"):
    """Takes one more step; returns what was printed."""
    steps = step_of(workdir)
    settings = config(workdir, dataset=dataset, image_size=32, max_steps=steps + 1)
    assert train(settings) == 0 and step_of(workdir) == steps + 1
    return capsys.readouterr().out


@pytest.mark.parametrize("name", ["My Drive/paper[1]", os.fsdecode(b"caf\xe9\\\n\x1b[31m")])
def test_a_run_goes_on_in_a_folder_of_any_name(train, tmp_path, caplog, capsys, name):
    workdir = tmp_path / name
    for max_steps in (1, 2):
        assert train(config(workdir, max_steps=max_steps)) == 0
    assert step_of(workdir) == 2 and caplog.text == ""
    commands = dict(re.findall("^(TensorBoard|test images): (.+)$", capsys.readouterr().out, re.M))
    for command, place in (("TensorBoard", workdir.parent), ("test images", workdir)):
        assert shlex.split(commands[command])[-1].endswith(printable(place))


def test_images_may_have_any_name(train, folder, capsys):
    strange = folder.with_name(os.fsdecode(b"caf\xe9[1]\n"))
    folder.rename(strange)
    for number in range(20):
        (strange / f"{number}.png").rename(strange / os.fsdecode(b"\xff\n%d.png" % number))
    (strange / os.fsdecode(b"\xff\x1b.png")).write_bytes(b"")
    out = go_on(train, capsys, str(strange))
    assert r"caf\udce9[1]\n: " in out and ", 1 unreadable ones skipped" in out
    assert Path("run", "unreadable.txt").read_text() == (
        f"{strange.parent}/caf\\udce9[1]\\n/\\udcff\\x1b.png\tempty file\n")


def test_a_run_goes_on_with_its_images_wherever_they_are(train, folder, tmp_path, capsys):
    for dataset in ("pics", "./pics/"):
        go_on(train, capsys, dataset)
    folder.rename(tmp_path / "moved")
    assert "going on after step 2" in go_on(train, capsys, str(tmp_path / "moved"))
    first, *_, last = sorted(Path("moved").iterdir())
    held = first.read_bytes(), last.read_bytes()
    first.write_bytes(held[1])
    last.write_bytes(held[0])
    with pytest.raises(ConfigError, match="training images must be those.*contents"):
        go_on(train, capsys, "moved")


def test_a_run_among_its_images_is_none_of_them(train, folder, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(folder)
    for _ in range(2):
        go_on(train, capsys, ".", str(folder / "deep" / "run"))
    monkeypatch.chdir(folder / "deep")
    assert "going on after step 2" in go_on(train, capsys, "..", "run")


@pytest.mark.parametrize("dataset, name", [
    ("pics", "pics"), ("./pics/", "pics"), ("pics/..", "here"), (".", "here"), ("..", "parent"),
    ("cifar10", "cifar10"), ("/", "images")])
def test_a_run_is_named_after_its_data_below_runs(tmp_path, monkeypatch, dataset, name):
    (tmp_path / "parent" / "here" / "pics").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "parent" / "here")
    assert run.default_workdir(dataset) == Path("runs", name)
