"""A step of the generator of photographs: colors at a quarter, a frozen or a slow encoder."""

import numpy as np
import pytest
from skimage import color as skcolor, data as skdata
import tensorflow as tf

from colorizer.config import TrainConfig
from colorizer.data import resize_and_crop
from colorizer.training import TrainStep

RATE = 1e-3


@pytest.fixture
def images():
    return np.stack([resize_and_crop(image, 64) for image in (skdata.chelsea(), skdata.coffee())])


@pytest.mark.parametrize("trainable", ["none", "upper"])
def test_a_step_trains_the_decoder_and_what_is_to_be_trained_of_the_encoder(
        images, trainable, one_replica, untraced):
    config = TrainConfig().replace(
        dataset="x", encoder="efficientnet_lite0", encoder_trainable=trainable, conditional=True,
        condition_dropout=1.0, hint_share=1e-6, chroma_gain=1.25, base_channels=1, batch_size=2,
        lr=RATE, update_schedule="joint").resolve(64)
    step = TrainStep(config, one_replica)
    step.set_learning_rates(RATE, RATE)
    kernel = step.generator.get_layer("decoder").get_layer("ab").kernel
    kernel.assign(np.full(kernel.shape, 1e-4))  # at zeros nothing would flow back
    before = {one.path: np.array(one) for one in step.generator.trainable_variables}
    frozen = np.array(step.generator.get_layer("encoder").weights[0])
    values = step(tf.constant(images), tf.constant(0, tf.int64))
    # The colors are those of the images at a quarter of the size; at first they are nearly gray.
    small = images.reshape(2, 16, 4, 16, 4, 3).mean(axis=(2, 4)) / 255.0
    ab = 1.25 * skcolor.rgb2lab(small)[..., 1:] / 110
    assert float(values["generator/l1"]) == pytest.approx(np.abs(ab).mean(), rel=0.1)
    moved = {one.path: np.abs(one - before[one.path]).max()
             for one in step.generator.trainable_variables}
    # The first step of Adam moves a variable by its rate, wherever the gradient is not tiny.
    assert moved["decoder_3/kernel"] == pytest.approx(RATE, rel=0.05)
    assert ("head/kernel" in moved) == (trainable == "upper")
    if trainable == "upper":
        assert 0.05 * RATE < moved["head/kernel"] < 0.101 * RATE
    np.testing.assert_array_equal(step.generator.get_layer("encoder").weights[0], frozen)
