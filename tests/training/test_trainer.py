"""A run in a folder: what it leaves, how it goes on, what it refuses."""

import json

import numpy as np
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.util import tensor_util

from colorizer.training import checkpoints
from colorizer import config as config_lib
from colorizer.data import dataset as datasets
from colorizer.training import run as runs
from colorizer.errors import UserError

TINY = dict(dataset="sample", width=2, batch_size=8, eval_examples=8, grid_examples=4, log_steps=2)


def config(workdir, **changes):
    return config_lib.TrainConfig().replace(**{**TINY, "workdir": str(workdir), **changes})


@pytest.fixture
def run(one_replica):
    return lambda settings: runs.run(settings, one_replica)


def final_weights(workdir):
    newest = checkpoints.newest_readable(workdir / "checkpoints")
    with np.load(newest / checkpoints.WEIGHTS) as arrays:
        return {name: arrays[name] for name in arrays.files}


def test_a_run_leaves_config_checkpoint_grid_and_logs(run, tmp_path, capsys):
    run(config(tmp_path, max_steps=4, eval_steps=2))
    assert json.loads((tmp_path / "config.json").read_text())["data"]["image_size"] == 32
    assert checkpoints.newest_readable(tmp_path / "checkpoints").name == "ckpt-00000004"
    assert sorted(p.name for p in (tmp_path / "samples").iterdir()) == [
        "step-00000002.png", "step-00000004.png"]
    out = capsys.readouterr().out
    assert "gray baseline" in out and str(tmp_path / "samples") in out

    events = EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    tags = events.Tags()
    assert "test pictures" in tags["images"] or "test pictures" in tags["tensors"]
    for tag in ("train/generator/l1", "train/generator/adversarial", "train/discriminator/loss",
                "test/model/delta_e", "test/gray_baseline/delta_e", "a/predicted", "b/real",
                "settings", "_hparams_/session_start_info"):
        assert tag in tags["tensors"], tag
    assert [event.step for event in events.Tensors("train/generator/l1")] == [2, 4]


def test_a_stopped_run_goes_on_to_the_same_bits(run, tmp_path, capsys):
    run(config(tmp_path / "whole", max_steps=6, ema_decay=0.9))
    run(config(tmp_path / "parts", max_steps=3, ema_decay=0.9))
    run(config(tmp_path / "parts", max_steps=6, ema_decay=0.9))
    assert "going on after step 3 of 6" in capsys.readouterr().out
    whole, parts = final_weights(tmp_path / "whole"), final_weights(tmp_path / "parts")
    assert whole.keys() == parts.keys()
    for name in whole:
        np.testing.assert_array_equal(whole[name], parts[name], err_msg=name)


def test_a_finished_run_says_so_and_how_to_extend_it(run, tmp_path, capsys):
    run(config(tmp_path, max_steps=2))
    capsys.readouterr()
    run(config(tmp_path, max_steps=2))
    out = capsys.readouterr().out
    assert "finished: 2 of 2 steps" in out and "--epochs" in out


def test_a_folder_of_another_run_is_refused_by_the_flags_that_differ(run, tmp_path):
    run(config(tmp_path, max_steps=1))
    before = (tmp_path / "config.json").read_text()
    with pytest.raises(config_lib.ConfigError, match="--width was 2, now 4"):
        run(config(tmp_path, max_steps=2, width=4))
    assert (tmp_path / "config.json").read_text() == before


def test_a_conditional_run_begun_before_its_controls_could_be_chosen_goes_on(tmp_path):
    wanted = config(tmp_path, conditional=True).resolve(32)
    written = json.loads(wanted.to_json())
    del written["controls"]["controls"]
    (tmp_path / "config.json").write_text(json.dumps(written))
    runs.check_workdir(tmp_path, wanted)
    with pytest.raises(config_lib.ConfigError, match="--controls was saturation,.*, now hue"):
        runs.check_workdir(tmp_path, wanted.replace(controls="hue"))


def test_training_begins_with_the_weights_of_another_run(run, tmp_path, capsys):
    run(config(tmp_path / "first", max_steps=2))
    run(config(tmp_path / "second", max_steps=1, lr=1e-9, init_from=str(tmp_path / "first")))
    assert f"the generator begins as {tmp_path / 'first'}\n" in capsys.readouterr().out
    first, second = final_weights(tmp_path / "first"), final_weights(tmp_path / "second")
    for name, array in first.items():
        if "moving" not in name:
            np.testing.assert_allclose(second[name], array, atol=1e-6)


def test_what_another_run_cannot_give_begins_afresh_and_is_named(run, tmp_path, capsys):
    run(config(tmp_path / "first", max_steps=1))
    run(config(tmp_path / "second", max_steps=1, num_downsamples=3,
               init_from=str(tmp_path / "first")))
    assert "but for 6 layers: " in capsys.readouterr().out


def test_weights_to_begin_with_that_are_not_there_leave_no_folder(run, tmp_path):
    with pytest.raises(UserError, match="nowhere"):
        run(config(tmp_path / "run", max_steps=1, init_from="nowhere"))
    assert not (tmp_path / "run").exists()


def test_a_missing_data_set_leaves_no_folder(run, tmp_path):
    with pytest.raises(datasets.DatasetError):
        run(config(tmp_path / "run", dataset=str(tmp_path / "nowhere")))
    assert not (tmp_path / "run").exists()


def test_exponential_decay_is_restored_on_resume(run, tmp_path):
    changes = dict(lr=1e-3, lr_decay="exponential", lr_decay_steps=2, lr_decay_rate=0.5)
    run(config(tmp_path, max_steps=2, **changes))
    run(config(tmp_path, max_steps=4, **changes))
    events = EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    values = [float(tensor_util.make_ndarray(event.tensor_proto))
              for event in events.Tensors("train/learning_rate_factor")]
    np.testing.assert_allclose(values, [0.5, 0.25], rtol=1e-6)
