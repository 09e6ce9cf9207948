"""A run in a folder: what it leaves, how it goes on, what it refuses."""

import dataclasses
import json
import os
import signal
from types import SimpleNamespace

import numpy as np
import pytest

from colorizer import data, evaluation, training
from colorizer.color.controls import CONTROL_NAMES, CONTROLS
from colorizer.config import ConfigError, TrainConfig
from colorizer.errors import UserError
from colorizer.models import weights
from colorizer.training import run, summaries, trainer
from colorizer.training.distribution import STOPPED_STATUS, StopSignals
from colorizer.training.train_step import TrainStep
from colorizer.training.trainer import total_steps
from tests.training.faults.harness import (
    assert_same_state, config, events, newest, scalars, step_of
)

CONDITIONAL = dict(conditional=True, adversarial_weight=0.0, batch_size=4, ema_decay=0.0)


def final_weights(workdir):
    with np.load(newest(workdir) / weights.WEIGHTS_FILE) as arrays:
        return dict(arrays)


def test_a_run_leaves_config_checkpoints_grids_and_logs(whole):
    assert json.loads((whole / "config.json").read_text())["data"]["image_size"] == 32
    assert [path.name for path in weights.list_checkpoints(whole / "checkpoints")] == [
        "ckpt-00000008", "ckpt-00000006", "ckpt-00000004"]
    assert sorted(path.name for path in (whole / "samples").iterdir()) == [
        "step-00000000.png", "step-00000004.png", "step-00000008.png"]
    tags = events(whole).Tags()["tensors"]
    groups = {tag.split("/")[0] for tag in tags if tag[0].isdigit()}
    assert sorted(groups) == [
        "1 validation", "3 generator loss", "4 discriminator", "5 learning rate", "6 images",
        "7 gradient norm", "8 run", "9 histograms"]
    assert {"settings", "_hparams_/session_start_info", "4 discriminator/accuracy_real"} < set(tags)
    # Learning rates that fall to a tenth in four steps.
    assert scalars(whole, "5 learning rate/generator") == pytest.approx(
        {step: 1e-3 * 0.1 ** (step / 4) for step in (2, 4, 6, 8)}, rel=1e-5)


def test_the_weighted_terms_of_the_generators_loss_add_up_to_its_total(whole):
    tags = [tag for tag in events(whole).Tags()["tensors"] if tag.startswith("3 generator loss/")]
    terms = {tag.split("/")[1]: scalars(whole, tag) for tag in tags}
    total = terms.pop("total")
    assert set(terms) == {"l1", "adversarial"}
    for step, value in total.items():
        assert value == pytest.approx(sum(term[step] for term in terms.values()), rel=1e-4)


def test_the_gray_baseline_is_a_curve_in_the_chart_of_the_model(whole):
    gray, model = (scalars(whole, "1 validation/delta_e", curve) for curve in ("gray baseline", ""))
    assert set(gray) == set(model) == {4, 8} and gray[4] == gray[8] != model[8]


def test_previews_come_until_the_first_evaluation_of_a_new_run(train, tmp_path, monkeypatch):
    monkeypatch.setattr(trainer, "PREVIEW_SECONDS", 1e-9)  # so that one is due at every step
    for max_steps in (5, 7):  # the second time it is resumed
        assert train(config(tmp_path, max_steps=max_steps, eval_steps=2)) == 0
    steps = [int(path.stem[-8:]) for path in sorted((tmp_path / "samples").iterdir())]
    assert steps == [0, 1, 2, 4, 5, 6, 7]


@pytest.mark.soak
def test_a_conditional_run_shows_how_it_meets_its_targets(train, tmp_path, monkeypatch):
    def calibrate(colorize, batches, *, controls, targets):
        assert controls == CONTROLS and set(targets) == set(CONTROL_NAMES)
        return real(colorize, batches, controls=controls[:1], targets={"saturation": (0.2, 0.8)})

    real = evaluation.calibrate
    monkeypatch.setattr(evaluation, "calibrate", calibrate)  # all of them would take long
    assert train(config(tmp_path, max_steps=1, **CONDITIONAL)) == 0
    tags = events(tmp_path).Tags()["tensors"]
    assert {"6 images/calibration", "6 images/targets", "2 controls/saturation/error"} < set(tags)


def test_a_run_resumed_three_times_ends_with_the_bits_of_one(train, whole, tmp_path, capsys):
    for max_steps in (2, 4, 6, 8):
        assert train(config(tmp_path, max_steps=max_steps)) == 0
    assert_same_state(tmp_path, whole)
    tag = "5 learning rate/generator"
    assert scalars(tmp_path, tag) == scalars(whole, tag)
    out = capsys.readouterr().out
    assert "going on after step 6 of 8" in out and "gray baseline" in out
    assert train(config(tmp_path, max_steps=8)) == 0
    out = capsys.readouterr().out
    assert "finished: 8 of 8 steps" in out and "--epochs" in out


def test_a_folder_of_another_run_is_refused_by_the_settings_that_differ(train, whole):
    before = (whole / "config.json").read_text()
    with pytest.raises(ConfigError, match="--base_channels was 1, now 4; --seed was 0, now 3"):
        train(config(whole, max_steps=9, base_channels=4, seed=3))
    assert (whole / "config.json").read_text() == before


@pytest.mark.parametrize("settings, words", [
    (dict(init_from="nowhere"), "nowhere"), (dict(dataset="./nowhere"), "nowhere"),
    (dict(perceptual_weight=1.0, perceptual_network="nowhere"), "perceptual_network"),
    (dict(batch_size=3), "multiple of the number of devices, 2.*batch_size=3")])
def test_what_cannot_begin_leaves_no_folder(train, two_replicas, tmp_path, settings, words):
    with pytest.raises(UserError, match=words):
        train(config(tmp_path / "run", **settings), two_replicas)
    assert not (tmp_path / "run").exists()


def test_a_file_in_place_of_the_folder_is_refused(train, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="must be a folder"):
        train(config(tmp_path / "file"))


def test_training_begins_with_the_weights_of_another_run(train, whole, tmp_path, capsys):
    train(config(tmp_path, max_steps=1, lr=1e-9, init_from=str(whole)))
    assert f"the generator begins as {whole}\n" in capsys.readouterr().out
    found = final_weights(tmp_path)
    for name, array in final_weights(whole).items():
        if "moving" not in name:
            np.testing.assert_allclose(found[name], array, atol=1e-6)


def test_what_another_run_cannot_give_begins_afresh_and_is_named(
        train, tiny_run, tmp_path, capsys, untraced):
    train(config(tmp_path, max_steps=1, base_channels=None, num_downsamples=3,
                 init_from=str(tiny_run)))
    assert "but for 6 layers: " in capsys.readouterr().out
    # The architecture is that of the other run where no setting says otherwise.
    model = json.loads((tmp_path / "config.json").read_text())["model"]
    assert (model["base_channels"], model["num_downsamples"]) == (2, 3)


@pytest.mark.parametrize("epochs, max_steps, expected", [
    (200.0, None, 78_125), (0.5, None, 196), (200.0, 10, 10), (1e-6, None, 1)])
def test_the_steps_of_a_run_are_its_epochs_over_the_images(epochs, max_steps, expected):
    settings = TrainConfig().resolve(32).replace(epochs=epochs, max_steps=max_steps)
    assert total_steps(settings, 50_000) == expected


def test_the_discriminator_joins_after_the_pretraining(train, tmp_path, monkeypatch, untraced):
    joined, step = [], TrainStep.__call__
    monkeypatch.setattr(TrainStep, "__call__", lambda self, rgb, index, adversarial: (
        joined.append(adversarial), step(self, rgb, index, adversarial))[1])
    images = data.load_dataset("sample").train.size
    assert train(config(tmp_path, max_steps=3, pretrain_epochs=4 / images)) == 0
    assert joined == [False, False, True]  # two steps of two images


# ---------------------------------------------------------------------------------- the best one

def test_the_best_checkpoint_is_chosen_by_validation_images_not_by_test_images(
        train, tmp_path, monkeypatch):
    class Untouchable:
        size = 1

        def batches(self, *_):
            raise AssertionError("the test images were read")

    def evaluate(colorize, batches, desired):
        measured.extend(batches)
        results.append(real(colorize, measured))
        return results[-1]

    measured, results, real = [], [], evaluation.evaluate
    monkeypatch.setattr(evaluation, "evaluate", evaluate)
    sample = data.load_dataset("sample")
    dataset = dataclasses.replace(sample, test=Untouchable())
    monkeypatch.setattr(data, "load_dataset", lambda *_, **__: dataset)
    assert train(config(tmp_path, max_steps=2)) == 0
    for found, expected in zip(measured, sample.validation_batches(64, 2), strict=True):
        np.testing.assert_array_equal(found, expected)
    assert weights.read_manifest(newest(tmp_path))["loop"]["best"] == {
        "step": 2, "delta_e": results[0].rows[evaluation.MODEL]["delta_e"],
        "images": {"count": 2, "sha256": dataset.validation_fingerprint}}


def test_the_best_checkpoint_stays_beyond_the_newest(train, tmp_path, monkeypatch):
    errors = iter([3.0, 1.0, 2.0, 2.0, 2.0, 2.0])
    monkeypatch.setattr(training.Trainer, "evaluate", lambda self: SimpleNamespace(
        rows={evaluation.MODEL: {"delta_e": next(errors)}}, text=str, summary=str))
    train(config(tmp_path, max_steps=6, eval_steps=1, checkpoint_steps=1))
    assert [path.name[-1] for path in weights.list_checkpoints(tmp_path / "checkpoints")] == [
        "6", "5", "4", "2"]


@pytest.mark.parametrize("examples, best", [(2, 1), (1, 2)])
def test_errors_over_other_validation_images_are_not_compared(
        train, tmp_path, monkeypatch, examples, best):
    errors = iter([1.0, 2.0])
    monkeypatch.setattr(training.Trainer, "evaluate", lambda self: SimpleNamespace(
        rows={evaluation.MODEL: {"delta_e": next(errors)}}, text=str, summary=str))
    train(config(tmp_path, max_steps=1, eval_examples=2))
    train(config(tmp_path, max_steps=2, eval_examples=examples))
    assert weights.read_manifest(newest(tmp_path))["loop"]["best"]["step"] == best


# ------------------------------------------------------------------------- signals and the lock

def test_a_signal_saves_the_last_step_and_the_run_goes_on_exactly(
        train, whole, at_step, tmp_path, capsys):
    numbers = signal.SIGTERM, signal.SIGINT, signal.SIGHUP
    handlers = [signal.getsignal(number) for number in numbers]
    for step, number in zip((3, 5, 6), numbers):
        at_step(step, lambda: os.kill(os.getpid(), number))
        assert train(config(tmp_path, max_steps=8)) == STOPPED_STATUS
        assert f"stopped after step {step} of 8 ({number.name})" in capsys.readouterr().out
    assert [signal.getsignal(number) for number in numbers] == handlers
    assert train(config(tmp_path, max_steps=8)) == 0
    assert_same_state(tmp_path, whole)


def test_a_signal_ends_an_evaluation_at_once(train, tmp_path, monkeypatch):
    evaluate = evaluation.evaluate
    monkeypatch.setattr(evaluation, "evaluate", lambda *arguments, **options: os.kill(
        os.getpid(), signal.SIGTERM) or evaluate(*arguments, **options))
    assert train(config(tmp_path, max_steps=1)) == STOPPED_STATUS
    assert step_of(tmp_path) == 1 and len(list((tmp_path / "samples").iterdir())) == 1


def test_a_second_interrupt_takes_its_usual_course():
    with StopSignals() as stop:
        os.kill(os.getpid(), signal.SIGINT)
        assert stop.received == "SIGINT" and signal.getsignal(signal.SIGINT) == signal.SIG_DFL


def test_nohup_goes_on_when_its_terminal_is_closed():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as nohup does
    try:
        with StopSignals() as stop:
            os.kill(os.getpid(), signal.SIGHUP)
            assert stop.received is None
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_folder_takes_one_run_at_a_time(tmp_path, caplog):
    with run.RunLock(tmp_path):
        with pytest.raises(run.RunError, match=f"one run at a time.*process {os.getpid()} on"):
            with run.RunLock(tmp_path):
                pass
        for path in tmp_path.iterdir():  # whoever tidies up lets no second run in
            path.unlink()
        with pytest.raises(run.RunError, match="one run at a time"):
            with run.RunLock(tmp_path):
                pass
    assert not (tmp_path / run.OWNER_FILE).exists()
    (tmp_path / run.OWNER_FILE).write_text("no JSON")
    with run.RunLock(tmp_path):
        assert "another process ended without a word; its lock is taken over" in caplog.text


@pytest.mark.parametrize("name, lost", [("samples", "image grids"), ("tensorboard", "curves")])
def test_a_run_goes_on_without_what_cannot_be_written_after_one_warning(
        train, tmp_path, caplog, name, lost):
    (tmp_path / name).write_text("a file where the folder should be")
    assert train(config(tmp_path, max_steps=2, eval_steps=1)) == 0
    assert caplog.text.count("the run goes on without") == 1 and f"without {lost}" in caplog.text
    assert (tmp_path / "samples").is_dir() != (tmp_path / "tensorboard").is_dir()


def test_tensorboard_shows_the_steps_in_order_though_the_clock_went_back(tmp_path):
    for step, clock in ((1, 4_000_000_000), (2, 3_000_000_000), (3, None)):
        shown = summaries.Summaries(tmp_path)
        shown.scalars({"x": 1.0}, step, "group")
        shown.flush()
        if clock:
            path, = (tmp_path / "tensorboard").glob("events.*")
            path.rename(path.with_name(path.name.replace(path.name.split(".")[3], str(clock))))
    assert list(scalars(tmp_path, "group/x")) == [1, 2, 3]
