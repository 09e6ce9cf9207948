"""Runs side by side: their names, and what cannot be compared."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from colorizer import config
from colorizer.models import pretrained as saved_models
from colorizer.evaluation import workdirs


def make(folder, **settings):
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(config.TrainConfig().replace(
        **{"image_size": 32, "width": 2, **settings}).to_json())
    return str(folder)


def names(*folders):
    return [run.name for run in workdirs.read_runs(folders)]


def test_runs_keep_their_order_and_are_called_by_their_folders(tmp_path):
    b, a = make(tmp_path / "b", width=3), make(tmp_path / "a", width=5)
    found = workdirs.read_runs([b, a])
    assert [run.name for run in found] == ["b", "a"]
    assert [run.config.model.width for run in found] == [3, 5]
    assert [str(run.workdir) for run in found] == [b, a]


def test_equal_folder_names_are_told_apart_by_the_shortest_ends_of_their_paths(tmp_path):
    folders = [make(tmp_path / parent / name) for parent, name in
               (("slow", "seed0"), ("slow", "seed1"), ("fast", "seed0"))]
    assert names(*folders) == ["slow/seed0", "slow/seed1", "fast/seed0"]
    assert names(*folders[:2]) == ["seed0", "seed1"]


@pytest.mark.parametrize("taken", ["gray", "original", "gray baseline"])
def test_a_run_is_never_called_what_another_column_is(tmp_path, taken):
    assert names(make(tmp_path / "runs" / taken)) == [f"runs/{taken}"]


def test_a_relative_folder_is_called_by_its_own_name(tmp_path, monkeypatch):
    make(tmp_path / "here")
    monkeypatch.chdir(tmp_path / "here")
    assert names(".") == ["here"]


def test_a_run_given_twice_is_refused_however_it_is_written(tmp_path):
    folder = make(tmp_path / "a")
    with pytest.raises(config.ConfigError, match="once. Received: .*a, .*a/../a"):
        names(folder, f"{folder}/../a")


def test_models_of_different_image_sizes_are_refused_and_named(tmp_path):
    small, large = make(tmp_path / "small"), make(tmp_path / "large", image_size=256)
    with pytest.raises(config.ConfigError, match="32 px in .*small, 256 px in .*large"):
        names(small, large)


@pytest.mark.parametrize("settings, words", [
    (dict(conditional=True), "without targets"), (dict(desired_hue=0.5), "without targets"),
    (dict(image_size=64), "64 px, .*model, 32 px")])
def test_a_rival_is_a_model_of_that_size_without_targets(tmp_path, settings, words):
    run, = workdirs.read_runs([make(tmp_path / "model", conditional=True)])
    workdirs.check_rival(make(tmp_path / "good"), run)
    with pytest.raises(config.ConfigError, match=f"`rival` must .*{words}"):
        workdirs.check_rival(make(tmp_path / "bad", **settings), run)
    with pytest.raises(saved_models.ModelError, match="`rival` must be .*rival=nowhere"):
        workdirs.check_rival("nowhere", run)


def test_a_model_that_ships_goes_by_its_name_and_keeps_its_folder_clean(tmp_path, monkeypatch):
    model = Path(make(tmp_path / "models" / "tiny"))
    (model / "weights.npz").write_bytes(b"")
    (model / "model.json").write_text(json.dumps(
        saved_models.describe(config.read_config(model), model / "weights.npz", step=1)))
    monkeypatch.setattr(saved_models, "SHIPPED", tmp_path / "models")
    (run,) = workdirs.read_runs(["tiny"])
    assert run.workdir == tmp_path / "models" / "tiny"
    assert str(run.results_folder("results")) == "results/tiny"
    (own,) = workdirs.read_runs([make(tmp_path / "own")])
    assert own.results_folder("compare") == tmp_path / "own" / "compare"


def test_a_run_is_measured_on_another_data_set(tmp_path):
    folder = make(tmp_path / "a", dataset="cifar10", width=3)
    (run,) = workdirs.read_runs([folder], "pictures")
    assert run.config.data.dataset == "pictures" and run.config.model.width == 3
    assert str(run.workdir) == folder


def test_no_run_and_a_folder_without_one_are_refused(tmp_path):
    with pytest.raises(config.ConfigError, match="at least one run"):
        names()
    with pytest.raises(saved_models.ModelError, match="`workdir` must be .*nowhere"):
        names(make(tmp_path / "a"), str(tmp_path / "nowhere"))


def test_a_folder_for_results_is_one_that_can_be_written(tmp_path):
    assert workdirs.make_folder(tmp_path / "new" / "deep") == tmp_path / "new" / "deep"
    assert not list((tmp_path / "new" / "deep").iterdir())
    (tmp_path / "file").write_text("")
    for taken in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(config.ConfigError, match="`output` must .*Received: output="):
            workdirs.make_folder(taken)
