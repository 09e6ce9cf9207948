"""A run exported as a model that colorizes anywhere."""

import json
import subprocess
import sys

import numpy as np
import pytest

from colorizer.config import read_config
from colorizer.errors import UserError
from colorizer.export import main
from colorizer.inference import Colorizer, export_model
from tests.references import ROOT
from tests.tiny_runs import tiny_config, write_checkpoint


def gray(seed=0):
    return np.random.default_rng(seed).integers(40, 210, (32, 40)).astype(np.uint8)


def arrays(seed=0):
    rng = np.random.default_rng(seed)
    return {"ab/kernel": rng.normal(size=(1, 1, 4, 2)).astype("float32"),
            "ab/bias": rng.normal(size=2).astype("float32")}


@pytest.fixture()
def run(tmp_path):
    """A run of two checkpoints, whose arrays are no network's: export needs none."""
    for step in (3, 5):
        write_checkpoint(tmp_path / "run", arrays(step), tiny_config(conditional=True), step)
    return tmp_path / "run"


def test_export_holds_exactly_the_arrays_of_the_newest_or_of_the_desired_checkpoint(run, tmp_path):
    """Also on the oldest NumPy of requirements.txt, which once added one called allow_pickle."""
    for checkpoint, step in ((None, 5), (run / "checkpoints" / "ckpt-00000003", 3)):
        export_model(run, tmp_path / "model", checkpoint)
        assert json.loads((tmp_path / "model" / "model.json").read_text())["step"] == step
        with np.load(tmp_path / "model" / "weights.npz", allow_pickle=False) as archive:
            assert set(archive.files) == {"ab/kernel", "ab/bias"}
            for name, array in arrays(step).items():
                assert archive[name].dtype == np.float16
                np.testing.assert_array_equal(archive[name], array.astype(np.float16))


def test_an_exported_run_colorizes_as_before_by_folder_and_by_file(
        conditional_run, conditional, tmp_path):
    export_model(conditional_run, tmp_path / "model")
    for source in (tmp_path / "model", str(tmp_path / "model"), tmp_path / "model/weights.npz"):
        exported = Colorizer.load(source)
        for targets in ({}, {"saturation": 0.6}):
            results = [model(gray(), **targets).astype(int) for model in (conditional, exported)]
            assert np.ptp(results[0], axis=-1).mean() > 5
            assert np.abs(results[0] - results[1]).max() <= 2  # float16


@pytest.mark.parametrize("dataset, kept", [
    ("lsun/classroom", "lsun/classroom"), ("/home/me/photos", "./photos"), ("~/data", "./data"),
    ("./deep/photos", "./photos")])
def test_an_export_names_its_data_set_and_no_folder_of_the_machine(tmp_path, dataset, kept):
    write_checkpoint(tmp_path / "run", arrays(), tiny_config(
        dataset=dataset, data_dir="/data", workdir=str(tmp_path), init_from="/runs/first"))
    export_model(tmp_path / "run", tmp_path / "model")
    config = read_config(tmp_path / "model")
    assert (config.data.dataset, config.data.data_dir) == (kept, None)
    assert (config.run.workdir, config.run.init_from) == (None, "first")


def test_weights_that_half_precision_cannot_hold_are_refused(tmp_path):
    write_checkpoint(tmp_path / "run", {"ab/bias": np.float32([1e6])}, tiny_config())
    with pytest.raises(UserError, match="float16.*ab/bias"):
        export_model(tmp_path / "run", tmp_path / "model")
    assert not (tmp_path / "model").exists()


@pytest.mark.parametrize("flags, words", [
    ([], "workdir=None"), (["--workdir=nowhere", "--output=out"], "nowhere"),
    (["--workdir={run}", "--output=out", "more"], "more"),
    (["--workdir={run}", "--output=out", "--checkpoint=nowhere"], "nowhere"),
    (["--workdir={run}", "--output={run}/config.json"], "output")])
def test_export_refuses_in_one_line(run, tmp_path, monkeypatch, flags, words):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=words) as caught:
        main(["export.py", *(flag.format(run=run) for flag in flags)])
    assert len(str(caught.value).splitlines()) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_the_command_exports_without_tensorflow(run, tmp_path):
    result = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "colorizer.export", f"--workdir={run}",
         f"--output={tmp_path / 'model'}"], cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert "weights.npz: 0.00 MB" in result.stdout
    assert " tensorflow\n" not in result.stderr
