"""The rules that setup.cfg states for the code itself."""

import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent
CODE = ["colorizer", "train.py", "evaluate.py", "colorize.py", "quickstart.py", "benchmarks",
        "tests"]


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


@pytest.mark.parametrize("program", ["train.py", "evaluate.py", "colorize.py"])
def test_programs_are_short(program):
    assert len((ROOT / program).read_text().splitlines()) <= 80
