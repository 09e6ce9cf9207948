"""The batches of every kind of data set: their order, augmentation and shape."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
import tensorflow as tf

from colorizer.data import load as data
from colorizer.data import dataset as datasets
from colorizer.data import pipeline as sources
from colorizer.data import tfds as tfds_sets
from tests.colors import identities, picture, same, take, write


@pytest.fixture(params=["array", "folder", "stream"])
def dataset(request, monkeypatch, color_folder, tfds_dir):
    monkeypatch.setattr(sources, "SHUFFLE_BLOCK", 16)
    if request.param == "folder":
        return data.load_dataset(str(color_folder), image_size=16)
    if request.param == "stream":
        monkeypatch.setattr(tfds_sets, "ARRAY_BYTES", 0)
    return data.load_dataset("tiny_photos/validated", data_dir=tfds_dir, image_size=16)


@pytest.mark.parametrize("augment", [True, False])
def test_every_epoch_visits_each_picture_exactly_once(dataset, augment):
    count = dataset.train_size
    found = identities(take(dataset.train_batches(7, 1, augment=augment), 3 * count // 7 + 1))
    epochs = [found[start:start + count] for start in (0, count, 2 * count)]
    assert len(set(epochs[0])) == count
    assert sorted(epochs[0]) == sorted(epochs[1]) == sorted(epochs[2])
    assert epochs[0] != epochs[1] != epochs[2]


def test_a_batch_may_hold_several_epochs(dataset):
    batch, = take(dataset.train_batches(3 * dataset.train_size, 1), 1)
    assert set(Counter(identities([batch])).values()) == {3}


def test_the_order_depends_on_the_seed(dataset):
    first, second = (identities(take(dataset.train_batches(20, seed), 1)) for seed in (1, 2**40))
    assert first != second


@pytest.mark.parametrize("step", [1, 15])
def test_a_restart_at_any_step_gives_the_identical_tail(dataset, step):
    whole = take(dataset.train_batches(8, 5), step + 4)
    same(take(dataset.train_batches(8, 5, first=step), 4), whole[step:])


def test_the_elements_of_two_replicas_make_up_the_batch_of_one(dataset):
    one = take(dataset.train_batches(8, 5, first=2), 9)
    two = take(dataset.train_batches(4, 5, first=2, replicas=2), 18)
    same([np.concatenate(two[step:step + 2]) for step in range(0, 18, 2)], one)


def test_workers_share_out_the_elements(dataset):
    whole = take(dataset.train_batches(3, 5, first=4, replicas=4), 12)
    for worker in (0, 1):
        part = take(dataset.train_batches(
            3, 5, first=4, replicas=4, local_replicas=2, worker=worker), 6)
        same(part, [element for number, element in enumerate(whole) if number % 4 // 2 == worker])


def test_a_mirrored_strategy_gets_each_replica_its_element(dataset):
    strategy = tf.distribute.MirroredStrategy(["CPU:0"])
    batches = strategy.distribute_datasets_from_function(
        lambda context: dataset.train_batches(4, 3, replicas=strategy.num_replicas_in_sync))
    same([batch.numpy() for batch, _ in zip(batches, range(5))],
         take(dataset.train_batches(4, 3), 5))


def test_elements_are_deterministic_unsharded_uint8_of_a_fixed_shape(dataset):
    batches = dataset.train_batches(4, 0)
    assert batches.element_spec == tf.TensorSpec((4, 16, 16, 3), tf.uint8)
    options = batches.options()
    assert options.deterministic
    assert options.experimental_distribute.auto_shard_policy == (
        tf.data.experimental.AutoShardPolicy.OFF)


@pytest.mark.parametrize("wrong", [
    {"batch_size": 0}, {"first": -1}, {"worker": 1}, {"replicas": 3, "local_replicas": 2}])
def test_numbers_out_of_range_are_refused(wrong):
    dataset = datasets.Dataset("x", 4, *[sources.ArraySource(np.zeros((2, 4, 4, 3), np.uint8))] * 2)
    with pytest.raises(ValueError, match="Received: batch_size="):
        dataset.train_batches(**{"batch_size": 1, "seed": 0, **wrong})


@pytest.mark.parametrize("size", [1, 2, 3, 1000, 4096])
def test_shuffled_is_a_permutation(size):
    numbers = tf.range(size, dtype=tf.int64)
    found = sources.shuffled(numbers, size, tf.constant(3, tf.int64), 0).numpy()
    np.testing.assert_array_equal(np.sort(found), np.arange(size))


def test_permutations_of_consecutive_epochs_and_seeds_are_unrelated():
    size = 50_000
    numbers = tf.range(size, dtype=tf.int64)
    orders = [sources.shuffled(numbers, size, tf.constant(epoch, tf.int64), seed).numpy()
              for epoch, seed in ((0, 0), (1, 0), (2, 0), (0, 1), (1, 1))]
    correlations = np.corrcoef([np.arange(size), *orders])[np.triu_indices(6, 1)]
    assert np.abs(correlations).max() < 5 / np.sqrt(size)
    # The mean of n uniform numbers has variance 1 / 12n.
    means = [order[:49_920].reshape(-1, 128).mean(axis=1) / size for order in orders]
    assert np.std(means) == pytest.approx(np.sqrt(1 / 12 / 128), rel=0.1)


@pytest.fixture
def lopsided():
    """Eight pictures, green on the left half, each with its own red level on the right half."""
    rgb = np.zeros((8, 6, 6, 3), np.uint8)
    rgb[:, :, :3, 1] = 200
    rgb[:, :, 3:, 0] = np.arange(8)[:, None, None] * 20 + 60
    return datasets.Dataset("lopsided", 6, *[sources.ArraySource(rgb)] * 2)


def test_half_of_the_pictures_are_mirrored_and_nothing_else_changes(lopsided):
    plain = np.concatenate(take(lopsided.train_batches(100, 3, augment=False), 10))
    rgb = np.concatenate(take(lopsided.train_batches(100, 3), 10))
    mirrored = rgb[:, 0, 0, 0] > 0
    assert abs(mirrored.mean() - 0.5) < 5 * 0.5 / np.sqrt(1000)
    np.testing.assert_array_equal(rgb[~mirrored], plain[~mirrored])
    np.testing.assert_array_equal(rgb[mirrored], plain[mirrored][:, :, ::-1])


def test_mirroring_depends_on_seed_and_position_only(lopsided):
    one = np.concatenate(take(lopsided.train_batches(60, 3), 1))
    np.testing.assert_array_equal(one, np.concatenate(take(lopsided.train_batches(4, 3), 15)))
    flips = [np.concatenate(take(lopsided.train_batches(60, seed), 1))[:, 0, 0, 0] > 0
             for seed in (3, 4)]
    assert 10 < np.sum(flips[0] != flips[1]) < 50


def test_draws_are_uniform_and_independent():
    numbers = sources.draws(tf.range(20_000, dtype=tf.int64), 9).numpy()
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
    for numbers in sources.draws(tf.range(300, dtype=tf.int64), 0).numpy():
        view = sources.random_view(rgb, numbers, 200).astype(int)
        x, y = view[100, :, 0], view[:, 100, 1]
        flips += x[0] > x[-1]
        assert abs(np.ptp(x) - np.ptp(y)) <= 2
        sides.append(np.ptp(y) + 1)
        lefts.append(x.min())
    assert 200 * np.sqrt(0.5) - 2 <= min(sides) < 146 and 195 < max(sides) <= 200
    assert min(lefts) < 10 and 60 < max(lefts)
    assert 100 < flips < 200


def test_extreme_draws_stay_inside_the_picture():
    for number in (0.0, np.float32(1 - 2**-24)):
        for shape in ((1, 1, 3), (3, 200, 3), (200, 3, 3)):
            view = sources.random_view(np.zeros(shape, np.uint8), np.full(4, number), 8)
            assert view.shape == (8, 8, 3)


def test_without_augmentation_a_file_is_scaled_and_cropped_at_its_center(tmp_path):
    rgb = picture((0, 0, 200), 8, 24)
    rgb[:, 8:16] = (200, 0, 0)
    for number in range(8):
        write(tmp_path / f"{number}.png", rgb)
    dataset = data.load_dataset(str(tmp_path), image_size=8)
    batch, = take(dataset.train_batches(4, 0, augment=False), 1)
    np.testing.assert_array_equal(batch, np.broadcast_to(rgb[:, 8:16], (4, 8, 8, 3)))


def test_test_batches_have_a_fixed_order_and_end_with_the_rest(dataset):
    batches = take(dataset.test_batches(4), -1)
    assert [len(batch) for batch in batches[:-1]] == [4] * (len(batches) - 1)
    assert sum(map(len, batches)) == dataset.test_size
    same(batches, take(dataset.test_batches(4), -1))


def test_a_limit_takes_that_many_test_pictures(dataset):
    assert sum(map(len, dataset.test_batches(2, limit=3))) == 3
    assert sum(map(len, dataset.test_batches(2, limit=10**6))) == dataset.test_size


def test_a_limit_takes_evenly_spread_test_pictures():
    rgb = np.arange(10, dtype=np.uint8)[:, None, None, None] * np.ones((1, 4, 4, 3), np.uint8)
    dataset = datasets.Dataset("ten", 4, *[sources.ArraySource(rgb)] * 2)
    batches = take(dataset.test_batches(3, limit=4), -1)
    assert [batch[:, 0, 0, 0].tolist() for batch in batches] == [[0, 2, 5], [7]]
