"""Checkpoints under damage: what is restored, what is said, what stays on the disk."""

import json
import logging
import os
import shutil

import keras
import numpy as np
import pytest

from colorizer.training import checkpoints
from colorizer.training.checkpoints import CheckpointError, Checkpoints

FILES = ["state.index", "state.data-00000-of-00001", "generator.npz", "manifest.json"]
CONFIG = '{"run": {"seed": 1}}'


def build_model(units=3):
    inputs = keras.Input((2,))
    x = keras.layers.Dense(units, name="first")(inputs)
    x = keras.layers.BatchNormalization(name="norm")(x)
    return keras.Model(inputs, keras.layers.Dense(1, name="second")(x))


class Run:
    """A tiny model with Adam, trained one step at a time."""

    def __init__(self, folder, keep=3, units=3):
        self.model = build_model(units)
        self.optimizer = keras.optimizers.Adam(0.1)
        self.model.compile(self.optimizer, "mse")
        self.optimizer.build(self.model.trainable_variables)
        self.checkpoints = Checkpoints(
            folder, {"model": self.model, "optimizer": self.optimizer}, lambda: self.model, keep)

    def step(self, seed):
        rng = np.random.default_rng(seed)
        self.model.train_on_batch(rng.normal(size=(4, 2)), rng.normal(size=(4, 1)))

    def values(self):
        variables = [*self.model.variables, *self.optimizer.variables]
        return [np.array(variable) for variable in variables]

    def save(self, step):
        """Trains and saves; returns what the checkpoint should hold."""
        self.step(step)
        self.checkpoints.save(step, {"position": step * 10}, CONFIG)
        return self.values()


def assert_same(found, expected):
    assert len(found) == len(expected)
    for one, other in zip(found, expected):
        np.testing.assert_array_equal(one, other)


def tree(folder):
    return {str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None
            for path in folder.rglob("*")}


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def truncate(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def empty(path):
    path.write_bytes(b"")


def flip(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(data)


def delete(path):
    path.unlink()


@pytest.fixture
def warnings():
    """The messages that absl logs."""
    messages = []
    handler = logging.Handler(logging.WARNING)
    handler.emit = lambda record: messages.append(record.getMessage())
    logger = logging.getLogger("absl")
    logger.addHandler(handler)
    yield messages
    logger.removeHandler(handler)


# ----------------------------------------------------------------------------------- whole ones

def test_restore_gives_back_weights_optimizer_and_manifest(tmp_path):
    run = Run(tmp_path)
    run.step(100)
    saved = run.save(1)
    run.step(101)
    fresh = Run(tmp_path)
    manifest = fresh.checkpoints.restore_newest()
    assert_same(fresh.values(), saved)
    assert int(fresh.optimizer.iterations) == 2
    assert manifest["step"] == 1 and manifest["loop"] == {"position": 10}
    assert manifest["config"] == json.loads(CONFIG)


def test_training_goes_on_after_a_restore_as_if_never_cut(tmp_path):
    run = Run(tmp_path)
    run.save(1)
    fresh = Run(tmp_path)
    fresh.checkpoints.restore_newest()
    for seed in (5, 6):
        run.step(seed)
        fresh.step(seed)
    assert_same(fresh.values(), run.values())


def test_nothing_saved_gives_none(tmp_path):
    run = Run(tmp_path / "missing")
    before = run.values()
    assert run.checkpoints.restore_newest() is None
    assert_same(run.values(), before)
    assert not (tmp_path / "missing").exists()


def test_the_newest_of_several_is_restored_and_the_oldest_go(tmp_path):
    run = Run(tmp_path, keep=2)
    saved = [run.save(step) for step in (1, 2, 9, 10, 11)]
    assert names(tmp_path) == ["ckpt-00000010", "ckpt-00000011"]
    fresh = Run(tmp_path)
    assert fresh.checkpoints.restore_newest()["step"] == 11
    assert_same(fresh.values(), saved[-1])


def test_checkpoints_are_in_order_beyond_eight_digits(tmp_path):
    run = Run(tmp_path, keep=2)
    for step in (99_999_998, 99_999_999, 100_000_000):
        run.save(step)
    assert Run(tmp_path).checkpoints.restore_newest()["step"] == 100_000_000
    assert names(tmp_path) == ["ckpt-100000000", "ckpt-99999999"]


def test_a_whole_checkpoint_of_the_step_stays_and_a_damaged_one_is_replaced(tmp_path):
    run = Run(tmp_path)
    first = run.save(1)
    run.save(1)
    fresh = Run(tmp_path)
    fresh.checkpoints.restore_newest()
    assert_same(fresh.values(), first)
    flip(tmp_path / "ckpt-00000001" / "state.index")
    again = run.save(1)
    fresh.checkpoints.restore_newest()
    assert_same(fresh.values(), again)
    assert names(tmp_path) == ["ckpt-00000001"]


def test_the_spared_checkpoint_stays_beyond_the_newest(tmp_path):
    run = Run(tmp_path, keep=2)
    for step in (1, 2, 3, 4):
        run.step(step)
        run.checkpoints.save(step, {}, CONFIG, spare=1)
    assert names(tmp_path) == ["ckpt-00000001", "ckpt-00000003", "ckpt-00000004"]


def test_a_folder_that_is_gone_is_not_made_again(tmp_path):
    with pytest.raises(CheckpointError, match="cannot be written to .*gone.*No such file"):
        Run(tmp_path / "gone").save(1)
    assert names(tmp_path) == []


def test_a_checkpoint_holds_the_generators_weights_and_a_manifest(tmp_path):
    run = Run(tmp_path)
    run.save(1)
    assert names(tmp_path / "ckpt-00000001") == sorted(FILES)
    other = build_model()
    checkpoints.load_weights(other, tmp_path / "ckpt-00000001" / "generator.npz")
    assert_same(other.get_weights(), run.model.get_weights())


# ---------------------------------------------------------------------------------- killed saves

def leave_temporary(folder, name="tmp-00000002-123"):
    (folder / name).mkdir(parents=True)
    (folder / name / "state.index").write_bytes(b"half")


def test_restore_sweeps_what_a_killed_save_left(tmp_path):
    Run(tmp_path).save(1)
    leave_temporary(tmp_path)
    Run(tmp_path).checkpoints.restore_newest()
    assert names(tmp_path) == ["ckpt-00000001"]


def test_a_killed_save_is_no_checkpoint(tmp_path):
    leave_temporary(tmp_path)
    assert checkpoints.list_checkpoints(tmp_path) == []
    assert Run(tmp_path).checkpoints.restore_newest() is None


def test_a_save_killed_under_the_same_process_number_does_not_stop_the_next(tmp_path):
    # In a container the number is the same after every restart.
    leave_temporary(tmp_path, f"tmp-00000001-{os.getpid()}")
    run = Run(tmp_path)
    assert run.checkpoints.restore_newest() is None
    run.save(1)
    assert names(tmp_path) == ["ckpt-00000001"]
    assert Run(tmp_path).checkpoints.restore_newest()["step"] == 1


# ---------------------------------------------------------------------------------------- damage

@pytest.mark.parametrize("damage", [truncate, empty, flip, delete])
@pytest.mark.parametrize("file", FILES)
def test_a_damaged_newest_checkpoint_is_passed_over_with_a_warning(
        tmp_path, warnings, damage, file):
    run = Run(tmp_path)
    older = run.save(1)
    run.save(2)
    damage(tmp_path / "ckpt-00000002" / file)
    fresh = Run(tmp_path)
    assert fresh.checkpoints.restore_newest()["step"] == 1
    assert_same(fresh.values(), older)
    assert len(warnings) == 1 and str(tmp_path / "ckpt-00000002") in warnings[0]
    assert checkpoints.newest_readable(tmp_path) == tmp_path / "ckpt-00000001"


def test_an_empty_checkpoint_folder_is_passed_over(tmp_path, warnings):
    Run(tmp_path).save(1)
    (tmp_path / "ckpt-00000002").mkdir()
    assert Run(tmp_path).checkpoints.restore_newest()["step"] == 1
    assert "ckpt-00000002" in warnings[0]


@pytest.mark.parametrize("text", ["{}", "[]", "3", "null", '{"sha256": 3}', '{"sha256": {}}'])
def test_a_manifest_that_vouches_for_nothing_is_passed_over(tmp_path, text):
    run = Run(tmp_path)
    run.save(1)
    run.save(2)
    (tmp_path / "ckpt-00000002" / "manifest.json").write_text(text)
    assert Run(tmp_path).checkpoints.restore_newest()["step"] == 1


def test_a_changed_digit_in_the_manifest_is_noticed(tmp_path):
    run = Run(tmp_path)
    run.save(1)
    run.save(2)
    path = tmp_path / "ckpt-00000002" / "manifest.json"
    changed = path.read_text().replace('"position": 20', '"position": 60')
    assert changed != path.read_text()
    path.write_text(changed)
    assert Run(tmp_path).checkpoints.restore_newest()["step"] == 1


def test_all_damaged_is_an_error_and_deletes_nothing(tmp_path, warnings):
    run = Run(tmp_path)
    run.save(1)
    run.save(2)
    leave_temporary(tmp_path)
    for folder in tmp_path.glob("ckpt-*"):
        flip(folder / "state.data-00000-of-00001")
    before = tree(tmp_path)
    with pytest.raises(CheckpointError, match="none of the 2") as caught:
        Run(tmp_path).checkpoints.restore_newest()
    assert str(tmp_path) in str(caught.value) and "\n" not in str(caught.value)
    assert tree(tmp_path) == before
    assert len(warnings) == 2
    with pytest.raises(CheckpointError):
        checkpoints.newest_readable(tmp_path)


def test_checkpoints_of_another_architecture_are_an_error(tmp_path):
    Run(tmp_path).save(1)
    before = tree(tmp_path)
    with pytest.raises(CheckpointError):
        Run(tmp_path, units=5).checkpoints.restore_newest()
    assert tree(tmp_path) == before


def test_a_copy_that_the_user_made_is_neither_newest_nor_removed(tmp_path):
    run = Run(tmp_path, keep=1)
    run.save(1)
    shutil.copytree(tmp_path / "ckpt-00000001", tmp_path / "ckpt-00000001-best")
    run.save(2)
    run.save(3)
    assert names(tmp_path) == ["ckpt-00000001-best", "ckpt-00000003"]
    assert Run(tmp_path).checkpoints.restore_newest()["step"] == 3


# --------------------------------------------------------------------------------- weights alone

def test_weights_round_trip_exactly(tmp_path):
    model, other = build_model(), build_model()
    checkpoints.save_weights(model, tmp_path / "w.npz")
    checkpoints.load_weights(other, tmp_path / "w.npz")
    assert_same(other.get_weights(), model.get_weights())


def test_weights_file_is_plain_named_arrays(tmp_path):
    model = build_model()
    checkpoints.save_weights(model, tmp_path / "w.npz")
    with np.load(tmp_path / "w.npz", allow_pickle=False) as archive:
        assert set(archive.files) == {
            "first/kernel", "first/bias", "norm/gamma", "norm/beta", "norm/moving_mean",
            "norm/moving_variance", "second/kernel", "second/bias"}
        np.testing.assert_array_equal(archive["first/kernel"], model.get_layer("first").kernel)


def test_weights_of_another_architecture_name_the_first_that_differs(tmp_path):
    checkpoints.save_weights(build_model(units=5), tmp_path / "w.npz")
    model = build_model(units=3)
    before = model.get_weights()
    with pytest.raises(CheckpointError) as caught:
        checkpoints.load_weights(model, tmp_path / "w.npz")
    message = str(caught.value)
    assert "first/bias" in message and "(5,)" in message and "(3,)" in message
    assert str(tmp_path / "w.npz") in message and "\n" not in message
    assert_same(model.get_weights(), before)


def test_matching_weights_are_taken_and_the_others_left(tmp_path):
    source, model = build_model(units=5), build_model(units=3)
    checkpoints.save_weights(source, tmp_path / "w.npz")
    before = {variable.path: variable.numpy() for variable in model.weights}
    left = checkpoints.load_matching_weights(model, tmp_path / "w.npz")
    assert "first/kernel" in left and "second/bias" not in left
    of_source = {variable.path: variable.numpy() for variable in source.weights}
    for variable in model.weights:
        wanted = before if variable.path in left else of_source
        np.testing.assert_array_equal(variable, wanted[variable.path])


def test_weights_of_which_none_match_are_refused(tmp_path):
    np.savez(tmp_path / "w.npz", another=np.zeros(2))
    with pytest.raises(CheckpointError, match="no weight in"):
        checkpoints.load_matching_weights(build_model(), tmp_path / "w.npz")


def test_missing_and_extra_weights_are_named(tmp_path):
    model = build_model()
    arrays = {variable.path: variable.numpy() for variable in model.weights}
    np.savez(tmp_path / "extra.npz", **arrays, another=np.zeros(2))
    with pytest.raises(CheckpointError, match="another"):
        checkpoints.load_weights(model, tmp_path / "extra.npz")
    del arrays["second/bias"]
    np.savez(tmp_path / "less.npz", **arrays)
    with pytest.raises(CheckpointError, match="second/bias"):
        checkpoints.load_weights(model, tmp_path / "less.npz")


class Payload:
    """Makes a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


@pytest.mark.parametrize("raw", [False, True])
def test_pickled_weights_are_refused_and_not_run(tmp_path, raw):
    arrays = np.array([Payload(tmp_path / "ran")], dtype=object)
    if raw:
        arrays.dump(tmp_path / "w.npz")
    else:
        np.savez(tmp_path / "w.npz", **{"first/kernel": arrays})
    with pytest.raises(CheckpointError, match="cannot be read"):
        checkpoints.load_weights(build_model(), tmp_path / "w.npz")
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("content", [b"", b"not weights", b"PK\x03\x04", b"\x93NUMPY\x01\x00"])
def test_a_file_that_is_no_weights_is_refused(tmp_path, content):
    (tmp_path / "w.npz").write_bytes(content)
    with pytest.raises(CheckpointError, match="w.npz"):
        checkpoints.load_weights(build_model(), tmp_path / "w.npz")


def test_a_missing_file_and_a_folder_are_refused(tmp_path):
    for path in (tmp_path / "missing.npz", tmp_path):
        with pytest.raises(CheckpointError, match=path.name):
            checkpoints.load_weights(build_model(), path)


def test_a_single_array_is_refused(tmp_path):
    np.save(tmp_path / "w.npy", np.zeros(3))
    with pytest.raises(CheckpointError, match="w.npy"):
        checkpoints.load_weights(build_model(), tmp_path / "w.npy")


@pytest.mark.parametrize("value", [np.nan, np.inf, "text"])
def test_weights_that_are_not_finite_numbers_are_refused(tmp_path, value):
    model = build_model()
    arrays = {variable.path: variable.numpy() for variable in model.weights}
    arrays["first/kernel"] = np.full((2, 3), value)
    np.savez(tmp_path / "w.npz", **arrays)
    before = model.get_weights()
    with pytest.raises(CheckpointError, match="first/kernel"):
        checkpoints.load_weights(model, tmp_path / "w.npz")
    assert_same(model.get_weights(), before)


def test_a_flipped_byte_anywhere_is_refused_or_harmless(tmp_path):
    model, path = build_model(), tmp_path / "w.npz"
    checkpoints.save_weights(model, path)
    before, data = model.get_weights(), path.read_bytes()
    for index in range(0, len(data)):
        damaged = bytearray(data)
        damaged[index] ^= 0xFF
        path.write_bytes(damaged)
        try:
            checkpoints.load_weights(model, path)
        except CheckpointError:
            continue
        assert_same(model.get_weights(), before)
