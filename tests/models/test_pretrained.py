"""Trained models on disk: found, and refused where damaged or of another architecture."""

import pathlib
import shutil

import numpy as np
import pytest

from colorizer import models
from colorizer.config import ConfigError
from colorizer.errors import UserError
from colorizer.inference import Colorizer, export_model
from colorizer.models import pretrained
from colorizer.models.pretrained import ModelError
from tests.tiny_runs import tiny_config, write_run


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    folder = tmp_path_factory.mktemp("exported")
    export_model(write_run(folder / "run", conditional=True), folder / "tiny")
    return folder / "tiny"


@pytest.fixture()
def model(exported, tmp_path, monkeypatch):
    """A copy of the exported model, the only one that the package ships with."""
    shutil.copytree(exported, tmp_path / "models" / "tiny")
    monkeypatch.setattr(pretrained, "PRETRAINED", tmp_path / "models")
    return tmp_path / "models" / "tiny"


def refused(words):
    with pytest.raises(UserError, match=words) as caught:
        Colorizer.load("tiny")
    return len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize("name", models.names())
def test_a_shipped_model_is_three_files_with_arrays_of_half_precision(name):
    folder = models.find_model(name)
    assert {path.name for path in folder.iterdir()} == {"config.json", "model.json", "weights.npz"}
    with np.load(pretrained.checked_weights(folder), allow_pickle=False) as archive:
        assert {archive[name].dtype.name for name in archive.files} == {"float16"}


def test_a_name_goes_before_a_folder_and_a_path_is_taken_as_it_is(model, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tiny").mkdir()
    (tmp_path / "tiny" / "config.json").write_text("{}")
    assert models.names() == ["tiny"]
    assert models.find_model("tiny") == models.find_model(model / "weights.npz") == model
    assert models.find_model("./tiny") == pathlib.Path("tiny")


@pytest.mark.parametrize("name", ["photos", "nowhere/at/all", "weights.npz", "~nobody/x"])
def test_what_is_no_model_is_refused_with_the_choices(model, name):
    with pytest.raises(ModelError, match=r"own \(tiny\), the folder of a run, .*Received: init="):
        models.find_model(name, "init")


def test_a_flipped_byte_and_missing_weights_are_refused_with_the_name_of_the_file(model):
    path = model / "weights.npz"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    assert refused("weights.npz is damaged: its SHA-256")
    path.unlink()
    assert refused("cannot be read .*weights.npz")


@pytest.mark.parametrize("text", [
    "", "{}", '{"format": 1, "sha256": 5}', '{"format": 2, "sha256": ""}', "\xff"])
def test_a_model_json_that_cannot_be_used_is_refused_by_name(model, text):
    (model / "model.json").write_text(text, encoding="latin-1")
    assert refused("model.json")


@pytest.mark.parametrize("settings", [
    {"base_channels": 1024}, {"base_channels": 1024, "image_size": 1024}, {"image_size": 64},
    {"attention_resolution": 16}], ids=str)
def test_settings_that_are_not_those_of_the_weights_are_refused_before_a_network_is_built(
        model, settings):
    """The first two would take 10 and 40 GB."""
    config = models.read_model_config(model)
    shapes = {name: array.shape for name, array in np.load(model / "weights.npz").items()}
    built = models.load_generator(model, config)
    assert shapes == {variable.path: tuple(variable.shape) for variable in built.weights}
    with pytest.raises(UserError, match="must be those of this model.*weights.npz"):
        models.load_generator(model, config.replace(**settings))


def make(folder, **settings):
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(tiny_config(**settings).to_json())
    return str(folder)


def read_names(*folders):
    return [model.name for model in models.read_models(folders)]


def test_models_keep_their_order_their_settings_and_their_folders(tmp_path, monkeypatch):
    b, a = make(tmp_path / "b", base_channels=3), make(tmp_path / "a", base_channels=5)
    found = models.read_models([b, a], dataset="elsewhere")
    assert [(one.name, one.config.model.base_channels, str(one.folder)) for one in found] == [
        ("b", 3, b), ("a", 5, a)]
    assert {one.config.data.dataset for one in found} == {"elsewhere"}
    assert found[0].results_folder("results") == tmp_path / "b" / "results"
    monkeypatch.setattr(pretrained, "PRETRAINED", tmp_path)
    assert str(found[0].results_folder("results")) == "results/b"


def test_equal_folder_names_are_told_apart_by_the_shortest_ends_of_their_paths(
        tmp_path, monkeypatch):
    folders = [make(tmp_path / parent / name) for parent, name in
               (("slow", "seed0"), ("slow", "seed1"), ("fast", "seed0"))]
    assert read_names(*folders) == ["slow/seed0", "slow/seed1", "fast/seed0"]
    assert read_names(*folders[:2]) == ["seed0", "seed1"]
    monkeypatch.chdir(folders[0])
    assert read_names(".") == ["seed0"]
    for taken in ("gray", "original", "gray baseline"):  # what other columns are called
        assert read_names(make(tmp_path / "runs" / taken)) == [f"runs/{taken}"]


def test_what_cannot_be_compared_is_refused_and_named(tmp_path):
    small, large = make(tmp_path / "small"), make(tmp_path / "large", image_size=256)
    for folders, words in (((), "at least one"), ((small, f"{large}/../small"), "once. Received: "),
                           ((small, large), "32 px in .*small, 256 px in .*large")):
        with pytest.raises(ConfigError, match=words):
            models.read_models(folders)
    assert len(models.read_models((small, large), image_size=64)) == 2
    with pytest.raises(ModelError, match="`workdir` must be .*nowhere"):
        models.read_models([small, str(tmp_path / "nowhere")])
    (tmp_path / "config.json").write_text("{}")  # which no run wrote
    with pytest.raises(ModelError, match="names `image_size` and `base_channels`. Received: im"):
        models.read_model_config(tmp_path)
