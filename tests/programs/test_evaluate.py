"""evaluate.py as a user runs it: what it prints and writes, its refusals and exit statuses."""

import csv
import importlib
import json
import pathlib
import re
import shutil
import subprocess
import sys
from unittest import mock

from PIL import Image
import numpy as np
import pytest

from colorizer import cli, color
from colorizer.data import Dataset
from colorizer.evaluation import calibration, turing_test
from colorizer.inference import postprocess
from colorizer.programs import evaluate
from tests.tiny_runs import write_run

ROOT = pathlib.Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return write_run(tmp_path_factory.mktemp("models") / "model")


def run(*arguments):
    evaluate.main(["evaluate.py", *map(str, arguments)])


def calibrated(folder):
    """The control and the target of each row of calibration.csv."""
    with open(folder / "calibration.csv", newline="") as file:
        return [(row["control"], float(row["desired"])) for row in csv.DictReader(file)]


def test_a_run_is_measured_beside_the_gray_baseline_in_one_pass(
        model, tmp_path, monkeypatch, capsys):
    batches = mock.Mock(wraps=Dataset.test_batches)
    monkeypatch.setattr(Dataset, "test_batches", lambda *given: batches(*given))
    run(f"--workdir={model}", f"--output={tmp_path}")
    assert batches.call_count == 1
    printed, errors = capsys.readouterr()
    written = json.loads((tmp_path / "results.json").read_text())
    assert f"{written['examples']} test images" in printed and str(model) in printed
    assert "measuring: 100%" in errors
    assert list(written["rows"]) == ["gray baseline", "model"]
    assert min(Image.open(tmp_path / "results.png").size) > 300
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "results.csv", "results.json", "results.png"]


def test_models_are_compared_in_one_table_with_a_warning_of_other_training_images(
        model, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for name in ("first", "second", "third"):
        shutil.copytree(model, name)
    settings = tmp_path / "third" / "config.json"
    settings.write_text(settings.read_text().replace('"sample"', '"elsewhere"'))
    run("--compare", "first", "second,third", "--examples=4")
    printed, errors = capsys.readouterr()
    assert errors.count("warning: ") == 1
    assert "warning: third was trained on other images (dataset=elsewhere" in errors
    assert printed.splitlines()[1].split() == ["gray", "baseline", "first", "second", "third"]
    output = tmp_path / "first" / "compare"
    written = json.loads((output / "results.json").read_text())
    assert list(written["rows"]) == ["gray baseline", "first", "second", "third"]
    assert written["rows"]["first"] == written["rows"]["second"]
    assert Image.open(output / "compare.png").size == (504, 422)  # 5 columns and 4 rows of 96 px


def test_features_are_measured_where_asked_for(model, tmp_path, capsys):
    run(f"--workdir={model}", "--examples=4", f"--output={tmp_path}", "--metrics=features")
    written = json.loads((tmp_path / "results.json").read_text())
    assert all(row["frechet"] > 0 and row["feature_distance"] > 0 and "fid_keras" not in row
               for row in written["rows"].values())
    assert f"halves: {written['halves']['frechet']:.3f}." in capsys.readouterr().out


def test_models_of_different_sizes_are_compared_at_a_given_one(model, tmp_path, capsys):
    rng = np.random.default_rng(0)
    for split, count in ("train", 1), ("val", 1), ("test", 2):
        (tmp_path / "photos" / split).mkdir(parents=True)
        for number in range(count):
            Image.fromarray(rng.integers(0, 256, (40, 50, 3), np.uint8)).save(
                tmp_path / "photos" / split / f"{number}.png")
    small = write_run(tmp_path / "small", image_size=16)
    run("--compare", model, small, f"--dataset={tmp_path / 'photos'}", "--image_size=24",
        f"--output={tmp_path}")
    assert "photos, 24 px:" in capsys.readouterr().out.splitlines()[0]
    rows = json.loads((tmp_path / "results.json").read_text())["rows"]
    assert list(rows) == ["gray baseline", "model", "small"] and rows["model"] != rows["small"]


@pytest.fixture
def short_calibration(monkeypatch):  # two targets a control; no edits, which take long to compile
    monkeypatch.setattr(calibration, "targets_of", lambda control: (0.25, 0.75))
    monkeypatch.setattr(calibration, "_retarget", lambda control, rgb8, target: rgb8)
    graphs = importlib.import_module("colorizer.inference.colorizer")._meet_targets
    graphs.cache_clear()
    monkeypatch.setattr(
        postprocess, "meet_targets", lambda lab, targets, desired: color.lab_to_rgb(lab))
    yield
    graphs.cache_clear()  # else later tests would get what was traced here


def test_a_conditional_model_is_calibrated_at_the_targets_of_every_control(
        tmp_path, short_calibration, capsys):
    folder = write_run(tmp_path / "model", conditional=True)
    run(f"--workdir={folder}", "--examples=4", "--calibration_examples=2")
    printed, errors = capsys.readouterr()
    assert "saturation: error " in printed and "2 images." in printed
    assert re.search("calibrating: 100%.* 30.0/30.0 ", errors)  # 2 of no target and of 14 targets
    assert calibrated(folder / "results") == [
        (name, target) for name in color.CONTROL_NAMES for target in (0.25, 0.75)]
    assert {path.name for path in (folder / "results").iterdir()} == {
        f"{stem}.{kind}" for stem in ("results", "calibration") for kind in ("json", "csv", "png")}


def test_a_model_of_fixed_targets_is_measured_against_them(tmp_path, short_calibration):
    folder = write_run(tmp_path / "model", desired_saturation=1.0, desired_hue=0.6)
    run(f"--workdir={folder}", "--examples=4", "--calibration_examples=2")
    assert calibrated(folder / "results") == [("saturation", 1.0), ("hue", 0.6)]
    run(f"--workdir={folder}", "--examples=4", "--calibration_examples=0", f"--output={tmp_path}")
    assert not (tmp_path / "calibration.csv").exists() and (tmp_path / "results.csv").exists()
    achieved = json.loads((tmp_path / "results.json").read_text())["achieved"]
    assert {name: found["desired"] for name, found in achieved.items()} == {
        "saturation": 1.0, "hue": 0.6}


def test_the_turing_test_prints_and_writes_the_score(model, tmp_path, monkeypatch, capsys):
    def view(test):
        for number in (1, 2, 3):
            test.answer(number, turing_test.LEFT)

    monkeypatch.setattr(turing_test, "serve", view)
    run("--turing_test", f"--workdir={model}", f"--output={tmp_path}", "--trials=3", "--seed=9")
    printed = capsys.readouterr().out
    assert re.match(r"3 of \d+ test images of sample", printed)
    assert re.search("fooled in [12] of 3 trials", printed) and str(tmp_path) in printed
    path, = tmp_path.iterdir()
    expected = {"model": str(model), "dataset": "sample", "seed": 9, "seconds": 2.0, "trials": 3}
    assert expected.items() <= json.loads(path.read_text()).items()


@pytest.mark.parametrize("arguments, words", [
    ([], "workdir"),
    (["--workdir=configs"], "config.json"),
    (["--workdir=photoz"], "one of the package's own (cifar10, photos)"),
    (["--workdir=nowhere", "more"], "more"),
    (["--workdir=nowhere", "--examples=0"], "`examples` must be at least 1"),
    (["--workdir=cifar10", f"--output={ROOT / 'README.md'}"], "`output` must be a folder"),
    (["--compare="], "at least one"),
    (["--compare=cifar10,cifar10"], "once"),
    (["--compare=nowhere", "--workdir=nowhere"], "--workdir"),
    (["--compare", "cifar10", "--calibration_examples=3"], "--calibration_examples is for"),
    (["--turing_test", "--compare=nowhere"], "--turing_test is for --workdir"),
    (["--turing_test", "--workdir=nowhere", "--trials=1.5"], "whole number"),
    (["--workdir=nowhere", "--trials=3"], "--trials is for --turing_test"),
    (["--workdir=cifar10", "--image_size=8"], "`image_size` must be at least 16"),
    (["--workdir=cifar10", "--metrics=features,lpips"], "`metrics` must be of features, fid"),
    (["--turing_test", "--workdir=cifar10", "--metrics=fid"], "for --workdir or --compare"),
    (["--compare=cifar10,photos"], "or --image_size must name one"),
])
def test_what_the_user_can_fix_ends_in_one_line_and_status_2(
        tmp_path, monkeypatch, capsys, arguments, words):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["evaluate.py", *arguments])
    with pytest.raises(SystemExit) as stop:
        cli.run(evaluate.main)
    assert stop.value.code == 2
    line, = capsys.readouterr().err.splitlines()
    assert line.startswith("evaluate.py: error: ") and words in line
    assert not list(tmp_path.iterdir())


def test_help_names_every_flag(capsys):
    with pytest.raises(SystemExit) as stop:
        run("--help")
    printed = capsys.readouterr().out
    assert not stop.value.code and all(flag[0] in printed for flag in evaluate.FLAGS)


def test_a_wrong_evaluation_is_refused_without_tensorflow(tmp_path):
    program = """
import evaluate, sys
try:
    evaluate.main(["evaluate.py", "--compare", "cifar10", "photos"])
except ValueError as error:
    print(error, {"tensorflow", "keras"} & set(sys.modules))
"""
    result = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, text=True,
                            capture_output=True, env={"PYTHONPATH": str(ROOT)})
    assert "image_size" in result.stdout and result.stdout.endswith(" set()\n"), result.stderr
