from __future__ import annotations

from collections import Counter
import json
import os
from pathlib import Path
import shutil
import socket

from PIL import Image
import numpy as np
import pytest
import skimage.data
import tensorflow as tf
import tensorflow_datasets as tfds

from colorizer import data, sources

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"
LEVELS = (20, 85, 150, 215)
# 60 colours that survive JPEG and can be told apart.
COLOURS = [(r, g, b) for r in LEVELS for g in LEVELS for b in LEVELS if not r == g == b]


def picture(colour, height=24, width=20):
    return np.full((height, width, 3), colour, np.uint8)


def write(path, rgb, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(rgb).save(path, **options)
    return path


def identities(batches):
    """Which of COLOURS each picture of uint8 [..., S, S, 3] is."""
    means = np.concatenate(list(batches)).astype(float).mean(axis=(1, 2))
    levels = np.rint((means - LEVELS[0]) / (LEVELS[1] - LEVELS[0])).astype(int)
    assert np.abs(levels * 65 + 20 - means).max() < 8
    return [COLOURS.index(tuple(LEVELS[i] for i in row)) for row in levels]


def take(batches, count):
    return list(batches.take(count).as_numpy_iterator())


def same(left, right):
    assert len(left) == len(right) > 0
    for a, b in zip(left, right):
        np.testing.assert_array_equal(a, b)


class TinyPhotos(tfds.core.GeneratorBasedBuilder):
    """Uniform JPEGs of different sizes, every tenth training picture gray."""

    VERSION = tfds.core.Version("1.0.0")
    pkg_dir_path = Path(__file__).parent
    BUILDER_CONFIGS = [tfds.core.BuilderConfig(name=name) for name in ("validated", "solo")]

    def _info(self):
        return self.dataset_info_from_configs(features=tfds.features.FeaturesDict({
            "image": tfds.features.Image(encoding_format="jpeg"),
            "label": tfds.features.ClassLabel(num_classes=3)}))

    def _split_generators(self, dl_manager):
        splits = {"train": self._generate_examples(COLOURS[:50], 5)}
        if self.builder_config.name == "validated":
            splits["validation"] = self._generate_examples(COLOURS[50:], 1)
        return splits

    def _generate_examples(self, colours, gray):
        for number, colour in enumerate([*colours, *[(99, 99, 99)] * gray]):
            yield number, {"image": picture(colour, 16 + number % 9, 18), "label": number % 3}


class TinyNumbers(tfds.core.GeneratorBasedBuilder):
    VERSION = tfds.core.Version("1.0.0")
    pkg_dir_path = Path(__file__).parent

    def _info(self):
        return self.dataset_info_from_configs(
            features=tfds.features.FeaturesDict({"number": np.int64}))

    def _split_generators(self, dl_manager):
        return {"train": self._generate_examples()}

    def _generate_examples(self):
        yield 0, {"number": 1}


@pytest.fixture(scope="module")
def tfds_dir(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tfds")
    for name in ("tiny_photos/validated", "tiny_photos/solo", "tiny_numbers"):
        tfds.builder(name, data_dir=folder).download_and_prepare()
    return str(folder)


@pytest.fixture(scope="module")
def colour_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("colours")
    for number, colour in enumerate(COLOURS):
        write(folder / f"{number % 3}" / f"{number}.png", picture(colour, 20 + number % 7))
    return folder


@pytest.fixture(params=["array", "folder", "stream"])
def dataset(request, monkeypatch, colour_folder, tfds_dir):
    monkeypatch.setattr(sources, "SHUFFLE_BLOCK", 16)
    if request.param == "folder":
        return data.load_dataset(str(colour_folder), image_size=16)
    if request.param == "stream":
        monkeypatch.setattr(data, "ARRAY_BYTES", 0)
    return data.load_dataset("tiny_photos/validated", data_dir=tfds_dir, image_size=16)


# Order


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
    dataset = data.Dataset("x", 4, *[sources.ArraySource(np.zeros((2, 4, 4, 3), np.uint8))] * 2)
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


# Augmentation


@pytest.fixture
def lopsided():
    """Eight pictures, green on the left half, each with its own red level on the right half."""
    rgb = np.zeros((8, 6, 6, 3), np.uint8)
    rgb[:, :, :3, 1] = 200
    rgb[:, :, 3:, 0] = np.arange(8)[:, None, None] * 20 + 60
    return data.Dataset("lopsided", 6, *[sources.ArraySource(rgb)] * 2)


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


def test_without_augmentation_a_file_is_scaled_and_cropped_at_its_centre(tmp_path):
    rgb = picture((0, 0, 200), 8, 24)
    rgb[:, 8:16] = (200, 0, 0)
    for number in range(8):
        write(tmp_path / f"{number}.png", rgb)
    dataset = data.load_dataset(str(tmp_path), image_size=8)
    batch, = take(dataset.train_batches(4, 0, augment=False), 1)
    np.testing.assert_array_equal(batch, np.broadcast_to(rgb[:, 8:16], (4, 8, 8, 3)))


# Test batches


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
    dataset = data.Dataset("ten", 4, *[sources.ArraySource(rgb)] * 2)
    batches = take(dataset.test_batches(3, limit=4), -1)
    assert [batch[:, 0, 0, 0].tolist() for batch in batches] == [[0, 2, 5], [7]]


# Folders


def split_of(folder, **options):
    """The names of a folder's training and test files."""
    dataset = data.load_dataset(str(folder), image_size=8, **options)
    return [{path.relative_to(folder).as_posix() for path in source._paths}
            for source in (dataset.train, dataset.test)]


def test_adding_files_moves_no_other_to_another_split(colour_folder, tmp_path):
    folder = tmp_path / "copy"
    shutil.copytree(colour_folder, folder)
    before = split_of(folder)
    for number in range(20):
        write(folder / "0" / f"new{number}.png", picture(COLOURS[number]))
    after = split_of(folder)
    assert before == split_of(colour_folder)
    assert before[0] <= after[0] and before[1] <= after[1]
    assert not after[0] & after[1] and len(after[0] | after[1]) == 80


def test_test_split_is_the_share_of_test_files(colour_folder):
    sizes = [len(split_of(colour_folder, test_split=share)[1]) for share in (0.1, 0.5)]
    # Binomial, five standard deviations.
    assert abs(sizes[0] - 6) < 12 and abs(sizes[1] - 30) < 20 and sizes[0] < sizes[1]


@pytest.mark.parametrize("share", [1e-9, 1 - 1e-9])
def test_two_pictures_are_one_to_train_and_one_to_test_on(tmp_path, share):
    for name in ("a", "b"):
        write(tmp_path / f"{name}.png", picture(COLOURS[0]))
    assert [len(split) for split in split_of(tmp_path, test_split=share)] == [1, 1]


@pytest.mark.parametrize("test", ["test", "val", "validation"])
def test_subfolders_decide_the_split(tmp_path, test):
    for name in ("train/a.png", "train/deep/b.png", f"{test}/c.png", "elsewhere.png"):
        write(tmp_path / name, picture(COLOURS[0]))
    assert split_of(tmp_path) == [{"train/a.png", "train/deep/b.png"}, {f"{test}/c.png"}]


def test_gray_and_damaged_pictures_are_left_out_and_accounted_for(tmp_path):
    for number in range(6):
        write(tmp_path / f"{number}.png", picture(COLOURS[number]))
    write(tmp_path / "gray.png", picture((90, 90, 90)))
    write(tmp_path / "gray1.jpg", picture((90, 90, 90))[..., 0])
    (tmp_path / "empty.png").write_bytes(b"")
    (tmp_path / "text.jpg").write_text("not a picture")
    (tmp_path / "dangling.png").symlink_to(tmp_path / "nowhere")
    whole = write(tmp_path / "cut.jpg", np.asarray(skimage.data.astronaut())).read_bytes()
    (tmp_path / "cut.jpg").write_bytes(whole[:len(whole) // 2])
    dataset = data.load_dataset(str(tmp_path), image_size=8)
    assert dataset.train_size + dataset.test_size == 6
    assert dataset.gray_left_out == 2
    reasons = {Path(path).name: reason for path, reason in dataset.unreadable}
    assert set(reasons) == {"empty.png", "text.jpg", "dangling.png", "cut.jpg"}
    assert reasons["empty.png"] == "empty file"
    assert "not an image" in reasons["text.jpg"] and "truncated" in reasons["cut.jpg"]
    assert {path for path, _ in dataset.unreadable} <= {str(path) for path in tmp_path.iterdir()}


def test_a_scan_is_not_repeated_for_unchanged_files(tmp_path, monkeypatch):
    folder, workdir = tmp_path / "in", str(tmp_path / "run")
    os.mkdir(workdir)
    for number in range(5):
        write(folder / f"{number}.png", picture(COLOURS[number]))
    write(folder / "gray.png", picture((9, 9, 9)))
    (folder / "bad.png").write_bytes(b"")
    first = data.load_dataset(str(folder), workdir=workdir)
    first.save_scan(workdir)
    read = []
    monkeypatch.setattr(data, "read_rgb", lambda path: read.append(path.name) or picture((9, 9, 9)))
    again = data.load_dataset(str(folder), workdir=workdir)
    assert not read
    assert (again.train_size, again.test_size, again.gray_left_out, again.unreadable) == (
        first.train_size, first.test_size, 1, first.unreadable)
    stat = (folder / "0.png").stat()
    os.utime(folder / "0.png", ns=(stat.st_atime_ns, stat.st_mtime_ns + 1))
    assert data.load_dataset(str(folder), workdir=workdir).gray_left_out == 2
    assert read == ["0.png"]


@pytest.mark.parametrize("text", ["", "{", "[]", "3", '{"files": 3}', '{"files": [3]}'])
def test_a_damaged_scan_file_is_made_anew(tmp_path, text):
    for number in range(3):
        write(tmp_path / "in" / f"{number}.png", picture(COLOURS[number]))
    (tmp_path / "scan.json").write_text(text)
    dataset = data.load_dataset(str(tmp_path / "in"), workdir=str(tmp_path))
    dataset.save_scan(str(tmp_path))
    assert dataset.train_size + dataset.test_size == 3
    assert len(json.loads((tmp_path / "scan.json").read_text())["files"]) == 3
    assert len(list(tmp_path.iterdir())) == 2


def test_file_names_may_hold_any_bytes(tmp_path):
    for name in (b"\xff\xfe.png", "naïve 写真.png".encode()):
        try:
            Image.fromarray(picture(COLOURS[0])).save(os.fsdecode(os.path.join(
                os.fsencode(tmp_path), name)))
        except OSError:
            pytest.skip("this file system refuses such names")
    for _ in range(2):
        dataset = data.load_dataset(str(tmp_path), image_size=8, workdir=str(tmp_path / "run"))
        assert (dataset.train_size, dataset.test_size) == (1, 1)


def test_a_file_lost_in_mid_training_is_named(tmp_path):
    for number in range(2):
        write(tmp_path / f"{number}.png", picture(COLOURS[number]))
    dataset = data.load_dataset(str(tmp_path), image_size=8)
    for path in tmp_path.iterdir():
        path.unlink()
    with pytest.raises(tf.errors.OpError, match=r"[01]\.png"):
        take(dataset.train_batches(1, 0), 1)


@pytest.mark.parametrize("files", [{}, {"a.png": COLOURS[0]},
                                   {"a.png": (9, 9, 9), "b.png": (7, 7, 7), "c.png": COLOURS[0]}])
def test_a_folder_with_too_few_colour_pictures_is_refused(tmp_path, files):
    for name, colour in files.items():
        write(tmp_path / name, picture(colour))
    with pytest.raises(data.DatasetError, match="at least 2 readable colour pictures") as caught:
        data.load_dataset(str(tmp_path))
    assert str(tmp_path) in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["./nowhere", "../nowhere", "/no/where", "~/no/where", "a/b/c"])
def test_a_folder_that_does_not_exist_is_refused(name):
    with pytest.raises(data.DatasetError, match="a folder that exists. Received: dataset=" + name):
        data.load_dataset(name)


@pytest.mark.parametrize("settings", [{"test_split": 0}, {"test_split": 1}, {"image_size": 0}])
def test_settings_out_of_range_are_refused(settings):
    with pytest.raises(data.DatasetError, match="Received: test_split="):
        data.load_dataset("sample", **settings)


def test_hostile_files_are_reported_and_the_others_used():
    if not (SHARED / "bad").is_dir():
        pytest.skip("needs ../shared/data/bad")
    dataset = data.load_dataset(str(SHARED / "bad"), image_size=32)
    reasons = {Path(path).name: reason for path, reason in dataset.unreadable}
    assert set(reasons) == {"bomb_30000x30000.png", "bomb_header_only.png", "corrupt_idat.png",
                            "text_named.png", "truncated.jpg", "zero_byte.jpg"}
    assert dataset.gray_left_out == 4  # gray.tif, gray16.png, gray_1channel.jpg, gray_alpha.png
    assert len(take(dataset.train_batches(dataset.train_size, 0), 3)) == 3


# The sample


def test_the_sample_needs_no_network(monkeypatch):
    def refuse(*args, **kwargs):
        raise AssertionError("the network was asked for")

    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    dataset = data.load_dataset("sample")
    assert dataset.image_size == 32
    assert 800 <= dataset.train_size <= 1000 and 55 <= dataset.test_size <= 100


def test_no_pixel_of_the_sample_is_in_both_splits(monkeypatch):
    numbers = iter(range(10))

    def numbered(path):
        """A picture of the same size in which every 2 x 2 block has a colour of its own."""
        width, height = Image.open(path).size
        y, x = np.mgrid[:height, :width] // 2
        return np.stack([x % 256, y, next(numbers) * 2 + x // 256], axis=-1).astype(np.uint8)

    monkeypatch.setattr(data, "read_rgb", numbered)
    monkeypatch.setattr(data, "is_gray", lambda rgb: np.zeros(len(rgb), bool))
    dataset = data.load_dataset("sample")
    train, test = ({tuple(pixel) for batch in batches for pixel in batch.reshape(-1, 3)}
                   for batches in (take(dataset.train_batches(dataset.train_size, 0), 1),
                                   take(dataset.test_batches(100), -1)))
    assert len(test) == dataset.test_size * 32 * 32  # the test tiles do not overlap either
    assert len(train) > 100_000 and not train & test


def test_the_sample_is_of_the_photographs_it_names():
    dataset = data.load_dataset("sample")
    tile = next(iter(dataset.test_batches(1)))[0].numpy().astype(float)
    photo = skimage.data.astronaut().astype(float)
    half = photo.reshape(256, 2, 256, 2, 3).mean(axis=(1, 3))
    np.testing.assert_allclose(tile, half[:32, 192:224], atol=0.51)


def test_the_sample_has_one_size():
    with pytest.raises(data.DatasetError, match="must be 32. Received: image_size=64"):
        data.load_dataset("sample", image_size=64)


# TensorFlow Datasets


@pytest.mark.parametrize("array_bytes", [0, 2**30])
def test_a_tfds_set_loses_its_gray_training_pictures_only(tfds_dir, monkeypatch, array_bytes):
    monkeypatch.setattr(data, "ARRAY_BYTES", array_bytes)
    dataset = data.load_dataset("tiny_photos/validated", data_dir=tfds_dir, image_size=16)
    assert (dataset.train_size, dataset.test_size, dataset.gray_left_out) == (50, 11, 5)
    assert sorted(identities(take(dataset.train_batches(50, 0), 1))) == list(range(50))
    test = np.concatenate(take(dataset.test_batches(4), -1))
    assert test.shape == (11, 16, 16, 3)
    assert np.sum(np.ptp(test.mean(axis=(1, 2)), axis=1) < 2) == 1


@pytest.mark.parametrize("array_bytes", [0, 2**30])
def test_the_end_of_train_is_tested_on_where_a_tfds_set_has_no_other_split(
        tfds_dir, monkeypatch, array_bytes):
    monkeypatch.setattr(data, "ARRAY_BYTES", array_bytes)
    dataset = data.load_dataset(
        "tiny_photos/solo", data_dir=tfds_dir, image_size=16, test_split=0.2)
    assert dataset.test_size == 11  # of 55
    train = take(dataset.train_batches(dataset.train_size, 0, augment=False), 1)
    test = np.concatenate(take(dataset.test_batches(99), -1))
    test = test[np.ptp(test.mean(axis=(1, 2)), axis=1) > 2]
    assert len(test) == 11 - (5 - dataset.gray_left_out)
    assert sorted(identities(train) + identities([test])) == list(range(50))


def test_the_default_size_of_pictures_of_different_sizes_is_256(tfds_dir):
    assert data.load_dataset("tiny_photos/solo", data_dir=tfds_dir).image_size == 256


def test_a_stream_is_not_decoded_up_to_where_it_is_resumed(tfds_dir, monkeypatch, tmp_path):
    monkeypatch.setattr(data, "ARRAY_BYTES", 0)
    monkeypatch.setattr(sources, "SHUFFLE_BLOCK", 16)
    dataset = data.load_dataset("tiny_photos/validated", data_dir=tfds_dir, image_size=16)
    decoded = []

    def counted(encoded, decode=sources.decode_rgb):
        same_bytes = tf.numpy_function(
            lambda text: decoded.append(1) or text, [encoded], tf.string)
        return decode(tf.ensure_shape(same_bytes, ()))

    monkeypatch.setattr(sources, "decode_rgb", counted)
    batch, = take(dataset.train_batches(4, 5, first=1000), 1)
    assert len(batch) == 4 and 4 <= len(decoded) < 200


def test_a_stream_does_not_even_read_the_blocks_before(tfds_dir, monkeypatch):
    monkeypatch.setattr(data, "ARRAY_BYTES", 0)
    monkeypatch.setattr(sources, "SHUFFLE_BLOCK", 16)
    dataset = data.load_dataset("tiny_photos/validated", data_dir=tfds_dir, image_size=16)
    starts = []
    read = dataset.train._read
    dataset.train._read = lambda start, stop: starts.append(start) or read(start, stop)
    take(dataset.train_batches(4, 5, first=10), 1)  # position 40 of 50 is in the third block
    assert max(starts) >= 32


def test_the_gray_records_of_a_stream_are_looked_for_once(tfds_dir, monkeypatch, tmp_path):
    monkeypatch.setattr(data, "ARRAY_BYTES", 0)
    options = dict(data_dir=tfds_dir, image_size=16, workdir=str(tmp_path))
    first = data.load_dataset("tiny_photos/validated", **options)
    first.save_scan(str(tmp_path))
    monkeypatch.setattr(data, "is_gray", None)
    again = data.load_dataset("tiny_photos/validated", **options)
    assert again.gray_left_out == first.gray_left_out == 5
    same(take(again.train_batches(8, 0), 3), take(first.train_batches(8, 0), 3))


def test_an_unknown_name_is_refused_with_the_ways_on(tmp_path):
    with pytest.raises(data.DatasetError) as caught:
        data.load_dataset("no_such_set", data_dir=str(tmp_path))
    text = str(caught.value)
    for part in ("dataset=no_such_set", str(tmp_path), "--data_dir", "--dataset=sample"):
        assert part in text
    assert "\n" not in text


def test_a_set_that_cannot_be_downloaded_is_refused_with_the_ways_on(tmp_path, monkeypatch):
    def refuse(*args, **kwargs):
        raise socket.gaierror("Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    with pytest.raises(data.DatasetError, match="dataset=cifar100, looked for in ") as caught:
        data.load_dataset("cifar100", data_dir=str(tmp_path))
    assert str(tmp_path) in str(caught.value) and "--dataset=sample" in str(caught.value)


def test_a_set_without_colour_pictures_is_refused(tfds_dir):
    with pytest.raises(data.DatasetError, match="no 8-bit colour `image` feature but .'number'"):
        data.load_dataset("tiny_numbers", data_dir=tfds_dir)


def test_cifar10_is_complete_and_has_its_published_mean(monkeypatch):
    if not (SHARED / "tfds" / "cifar10").is_dir():
        pytest.skip("needs ../shared/data/tfds")
    monkeypatch.setattr(data, "is_gray", lambda rgb: np.zeros(len(rgb), bool))
    dataset = data.load_dataset("cifar10", data_dir=str(SHARED / "tfds"))
    assert (dataset.train_size, dataset.test_size, dataset.image_size) == (50_000, 10_000, 32)
    means = [batch.mean(axis=(0, 1, 2), dtype=np.float64)
             for batch in take(dataset.train_batches(500, 0), 100)]
    np.testing.assert_allclose(np.mean(means, axis=0), [125.307, 122.950, 113.865], atol=1e-3)
