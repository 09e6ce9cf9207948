"""Every command of the README runs, in its order, with tiny settings where it would take long."""

import contextlib
from pathlib import Path
import re
import runpy
import shlex

from PIL import Image
from absl import flags
import numpy as np
import pytest

import colorize
from colorizer import cli
import colorizer.export
import evaluate
import train

ROOT = Path(__file__).resolve().parents[2]
TINY = ["--base_channels=1", "--batch_size=2", "--max_steps=1", "--eval_examples=2"]
PROGRAMS = {"train.py": train, "evaluate.py": evaluate, "colorize.py": colorize,
            "colorizer.export": colorizer.export}
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]


def commands(page):
    blocks = re.findall(r"```(?:bash|sh)?\n(.*?)```", page.read_text(), re.DOTALL)
    lines = "\n".join(blocks).replace("\\\n", " ").splitlines()
    return [line.strip().lstrip("!") for line in lines if re.match(r"!?python3? ", line.strip())]


def program_of(words):
    """(name of the program, its arguments)."""
    return (words[2], words[3:]) if words[1] == "-m" else (words[1], words[2:])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_command_of_a_page_names_programs_flags_and_files_that_exist(page, monkeypatch):
    monkeypatch.chdir(ROOT)
    for command in commands(page):
        name, arguments = program_of(shlex.split(command, comments=True))
        known = {*PROGRAMS, "colorizer.app", "pytest", "venv"}
        assert name in known or (ROOT / name).exists(), command
        if name == "train.py":
            values = flags.FlagValues()
            cli.define_settings(values)
            assert cli.parse([name, *arguments], values, "") == [], command


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_link_of_a_page_leads_somewhere(page):
    for link in re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", page.read_text()):
        assert link.startswith("http") or (page.parent / link).exists(), f"{page}: {link}"


@pytest.fixture
def clone(tmp_path, monkeypatch):
    """An empty clone with the flagfiles, a photograph and a folder of images."""
    (tmp_path / "configs").symlink_to(ROOT / "configs")
    rng = np.random.default_rng(0)
    for name in [f"images/{index}.png" for index in range(8)] + ["photo.jpg"]:
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        low = rng.integers(0, 256, (4, 4, 3)).astype(np.uint8)
        Image.fromarray(low).resize((40, 48), Image.Resampling.BICUBIC).save(path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def tiny(name, arguments):
    """The arguments of a README command, with the long ones shortened and its images ours."""
    arguments = [word.replace("/path/to/images", "images") for word in arguments]
    if name == "train.py":
        workdir = [word for word in arguments if "workdir" in word or "checkpoints-path" in word]
        dataset = next((word.partition("=")[2] for word in arguments
                        if word.startswith("--dataset=")), "cifar10")
        arguments += TINY if workdir else [*TINY, f"--workdir=runs/{Path(dataset).name}"]
        if dataset != "sample":
            arguments += ["--dataset=images", "--image_size=32", "--precision=float32"]
    if name == "evaluate.py":
        arguments += ["--dataset=images"] + (
            [] if "--turing_test" in arguments else ["--examples=2"])
        if not {"--turing_test", "--compare"} & set(arguments):
            arguments += ["--calibration_examples=1"]
    return arguments


def test_every_command_of_the_readme_runs(clone):
    for command in commands(ROOT / "README.md"):
        name, arguments = program_of(shlex.split(command, comments=True))
        if name not in PROGRAMS or "--turing_test" in arguments:
            continue  # the environment of this test; what waits for a viewer has its own test
        status = PROGRAMS[name].main([name, *tiny(name, arguments)])
        assert not status, command
    assert Image.open(clone / "colorized" / "photo.jpg").size == (40, 48)
    for script in re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL):
        (clone / "script.py").write_text(script)
        with contextlib.suppress(ModuleNotFoundError) if "google.colab" in script else (
                contextlib.nullcontext()):
            runpy.run_path(str(clone / "script.py"))
