"""The pretrained encoder knows what photographs show, and the generator on it."""

import json

import keras
import numpy as np
import pytest
from skimage import color as skcolor, data as skdata
import tensorflow as tf

from colorizer import models
from colorizer.data import resize_and_crop
from colorizer.files import sha256
from colorizer.models import decoder, encoder

CATS = {281, 282, 285}  # of ImageNet: tabby, tiger and Egyptian cat
CUPS = {967, 968}  # espresso, cup


@pytest.fixture(scope="module")
def generator():
    return models.build_photo_generator(condition_size=2, hints=True)


def gray_photograph(size=64):
    rgb = resize_and_crop(skdata.chelsea(), size)
    return (skcolor.rgb2lab(rgb)[None, ..., :1] / 50 - 1).astype("float32")


@pytest.mark.parametrize("name, classes", [("chelsea", CATS), ("coffee", CUPS)])
def test_photographs_are_classified_in_color_and_in_gray(name, classes):
    rgb = resize_and_crop(getattr(skdata, name)(), 224) / 255.0
    gray = np.broadcast_to(skcolor.rgb2gray(rgb)[..., None], rgb.shape)
    logits = models.load_efficientnet()(np.stack([rgb, gray]).astype("float32"))
    assert set(np.argmax(logits, axis=-1)) <= classes


def test_the_classifier_has_the_published_size_and_its_file_the_stated_digest():
    # Tan and Le's lite0: 4.7 M with the gain, offset, mean and variance of 49 batch norms.
    assert models.build_efficientnet().count_params() == 4_631_000
    source = json.loads(encoder.WEIGHTS.with_name("source.json").read_text())
    assert source["license"] == "Apache-2.0" and source["sha256"] == sha256(encoder.WEIGHTS)


def test_the_encoder_sees_the_gray_image_and_gives_the_classifiers_maps():
    rgb = np.repeat(skcolor.rgb2gray(resize_and_crop(skdata.chelsea(), 64))[..., None], 3, axis=-1)
    l_scaled = (skcolor.rgb2lab(rgb)[None, ..., :1] / 50 - 1).astype("float32")
    classifier = models.load_efficientnet()
    expected = keras.Model(classifier.inputs, classifier.get_layer("map_16").output)(
        rgb[None].astype("float32"))
    maps = decoder.build_encoder()(l_scaled)
    assert [one.shape[1:] for one in maps] == [
        (2, 2, 1280), (4, 4, 112), (8, 8, 40), (16, 16, 24)]
    np.testing.assert_allclose(maps[1], expected, atol=0.02)


@pytest.mark.parametrize("trainable, count", [
    ("none", 0), ("upper", 2 * (3 * 4 + 3 + 1)), ("all", 2 * 49)])
def test_what_of_the_encoder_is_trained(trainable, count):
    assert len(decoder.build_encoder(trainable).trainable_variables) == count


def test_colors_are_at_a_quarter_and_gray_before_training(generator):
    l_scaled = gray_photograph(64)
    wide = np.concatenate([l_scaled, l_scaled[:, :, :32]], axis=2)
    output = generator([wide, np.ones((1, 2), "float32"), np.ones((1, 16, 24, 3), "float32")])
    np.testing.assert_array_equal(output, np.zeros((1, 16, 24, 2)))


def test_maps_are_enlarged_alike_whether_their_size_is_known_or_not():
    maps = np.random.default_rng(0).normal(size=(2, 3, 5, 4)).astype("float32")
    of_any_size = tf.function(
        decoder.Enlarge(), input_signature=[tf.TensorSpec([None, None, None, 4])])
    expected = tf.image.resize(maps, (6, 10))
    np.testing.assert_allclose(of_any_size(maps), expected, atol=1e-6)
    np.testing.assert_allclose(decoder.Enlarge()(maps), expected, atol=1e-6)


def test_a_hint_and_a_target_change_colors_and_not_the_encoders_maps(generator):
    shape = generator.get_layer("decoder").get_layer("ab").kernel.shape
    generator.get_layer("decoder").get_layer("ab").kernel.assign(np.full(shape, 1e-4))
    l_scaled, none = gray_photograph(64), np.zeros((1, 16, 16, 3), "float32")
    hinted = none.copy()
    hinted[0, 8, 8] = 0.5, 0.5, 1
    condition = np.zeros((1, 2), "float32")
    first = generator([l_scaled, condition, none])
    change = np.abs(generator([l_scaled, condition, hinted]) - first).sum(-1)[0]
    assert change[8, 8] > 1e-6
    maps = generator.get_layer("encoder")(l_scaled)
    np.testing.assert_allclose(
        generator.get_layer("decoder")([*maps, *map(tf.constant, (condition, none))]), first,
        atol=1e-5)


def test_hint_attention_carries_a_color_to_what_looks_like_the_hinted_place_alone():
    layer = decoder.HintAttention()
    maps = np.zeros((1, 6, 8, 2), np.float32)
    maps[:, :, :4, 0] = maps[:, :, 4:, 1] = 1.0  # two things, side by side
    hints = np.zeros((1, 24, 32, 3), np.float32)
    assert not np.asarray(layer(maps, hints)).any()
    hints[0, 10, 5] = (0.3, -0.2, 1.0)
    kernel = np.zeros((2, layer.HEADS, layer.SIZE), np.float32)
    kernel[0, :, 0], kernel[1, :, 1] = 20.0, 20.0
    layer.query.assign(kernel.reshape(2, -1))
    layer.key.assign(kernel.reshape(2, -1))
    layer.none.assign([10.0] * layer.HEADS)
    carried = np.asarray(layer(maps, hints)).reshape(6, 8, layer.HEADS, 3)
    np.testing.assert_allclose(carried[:, :4, 0], np.broadcast_to((0.3, -0.2, 1), (6, 4, 3)),
                               atol=1e-3)
    assert abs(carried[:, 4:]).max() < 1e-3
