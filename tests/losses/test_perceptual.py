"""The content loss against NumPy, and the networks that it takes and refuses."""

import hashlib
import json
import os
from pathlib import Path
import subprocess
import sys

import keras
from keras import layers
import numpy as np
import pytest
from scipy import ndimage
from skimage import color as skcolor
import tensorflow as tf
import tensorflow_datasets as tfds

from colorizer.models import classifier
from colorizer import config as config_lib
from colorizer.losses import perceptual
from colorizer.training import train_step as steps
from colorizer.losses.perceptual import ContentLoss, PerceptualError

ROOT = Path(__file__).resolve().parents[1]
CIFAR = ROOT.parent / "shared" / "data" / "tfds"


@pytest.fixture(scope="module")
def content_loss():
    return ContentLoss("cifar10")


def picture(seed, batch=2, size=32):
    """Scaled L and ab of smooth colors within the gamut, and their RGB in [0, 1]."""
    rng = np.random.default_rng(seed)
    low = rng.uniform(0.1, 0.9, (batch, 4, 4, 3))
    rgb = np.stack([ndimage.zoom(part, (size / 4, size / 4, 1), order=1) for part in low])
    lab = skcolor.rgb2lab(rgb).astype(np.float32)
    return lab[..., :1] / 50 - 1, lab[..., 1:] / 110, rgb


# --------------------------------------------------------------------------------------- distance

def test_equal_pictures_are_at_distance_0(content_loss):
    l_scaled, ab, _ = picture(0)
    np.testing.assert_array_equal(content_loss(l_scaled, ab, l_scaled, ab), [0, 0])


def test_distance_grows_with_the_change_and_is_one_value_a_picture(content_loss):
    l_scaled, ab, _ = picture(0, batch=3)
    small, large = (content_loss(l_scaled, factor * ab, l_scaled, ab).numpy()
                    for factor in (0.8, 0.0))
    assert small.shape == (3,) and (0 < small).all() and (small < large).all()
    assert (large <= 2 * len(perceptual.CIFAR10_LAYERS)).all()


def test_distance_of_the_first_layer_is_that_of_numpy():
    loss = ContentLoss("cifar10", "block_0")
    with np.load(classifier.WEIGHTS) as archive:
        weights = {name: archive[name].astype(np.float64) for name in archive.files}

    def features(rgb):  # one convolution, batch norm, ReLU; vectors of length 1
        kernel = weights["block_0_0/kernel"]
        x = np.pad(2 * rgb - 1, ((1, 1), (1, 1), (0, 0)))
        y = sum(x[i:i + 32, j:j + 32] @ kernel[i, j] for i in range(3) for j in range(3))
        norm = {name: weights[f"block_0_0_norm/{name}"]
                for name in ("gamma", "beta", "moving_mean", "moving_variance")}
        y = (y - norm["moving_mean"]) / np.sqrt(norm["moving_variance"] + 1e-3)
        y = np.maximum(norm["gamma"] * y + norm["beta"], 0)
        return y / np.sqrt((y**2).sum(-1, keepdims=True) + 1e-6)

    (l_one, ab_one, rgb_one), (l_two, ab_two, rgb_two) = picture(0, batch=1), picture(1, batch=1)
    expected = ((features(rgb_one[0]) - features(rgb_two[0]))**2).sum(-1).mean()
    assert expected > 0.01
    np.testing.assert_allclose(loss(l_one, ab_one, l_two, ab_two), [expected], rtol=1e-3)


@pytest.mark.parametrize("lightness, ab", [(-1.0, 0.0), (1.0, 0.0), (0.0, 0.0), (0.0, 1.0)])
def test_gradient_is_finite_for_black_white_gray_and_colors_outside_the_gamut(
        content_loss, lightness, ab):
    l_real, ab_real, _ = picture(0)
    fake = tf.fill((2, 32, 32, 2), ab)
    with tf.GradientTape() as tape:
        tape.watch(fake)
        loss = content_loss(tf.fill((2, 32, 32, 1), lightness), fake, l_real, ab_real)
    gradient = tape.gradient(loss, fake).numpy()
    assert np.isfinite(gradient).all() and (lightness != 0.0 or np.abs(gradient).max() > 0)


@pytest.mark.parametrize("size", [16, 64])
def test_pictures_of_other_sizes_are_brought_to_the_networks(content_loss, size):
    l_scaled, ab, _ = picture(0, size=size)
    loss = content_loss(l_scaled, 0 * ab, l_scaled, ab).numpy()
    assert loss.shape == (2,) and (loss > 0).all()


def test_the_network_calculates_in_float32_whatever_the_precision():
    try:
        keras.config.set_dtype_policy("mixed_float16")
        loss = ContentLoss("cifar10")
        assert keras.config.dtype_policy().name == "mixed_float16"
    finally:
        keras.config.set_dtype_policy("float32")
    assert {layer.compute_dtype for layer in loss.features.layers} == {"float32"}


# --------------------------------------------------------------------------------------- training

@pytest.mark.parametrize("replicas", ["one_replica", "two_replicas"])
def test_the_loss_moves_the_generator_alone_and_its_network_is_not_saved(request, replicas):
    strategy = request.getfixturevalue(replicas)
    config = config_lib.TrainConfig().resolve(32).replace(
        width=2, batch_size=4, perceptual_weight=10.0, perceptual_network="cifar10",
        l1_weight=1e-3, adversarial_weight=0.0)
    step = steps.TrainStep(config, strategy)
    features = step.content_loss.features
    frozen = features.get_weights()
    before = step.generator.get_weights()
    rgb = (255 * picture(0, batch=4)[2]).astype(np.uint8)
    shards = np.split(rgb, strategy.num_replicas_in_sync)
    batch = strategy.experimental_distribute_values_from_function(
        lambda context: tf.constant(shards[context.replica_id_in_sync_group]))
    values = step(batch, tf.constant(0, tf.int64))
    assert float(values["generator/loss"]) == pytest.approx(
        10 * float(values["generator/perceptual"]) + 1e-3 * float(values["generator/l1"]),
        rel=1e-5)
    assert any((a != b).any() for a, b in zip(before, step.generator.get_weights()))
    assert features.trainable_variables == []
    for one, other in zip(frozen, features.get_weights()):
        np.testing.assert_array_equal(one, other)
    own = {id(variable) for variable in features.variables}
    saved = [step.generator, step.discriminator]
    assert not own & {id(variable) for model in saved for variable in model.variables}
    assert set(step.state()) == {"generator", "discriminator", "generator_optimizer",
                                 "discriminator_optimizer"}
    assert len(step.generator_optimizer.variables) == 2 + 2 * len(
        step.generator.trainable_variables)


def test_without_a_weight_no_network_is_loaded(one_replica):
    config = config_lib.TrainConfig().resolve(32).replace(
        width=2, batch_size=4, perceptual_network="nowhere.keras")
    assert steps.TrainStep(config, one_replica).content_loss is None


# ------------------------------------------------------------------------------------ own networks

def own_classifier(path, size=None, extra=()):
    rgb = keras.Input((size, size, 3))
    x = layers.Conv2D(4, 3, name="first")(rgb)
    for layer in extra:
        x = layer(x)
    x = layers.Conv2D(5, 3, strides=2, activation="relu", name="second")(x)
    model = keras.Model(rgb, layers.Dense(3)(layers.GlobalAveragePooling2D()(x)))
    model.save(path)
    return model


def test_a_keras_file_is_taken_and_compared_at_its_last_map(tmp_path):
    model = own_classifier(tmp_path / "own.keras")
    loss = ContentLoss(str(tmp_path / "own.keras"))
    (l_one, ab_one, rgb_one), (l_two, ab_two, rgb_two) = picture(0), picture(1)
    last = keras.Model(model.inputs[0], model.get_layer("second").output)
    one, two = (last(rgb.astype(np.float32)).numpy() for rgb in (rgb_one, rgb_two))
    one, two = (x / np.sqrt((x**2).sum(-1, keepdims=True) + 1e-6) for x in (one, two))
    np.testing.assert_allclose(
        loss(l_one, ab_one, l_two, ab_two), ((one - two)**2).sum(-1).mean((1, 2)), rtol=1e-3)


def test_named_layers_are_compared_and_unknown_ones_refused_with_the_known(tmp_path):
    path = str(tmp_path / "own.keras")
    own_classifier(path, size=24)
    shapes = [tensor.shape[1:] for tensor in ContentLoss(path, "first, second").features.outputs]
    assert shapes == [(22, 22, 4), (10, 10, 5)]
    with pytest.raises(PerceptualError, match="first, second. Received: third"):
        ContentLoss(path, "first,third")
    with pytest.raises(PerceptualError, match="block_0.* Received: block_9"):
        ContentLoss("cifar10", "block_9")


def test_a_file_that_would_run_code_is_refused_and_does_not_run(tmp_path):
    path, mark = tmp_path / "own.keras", tmp_path / "ran"
    source = f"__import__('pathlib').Path({str(mark)!r}).touch()"
    own_classifier(path, extra=[layers.Lambda(lambda x: (x, exec(source))[0])])
    mark.unlink(missing_ok=True)  # saving ran it
    with pytest.raises(PerceptualError, match="safe mode"):
        ContentLoss(str(path))
    assert not mark.exists()


@pytest.mark.parametrize("name, content, words", [
    ("a.keras", b"no archive", "safe mode"), ("a.h5", b"no weights", "VGG19"),
    ("a.weights.h5", b"", "VGG19"), ("a.txt", b"", "cifar10, vgg19"),
    ("a.keras", None, "exists"), ("resnet50", None, "cifar10, vgg19")])
def test_what_is_no_network_is_refused_in_one_line(tmp_path, name, content, words):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(PerceptualError, match=words) as caught:
        ContentLoss(str(tmp_path / name))
    assert "\n" not in str(caught.value) and name in str(caught.value)


def test_networks_of_other_inputs_are_refused(tmp_path):
    gray = keras.Input((8, 8, 1))
    keras.Model(gray, layers.Conv2D(1, 1)(gray)).save(tmp_path / "gray.keras")
    one, two = keras.Input((8, 8, 3)), keras.Input((8, 8, 3))
    keras.Model([one, two], layers.Add()([one, two])).save(tmp_path / "two.keras")
    for name in ("gray", "two"):
        with pytest.raises(PerceptualError, match="one picture"):
            ContentLoss(str(tmp_path / f"{name}.keras"))


# ------------------------------------------------------------------------------------------ VGG19

@pytest.mark.slow
def test_a_weights_file_of_vgg19_is_taken_with_its_own_preprocessing(tmp_path):
    model = keras.applications.VGG19(include_top=False, weights=None)
    model.save_weights(tmp_path / "vgg19.weights.h5")
    loss = ContentLoss(str(tmp_path / "vgg19.weights.h5"))
    (l_one, ab_one, rgb_one), (l_two, ab_two, rgb_two) = picture(0), picture(1)
    names = ("block1_conv2", "block2_conv2", "block3_conv4", "block4_conv4", "block5_conv4")
    outputs = keras.Model(model.inputs[0], [model.get_layer(name).output for name in names])
    # Blue, green, red in 0 ... 255, less ImageNet's means.
    one, two = (outputs((255 * rgb[..., ::-1] - [103.939, 116.779, 123.68]).astype(np.float32))
                for rgb in (rgb_one, rgb_two))
    expected = 0
    for x, y in zip(one, two):
        x, y = (z / np.sqrt((z**2).sum(-1, keepdims=True) + 1e-6) for z in map(np.asarray, (x, y)))
        expected = expected + ((x - y)**2).sum(-1).mean((1, 2))
    np.testing.assert_allclose(loss(l_one, ab_one, l_two, ab_two), expected, rtol=2e-3)
    l_small, ab_small, _ = picture(0, size=16)  # VGG19 wants 32 px
    assert np.isfinite(loss(l_small, ab_small, l_small, 0 * ab_small)).all()
    own_classifier(tmp_path / "own.keras").save_weights(tmp_path / "own.weights.h5")
    with pytest.raises(PerceptualError, match="VGG19"):
        ContentLoss(str(tmp_path / "own.weights.h5"))


def test_without_vgg19s_weights_a_run_ends_before_its_first_step(tmp_path):
    closed = "http://127.0.0.1:9"
    environment = {**os.environ, "KERAS_HOME": str(tmp_path / "keras"), "https_proxy": closed,
                   "HTTPS_PROXY": closed, "no_proxy": "", "NO_PROXY": ""}
    result = subprocess.run(
        [sys.executable, ROOT / "train.py", "--dataset=sample", "--width=2",
         "--perceptual_weight=1", f"--workdir={tmp_path / 'run'}"],
        cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert result.returncode == 2
    last = result.stderr.splitlines()[-1]
    assert "ImageNet weights" in last and "--perceptual_network=cifar10" in last
    assert "Traceback" not in result.stderr and not (tmp_path / "run").exists()


# ------------------------------------------------------------------------------------- classifier

def test_the_classifiers_weights_are_those_on_record():
    record = json.loads(classifier.WEIGHTS.with_suffix(".json").read_text())
    content = classifier.WEIGHTS.read_bytes()
    assert hashlib.sha256(content).hexdigest() == record["sha256"]
    assert len(content) < 3e6 and record["test_accuracy"] >= 0.8


@pytest.mark.slow
@pytest.mark.skipif(not CIFAR.is_dir(), reason="needs ../shared/data/tfds")
def test_the_classifier_is_as_accurate_as_on_record():
    pictures, labels = tfds.as_numpy(tfds.load(
        "cifar10", split="test", data_dir=CIFAR, batch_size=-1, as_supervised=True))
    model = classifier.build_classifier()
    with np.load(classifier.WEIGHTS) as archive:
        for weight in model.weights:
            weight.assign(archive[weight.path])
    logits = model.predict(pictures / np.float32(255), batch_size=500, verbose=0)
    record = json.loads(classifier.WEIGHTS.with_suffix(".json").read_text())
    accuracy = (logits.argmax(1) == labels).mean()
    assert accuracy == pytest.approx(record["test_accuracy"], abs=0.002)
