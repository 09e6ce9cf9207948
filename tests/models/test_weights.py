"""Weights in .npz files, and the newest whole checkpoint of a run."""

import resource

import keras
import numpy as np
import pytest

from colorizer import models
from colorizer.models import weights
from colorizer.models.weights import WeightsError
from tests.tiny_runs import tiny_config, write_checkpoint


def build_model(units=3):
    inputs = keras.Input((2,))
    x = keras.layers.Dense(units, name="first")(inputs)
    x = keras.layers.BatchNormalization(name="norm")(x)
    return keras.Model(inputs, keras.layers.Dense(1, name="second")(x))


@pytest.fixture(scope="module")
def model():
    return build_model()


@pytest.fixture()
def path(model, tmp_path):
    weights.save_weights(model, tmp_path / "w.npz")
    return tmp_path / "w.npz"


def named(model):
    return {variable.path: variable.numpy() for variable in model.weights}


def assert_same(found, expected):
    assert found.keys() == expected.keys()
    for name, array in found.items():
        np.testing.assert_array_equal(array, expected[name])


def refused(model, path, words):
    """Whether the file is refused in these words, in one line, and the model left as it was."""
    before = named(model)
    with pytest.raises(WeightsError, match=words) as caught:
        weights.load_weights(model, path)
    assert_same(named(model), before)
    assert len(str(caught.value).splitlines()) == 1
    return str(path) in str(caught.value)


def test_weights_round_trip_exactly_as_plain_named_arrays(model, path):
    with np.load(path, allow_pickle=False) as archive:
        assert set(archive.files) == {
            "first/kernel", "first/bias", "norm/gamma", "norm/beta", "norm/moving_mean",
            "norm/moving_variance", "second/kernel", "second/bias"}
        assert_same(dict(archive), named(model))
    other = build_model()
    weights.load_weights(other, path)
    assert_same(named(other), named(model))


@pytest.mark.parametrize("change, words", [
    (lambda arrays: arrays.update(another=np.zeros(2)), "another .*absent in the model"),
    (lambda arrays: arrays.pop("second/bias"), "second/bias .*absent in the file"),
    (lambda arrays: arrays.update({"first/bias": np.zeros(5), "norm/beta": np.zeros(5)}),
     r"2 differ, the first is first/bias \(\(5,\) in the file, \(3,\) in the model\)"),
    (lambda arrays: arrays.update({"first/kernel": np.full((2, 3), 1e300)}),
     "finite floats.*first/kernel"),
])
def test_arrays_that_are_not_the_model_s_are_refused_by_name(model, tmp_path, change, words):
    arrays = named(model)
    change(arrays)
    np.savez(tmp_path / "w.npz", **arrays)
    assert refused(model, tmp_path / "w.npz", words)


def test_matching_weights_are_taken_and_the_others_left(path):
    model = build_model(units=5)
    before = named(model)
    left = weights.load_matching_weights(model, path)
    assert "first/kernel" in left and "second/bias" not in left
    with np.load(path) as archive:
        for name, array in named(model).items():
            np.testing.assert_array_equal(array, before[name] if name in left else archive[name])
    np.savez(path, another=np.zeros(2))
    with pytest.raises(WeightsError, match="some weight must have the name and shape.*w.npz"):
        weights.load_matching_weights(model, path)


class Payload:
    """Makes a file in the working folder when it is unpickled."""

    def __reduce__(self):
        return open, ("ran", "w")


@pytest.mark.parametrize("raw", [False, True])
def test_pickled_weights_are_refused_and_not_run(model, tmp_path, monkeypatch, raw):
    monkeypatch.chdir(tmp_path)
    arrays = np.array([Payload()], dtype=object)
    if raw:
        arrays.dump(tmp_path / "w.npz")
    else:
        np.savez(tmp_path / "w.npz", **{"first/kernel": arrays})
    assert refused(model, tmp_path / "w.npz",
                   "cannot be read" if raw else "finite floats.*first/kernel")
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("content", [b"", b"not weights", b"PK\x03\x04", b"\x93NUMPY\x01\x00"])
def test_a_file_that_is_no_weights_is_refused(model, tmp_path, content):
    (tmp_path / "w.npz").write_bytes(content)
    np.save(tmp_path / "single.npy", np.zeros(3))
    for name in ("w.npz", "single.npy", "missing.npz", "."):
        assert refused(model, tmp_path / name, "cannot be read")


def test_a_flipped_byte_anywhere_is_refused_or_harmless(model, path):
    before, content = named(model), path.read_bytes()
    for index in range(0, len(content), 13):
        damaged = bytearray(content)
        damaged[index] ^= 0xFF
        path.write_bytes(damaged)
        try:
            weights.load_weights(model, path)
        except WeightsError:
            continue
        assert_same(named(model), before)


def test_the_newest_whole_checkpoint_has_the_weights_of_a_run(tmp_path):
    """How checkpoints are found damaged: tests/training/test_checkpoints.py."""
    folder = tmp_path / "checkpoints"
    with pytest.raises(WeightsError, match="must be a checkpoint .*checkpoints"):
        models.weights_path(tmp_path)
    for step in (1, 20, 3):
        write_checkpoint(tmp_path, {"a": np.zeros(2)}, tiny_config(), step)
    for name in ("ckpt-00000021-best", "tmp-00000022-7", "ckpt-x"):
        (folder / name).mkdir()
    assert weights.list_checkpoints(folder) == [
        folder / name for name in ("ckpt-00000020", "ckpt-00000003", "ckpt-00000001")]
    assert models.weights_path(tmp_path) == folder / "ckpt-00000020" / "generator.npz"
    (folder / "ckpt-00000020" / "generator.npz").write_bytes(b"torn")
    assert models.weights_path(tmp_path) == folder / "ckpt-00000003" / "generator.npz"


def test_a_network_that_was_only_looked_at_takes_no_memory_later(tmp_path):
    """Keras gives values to variables without one when any other scope ends."""
    config = tiny_config(base_channels=400)  # 2.6 GB
    write_checkpoint(tmp_path, {"ab/bias": np.zeros(2, np.float32)}, config)
    with pytest.raises(WeightsError, match="must be those of this model"):
        models.load_generator(tmp_path, config)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with keras.StatelessScope():
        pass
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 500_000  # KB
