"""Two logical CPU devices for every test, so that strategies of one and two replicas both run."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import pytest
import tensorflow as tf

from tests.colors import COLORS, picture, write
from tests.references import CIFAR, cifar_pictures, smooth_pictures

tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 2)


@pytest.fixture(scope="session")
def one_replica():
    return tf.distribute.MirroredStrategy(["CPU:0"])


@pytest.fixture(scope="session")
def two_replicas():
    return tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])


@pytest.fixture(autouse=True)
def same_weights_every_time():
    keras.utils.set_random_seed(0)


@pytest.fixture(scope="session")
def tfds_dir(tmp_path_factory):
    from tests import tiny_sets  # with TensorFlow Datasets, which few tests need

    return tiny_sets.prepare(tmp_path_factory.mktemp("tfds"))


@pytest.fixture(scope="session")
def color_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("colors")
    for number, color in enumerate(COLORS):
        write(folder / f"{number % 3}" / f"{number}.png", picture(color, 20 + number % 7))
    return folder


@pytest.fixture(scope="session", params=["synthetic", "cifar10"])
def pictures(request):
    if request.param == "synthetic":
        return smooth_pictures()
    if not (CIFAR / "cifar10").is_dir():
        pytest.skip("no CIFAR-10 in ../shared/data/tfds")
    return cifar_pictures()
