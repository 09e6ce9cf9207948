"""The notebook runs from top to bottom, with tiny settings and in a clone of its own."""

import os
from pathlib import Path
import re
import shlex
import shutil
import subprocess
import sys

from PIL import Image
from absl import flags
import numpy as np
import pytest

import colorize
from colorizer import cli
from colorizer.config import TrainConfig
from colorizer.models import weights
import evaluate
import train

nbformat = pytest.importorskip("nbformat", reason="nbformat reads the notebook")
nbclient = pytest.importorskip("nbclient", reason="nbclient runs the notebook")
pytest.importorskip("ipykernel", reason="ipykernel is the kernel that runs the notebook")
pytest.importorskip("pip", reason="the notebook installs with pip")

pytestmark = pytest.mark.slow
ROOT = Path(__file__).resolve().parents[2]
NOTEBOOK = ROOT / "notebooks" / "colorizer.ipynb"
PROGRAMS = {"train.py": train, "evaluate.py": evaluate, "colorize.py": colorize}
CLONED = ("colorizer", "requirements.txt", *PROGRAMS)
TINY = """
REPOSITORY = {repository!r}
DATASET, MAX_STEPS, MORE_STEPS = "sample", 2, 1
GPU_FLAGS = CPU_FLAGS = "--base_channels=2 --batch_size=4 --eval_examples=4 --adversarial_weight=0"
EVALUATE_FLAGS = "--examples=4 --calibration_examples=0"
"""


@pytest.fixture(scope="module")
def notebook():
    return nbformat.read(NOTEBOOK, as_version=4)


def code_cells(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def settings_cell(notebook):
    [index] = [index for index, cell in enumerate(notebook.cells)
               if "parameters" in cell.metadata.get("tags", [])]
    return index


def make_repository(folder):
    """A repository of the code as it is here, committed or not."""
    folder.mkdir()
    for name in CLONED:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / name,
                            ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, folder)
    author = ["-c", "user.name=test", "-c", "user.email=test@example.org"]
    for command in ["init"], ["add", "."], [*author, "commit", "--quiet", "--message=all"]:
        subprocess.run(["git", *command], cwd=folder, check=True, capture_output=True)


@pytest.fixture(scope="module")
def executed(notebook, tmp_path_factory):
    """The notebook with its outputs, and the clone that it made."""
    if shutil.which("git") is None:
        pytest.skip("the notebook clones with git")
    folder = tmp_path_factory.mktemp("notebook")
    with pytest.MonkeyPatch.context() as patch:
        for name in "MPLBACKEND", "PYTHONNOUSERSITE":
            patch.delenv(name, raising=False)
        no_gpu = folder / "bin" / "nvidia-smi"  # else a TensorFlow that sees none is replaced
        no_gpu.parent.mkdir()
        no_gpu.write_text("#!/bin/sh\nexit 1\n")
        no_gpu.chmod(0o755)
        patch.setenv("PATH", str(no_gpu.parent), prepend=os.pathsep)
        patch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
        patch.setenv("IPYTHONDIR", str(folder / "ipython"))
        # On Colab the environment sees the packages of the notebook's Python. Here that may be in a
        # virtual environment: these see only their base's, and the user's own ones.
        patch.setenv("PYTHONUSERBASE", sys.prefix)
        patch.setenv("PIP_NO_INDEX", "1")  # all is there already
        make_repository(folder / "repository")
        tiny = nbformat.v4.new_code_cell(TINY.format(repository=str(folder / "repository")))
        copy = nbformat.from_dict(notebook)
        copy.cells.insert(settings_cell(copy) + 1, tiny)
        nbclient.NotebookClient(copy, timeout=600, kernel_name="python3",
                                resources={"metadata": {"path": str(folder)}}).execute()
    return copy, folder / "colorizer"


def chroma(path):
    """Mean difference of the largest and the smallest channel, of 255."""
    return np.ptp(np.asarray(Image.open(path).convert("RGB"), float), axis=-1).mean()


def printed(notebook, name):
    """What the cell of this id prints."""
    [cell] = [cell for cell in notebook.cells if cell.id == name]
    return "".join(output.text for output in cell.outputs if output.output_type == "stream")


def test_the_notebook_trains_and_goes_on_to_the_larger_number_of_steps(executed):
    notebook, clone = executed
    [run] = (clone / "runs").iterdir()
    assert weights.read_manifest(weights.list_checkpoints(run / "checkpoints")[0])["step"] == 3
    assert "the run there" in printed(notebook, "resume")


def test_the_notebook_measures_its_run_beside_the_gray_baseline(executed):
    notebook, clone = executed
    assert "gray baseline" in printed(notebook, "evaluate")
    assert [path.name for path in clone.glob("runs/*/results/results.png")] == ["results.png"]


def test_the_notebook_colorizes_a_photograph_and_shows_it(executed):
    notebook, clone = executed
    pictures = {path.stem: chroma(path) for path in (clone / "colorized").iterdir()}
    assert set(pictures) == {"photos", "run", "saturation", "hue"}
    assert min(pictures["photos"], pictures["saturation"], pictures["hue"]) > 5
    shown = [cell.id for cell in code_cells(notebook) for output in cell.outputs
             if "image/png" in output.get("data", {})]
    assert shown == ["evaluate", "compare", "saturation", "hue"]


def test_the_notebook_says_what_is_other_than_on_colab(executed):
    notebook, clone = executed
    assert "not Colab" in printed(notebook, "drive")
    assert "on Colab only" in printed(notebook, "tensorboard")
    assert "skimage" in printed(notebook, "photo")  # nobody can upload a picture


def test_the_notebook_needs_no_package_that_its_kernel_lacks(executed):
    notebook, clone = executed
    assert len(printed(notebook, "versions").splitlines()) == 1  # the heading


def test_the_notebook_is_committed_without_outputs(notebook):
    nbformat.validate(notebook)
    assert not any(cell.outputs or cell.execution_count for cell in code_cells(notebook))
    assert all(len(line) <= 100 for cell in code_cells(notebook)
               for line in cell.source.splitlines())


def test_every_shell_command_of_the_notebook_is_followed_by_a_look_at_its_exit_status(notebook):
    for cell in code_cells(notebook):
        lines = cell.source.replace("\\\n", "").splitlines()
        for command, after in zip(lines, lines[1:] + [""]):
            assert not command.lstrip().startswith("!") or "_exit_code" in after, command


def commands(notebook):
    """The commands of the notebook that run a program, with its settings filled in."""
    names = {"PYTHON": "python", "WORKDIR": "runs/cifar10", "photo": "photo.jpg"}
    exec(notebook.cells[settings_cell(notebook)].source, names)
    for cell in code_cells(notebook):
        for line in re.findall(r"^!(\{PYTHON\} .*)", cell.source.replace("\\\n", ""), re.MULTILINE):
            for flags_of_device in ("GPU_FLAGS", "CPU_FLAGS"):
                names["FLAGS"] = names[flags_of_device]
                yield re.sub(r"\{(.+?)\}", lambda match: str(eval(match[1], names)), line)


def flags_of(name, capsys):
    """The names of the flags that a program describes."""
    with pytest.raises(SystemExit):
        PROGRAMS[name].main([name, "--help"])
    return set(re.findall(r"^ *--(?:\[no\])?(\w+):", capsys.readouterr().out, re.MULTILINE))


def test_every_command_of_the_notebook_names_programs_and_flags_that_exist(notebook, capsys):
    used = set()
    for command in commands(notebook):
        _, name, *arguments = shlex.split(command)
        used.add(name)
        names = {re.match(r"--(\w+)", word)[1] for word in arguments if word.startswith("--")}
        assert names <= flags_of(name, capsys), command
        if name == "train.py":  # the run above has other values
            values = flags.FlagValues()
            cli.define_settings(values)
            assert cli.parse([name, *arguments], values, "") == []
            cli.build_config(values, TrainConfig())
    assert used == set(PROGRAMS)


def test_every_page_that_the_notebook_links_to_is_here(notebook):
    pages = re.findall(r"\{REPOSITORY\}/blob/main/([^)]+)", notebook.cells[-1].source)
    assert len(pages) == 3
    assert all((ROOT / page).is_file() for page in pages)
