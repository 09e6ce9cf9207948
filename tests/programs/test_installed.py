"""The package as `pip install .` makes it: its files and its commands."""

from importlib.util import find_spec
import os
import shutil
import subprocess
import sys

import pytest

from tests.references import ROOT

COMMANDS = ("colorize", "colorizer-app", "colorizer-evaluate", "colorizer-export",
            "colorizer-train")


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    for package in ("pip", "setuptools", "wheel"):
        if find_spec(package) is None:  # not imported: setuptools changes the environment
            pytest.skip(f"{package}, which makes or installs packages, is not installed")
    source, target = (tmp_path_factory.mktemp(name) for name in ("source", "target"))
    for name in ("setup.cfg", "pyproject.toml", "README.md", "requirements.txt", "LICENSE"):
        shutil.copy(ROOT / name, source)
    shutil.copytree(ROOT / "colorizer", source / "colorizer",
                    ignore=shutil.ignore_patterns("__pycache__"))
    result = subprocess.run(
        [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index",
         "--no-build-isolation", f"--target={target}", source], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    return target


def test_it_has_the_shipped_models_and_the_files_of_the_page(installed):
    def files(folder):
        return {str(path.relative_to(folder)) for part in ("pretrained", "app")
                for path in (folder / "colorizer" / part).rglob("*.*")
                if "__pycache__" not in path.parts}
    found = files(installed)
    assert {"colorizer/pretrained/photos/weights.npz", "colorizer/app/viewer.js"} <= found
    assert found == files(ROOT)


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_says_how_it_is_used(installed, tmp_path, command):
    result = subprocess.run(
        [installed / "bin" / command, "--help"], cwd=tmp_path, capture_output=True, text=True,
        env={**os.environ, "PYTHONPATH": str(installed)})
    assert result.returncode == 0, result.stderr
    assert "python" in result.stdout.splitlines()[2]
    assert result.stdout.count("--") > 3


def test_a_wrong_flag_is_one_line_with_the_name_of_the_command(installed, tmp_path):
    result = subprocess.run(
        [installed / "bin" / "colorizer-app", "--port=0"], cwd=tmp_path, capture_output=True,
        text=True, env={**os.environ, "PYTHONPATH": str(installed)})
    assert result.returncode == 2
    assert result.stderr == ("colorizer-app: error: `port` must be in [1, 65535]. Received: "
                             "port=0\n")
