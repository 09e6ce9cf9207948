"""evaluate.py and colorize.py as a user runs them: their refusals and exit statuses."""

import csv
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys

from PIL import Image
import pytest

import colorize
from colorizer import config as config_lib
from colorizer.inference import export
from colorizer.training import run as runs
from colorizer.models import pretrained as saved_models
from colorizer.errors import UserError
import evaluate

ROOT = pathlib.Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def workdir(tmp_path_factory, one_replica):
    workdir = tmp_path_factory.mktemp("run")
    runs.run(config_lib.TrainConfig().replace(
        dataset="sample", width=2, batch_size=8, max_steps=1, eval_examples=4, grid_examples=2,
        workdir=str(workdir)), one_replica)
    return workdir


def program(*arguments, cwd=None, answers=""):
    return subprocess.run(
        [sys.executable, str(ROOT / arguments[0]), *map(str, arguments[1:])], capture_output=True,
        text=True, cwd=cwd or ROOT, input=answers)


def test_evaluate_prints_and_writes_the_table_beside_the_gray_baseline(workdir):
    result = program("evaluate.py", f"--workdir={workdir}")
    assert result.returncode == 0, result.stderr
    assert "gray baseline" in result.stdout and "59 test pictures" in result.stdout
    assert re.search(r"measuring: 100%.* 59\.0/59\.0 ", result.stderr)
    written = json.loads((workdir / "results" / "results.json").read_text())
    with open(workdir / "results" / "results.csv") as file:
        rows = {row["row"]: row for row in csv.DictReader(file)}
    assert list(rows) == ["gray baseline", "model"] == list(written["rows"])
    for metric in ("mae_rgb", "acc2_rgb", "acc5_rgb", "acc2_lab", "acc5_lab", "psnr", "ssim",
                   "delta_e", "colorfulness", "colorfulness_ratio"):
        assert float(rows["model"][metric]) == pytest.approx(written["rows"]["model"][metric])
    assert rows["gray baseline"]["colorfulness_ratio"].startswith("0.00")
    width, height = Image.open(workdir / "results" / "results.png").size
    assert width > 300 and height > 300


@pytest.mark.slow
def test_compare_measures_runs_in_one_table_and_leaves_their_own_results(workdir, tmp_path):
    shutil.copytree(workdir, tmp_path / "first")
    shutil.copytree(workdir, tmp_path / "second", ignore=shutil.ignore_patterns("results"))
    result = program("evaluate.py", "--compare", "first", "second", "--examples=4", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert "warning" not in result.stderr
    assert re.search(r"measuring: 100%.* 8\.00/8\.00 ", result.stderr)
    output = tmp_path / "first" / "compare"
    written = json.loads((output / "results.json").read_text())["rows"]
    assert list(written) == ["gray baseline", "first", "second"]
    assert written["first"] == written["second"]
    for row in written:
        assert any(line.startswith(row) for line in result.stdout.splitlines())
    assert Image.open(output / "compare.png").size == (404, 822)  # 4 columns and 8 rows of 96 px
    assert not (tmp_path / "second" / "results").exists()


@pytest.mark.slow
def test_a_model_trained_on_other_pictures_is_compared_with_a_warning(workdir, tmp_path):
    shutil.copytree(workdir, tmp_path / "first")
    shutil.copytree(workdir, tmp_path / "second")
    path = tmp_path / "second" / "config.json"
    path.write_text(path.read_text().replace('"dataset": "sample"', '"dataset": "elsewhere"'))
    result = program("evaluate.py", "--compare=first,second", "--examples=4", "--output=out",
                     cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert "warning: second was trained on other pictures (dataset=elsewhere" in result.stderr
    assert (tmp_path / "out" / "compare.png").exists()


@pytest.mark.slow
def test_the_turing_test_takes_answers_from_a_pipe(workdir, tmp_path):
    output = tmp_path / "out"
    flags = ["evaluate.py", "--turing_test", f"--workdir={workdir}", f"--output={output}"]
    result = program(*flags, "--trials=100", answers="1\n" * 100)
    assert result.returncode == 0, result.stderr
    assert "59 of 59 test pictures" in result.stdout and str(output) in result.stdout
    assert re.search("fooled in (29|30) of 59 trials", result.stdout)
    assert "50 % is perfect confusion" in result.stdout
    assert [path.name for path in output.iterdir()] == ["turing.json"]
    written = json.loads((output / "turing.json").read_text())
    assert written["answered"] == written["asked"] == len(written["trials"]) == 59
    assert (written["seed"], written["seconds"], written["dataset"]) == (0, 2.0, "sample")

    result = program(*flags, "--trials=4", "--seed=9", "--seconds=0", answers="2\nq\n")
    assert result.returncode == 0, result.stderr
    assert len(json.loads((output / "turing.json").read_text())["trials"]) == 1
    result = program(*flags, "--trials=4")
    assert result.returncode == 0 and "nothing was answered" in result.stdout


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pseudo terminals")
def test_the_turing_test_draws_on_a_terminal_and_ctrl_c_keeps_the_score(workdir, tmp_path):
    import pty

    pid, terminal = pty.fork()
    if pid == 0:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # a background job's children ignore it
        os.environ.update(TERM="xterm-256color", PYTHONUTF8="1", SSH_CONNECTION="::1 1 ::1 22",
                          COLUMNS="80", LINES="24")
        os.execv(sys.executable, [
            sys.executable, str(ROOT / "evaluate.py"), "--turing_test", f"--workdir={workdir}",
            f"--output={tmp_path}", "--trials=4", "--seconds=0.2"])
    output = b""

    def read_until(ending):
        nonlocal output
        start = len(output)
        while ending not in output[start:]:
            output += os.read(terminal, 2**16)
        return output[start:]

    first = read_until(b"q ends: ").decode()
    assert first.count("\u2580") == 2 * 32 * 16  # 32 px in a terminal of 80 x 24
    assert read_until(b"\0338").count(b"\033[2K") == 17  # blank before it is answered
    os.write(terminal, b"1\n")
    read_until(b"2 of 4: which is real")
    os.write(terminal, b"\003")
    assert re.search(r"fooled in [01] of 1 trials", read_until(b"written: ").decode())
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    os.close(terminal)
    assert len(json.loads((tmp_path / "turing.json").read_text())["trials"]) == 1


@pytest.mark.parametrize("arguments, words", [
    (["evaluate.py"], "workdir"),
    (["evaluate.py", "--turing_test"], "workdir"),
    (["evaluate.py", "--turing_test", "--workdir=nowhere"], "nowhere"),
    (["evaluate.py", "--turing_test", "--workdir=nowhere", "--trials=0"], "trials=0"),
    (["evaluate.py", "--turing_test", "--workdir=nowhere", "--trials=1.5"], "whole number"),
    (["evaluate.py", "--turing_test", "--workdir=nowhere", "--seconds=-1"], "seconds=-1"),
    (["evaluate.py", "--turing_test", "--workdir=nowhere", "--seed=-1"], "seed=-1"),
    (["evaluate.py", "--turing_test", "--compare=nowhere"], "--turing_test is for --workdir"),
    (["evaluate.py", "--workdir=nowhere", "--trials=3"], "--trials is for --turing_test"),
    (["evaluate.py", "--workdir=nowhere"], "nowhere"),
    (["evaluate.py", "--workdir=configs"], "config.json"),
    (["evaluate.py", "--examples=0", "--workdir=nowhere"], "examples"),
    (["evaluate.py", "--workdir=nowhere", "more"], "more"),
    (["evaluate.py", "--compare"], "compare"),
    (["evaluate.py", "--compare="], "at least one run"),
    (["evaluate.py", "--compare", "nowhere"], "nowhere"),
    (["evaluate.py", "--workdir=photoz"], "one of the package's own (cifar10, photos)"),
    (["evaluate.py", "--workdir=cifar10", "--turing_test", "--examples=9"], "--examples is for"),
    (["evaluate.py", "--compare", "cifar10", "--rival=cifar10"], "--rival is for"),
    (["evaluate.py", "--workdir=cifar10", "--seed=1"], "--seed is for"),
    (["evaluate.py", "--workdir=cifar10", f"--output={ROOT / 'README.md'}"], "output"),
    (["evaluate.py", "--workdir=cifar10", "--rival=photos"], "without targets"),
    (["train.py", "--dataset=sample", "--init_from=nowhere"], "`init_from` must be"),
    (["train.py", f"--workdir={ROOT / 'README.md'}"], "`workdir` must be a folder"),
    (["evaluate.py", "--compare=nowhere", "--workdir=nowhere"], "--workdir"),
    (["colorize.py", "--workdir=nowhere", "a.png"], "nowhere"),
    (["colorize.py", "--model=nowhere"], "nowhere"),
    (["colorize.py", "--model=."], "config.json"),
    (["colorize.py", "--workdir=nowhere", "a.png", "--saturation=1.5"], "saturation=1.5"),
    (["colorize.py", "--workdir=nowhere", "a.png", "--hue=nan"], "hue=nan"),
    (["colorize.py", "--workdir=nowhere", "a.png", "--warmth=0.1,x"], "warmth=x"),
    (["colorize.py", "a.png", "--chroma_noise=-1"], "chroma_noise=-1"),
    (["colorize.py", "a.png", "--chroma_gain=2", "--hue=0.5"], "--chroma_gain=2 --hue=0.5"),
    (["train.py", "--desired_hue=nan"], "desired_hue"),
    (["train.py", "--desired_saturation=2"], "desired_saturation=2"),
    (["train.py", "--saturation_weight=-1"], "saturation_weight=-1"),
    (["train.py", "--conditional", "--desired_hue=0.5"], "conditional"),
    (["train.py", "--dataset=./nowhere"], "./nowhere"),
    (["train.py", "--dataset=sample", "--image_size=64"], "image_size"),
])
def test_what_the_user_can_mend_ends_in_one_line_and_status_2(tmp_path, arguments, words):
    result = program(*arguments, cwd=tmp_path)
    assert result.returncode == 2
    assert words in result.stderr.splitlines()[-1]
    assert "Traceback" not in result.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("arguments", [
    ["--turing_test", "--workdir=run", "--trials=0"], ["--compare", "run", "run"],
    ["--compare", "run", "large"], ["--workdir=run", "--rival=nowhere"]])
def test_a_wrong_evaluation_is_refused_without_tensorflow(tmp_path, arguments):
    for name, size in (("run", 32), ("large", 256)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.json").write_text(
            config_lib.TrainConfig().replace(image_size=size).to_json())
    result = subprocess.run(
        [sys.executable, "-X", "importtime", str(ROOT / "evaluate.py"), *arguments],
        capture_output=True, text=True, cwd=tmp_path)
    assert result.returncode == 2
    assert result.stderr.splitlines()[-1].startswith("evaluate.py: error: ")
    imported = {line.rpartition("|")[2].strip().partition(".")[0]
                for line in result.stderr.splitlines()}
    assert "colorizer" in imported and not imported & {"tensorflow", "keras"}


def test_colorize_names_what_failed_and_exits_1(workdir, tmp_path):
    Image.new("RGB", (30, 20), (80, 90, 100)).save(tmp_path / "good.jpg")
    (tmp_path / "bad.jpg").write_text("no picture")
    result = program("colorize.py", f"--workdir={workdir}", tmp_path, "--output", tmp_path / "out")
    assert result.returncode == 1
    assert "bad.jpg" in result.stderr and "1 picture colored" in result.stdout
    assert Image.open(tmp_path / "out" / "good.jpg").size == (30, 20)


def test_a_model_without_targets_says_so(workdir, tmp_path):
    Image.new("RGB", (30, 20), (80, 90, 100)).save(tmp_path / "good.png")
    result = program("colorize.py", f"--workdir={workdir}", tmp_path / "good.png", "--hue=0.3",
                     cwd=tmp_path)
    assert result.returncode == 2
    assert "knows no targets" in result.stderr and "hue=0.3" in result.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["good.png"]


def test_pictures_that_are_not_there_end_in_one_line_and_status_2(workdir, tmp_path):
    result = program("colorize.py", f"--model={workdir}", "nowhere.jpg", cwd=tmp_path)
    assert result.returncode == 2
    assert "nowhere.jpg" in result.stderr.splitlines()[-1] and "Traceback" not in result.stderr


def test_colorize_takes_a_shipped_model_and_the_built_in_photographs_if_nothing_is_named(
        workdir, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(saved_models, "SHIPPED", tmp_path / "models")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match="no trained model is in the package yet"):
        colorize.main(["colorize.py"])
    export.export(workdir, tmp_path / "models" / "cifar10")
    assert colorize.main(["colorize.py"]) == 0
    assert "5 pictures colored by cifar10 into colorized, 0 failed" in capsys.readouterr().out
    assert Image.open(tmp_path / "colorized" / "rocket.jpg").size == (640, 427)
    export.export(workdir, tmp_path / "models" / "photos")
    Image.new("L", (20, 10), 90).save(tmp_path / "own.png")
    assert colorize.main(["colorize.py", "own.png"]) == 0
    assert "1 picture colored by photos into colorized" in capsys.readouterr().out
    assert Image.open(tmp_path / "colorized" / "own.png").size == (20, 10)


@pytest.mark.slow
def test_a_conditional_model_colors_to_targets_and_makes_contact_sheets(
        tmp_path, one_replica):
    runs.run(config_lib.TrainConfig().replace(
        dataset="sample", width=2, batch_size=8, max_steps=1, eval_examples=4, grid_examples=2,
        conditional=True, workdir=str(tmp_path / "run")), one_replica)
    Image.new("RGB", (30, 20), (80, 90, 100)).save(tmp_path / "p.png")
    flags = ["colorize.py", f"--workdir={tmp_path / 'run'}", tmp_path / "p.png", "--output",
             tmp_path / "out"]
    result = program(*flags, "--saturation=0", "--hue=0.08")
    assert result.returncode == 0, result.stderr
    assert result.stderr.count("contradicts") == 1
    assert Image.open(tmp_path / "out" / "p.png").size == (30, 20)
    result = program("evaluate.py", f"--workdir={tmp_path / 'run'}", "--examples=4",
                     "--calibration_examples=2")
    assert "written" in result.stdout
    # Of 2 pictures the natural colors, 11 targets of 6 controls and 12 hues.
    assert re.search(r"calibrating: 100%.* 158/158 ", result.stderr)
    assert (tmp_path / "run" / "results" / "calibration.csv").exists()
    result = program(*flags, "--saturation=0.5,0,1", "--hue=0.1,0.6")
    assert result.returncode == 0, result.stderr
    assert result.stderr.count("contradicts") == 1
    assert Image.open(tmp_path / "out" / "p.png-sheet.png").size[0] > 6 * 30


@pytest.mark.slow
def test_a_model_of_fixed_targets_is_measured_against_them(tmp_path, one_replica, capsys):
    runs.run(config_lib.TrainConfig().replace(
        dataset="sample", width=2, batch_size=8, max_steps=1, eval_examples=4, grid_examples=2,
        desired_saturation=1.0, desired_hue=0.6, workdir=str(tmp_path)), one_replica)
    evaluate.main(["evaluate.py", f"--workdir={tmp_path}", "--examples=4",
                   "--calibration_examples=2"])
    assert "saturation: misses the limit by" in capsys.readouterr().out
    with open(tmp_path / "results" / "calibration.csv") as file:
        asked = [(row["control"], float(row["target"])) for row in csv.DictReader(file)]
    assert asked == [("saturation", 1.0), ("hue", 0.6)]


def test_training_on_a_folder_with_damaged_pictures_names_them(tmp_path, one_replica, capsys,
                                                               caplog):
    for index in range(6):
        Image.new("RGB", (40, 40), (40 * index, 90, 200 - 30 * index)).save(
            tmp_path / f"{index}.png")
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n broken")
    runs.run(config_lib.TrainConfig().replace(
        dataset=str(tmp_path), image_size=16, width=2, batch_size=2, max_steps=1, eval_examples=1,
        grid_examples=1, max_bad_share=0.5, workdir=str(tmp_path / "run")), one_replica)
    assert "1 unreadable ones skipped" in capsys.readouterr().out
    assert "broken.png" in caplog.text
