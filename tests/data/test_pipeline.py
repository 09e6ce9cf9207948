"""The batches of every kind of data set: their order, augmentation and shape."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from colorizer.data import pipeline, tfds
from colorizer.data.dataset import Dataset
from colorizer.data.load import load_dataset
from tests.colors import COLORS, identities, image, same, take


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


def test_every_epoch_visits_each_color_image_of_its_split(dataset):
    count = dataset.train.size
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
    batches, off = dataset.train_batches(8, 5), tf.data.experimental.AutoShardPolicy.OFF
    assert batches.element_spec == tf.TensorSpec((8, 16, 16, 3), tf.uint8)
    assert batches.options().deterministic
    assert batches.options().experimental_distribute.auto_shard_policy == off
    whole = np.concatenate(take(batches, 18))  # some three epochs
    for replicas, local, worker, first in (
            (1, 1, 0, 15), (2, 2, 0, 7), (2, 1, 0, 10), (2, 1, 1, 10), (4, 2, 1, 1)):
        found = take(dataset.train_batches(
            8 // replicas, 5, first=first, replicas=replicas, local_replicas=local, worker=worker),
            3 * local)
        expected = whole.reshape(-1, replicas, 8 // replicas, 16, 16, 3)[
            first:first + 3, worker * local:(worker + 1) * local]
        same(found, list(expected.reshape(-1, 8 // replicas, 16, 16, 3)))


def test_held_out_batches_have_a_fixed_order_a_rest_and_a_limit(dataset):
    for size, batches in ((dataset.test.size, dataset.test_batches),
                          (dataset.validation.size, dataset.validation_batches)):
        found = take(batches(2))
        assert [len(batch) for batch in found[:-1]] == [2] * (len(found) - 1)
        if batches == dataset.test_batches or dataset.gray_left_out is not None:
            assert sum(map(len, found)) == size
        same(take(batches(2)), found)
        assert len(np.concatenate(take(batches(2, limit=1)))) == 1
        same(take(batches(2, limit=10**6)), found)


def test_a_limit_takes_evenly_spread_images():
    source = pipeline.ArraySource(np.stack([image((level,) * 3, 4, 4) for level in range(10)]))
    found = take(source.batches(3, limit=4))
    assert [batch[:, 0, 0, 0].tolist() for batch in found] == [[0, 2, 5], [7]]


def test_permutations_are_complete_and_those_of_consecutive_epochs_and_seeds_unrelated():
    for size in (1, 2, 3, 50_000):
        numbers = tf.range(size, dtype=tf.int64)
        orders = [pipeline.shuffled(numbers, size, tf.constant(epoch, tf.int64), seed).numpy()
                  for epoch, seed in ((0, 0), (1, 0), (2, 0), (0, 1), (1, 1))]
        np.testing.assert_array_equal(np.sort(orders), [np.arange(size)] * 5)
    correlations = np.corrcoef([np.arange(size), *orders])[np.triu_indices(6, 1)]
    assert np.abs(correlations).max() < 5 / np.sqrt(size)
    # The mean of n uniform numbers has variance 1 / 12n.
    means = [order[:49_920].reshape(-1, 128).mean(axis=1) / size for order in orders]
    assert np.std(means) == pytest.approx(np.sqrt(1 / 12 / 128), rel=0.1)


def test_half_of_the_images_are_mirrored_and_nothing_else_changes():
    rgb = np.zeros((1000, 6, 6, 3), np.uint8)  # green at the left, red of many levels at the right
    rgb[:, :, :3, 1] = 200
    rgb[:, :, 3:, 0] = np.arange(1000)[:, None, None] % 190 + 60
    dataset = Dataset("in memory", 6, *[pipeline.ArraySource(rgb)] * 3)
    plain, augmented, other = (np.concatenate(take(dataset.train_batches(100, seed, **options), 10))
                               for seed, options in ((3, {"augment": False}), (3, {}), (4, {})))
    mirrored, otherwise = (found[:, 0, 0, 0] > 0 for found in (augmented, other))
    np.testing.assert_array_equal(augmented[~mirrored], plain[~mirrored])
    np.testing.assert_array_equal(augmented[mirrored], plain[mirrored][:, :, ::-1])
    for share in (mirrored.mean(), np.mean(mirrored != otherwise)):
        assert abs(share - 0.5) < 5 * 0.5 / np.sqrt(1000)


def test_random_views_are_squares_of_half_to_all_of_the_largest_area():
    rgb = np.zeros((200, 250, 3), np.uint8)
    rgb[..., 0] = np.arange(250)
    rgb[..., 1] = np.arange(200)[:, None]
    sides, lefts, flips = [], [], 0
    for numbers in pipeline.draws(tf.range(300, dtype=tf.int64), 0).numpy():
        view = pipeline.view(rgb, 200, numbers).astype(int)
        x, y = view[100, :, 0], view[:, 100, 1]
        flips += x[0] > x[-1]
        assert abs(np.ptp(x) - np.ptp(y)) <= 2
        sides.append(np.ptp(y) + 1)
        lefts.append(x.min())
    np.testing.assert_array_equal(pipeline.view(rgb, 200), rgb[:, 25:225])  # the central one
    assert 200 * np.sqrt(0.5) - 2 <= min(sides) < 146 and 195 < max(sides) <= 200
    assert min(lefts) < 10 and 60 < max(lefts) and 100 < flips < 200
    for shape in ((1, 1, 3), (3, 200, 3), (200, 3, 3)):
        for number in (0.0, np.float32(1 - 2**-24)):  # extreme draws stay inside the image
            view = pipeline.view(np.zeros(shape, np.uint8), 8, np.full(4, number))
            assert view.shape == (8, 8, 3)
