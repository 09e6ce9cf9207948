"""The published recipes, read off the settings and networks that their flagfiles give."""

from absl import flags as absl_flags
from keras import layers
import numpy as np
import pytest
import tensorflow as tf

from colorizer import cli
from colorizer.config import TrainConfig
from colorizer.models.layers import SelfAttention
from colorizer.training import TrainStep
from colorizer.training.trainer import total_steps
from tests.references import ROOT, smooth_images

CIFAR10 = 47_500  # training images, without the 5 % that validate
NAMES = sorted(path.stem for path in (ROOT / "configs").glob("*.flags"))
PAPER = dict(beta1=0.5, l1_weight=100, adversarial_weight=1, perceptual_weight=0,
             label_smoothing=0.1, update_schedule="d_g", disc_norm="batch", init="he",
             predict_lightness=False, batch_size=128, base_channels=64)
COURSE = dict(
    lr=3e-4, lr_decay_steps=10_000, control_weight=20, l1_target="original", **PAPER)
RECIPES = {
    "nazeri_cifar10": dict(lr=2e-4, **PAPER),
    "nazeri_places365": dict(lr=2e-4, **PAPER | dict(batch_size=16, image_size=256, epochs=10)),
    "nazeri_cifar10_released": PAPER | dict(
        beta1=0, label_smoothing=0, update_schedule="d_g_g", init="lecun", predict_lightness=True),
    "hars_batch": PAPER | dict(
        l1_weight=0.99, adversarial_weight=0.01, init="normal", batch_size=32),
    "hars_spectral": PAPER | dict(
        l1_weight=0.985, adversarial_weight=0.015, init="uniform", label_smoothing=0,
        disc_norm="spectral", batch_size=32),
    "attention_perceptual": PAPER | dict(perceptual_weight=10, attention_resolution=16),
    "controlled_saturation_1": dict(desired_saturation=1, **COURSE),
    "controlled_hue_0.6": dict(desired_hue=0.6, **COURSE),
    "controlled_saturation_0.75_hue_0.6": dict(
        desired_saturation=0.75, desired_hue=0.6, **COURSE),
    "controlled": dict(conditional=True, control_weight=20, ema_decay=0.999),
    "photos": dict(encoder="efficientnet_lite0", image_size=224, conditional=True, hint_share=0.4),
}


def of_flagfile(name):
    values = absl_flags.FlagValues()
    cli.define_settings(values)
    assert not cli.parse(["train.py", f"--flagfile={ROOT / 'configs' / name}.flags"], values, "")
    config = cli.build_config(values, TrainConfig())
    return config.resolve(config.data.image_size or 32)


def test_every_flagfile_is_a_recipe():
    assert NAMES == sorted(RECIPES)


@pytest.mark.parametrize("name", NAMES)
def test_a_flagfile_holds_the_published_settings(name):
    found = {setting: value for setting, value, _ in of_flagfile(name).settings()}
    assert {setting: found[setting] for setting in RECIPES[name]} == RECIPES[name]


@pytest.mark.parametrize("name, steps", [
    ("nazeri_cifar10", 200 * CIFAR10 // 128 + 1), ("hars_batch", 200 * CIFAR10 // 32),
    ("hars_spectral", 100 * CIFAR10 // 32 + 1)])
def test_a_recipe_trains_for_the_published_epochs(name, steps):
    assert total_steps(of_flagfile(name), CIFAR10) == steps


# The others have the networks and losses of one of these; photos has a test of its own.
@pytest.mark.parametrize("name", [
    "nazeri_cifar10", "nazeri_cifar10_released", "hars_batch", "hars_spectral",
    "attention_perceptual", "controlled_saturation_0.75_hue_0.6", "controlled"])
def test_a_recipe_takes_its_steps_on_its_networks(name, one_replica):
    config = of_flagfile(name).replace(
        image_size=16, base_channels=1, num_downsamples=1, batch_size=2)
    step = TrainStep(config, one_replica)
    rgb8 = tf.constant(np.round(smooth_images(2, 16) * 255), tf.uint8)
    tf.config.run_functions_eagerly(True)  # a trace would take longer than the steps
    try:
        for index in range(2):
            values = step(rgb8, tf.constant(index, tf.int64))
    finally:
        tf.config.run_functions_eagerly(False)
    assert np.isfinite([float(value) for value in values.values()]).all()

    wanted = config.controls
    expected = {"l1", "adversarial", "loss", "gradient_norm", *wanted.desired(),
                *(control.name for control in wanted.supported())}
    if config.objective.perceptual_weight:
        expected.add("perceptual")
    assert {key for key in values if key.startswith("generator/")} == {
        f"generator/{key}" for key in expected}
    twice = config.optimizer.update_schedule == "d_g_g"
    assert step.generator_optimizer.iterations.numpy() == (4 if twice else 2)

    norms = [[type(layer) for layer in model.layers] for model in (
        step.generator, step.discriminator)]
    assert layers.BatchNormalization in norms[0] and SelfAttention not in norms[1]
    spectral = config.model.disc_norm == "spectral"
    assert norms[1].count(layers.SpectralNormalization) == (5 if spectral else 0)
    assert norms[1].count(layers.BatchNormalization) == (0 if spectral else 3)
    assert [layer.output.shape[1] for layer in step.generator.layers
            if isinstance(layer, SelfAttention)] == (
        [16] if name == "attention_perceptual" else [])
