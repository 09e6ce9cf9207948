"""Exporting a run, finding models, and refusing what is damaged or of another architecture."""

import csv
import json
import pathlib
import shutil
import subprocess
import sys

import keras
import numpy as np
import pytest
from scipy import ndimage
from skimage import color as skcolor
import tensorflow as tf

import colorize
from colorizer.training import checkpoints
from colorizer.models import conditioning
from colorizer import config as config_lib
from colorizer.inference import export
from colorizer.inference import colorizer as inference
from colorizer.models import generator as networks
from colorizer.training import run as runs
from colorizer.models import pretrained as saved_models
from colorizer.inference import upsampling
from colorizer.errors import UserError

ROOT = pathlib.Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def workdir(tmp_path_factory, one_replica):
    workdir = tmp_path_factory.mktemp("run")
    runs.run(config_lib.TrainConfig().replace(
        dataset="sample", width=2, batch_size=8, max_steps=3, checkpoint_steps=1, eval_examples=4,
        grid_examples=2, log_steps=1, workdir=str(workdir)), one_replica)
    return workdir


@pytest.fixture(scope="module")
def exported(workdir, tmp_path_factory):
    folder = tmp_path_factory.mktemp("models") / "tiny"
    export.export(workdir, folder)
    return folder


@pytest.fixture()
def model(exported, tmp_path, monkeypatch):
    """A copy of the exported model, the only one that the package ships with."""
    shutil.copytree(exported, tmp_path / "models" / "tiny")
    monkeypatch.setattr(saved_models, "SHIPPED", tmp_path / "models")
    return tmp_path / "models" / "tiny"


def gray(seed=0):
    return np.random.default_rng(seed).integers(40, 210, (32, 40)).astype(np.uint8)


def test_a_run_and_its_export_color_alike_by_name_folder_and_file(workdir, model):
    from_run = inference.Colorizer.load(workdir)(gray())
    assert np.ptp(from_run.astype(int), axis=-1).max() > 0
    for source in ("tiny", model, str(model), model / "weights.npz"):
        colored = inference.Colorizer.load(source)(gray())
        assert np.abs(colored.astype(int) - from_run).max() <= 2  # float16


def guided_mean(lightness, x):
    """He, Sun and Tang's guided filter in windows of 3 x 3 pixels, of [h, w]."""
    within = ndimage.uniform_filter(np.ones_like(x), 3, mode="constant")

    def mean(values):
        return ndimage.uniform_filter(values, 3, mode="constant") / within

    guide = lightness / 50.0 - 1.0
    slope = (mean(guide * x) - mean(guide) * mean(x)) / (
        mean(guide**2) - mean(guide)**2 + 0.01)
    return mean(slope) * guide + mean(mean(x) - slope * mean(guide))


def untrained_run(folder, **settings):
    """Makes the folder of a run that paints vividly, as trained with these settings."""
    keras.utils.set_random_seed(0)
    config = config_lib.TrainConfig().replace(
        dataset="/data/sample", image_size=32, width=2, batch_size=8, **settings)
    generator = networks.build_generator(
        32, 2, condition_size=conditioning.condition_sizes(config.controls)[0],
        global_context=config.model.global_context)
    rng = np.random.default_rng(0)
    for variable in generator.weights:
        if variable.path.startswith("ab"):  # zeros would color nothing
            variable.assign(rng.normal(0.0, 0.3, variable.shape))
    (folder / "checkpoints").mkdir()
    (folder / "config.json").write_text(config.to_json())
    checkpoints.Checkpoints(folder / "checkpoints", {}, lambda: generator, 1).save(
        5, {}, config.to_json())
    return folder


@pytest.fixture(scope="module")
def conditional(tmp_path_factory):
    return untrained_run(tmp_path_factory.mktemp("conditional"), conditional=True)


def test_a_conditional_model_obeys_as_much_when_it_is_exported(conditional, tmp_path):
    export.export(conditional, tmp_path / "model")
    colorizers = [inference.Colorizer.load(path) for path in (conditional, tmp_path / "model")]
    plain, asked = ([colorizer(gray(), **targets).astype(int) for colorizer in colorizers]
                    for targets in ({}, {"saturation": 0.9, "hue": 0.3}))
    assert np.abs(plain[0] - asked[0]).max() > 5
    assert np.abs(plain[0] - plain[1]).max() <= 2
    assert np.abs(asked[0] - asked[1]).max() <= 2
    assert "hue" in (tmp_path / "model" / "README.md").read_text()


def test_natural_colors_are_finished_and_those_that_were_asked_for_are_not(conditional, tmp_path):
    natural = saved_models.NaturalColors(chroma_noise=60.0, chroma_gain=2.0)
    export.export(conditional, tmp_path, natural=natural)
    plain, finished = (inference.Colorizer.load(path) for path in (conditional, tmp_path))
    picture = np.clip(gray()[:, :32], 100, 150)  # where the gamut is wide
    before, after = plain(picture), finished(picture)
    mirrored = plain(picture[:, ::-1])[:, ::-1]
    inside = np.all((np.minimum(before, mirrored) > 0) & (np.maximum(before, mirrored) < 255),
                    axis=-1)  # chroma as the network gave it
    lab = (skcolor.rgb2lab(before) + skcolor.rgb2lab(mirrored)) / 2.0, skcolor.rgb2lab(after)
    chroma, found = (np.linalg.norm(one[..., 1:], axis=-1) for one in lab)
    signal = guided_mean(skcolor.rgb2lab(np.repeat(picture[..., None], 3, -1))[..., 0], chroma)
    expected, by_pixel = (2.0 * chroma * judged**2 / (judged**2 + 60.0**2)
                          for judged in (signal, chroma))
    assert np.abs(by_pixel - expected)[inside].max() > 5.0
    np.testing.assert_allclose(found[inside], expected[inside], atol=1.5)  # 8 bits
    assert np.abs(before.astype(int) - mirrored).max() > 5
    assert np.abs(after.astype(int) - finished(picture[:, ::-1])[:, ::-1]).max() <= 1
    asked = [colorizer(picture, saturation=0.5).astype(int) for colorizer in (plain, finished)]
    assert np.abs(asked[0] - asked[1]).max() <= 2
    again = inference.Colorizer.load(tmp_path, saved_models.NaturalColors())
    assert np.abs(again(picture).astype(int) - before).max() <= 2
    alone = finished.colorize_rgb8(np.repeat(picture[None, ..., None], 3, -1), finished=False)
    assert np.abs(alone[0].astype(int) - before).max() <= 2


@pytest.mark.parametrize("name, radius", [("cifar10", 1), ("photos", 6)])
def test_windows_in_which_colors_are_judged_grow_with_the_trained_side(name, radius, monkeypatch):
    used, guided = [], upsampling.guided_mean
    monkeypatch.setattr(upsampling, "guided_mean", lambda l_scaled, x, radius: (
        used.append(radius), guided(l_scaled, x, radius))[1])
    colorizer = inference.Colorizer.load(name)
    colorizer(gray())
    assert used == [radius]
    colorizer.natural = saved_models.NaturalColors()
    colorizer(gray())
    assert used == [radius]  # with no noise nothing is judged


def test_what_is_foretold_to_be_colorful_is_painted_so(tmp_path):
    run = untrained_run(tmp_path, conditional=True, global_context=True)
    plain, powered = (
        inference.Colorizer.load(run, saved_models.NaturalColors(colorfulness_power=power))
        for power in (0.0, 2.0))
    head = plain.generator.get_layer("colorfulness")
    powered.generator.get_layer("colorfulness").kernel.assign(
        np.random.default_rng(0).normal(0.0, 2.0, head.kernel.shape))
    picture = np.clip(gray()[:, :32], 100, 150)
    foretold = np.stack([picture, 250 - picture])
    before, after = plain(foretold), powered(foretold)
    l_scaled = inference._lightness(np.repeat(foretold[..., None], 3, -1) / np.float32(255))
    unasked = np.zeros((2, conditioning.condition_size(powered.obeyed)), np.float32)
    colorfulness = np.asarray(powered.generator([np.asarray(l_scaled), unasked])[1])[:, 0]
    assert colorfulness.max() > 1.2 * colorfulness.min()
    for one, other, factor in zip(before, after, (colorfulness / 0.33) ** 2):
        inside = np.all((one > 0) & (one < 255) & (other > 0) & (other < 255), axis=-1)
        chroma, found = (np.linalg.norm(skcolor.rgb2lab(rgb)[inside][:, 1:], axis=-1)
                         for rgb in (one, other))
        np.testing.assert_allclose(found, factor * chroma, atol=2.0)
    powered.natural = saved_models.NaturalColors(chroma_noise=20.0, colorfulness_power=2.0)
    mirrored = powered(foretold[:, :, ::-1])[:, :, ::-1].astype(int)
    assert np.abs(powered(foretold) - mirrored).max() <= 1  # what is foretold is a mean, too


@pytest.mark.parametrize("refused", ["load", "export", "colorize"])
def test_a_model_that_foretells_nothing_has_no_power_of_it(conditional, tmp_path, refused):
    natural = saved_models.NaturalColors(colorfulness_power=1.5)
    with pytest.raises(UserError, match="global_context.*colorfulness_power=1.5"):
        {"load": lambda: inference.Colorizer.load(conditional, natural),
         "export": lambda: export.export(conditional, tmp_path / "model", natural=natural),
         "colorize": lambda: colorize.main(
             ["", f"--model={conditional}", "--colorfulness_power=1.5"])}[refused]()


def test_a_model_with_fixed_targets_has_no_natural_colors_to_finish(tmp_path):
    run = untrained_run(tmp_path, desired_hue=0.5)
    vivid = saved_models.NaturalColors(chroma_gain=2.0)
    for refused in (lambda: export.export(run, tmp_path / "model", natural=vivid),
                    lambda: inference.Colorizer.load(run, vivid),
                    lambda: colorize.main(["", f"--model={run}", "--chroma_gain=2"])):
        with pytest.raises(UserError, match="chroma_gain.*desired_hue"):
            refused()
    assert not (tmp_path / "model").exists()


def test_an_export_holds_half_precision_arrays_and_no_path_of_the_machine(model, workdir):
    with np.load(model / "weights.npz", allow_pickle=False) as archive:
        assert {archive[name].dtype for name in archive.files} == {np.dtype("float16")}
    for path in model.iterdir():
        if path.suffix != ".npz":
            assert str(workdir) not in path.read_text()
    settings = config_lib.read_config(model)
    assert settings.run.workdir is None and settings.optimizer.max_steps == 3
    assert "width 2," in (model / "README.md").read_text()
    assert "| gray |" in (model / "README.md").read_text()


@pytest.mark.parametrize("dataset, kept", [
    ("cifar10", "cifar10"), ("lsun/classroom", "lsun/classroom"), ("/home/me/photos", "./photos"),
    ("~/photos", "./photos"), ("./deep/photos", "./photos")])
def test_an_export_names_its_data_set_so_that_it_can_be_found_and_no_folder(dataset, kept):
    settings = config_lib.TrainConfig().replace(dataset=dataset)
    assert export._without_paths(json.loads(settings.to_json())).data.dataset == kept


def test_an_older_checkpoint_can_be_exported_and_a_card_is_not_overwritten(workdir, tmp_path):
    oldest = checkpoints.list_checkpoints(workdir / "checkpoints")[-1]
    (tmp_path / "README.md").write_text("mine")
    export.export(workdir, tmp_path, oldest)
    step = int(oldest.name.removeprefix("ckpt-"))
    assert json.loads((tmp_path / "model.json").read_text())["step"] == step < 3
    assert (tmp_path / "README.md").read_text() == "mine"
    with open(tmp_path / "scalars.csv") as file:
        assert max(int(row["step"]) for row in csv.DictReader(file)) <= step


def test_scalars_are_those_written_to_tensorboard(tmp_path):
    for start, factor in ((0, 1.0), (50, 2.0)):  # a run, and its resumption from step 50
        writer = tf.summary.create_file_writer(str(tmp_path), filename_suffix=f".{start}")
        with writer.as_default():
            for step in range(start, 80):
                tf.summary.scalar("train/l1", factor * step, step)
            tf.summary.image("grid", np.zeros((1, 2, 2, 3), np.uint8), 70)
        writer.close()
    scalars = export.read_scalars(tmp_path, 60)
    assert scalars == {"train/l1": {step: step * (2.0 if step >= 50 else 1.0)
                                    for step in range(61)}}


def test_long_curves_are_thinned_to_evenly_spread_points_with_both_ends(tmp_path):
    curves = {f"tag/{tag}": {20 * i: i / 7 for i in range(5000)} for tag in range(60)}
    export.write_scalars(tmp_path / "scalars.csv", curves)
    assert (tmp_path / "scalars.csv").stat().st_size < 300_000
    with open(tmp_path / "scalars.csv") as file:
        rows = [row for row in csv.DictReader(file) if row["tag"] == "tag/3"]
    steps = [int(row["step"]) for row in rows]
    assert len(steps) == 100 and steps[0] == 0 and steps[-1] == 20 * 4999
    assert np.ptp(np.diff(steps)) <= 20
    for row in rows:
        assert float(row["value"]) == pytest.approx(int(row["step"]) / 20 / 7, rel=1e-5)


def test_a_flipped_byte_is_refused_with_the_name_of_the_file(model):
    path = model / "weights.npz"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(UserError, match="weights.npz is damaged: its SHA-256") as caught:
        inference.Colorizer.load("tiny")
    assert len(str(caught.value).splitlines()) == 1


def test_no_code_in_a_weights_file_runs(model, tmp_path):
    class Harmful:
        def __reduce__(self):
            return pathlib.Path.touch, (tmp_path / "harmed",)

    np.savez(model / "weights.npz", **{"ab/kernel": np.array([Harmful()], object)})
    description = json.loads((model / "model.json").read_text())
    description["sha256"] = saved_models.sha256(model / "weights.npz")
    (model / "model.json").write_text(json.dumps(description))
    with pytest.raises(UserError, match="weights.npz"):
        inference.Colorizer.load("tiny")
    assert not (tmp_path / "harmed").exists()


def test_another_architecture_is_refused_with_the_fields_that_differ(model):
    config = config_lib.read_config(model).replace(width=4, image_size=64)
    (model / "config.json").write_text(config.to_json())
    with pytest.raises(UserError, match="image_size is 32 there and 64 .*; width is 2 there and 4"):
        inference.Colorizer.load("tiny")


def test_controls_that_the_code_does_not_know_are_refused(model):
    description = json.loads((model / "model.json").read_text())
    description["architecture"]["controls"].append("sheen")
    (model / "model.json").write_text(json.dumps(description))
    with pytest.raises(UserError, match="controls is .*sheen"):
        inference.Colorizer.load("tiny")


def test_weights_of_another_architecture_are_refused_with_the_array_that_differs(model):
    with np.load(model / "weights.npz") as archive:
        arrays = {name: archive[name] for name in archive.files}
    arrays["encoder_0/kernel"] = np.zeros((4, 4, 1, 3), np.float16)
    np.savez(model / "weights.npz", **arrays)
    description = json.loads((model / "model.json").read_text())
    description["sha256"] = saved_models.sha256(model / "weights.npz")
    (model / "model.json").write_text(json.dumps(description))
    with pytest.raises(UserError, match="encoder_0/kernel"):
        inference.Colorizer.load("tiny")


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": 1, "sha256": 5, "architecture": 3}',
                                  '{"format": 2}', "\xff",
                                  '{"format": 1, "sha256": "", "architecture": {}, '
                                  '"natural": {"chroma_gain": -1}}'])
def test_a_model_json_that_cannot_be_used_is_refused_by_name(model, text):
    (model / "model.json").write_text(text, encoding="latin-1")
    with pytest.raises(UserError, match="model.json"):
        inference.Colorizer.load("tiny")


def test_missing_weights_are_named(model):
    (model / "weights.npz").unlink()
    with pytest.raises(UserError, match="weights.npz cannot be read"):
        inference.Colorizer.load("tiny")


def test_photos_goes_before_cifar10_and_a_name_before_a_folder(model, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tiny").mkdir()
    (tmp_path / "tiny" / "config.json").write_text("{}")
    assert saved_models.names() == ["tiny"]
    assert saved_models.find("tiny") == model
    assert saved_models.find("./tiny") == pathlib.Path("tiny")
    with pytest.raises(UserError, match=r"own \(tiny\).*model=None"):
        saved_models.default_name()
    for name in ("cifar10", "photos"):
        shutil.copytree(model, model.parent / name)
        assert saved_models.default_name() == name


def test_settings_that_no_run_wrote_are_refused(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(UserError, match="which says `image_size` and `width`. Received: image_"):
        inference.Colorizer.load(tmp_path)


@pytest.mark.parametrize("name", ["photos", "nowhere/at/all", "weights.npz", "~nobody/x"])
def test_what_is_no_model_is_refused_with_the_choices(model, name):
    with pytest.raises(UserError, match=r"own \(tiny\), the folder of a run, .*Received: model="):
        inference.Colorizer.load(name)


def test_a_package_without_weights_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(saved_models, "SHIPPED", tmp_path / "none")
    for action in (saved_models.default_name, lambda: saved_models.find("photos")):
        with pytest.raises(UserError, match="no trained model is in the package yet"):
            action()


def test_weights_that_half_precision_cannot_hold_are_refused(workdir, tmp_path):
    np.savez(tmp_path / "generator.npz", **{"ab/bias": np.float32([1e6])})
    with pytest.raises(UserError, match="float16.*ab/bias"):
        export._half_precision(tmp_path / "generator.npz")


@pytest.mark.parametrize("flags, words", [
    ([], "workdir=None"), (["--workdir=nowhere"], "output=None"),
    (["--workdir=nowhere", "--output=out"], "nowhere"),
    (["--workdir={run}", "--output=out", "--checkpoint=nowhere"], "nowhere"),
    (["--workdir={run}", "--output={run}/config.json"], "output"),
    (["--workdir={run}", "--output=out", "--chroma_noise=-1"], "chroma_noise=-1"),
    (["--workdir={run}", "--output=out", "--chroma_gain=0"], "chroma_gain=0"),
    (["--workdir={run}", "--output=out", "--chroma_order=0"], "chroma_order=0"),
    (["--workdir={run}", "--output=out", "--colorfulness_power=-1"], "colorfulness_power=-1"),
])
def test_export_refuses_in_one_line(workdir, tmp_path, monkeypatch, flags, words):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=words) as caught:
        export.main(["export.py", *(flag.format(run=workdir) for flag in flags)])
    assert len(str(caught.value).splitlines()) == 1
    assert not list(tmp_path.iterdir())


def test_an_installed_package_has_the_models(model, tmp_path):
    pytest.importorskip("setuptools", reason="setuptools, which builds packages, is not installed")
    tree = tmp_path / "tree"
    shutil.copytree(ROOT, tree, ignore=shutil.ignore_patterns(".git", ".venv", "runs", "tests"))
    shutil.copytree(model, tree / "colorizer" / "models" / "tiny")
    result = subprocess.run(
        [sys.executable, "-c", "import setuptools; setuptools.setup()", "--quiet", "build",
         f"--build-base={tmp_path / 'build'}"], cwd=tree, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    built = tmp_path / "build" / "lib" / "colorizer" / "models" / "tiny"
    assert {path.name for path in built.iterdir()} == {path.name for path in model.iterdir()}
