"""Checkpoints under damage: what is restored, what is said, what stays on the disk."""

import json
import logging
import os
import shutil

import keras
import numpy as np
import pytest

from colorizer.files import sha256
from colorizer.models import weights
from colorizer.training.checkpoints import CheckpointError, Checkpoints

FILES = ["state.index", "state.data-00000-of-00001", "generator.npz", "manifest.json"]
CONFIG = '{"run": {"seed": 1}}'


class Run:
    """A tiny model with Adam; "training" adds numbers drawn from a seed to every variable."""

    def __init__(self, folder, units=3):
        inputs = keras.Input((2,))
        x = keras.layers.Dense(units, name="first")(inputs)
        x = keras.layers.BatchNormalization(name="norm")(x)
        self.model = keras.Model(inputs, keras.layers.Dense(1, name="second")(x))
        self.optimizer = keras.optimizers.Adam(0.1)
        self.optimizer.build(self.model.trainable_variables)
        self.checkpoints = Checkpoints(
            folder, {"model": self.model, "optimizer": self.optimizer}, lambda: self.model)

    def variables(self):
        return [*self.model.variables, *self.optimizer.variables]

    def values(self):
        return [np.array(variable) for variable in self.variables()]

    def save(self, step, **options):
        """Trains and saves; returns what the checkpoint should hold."""
        rng = np.random.default_rng(step)
        for variable in self.variables():
            if "float" in str(variable.dtype):
                variable.assign(rng.normal(size=variable.shape))
        self.checkpoints.save(step, {"position": step * 10}, CONFIG, **options)
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


def rewrite_manifest(folder, changes):
    """Changes a manifest and makes its digests right again."""
    path = folder / "manifest.json"
    manifest = json.loads(path.read_text()) | changes
    del manifest["manifest_sha256"]
    for name, digest in (manifest["sha256"] or {}).items():
        if digest is None or not changes:
            regular = "\0" not in name and (folder / name).is_file()
            manifest["sha256"][name] = sha256(folder / name) if regular else "0" * 64
    manifest["manifest_sha256"] = weights.manifest_digest(manifest)
    path.write_text(json.dumps(manifest))


def leave_temporary(folder, name="tmp-00000002-123"):
    (folder / name).mkdir(parents=True)
    (folder / name / "state.index").write_bytes(b"half")


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


@pytest.fixture(scope="module")
def two_saved(tmp_path_factory):
    """A folder with checkpoints of steps 1 and 2, and what the first holds."""
    folder = tmp_path_factory.mktemp("saved")
    run = Run(folder)
    older = run.save(1)
    run.save(2)
    return folder, older


@pytest.fixture
def saved(two_saved, tmp_path):
    folder = tmp_path / "checkpoints"
    shutil.copytree(two_saved[0], folder)
    return folder


def test_restore_gives_back_weights_optimizer_and_manifest(tmp_path):
    run = Run(tmp_path)
    assert run.checkpoints.restore_newest() is None
    run.optimizer.iterations.assign(7)
    saved = run.save(1)
    assert names(tmp_path / "ckpt-00000001") == sorted(FILES)
    fresh = Run(tmp_path)
    manifest = fresh.checkpoints.restore_newest()
    assert_same(fresh.values(), saved)
    assert int(fresh.optimizer.iterations) == 7
    assert manifest["step"] == 1 and manifest["loop"] == {"position": 10}
    assert manifest["config"] == json.loads(CONFIG)
    weights.load_weights(fresh.model, tmp_path / "ckpt-00000001" / "generator.npz")
    assert_same(fresh.model.get_weights(), run.model.get_weights())


def test_nothing_saved_makes_no_folder(tmp_path):
    assert Run(tmp_path / "missing").checkpoints.restore_newest() is None
    assert not (tmp_path / "missing").exists()
    with pytest.raises(CheckpointError, match="cannot be written to .*gone.*No such file"):
        Run(tmp_path / "gone").save(1)
    assert names(tmp_path) == []


def test_the_three_newest_and_the_kept_step_stay(tmp_path):
    run = Run(tmp_path)
    for step in (1, 2, 9, 10, 99_999_999):
        run.save(step, keep_step=2)
    last = run.save(100_000_000, keep_step=2)
    assert names(tmp_path) == ["ckpt-00000002", "ckpt-00000010", "ckpt-100000000", "ckpt-99999999"]
    fresh = Run(tmp_path)
    assert fresh.checkpoints.restore_newest()["step"] == 100_000_000
    assert_same(fresh.values(), last)


def test_a_whole_checkpoint_of_the_step_stays_and_a_damaged_one_is_replaced(tmp_path):
    run, fresh = Run(tmp_path), Run(tmp_path)
    first = run.save(1)
    run.model.get_layer("first").bias.assign([1.0, 2.0, 3.0])
    run.checkpoints.save(1, {}, CONFIG)
    fresh.checkpoints.restore_newest()
    assert_same(fresh.values(), first)
    flip(tmp_path / "ckpt-00000001" / "state.index")
    run.checkpoints.save(1, {}, CONFIG)
    fresh.checkpoints.restore_newest()
    assert_same(fresh.values(), run.values())
    assert names(tmp_path) == ["ckpt-00000001"]


def test_what_a_killed_save_left_is_no_checkpoint_and_is_removed(tmp_path):
    leave_temporary(tmp_path)
    # In a container the process number is the same after every restart.
    leave_temporary(tmp_path, f"tmp-00000001-{os.getpid()}")
    assert weights.list_checkpoints(tmp_path) == []
    run = Run(tmp_path)
    assert run.checkpoints.restore_newest(remove_incomplete=False) is None
    assert len(names(tmp_path)) == 2
    run.save(1)
    assert Run(tmp_path).checkpoints.restore_newest()["step"] == 1
    assert names(tmp_path) == ["ckpt-00000001"]


@pytest.mark.parametrize("damage", [truncate, empty, flip, delete])
@pytest.mark.parametrize("file", FILES)
def test_a_damaged_newest_checkpoint_is_passed_over_with_a_warning(
        saved, two_saved, warnings, damage, file):
    damage(saved / "ckpt-00000002" / file)
    fresh = Run(saved)
    assert fresh.checkpoints.restore_newest()["step"] == 1
    assert_same(fresh.values(), two_saved[1])
    assert len(warnings) == 1 and str(saved / "ckpt-00000002") in warnings[0]
    assert weights.newest_readable(saved) == saved / "ckpt-00000001"


@pytest.mark.parametrize("text", [
    "{}", "[]", "3", "null", '{"sha256": 3}', '{"sha256": {}}', "[" * 100_000, None],
    ids=lambda text: str(text)[:20])
def test_a_manifest_that_vouches_for_nothing_is_passed_over(saved, text):
    path = saved / "ckpt-00000002" / "manifest.json"
    path.write_text(path.read_text().replace('"position": 20', '"position": 60')
                    if text is None else text)
    assert Run(saved).checkpoints.restore_newest()["step"] == 1


@pytest.mark.parametrize("changes", [
    {"step": "2"}, {"step": True}, {"loop": []}, {"config": None}, {"sha256": None},
    {"sha256": {}}, {"sha256": {"generator.npz": [1]}},
    *({"sha256": {"generator.npz": None, name: None}} for name in (
        "../config.json", "/dev/zero", "a\0b", ".", "absent"))], ids=str)
def test_a_manifest_that_a_stranger_wrote_is_passed_over(saved, changes):
    """Its own digest is right; it names other files, or has values of other types."""
    (saved / "config.json").write_text("{}")
    rewrite_manifest(saved / "ckpt-00000002", changes)
    assert Run(saved).checkpoints.restore_newest()["step"] == 1
    assert weights.newest_readable(saved) == saved / "ckpt-00000001"


def test_a_checkpoint_without_readable_weights_is_none_to_colorize_with(saved):
    (saved / "ckpt-00000002" / "generator.npz").write_bytes(b"PK")
    rewrite_manifest(saved / "ckpt-00000002", {})
    assert weights.newest_readable(saved) == saved / "ckpt-00000001"


def test_all_damaged_is_an_error_and_deletes_nothing(saved, warnings):
    leave_temporary(saved)
    for folder in saved.glob("ckpt-*"):
        flip(folder / "state.data-00000-of-00001")
    before = tree(saved)
    with pytest.raises(CheckpointError, match="none of the 2") as caught:
        Run(saved).checkpoints.restore_newest()
    assert str(saved) in str(caught.value) and "\n" not in str(caught.value)
    assert tree(saved) == before and len(warnings) == 2


def test_checkpoints_of_another_architecture_are_an_error(saved):
    before = tree(saved)
    with pytest.raises(CheckpointError):
        Run(saved, units=5).checkpoints.restore_newest()
    assert tree(saved) == before


def test_a_copy_that_the_user_made_is_neither_newest_nor_removed(saved):
    shutil.copytree(saved / "ckpt-00000002", saved / "ckpt-00000002-best")
    run = Run(saved)
    for step in (3, 4, 5):
        run.save(step)
    assert names(saved) == [
        "ckpt-00000002-best", "ckpt-00000003", "ckpt-00000004", "ckpt-00000005"]
