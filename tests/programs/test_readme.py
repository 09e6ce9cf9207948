"""Every command of the README runs, in its order, with tiny settings where it would take long."""

import pathlib
import re
import shlex
import shutil
import subprocess
import sys

from PIL import Image
import numpy as np
import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent
TINY = ["--width=2", "--batch_size=4", "--max_steps=2", "--eval_examples=4", "--grid_examples=2"]


def commands():
    blocks = re.findall(r"```bash\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    return [line for block in blocks for line in block.strip().splitlines()]


def tiny(command, pictures):
    """The words of a README command, with the long ones shortened and its pictures ours."""
    words = shlex.split(command)
    if words[1] == "train.py" and not any(
            word.startswith(("--workdir", "--checkpoints-path")) for word in words):
        dataset = next(word for word in words if word.startswith("--dataset=")).partition("=")[2]
        words.append(f"--workdir=runs/{pathlib.Path(dataset).name}")
    words = [word.replace("/path/to/pictures", str(pictures)) for word in words]
    if words[1] == "train.py":
        words = [word.replace("cifar10", str(pictures)) if word.startswith("--dataset") else word
                 for word in words]
        if "--dataset" in words:
            words[words.index("--dataset") + 1] = str(pictures)
        sample = "--dataset=sample" in words
        words += TINY + ([] if sample else [f"--dataset={pictures}", "--image_size=32"])
    if words[1] == "evaluate.py":
        words += [] if "--turing_test" in words else ["--examples=4"]
        words += ["--calibration_examples=2"] if "--workdir=runs/controlled" in words else []
    return words


def test_readme_names_the_programs_that_exist():
    for command in commands():
        words = shlex.split(command)
        if words[0].startswith("python"):
            program = words[2].replace(".", "/") + ".py" if words[1] == "-m" else words[1]
            assert (ROOT / program).exists(), command
        for word in words:
            if word.startswith("--flagfile="):
                assert (ROOT / word.partition("=")[2]).exists(), command


@pytest.mark.slow
def test_every_command_of_the_readme_runs(tmp_path):
    here = tmp_path / "clone"
    shutil.copytree(ROOT, here, ignore=shutil.ignore_patterns(".git", ".venv", "runs"))
    pictures = tmp_path / "pictures"
    rng = np.random.default_rng(0)
    for folder, count in ((pictures, 12), (here / "folder", 1), (here / "scans", 1)):
        folder.mkdir()
        for index in range(count):
            low = rng.integers(0, 256, (4, 4, 3)).astype(np.uint8)
            Image.fromarray(low).resize((40, 48), Image.Resampling.BICUBIC).save(
                folder / f"{folder.name}{index}.png")
    Image.open(here / "folder" / "folder0.png").save(here / "photo.jpg")

    for command in commands():
        words = shlex.split(command)
        if words[0] in ("pip", "tensorboard") or "quickstart.py" in words:
            continue  # the environment that runs this test; a server; CI runs it itself
        result = subprocess.run([sys.executable, *tiny(command, pictures)[1:]], cwd=here,
                                capture_output=True, text=True, input="1\n")
        assert result.returncode == 0, f"{command}\n{result.stdout}\n{result.stderr}"
        if "--turing_test" in command:
            assert (here / "runs/cifar10/results/turing.json").exists()
        elif "--compare" in command:
            first = here / words[words.index("--compare") + 1]
            assert (first / "compare/compare.png").exists()
        elif "evaluate.py" in command:
            assert (here / words[2].partition("=")[2] / "results/results.png").exists()
    assert Image.open(here / "colorized" / "photo.jpg").size == (40, 48)
    assert Image.open(here / "out/exported/photo.jpg").size == (40, 48)
    for script in re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL):
        result = subprocess.run([sys.executable, "-c", script], cwd=here, capture_output=True,
                                text=True)
        assert result.returncode == 0, f"{script}\n{result.stderr}"
    assert Image.open(here / "out/asked/photo.jpg").size == (40, 48)
    assert (here / "out/sheet/photo.jpg-sheet.png").exists()
    assert {"folder0.png", "scans0.png"} <= {path.name for path in (here / "out").iterdir()}


@pytest.mark.slow
@pytest.mark.parametrize("flagfile", sorted(path.name for path in (ROOT / "configs").iterdir()))
def test_every_flagfile_runs_two_steps(tmp_path, flagfile):
    rng = np.random.default_rng(0)
    for index in range(8):
        low = rng.integers(0, 256, (4, 4, 3)).astype(np.uint8)
        Image.fromarray(low).resize((64, 64), Image.Resampling.BICUBIC).save(
            tmp_path / f"{index}.png")
    result = subprocess.run(
        [sys.executable, "train.py", f"--flagfile=configs/{flagfile}", *TINY,
         f"--dataset={tmp_path}", "--image_size=32", f"--workdir={tmp_path / 'run'}"],
        cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert "2 steps of 4 pictures" in result.stdout


@pytest.mark.slow
def test_the_benchmark_prints_its_figures():
    result = subprocess.run(
        [sys.executable, "benchmarks/train_step.py", "--dataset=sample", "--width=2", "--steps=2"],
        cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    for figure in ("pictures/s", "matrix-product limit", "first finished step", "peak memory"):
        assert figure in result.stdout
