"""The adversarial and the L1 loss against NumPy and by hand."""

import numpy as np
import pytest
import tensorflow as tf

from colorizer import losses
from tests.gradients import gradient


def cross_entropy(logits, label):
    """-y log p - (1 - y) log(1 - p), in float64, mean over all but the first axis."""
    p = 1 / (1 + np.exp(-np.asarray(logits, np.float64)))
    values = -label * np.log(p) - (1 - label) * np.log(1 - p)
    return values.reshape(len(values), -1).mean(axis=1)


def full(value):
    return np.full((1, 4, 4, 1), value, np.float32)


@pytest.mark.parametrize("label", [0.0, 0.9, 1.0])
def test_the_adversarial_loss_is_the_cross_entropy_of_each_image(label):
    logits = np.random.default_rng(0).normal(0, 4, (5, 4, 4, 1)).astype(np.float32)
    logits[0] = 0  # undecided: log 2, whatever the label
    loss = losses.adversarial_loss(logits, label)
    np.testing.assert_allclose(loss, cross_entropy(logits, label), rtol=1e-5)
    np.testing.assert_allclose(loss[0], np.log(2), rtol=1e-6)


@pytest.mark.parametrize("logit, label, expected", [
    (1e4, 1.0, 0.0), (1e4, 0.9, 1e3), (1e4, 0.0, 1e4),
    (-1e4, 1.0, 1e4), (-1e4, 0.9, 9e3), (-1e4, 0.0, 0.0),
])
def test_the_adversarial_loss_and_its_gradient_stay_finite_at_huge_logits(logit, label, expected):
    np.testing.assert_allclose(
        losses.adversarial_loss(full(logit), label), [expected], rtol=1e-5, atol=1e-6)
    # d/dx of the cross-entropy is sigmoid(x) - y; sigmoid is 0 or 1 here.
    slope = (float(logit > 0) - label) / 16
    np.testing.assert_allclose(
        gradient(lambda x: losses.adversarial_loss(x, label), full(logit)), full(slope), atol=1e-6)


def test_losses_of_half_precision_are_taken_in_float32():
    loss = losses.adversarial_loss(tf.fill((2, 4, 4, 1), tf.constant(6e4, tf.float16)), 0.0)
    assert loss.dtype == tf.float32
    np.testing.assert_allclose(loss, [6e4, 6e4], rtol=1e-3)
    # In float16 0.0001 vanishes beside 1, and the mean over 10,000 values is lost.
    fake = tf.fill((1, 100, 50, 2), tf.constant(1.0, tf.float16))
    loss = losses.l1_loss(fake, tf.fill((1, 100, 50, 2), 1.0001))
    assert loss.dtype == tf.float32
    np.testing.assert_allclose(loss, [1e-4], rtol=1e-2)


def test_the_l1_loss_is_the_mean_absolute_difference_of_each_image():
    fake, real = np.zeros((2, 3, 2, 1, 2), np.float32)
    fake[0, 0, 0] = [1.0, -1.0]
    real[0, 1, 0] = [0.5, 0.0]
    real[1] = -2.0
    np.testing.assert_allclose(losses.l1_loss(fake, real), [2.5 / 4, 2.0, 0.0])
    assert np.isfinite(gradient(lambda x: losses.l1_loss(x, real), real)).all()
