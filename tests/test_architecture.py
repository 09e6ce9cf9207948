"""The rules that setup.cfg states for the code itself."""

import configparser
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent
CODE = ["colorizer", "train.py", "evaluate.py", "colorize.py", "quickstart.py", "benchmarks",
        "docs", "tests"]


def run(*command):
    return subprocess.run([sys.executable, "-m", *command], cwd=ROOT, capture_output=True,
                          text=True, env=None)


def test_arrows_run_one_way():
    result = subprocess.run(
        [sys.executable, "-c", "from importlinter.cli import lint_imports_command; "
         "lint_imports_command()"], cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr


def test_style_is_kept():
    result = run("flake8", *CODE)
    assert result.returncode == 0, result.stdout


def test_imports_are_sorted():
    result = run("isort", "--check-only", "--quiet", *CODE)
    assert result.returncode == 0, result.stdout + result.stderr


def test_types_agree():
    result = run("mypy")
    assert result.returncode == 0, result.stdout


def test_the_tests_have_what_the_extras_bring():
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    lines = (ROOT / "requirements-dev.txt").read_text().splitlines()
    for extra in ("app", "docs", "onnx"):
        for line in config["options.extras_require"][extra].strip().splitlines():
            assert line in lines


@pytest.mark.parametrize(
    "program", sorted((ROOT / "colorizer" / "programs").glob("*.py")), ids=lambda path: path.name)
def test_programs_are_short(program):
    assert len(program.read_text().splitlines()) <= 85
