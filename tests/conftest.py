"""Two logical CPU devices for every test, so that strategies of one and two replicas both run."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import pytest
import tensorflow as tf

from colorizer import training
from colorizer.config import TrainConfig
from tests.references import CIFAR, cifar_images, smooth_images

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
def tiny_run(tmp_path_factory, one_replica):
    """The folder of a finished run; a test that writes into it takes a copy."""
    workdir = tmp_path_factory.mktemp("runs") / "tiny"
    status = training.train(TrainConfig().replace(
        dataset="sample", base_channels=2, batch_size=4, max_steps=2, eval_examples=4,
        workdir=str(workdir)), one_replica)
    assert status == 0
    return workdir


@pytest.fixture(scope="session", params=["synthetic", "cifar10"])
def images(request):
    """RGB float64 [64, 32, 32, 3] in [0, 1]."""
    if request.param == "synthetic":
        return smooth_images()
    if not (CIFAR / "cifar10").is_dir():
        pytest.skip("no CIFAR-10 in ../shared/data/tfds")
    return cifar_images()
