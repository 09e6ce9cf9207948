"""The published recipes, read off the networks and optimizers that their flagfiles build."""

from pathlib import Path

from absl import flags as absl_flags
import keras
from keras import layers
import numpy as np
import pytest
import tensorflow as tf

from colorizer import config as config_lib
from colorizer import cli as flags
from colorizer.training import schedules
from colorizer.training import train_step as steps
from colorizer.training import trainer
from colorizer.models.layers import SelfAttention

ROOT = Path(__file__).resolve().parents[1]
CIFAR10 = 50_000  # training pictures


class Recipe:
    """What a flagfile builds for CIFAR-10."""

    def __init__(self, name, strategy):
        values = absl_flags.FlagValues()
        flags.define_settings(values)
        flags.parse(["train.py", f"--flagfile={ROOT / 'configs' / name}.flags"], values, "usage")
        config = flags.build_config(values, config_lib.TrainConfig()).resolve(32)
        self.step = steps.TrainStep(config, strategy)
        self.decay = schedules.Decay(config.optimizer)
        self.steps = trainer.total_steps(config, CIFAR10)
        self.strategy = strategy

    def rates(self, step=0):
        """(generator's, discriminator's) after `step` steps."""
        self.step.set_rates(self.decay.factor(step))
        return tuple(optimizer.learning_rate.numpy() for optimizer in self.optimizers())

    def betas(self):
        return {optimizer.beta_1 for optimizer in self.optimizers()}

    def optimizers(self):
        return self.step.generator_optimizer, self.step.discriminator_optimizer

    def weights(self):
        """The weight of each loss in the generator's."""
        names = ("l1", "adversarial", "perceptual")
        return [float(self.step._weigh({name: 1.0})) for name in names]

    def real_label(self):
        """The label of real pictures, from D's loss where every logit is 3."""
        logits = unwrapped(self.step.discriminator.get_layer("logits"))
        logits.kernel.assign(tf.zeros_like(logits.kernel.value))
        logits.bias.assign([3.0])
        rgb = tf.zeros((self.step.config.optimizer.batch_size, 32, 32, 3), tf.uint8)

        def real_loss():
            examples = self.step._examples(rgb, tf.constant(0, tf.int64))
            fake = self.step._as_output(examples, examples.ab_real)
            return tf.reduce_mean(self.step._terms(examples, fake, real=True)[1]["real"])

        # softplus(3) - 3 * label
        return (np.log1p(np.exp(3.0)) - float(self.strategy.run(real_loss))) / 3.0

    def kernels(self, model):
        """Layer name -> kernel, in the network's order."""
        found = {layer.name: unwrapped(layer) for layer in model.layers}
        return {name: layer.kernel.numpy() for name, layer in found.items()
                if isinstance(layer, (layers.Conv2D, layers.Conv2DTranspose))}

    def norms(self, model):
        kinds = [type(layer) for layer in model.layers]
        return {kind.__name__: kinds.count(kind) for kind in (
            layers.BatchNormalization, layers.GroupNormalization, layers.SpectralNormalization)}


def unwrapped(layer):
    return getattr(layer, "layer", layer)


def norms(batch=0, instance=0, spectral=0):
    return {"BatchNormalization": batch, "GroupNormalization": instance,
            "SpectralNormalization": spectral}


ENCODER, DECODER = [64, 128, 256, 512, 512], [512, 256, 128, 64]


def assert_papers_shapes(recipe, output=2):
    """The networks that all four systems share, at 32 px."""
    shapes = [kernel.shape for kernel in recipe.kernels(recipe.step.generator).values()]
    joined = [512] + [2 * count for count in DECODER]
    assert shapes == (
        [(4, 4, i, o) for i, o in zip([1] + ENCODER, ENCODER)]
        + [(4, 4, o, i) for i, o in zip(joined, DECODER)] + [(1, 1, 128, output)])
    shapes = [kernel.shape for kernel in recipe.kernels(recipe.step.discriminator).values()]
    channels = [1 + output, 64, 128, 256, 512, 1]
    assert shapes == [(4, 4, i, o) for i, o in zip(channels, channels[1:])]


def test_the_papers_recipe(one_replica):
    recipe = Recipe("nazeri_cifar10", one_replica)
    assert_papers_shapes(recipe)
    assert recipe.norms(recipe.step.generator) == norms(batch=9)
    assert recipe.norms(recipe.step.discriminator) == norms(batch=3)
    assert recipe.rates() == pytest.approx((2e-4, 2e-4)) and recipe.betas() == {0.5}
    assert recipe.weights() == [100, 1, 0] and recipe.steps == 200 * CIFAR10 // 128
    assert recipe.real_label() == pytest.approx(0.9, abs=1e-4)


def test_the_released_codes_recipe(one_replica):
    recipe = Recipe("nazeri_cifar10_released", one_replica)
    assert_papers_shapes(recipe, output=3)
    assert recipe.norms(recipe.step.discriminator) == norms(batch=3)
    assert recipe.rates() == pytest.approx((3e-4, 3e-5)) and recipe.betas() == {0.0}
    assert recipe.rates(10_000) == pytest.approx((3e-5, 3e-6))
    assert recipe.rates(60_000)[0] == pytest.approx(1e-6)
    assert recipe.weights() == [100, 1, 0]
    assert recipe.real_label() == pytest.approx(1.0, abs=1e-4)
    assert recipe.step._turns == [("discriminator",), ("generator",), ("generator",)]
    for name, kernel in recipe.kernels(recipe.step.generator).items():
        fan_in = np.prod(kernel.shape[:3])  # tf.layers counts a transposed kernel's like this, too
        assert kernel.std() == pytest.approx(fan_in**-0.5, rel=0.1), name


def test_the_batch_norm_recipe_of_hars(one_replica):
    recipe = Recipe("hars_batch", one_replica)
    assert_papers_shapes(recipe)
    assert recipe.norms(recipe.step.generator) == norms(batch=9)
    assert recipe.norms(recipe.step.discriminator) == norms(batch=3)
    assert recipe.rates() == pytest.approx((3e-4, 6e-5)) and recipe.betas() == {0.5}
    assert recipe.rates(30_000) == pytest.approx((3e-4 / 10**0.5, 6e-5 / 10**0.5))
    assert recipe.rates(60_000) == pytest.approx((3e-5, 6e-6))
    assert recipe.rates(recipe.steps) == pytest.approx((1e-6, 1e-6))
    assert recipe.weights() == [0.99, 0.01, 0] and recipe.steps == 200 * CIFAR10 // 32
    for model in (recipe.step.generator, recipe.step.discriminator):
        for name, kernel in recipe.kernels(model).items():
            assert kernel.std() == pytest.approx(0.02, rel=0.1), name
        gains = np.concatenate([layer.gamma.numpy() for layer in model.layers
                                if isinstance(layer, layers.BatchNormalization)])
        assert gains.mean() == pytest.approx(1.0, abs=0.005)
        assert gains.std() == pytest.approx(0.02, rel=0.1)
    assert recipe.real_label() == pytest.approx(0.9, abs=1e-4)


def test_the_spectral_norm_recipe_of_hars(one_replica):
    recipe = Recipe("hars_spectral", one_replica)
    assert_papers_shapes(recipe)
    assert recipe.norms(recipe.step.generator) == norms(batch=9)
    assert recipe.norms(recipe.step.discriminator) == norms(spectral=5)
    assert recipe.rates() == pytest.approx((2e-4, 2e-4)) and recipe.betas() == {0.5}
    assert recipe.rates(40_000) == pytest.approx((2e-5, 2e-5))
    assert recipe.weights() == [0.985, 0.015, 0] and recipe.steps == 156_250
    for name, kernel in recipe.kernels(recipe.step.generator).items():
        bound = np.prod(kernel.shape[:3])**-0.5
        assert 0.9 * bound < np.abs(kernel).max() <= bound, name
    assert recipe.real_label() == pytest.approx(1.0, abs=1e-4)


def test_the_recipe_of_attention_and_content_loss(one_replica):
    recipe = Recipe("attention_perceptual", one_replica)
    assert_papers_shapes(recipe)
    (attention,) = [layer for layer in recipe.step.generator.layers
                    if isinstance(layer, SelfAttention)]
    assert attention.output.shape[1:] == (16, 16, 128)
    assert [layer for layer in recipe.step.discriminator.layers
            if isinstance(layer, SelfAttention)] == []
    assert recipe.weights() == [100, 1, 10]
    assert [tensor.shape[1:] for tensor in recipe.step.content_loss.features.outputs] == [
        (32, 32, 32), (16, 16, 48), (8, 8, 96), (4, 4, 192)]


def test_generators_with_the_same_seed_begin_alike_whatever_the_content_loss(one_replica):
    plain, other = (keras.utils.set_random_seed(1) or steps.TrainStep(
        config_lib.TrainConfig().resolve(32).replace(
            width=2, perceptual_weight=weight, perceptual_network="cifar10"), one_replica)
        for weight in (0.0, 1.0))
    for one, two in zip(plain.discriminator.get_weights(), other.discriminator.get_weights()):
        np.testing.assert_array_equal(one, two)
