"""The perceptual loss against NumPy, and the networks that it takes and refuses."""

import hashlib
import json

import keras
from keras import layers
import numpy as np
import pytest
from skimage import transform

from colorizer import models
from colorizer.errors import UserError
from colorizer.losses import PerceptualLoss
from colorizer.models import classifier
from tests.gradients import gradient
from tests.references import smooth_images

ONE, OTHER = np.split(smooth_images(4).astype(np.float32), 2)


@pytest.fixture(scope="module")
def perceptual_loss():
    return PerceptualLoss("cifar10")


def distance(features, others):
    """Zhang et al. 2018, equation 1 with w = 1, in float64."""
    total = 0
    for pair in zip(features, others):
        one, other = (np.asarray(x, np.float64) for x in pair)
        one, other = (x / np.sqrt((x**2).sum(-1, keepdims=True) + 1e-6) for x in (one, other))
        total = total + ((one - other)**2).sum(-1).mean((1, 2))
    return total


def test_the_distance_is_that_of_numpy_in_the_last_features_of_each_block(perceptual_loss):
    model = models.load_classifier()
    features = keras.Model(
        model.inputs[0], [model.get_layer(f"block_{index}").output for index in range(4)])
    np.testing.assert_allclose(
        perceptual_loss(ONE, OTHER), distance(features(ONE), features(OTHER)), rtol=1e-3)
    np.testing.assert_allclose(perceptual_loss(ONE, ONE), [0, 0], atol=1e-6)


def test_gradients_are_finite_for_black_white_gray_and_the_gamuts_corner(perceptual_loss):
    flat = np.float32([(0, 0, 0), (1, 1, 1), (0.5, 0.5, 0.5), (0, 1, 0)])[:, None, None]
    result = gradient(lambda x: perceptual_loss(x, np.tile(ONE, (2, 1, 1, 1))),
                      np.tile(flat, (1, 32, 32, 1)))
    assert np.isfinite(result).all() and (np.abs(result).max(axis=(1, 2, 3)) > 0).all()


@pytest.mark.parametrize("size", [16, 64])
def test_images_of_other_sizes_are_brought_to_the_networks(perceptual_loss, size):
    rgb = smooth_images(2, size)
    loss = perceptual_loss(rgb, rgb.mean(-1, keepdims=True) * np.ones(3)).numpy()
    assert loss.shape == (2,) and (loss > 0).all()


def test_the_network_is_frozen_and_calculates_in_float32_whatever_the_precision():
    try:
        keras.config.set_dtype_policy("mixed_float16")
        loss = PerceptualLoss("cifar10")
        assert keras.config.dtype_policy().name == "mixed_float16"
    finally:
        keras.config.set_dtype_policy("float32")
    assert {layer.compute_dtype for layer in loss.features.layers} == {"float32"}
    assert loss.features.trainable_variables == []


def own_classifier(path, extra=()):
    rgb = keras.Input((None, None, 3))
    x = layers.Conv2D(4, 3)(rgb)
    for layer in extra:
        x = layer(x)
    x = layers.Conv2D(5, 3, strides=2, activation="relu", name="second")(x)
    model = keras.Model(rgb, layers.Dense(3)(layers.GlobalAveragePooling2D()(x)))
    model.save(path)
    return keras.Model(rgb, model.get_layer("second").output)


def test_a_keras_file_is_compared_at_its_last_feature_map(tmp_path):
    last = own_classifier(tmp_path / "own.keras")
    loss = PerceptualLoss(str(tmp_path / "own.keras"))
    np.testing.assert_allclose(
        loss(ONE, OTHER), distance([last(ONE)], [last(OTHER)]), rtol=1e-3)


def test_a_file_that_would_run_code_is_refused_and_does_not_run(tmp_path):
    path, mark = tmp_path / "own.keras", tmp_path / "ran"
    source = f"__import__('pathlib').Path({str(mark)!r}).touch()"
    own_classifier(path, [layers.Lambda(lambda x: (x, exec(source))[0])])
    mark.unlink(missing_ok=True)  # saving ran it
    with pytest.raises(UserError, match="safe mode"):
        PerceptualLoss(str(path))
    assert not mark.exists()


@pytest.mark.parametrize("name, content, words", [
    ("a.keras", b"no archive", "safe mode"), ("a.keras", None, "path of a .keras file"),
    ("a.h5", b"weights", "cifar10, vgg19"), ("resnet50", None, "cifar10, vgg19"),
    ("", None, "cifar10, vgg19")])
def test_what_is_no_network_is_refused_in_one_line(tmp_path, name, content, words):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=f"{words}.*Received: perceptual_network=.*{name}$"):
        PerceptualLoss(str(tmp_path / name))


def test_networks_of_other_inputs_or_without_a_feature_map_are_refused(tmp_path):
    gray, one, two = (keras.Input((8, 8, channels)) for channels in (1, 3, 3))
    for name, model, words in [
            ("gray", keras.Model(gray, layers.Conv2D(1, 1)(gray)), "one image"),
            ("two", keras.Model([one, two], layers.Add()([one, two])), "one image"),
            ("flat", keras.Model(one, layers.Flatten()(one)), "feature map")]:
        model.save(tmp_path / f"{name}.keras")
        with pytest.raises(UserError, match=words):
            PerceptualLoss(str(tmp_path / f"{name}.keras"))


def test_vgg19_is_compared_with_its_own_preprocessing_also_below_its_smallest_size(monkeypatch):
    model = keras.applications.VGG19(include_top=False, weights=None)  # not downloaded
    monkeypatch.setattr(keras.applications, "VGG19", lambda **options: model)
    loss = PerceptualLoss("vgg19")
    names = ("block1_conv2", "block2_conv2", "block3_conv4", "block4_conv4", "block5_conv4")
    features = keras.Model(model.inputs[0], [model.get_layer(name).output for name in names])
    # Blue, green, red in 0 ... 255, less ImageNet's means.
    one, other = (features((255 * rgb[..., ::-1] - [103.939, 116.779, 123.68]).astype(np.float32))
                  for rgb in (ONE, OTHER))
    np.testing.assert_allclose(loss(ONE, OTHER), distance(one, other), rtol=2e-3)
    assert np.isfinite(loss(ONE[:, ::2, ::2], OTHER[:, ::2, ::2])).all()


def test_efficientnet_is_compared_in_its_four_maps_of_images_of_at_least_224_px():
    model, loss = models.load_efficientnet(), PerceptualLoss("efficientnet_lite0")
    maps = keras.Model(model.inputs[0], [
        model.get_layer(f"map_{stride}").output for stride in (4, 8, 16, 32)])
    # Seven times larger, bilinear.
    one, other = (maps(np.stack([transform.resize(image, (224, 224), 1, "edge") for image in rgb]))
                  for rgb in (ONE, OTHER))
    assert one[0].shape[1:] == (56, 56, 24) and one[3].shape[1:] == (7, 7, 1280)
    np.testing.assert_allclose(loss(ONE, OTHER), distance(one, other), rtol=2e-3)
    np.testing.assert_allclose(loss(ONE, ONE), [0, 0], atol=1e-6)
    large = np.tile(ONE, (1, 8, 7, 1))
    np.testing.assert_allclose(
        loss(large, large[:, ::-1]), distance(maps(large), maps(large[:, ::-1])), rtol=2e-3)
    assert loss.features.trainable_variables == []


def test_without_vgg19s_weights_the_message_names_what_needs_none(monkeypatch):
    def download_fails(**options):
        raise Exception("URL fetch failure on https://example.org:\n None -- [Errno 111]")

    monkeypatch.setattr(keras.applications, "VGG19", download_fails)
    with pytest.raises(UserError, match="ImageNet weights.*URL fetch failure") as caught:
        PerceptualLoss("vgg19")
    assert "--perceptual_network=cifar10" in str(caught.value) and "\n" not in str(caught.value)


def test_the_classifiers_weights_are_those_on_record():
    record = json.loads(classifier.WEIGHTS.with_name("training.json").read_text())
    content = classifier.WEIGHTS.read_bytes()
    assert hashlib.sha256(content).hexdigest() == record["sha256"]
    assert len(content) < 3e6 and record["test_accuracy"] >= 0.8
