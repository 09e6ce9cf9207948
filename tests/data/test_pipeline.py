"""The batches of every kind of data set: their order, augmentation and shape."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from colorizer.data import pipeline, tfds
from colorizer.data.dataset import Dataset
from colorizer.data.load import load_dataset
from tests.colors import COLORS, identities, image, same, take, write


@pytest.fixture(scope="module", params=["array", "folder", "stream"])
def dataset(request, color_folder, tfds_dir):
    """All of COLORS at 16 px; of the stream's training records some 20 more are gray."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tfds, "SHUFFLE_BLOCK", 16)
        if request.param == "stream":
            patch.setattr(tfds, "ARRAY_BYTES", 0)
        name = str(color_folder) if request.param == "folder" else "tiny_photos/validated"
        dataset = load_dataset(name, data_dir=tfds_dir, image_size=16)
        assert (dataset.gray_left_out is None) == (request.param == "stream")
        yield dataset


def in_memory(rgb):
    return Dataset("in memory", rgb.shape[1], *[pipeline.ArraySource(rgb)] * 3)


def test_every_epoch_visits_each_color_image_of_its_split(dataset):
    count = dataset.train_size
    found = identities(take(dataset.train_batches(7, 1), 3 * count // 7 + 1))
    epochs = [found[start:start + count] for start in (0, count, 2 * count)]
    epochs += [identities(take(dataset.train_batches(count, 2**40, augment=False), 1))]
    assert set(epochs[0]) == set(epochs[1]) == set(epochs[2]) == set(epochs[3])
    assert epochs[0] != epochs[1] != epochs[2] and epochs[0] != epochs[3]
    if dataset.gray_left_out is not None:  # else some images take the places of gray ones
        assert len(set(epochs[0])) == count
    others = np.concatenate(take(dataset.validation_batches(9)) + take(dataset.test_batches(9)))
    others = identities([others[np.ptp(others.mean(axis=(1, 2)), axis=1) > 2]])
    assert sorted([*set(epochs[0]), *others]) == list(range(len(COLORS)))


def test_a_restart_at_any_step_gives_every_worker_and_replica_what_it_would_have_got(dataset):
    whole = np.concatenate(take(dataset.train_batches(8, 5), 18))  # some three epochs
    for replicas, local, worker, first in (
            (1, 1, 0, 15), (2, 2, 0, 7), (2, 1, 0, 10), (2, 1, 1, 10), (4, 2, 1, 1)):
        found = take(dataset.train_batches(
            8 // replicas, 5, first=first, replicas=replicas, local_replicas=local, worker=worker),
            3 * local)
        expected = whole.reshape(-1, replicas, 8 // replicas, 16, 16, 3)[
            first:first + 3, worker * local:(worker + 1) * local]
        same(found, list(expected.reshape(-1, 8 // replicas, 16, 16, 3)))


def test_elements_are_deterministic_unsharded_uint8_of_a_fixed_shape(dataset):
    batches = dataset.train_batches(4, 0)
    assert batches.element_spec == tf.TensorSpec((4, 16, 16, 3), tf.uint8)
    options = batches.options()
    assert options.deterministic
    assert options.experimental_distribute.auto_shard_policy == (
        tf.data.experimental.AutoShardPolicy.OFF)


def test_held_out_batches_have_a_fixed_order_a_rest_and_a_limit(dataset):
    for size, batches in ((dataset.test_size, dataset.test_batches),
                          (dataset.validation_size, dataset.validation_batches)):
        found = take(batches(2))
        assert [len(batch) for batch in found[:-1]] == [2] * (len(found) - 1)
        if batches == dataset.test_batches or dataset.gray_left_out is not None:
            assert sum(map(len, found)) == size
        same(take(batches(2)), found)
        assert len(np.concatenate(take(batches(2, limit=1)))) == 1
        same(take(batches(2, limit=10**6)), found)


def test_a_limit_takes_evenly_spread_images():
    dataset = in_memory(np.arange(10, dtype=np.uint8)[:, None, None, None] * np.ones(
        (1, 4, 4, 3), np.uint8))
    for batches in (dataset.validation_batches, dataset.test_batches):
        found = take(batches(3, limit=4))
        assert [batch[:, 0, 0, 0].tolist() for batch in found] == [[0, 2, 5], [7]]


@pytest.mark.parametrize("wrong", [
    {"batch_size": 0}, {"first": -1}, {"worker": 1}, {"replicas": 3, "local_replicas": 2}])
def test_numbers_out_of_range_are_refused(wrong):
    with pytest.raises(ValueError, match="Received: batch_size="):
        in_memory(np.zeros((2, 4, 4, 3), np.uint8)).train_batches(
            **{"batch_size": 1, "seed": 0, **wrong})


@pytest.mark.parametrize("size", [1, 2, 3, 1000, 4096])
def test_shuffled_is_a_permutation(size):
    numbers = tf.range(size, dtype=tf.int64)
    found = pipeline.shuffled(numbers, size, tf.constant(3, tf.int64), 0).numpy()
    np.testing.assert_array_equal(np.sort(found), np.arange(size))


def test_permutations_of_consecutive_epochs_and_seeds_are_unrelated():
    size = 50_000
    numbers = tf.range(size, dtype=tf.int64)
    orders = [pipeline.shuffled(numbers, size, tf.constant(epoch, tf.int64), seed).numpy()
              for epoch, seed in ((0, 0), (1, 0), (2, 0), (0, 1), (1, 1))]
    correlations = np.corrcoef([np.arange(size), *orders])[np.triu_indices(6, 1)]
    assert np.abs(correlations).max() < 5 / np.sqrt(size)
    # The mean of n uniform numbers has variance 1 / 12n.
    means = [order[:49_920].reshape(-1, 128).mean(axis=1) / size for order in orders]
    assert np.std(means) == pytest.approx(np.sqrt(1 / 12 / 128), rel=0.1)


def test_half_of_the_images_are_mirrored_and_nothing_else_changes():
    rgb = np.zeros((1000, 6, 6, 3), np.uint8)  # green at the left, red of many levels at the right
    rgb[:, :, :3, 1] = 200
    rgb[:, :, 3:, 0] = np.arange(1000)[:, None, None] % 190 + 60
    dataset = in_memory(rgb)
    plain, augmented, other = (np.concatenate(take(dataset.train_batches(100, seed, **options), 10))
                               for seed, options in ((3, {"augment": False}), (3, {}), (4, {})))
    mirrored, otherwise = (found[:, 0, 0, 0] > 0 for found in (augmented, other))
    np.testing.assert_array_equal(augmented[~mirrored], plain[~mirrored])
    np.testing.assert_array_equal(augmented[mirrored], plain[mirrored][:, :, ::-1])
    for share in (mirrored.mean(), np.mean(mirrored != otherwise)):
        assert abs(share - 0.5) < 5 * 0.5 / np.sqrt(1000)


def test_draws_are_uniform_and_independent():
    numbers = pipeline.draws(tf.range(20_000, dtype=tf.int64), 9).numpy()
    assert numbers.min() >= 0 and numbers.max() < 1
    np.testing.assert_allclose(numbers.mean(axis=0), 0.5, atol=5 / np.sqrt(12 * 20_000))
    np.testing.assert_allclose(numbers.var(axis=0), 1 / 12, rtol=0.05)
    series = np.concatenate([numbers[1:].T, numbers[:-1].T])
    np.testing.assert_allclose(np.corrcoef(series), np.eye(8), atol=5 / np.sqrt(20_000))


def test_random_views_are_squares_of_half_to_all_of_the_largest_area():
    rgb = np.zeros((200, 250, 3), np.uint8)
    rgb[..., 0] = np.arange(250)
    rgb[..., 1] = np.arange(200)[:, None]
    sides, lefts, flips = [], [], 0
    for numbers in pipeline.draws(tf.range(300, dtype=tf.int64), 0).numpy():
        view = pipeline.random_view(rgb, numbers, 200).astype(int)
        x, y = view[100, :, 0], view[:, 100, 1]
        flips += x[0] > x[-1]
        assert abs(np.ptp(x) - np.ptp(y)) <= 2
        sides.append(np.ptp(y) + 1)
        lefts.append(x.min())
    assert 200 * np.sqrt(0.5) - 2 <= min(sides) < 146 and 195 < max(sides) <= 200
    assert min(lefts) < 10 and 60 < max(lefts)
    assert 100 < flips < 200


@pytest.mark.parametrize("shape", [(1, 1, 3), (3, 200, 3), (200, 3, 3)])
def test_extreme_draws_stay_inside_the_image(shape):
    for number in (0.0, np.float32(1 - 2**-24)):
        view = pipeline.random_view(np.zeros(shape, np.uint8), np.full(4, number), 8)
        assert view.shape == (8, 8, 3)


def test_without_augmentation_a_file_is_scaled_and_cropped_at_its_center(tmp_path):
    rgb = image((0, 0, 200), 8, 24)
    rgb[:, 8:16] = (200, 0, 0)
    for number in range(4):
        write(tmp_path / f"{number}.png", rgb)
    dataset = load_dataset(str(tmp_path), image_size=8)
    batch, = take(dataset.train_batches(4, 0, augment=False), 1)
    np.testing.assert_array_equal(batch, np.broadcast_to(rgb[:, 8:16], (4, 8, 8, 3)))
