"""Losses against NumPy and by hand."""

import math

import numpy as np
import pytest
import tensorflow as tf

from colorizer.losses import gan as losses


def cross_entropy(logits, label):
    """-y log p - (1 - y) log(1 - p), in float64, mean over all but the first axis."""
    p = 1 / (1 + np.exp(-np.asarray(logits, np.float64)))
    values = -label * np.log(p) - (1 - label) * np.log(1 - p)
    return values.reshape(len(values), -1).mean(axis=1)


def full(value, batch=1):
    return tf.fill((batch, 4, 4, 1), float(value))


@pytest.mark.parametrize("label", [0.0, 0.9, 1.0])
def test_adversarial_loss_is_the_cross_entropy_of_each_picture(label):
    logits = np.random.default_rng(0).normal(0, 4, (5, 4, 4, 1)).astype(np.float32)
    np.testing.assert_allclose(
        losses.adversarial_loss(logits, label), cross_entropy(logits, label), rtol=1e-5)


@pytest.mark.parametrize("label", [0.0, 0.9, 1.0])
def test_adversarial_loss_of_an_undecided_discriminator_is_log_2(label):
    np.testing.assert_allclose(losses.adversarial_loss(full(0), label), [np.log(2)], rtol=1e-6)


@pytest.mark.parametrize("logit, label, expected", [
    (1e4, 1.0, 0.0), (1e4, 0.9, 1e3), (1e4, 0.0, 1e4),
    (-1e4, 1.0, 1e4), (-1e4, 0.9, 9e3), (-1e4, 0.0, 0.0),
])
def test_adversarial_loss_and_gradient_stay_finite_at_huge_logits(logit, label, expected):
    logits = full(logit)
    with tf.GradientTape() as tape:
        tape.watch(logits)
        loss = losses.adversarial_loss(logits, label)
    np.testing.assert_allclose(loss, [expected], rtol=1e-5, atol=1e-6)
    # d/dx of the cross-entropy is sigmoid(x) - y; sigmoid is 0 or 1 here.
    slope = (float(logit > 0) - label) / 16
    np.testing.assert_allclose(tape.gradient(loss, logits), full(slope), atol=1e-6)


def test_adversarial_loss_of_half_precision_logits_is_float32():
    loss = losses.adversarial_loss(tf.fill((2, 4, 4, 1), tf.constant(6e4, tf.float16)), 0.0)
    assert loss.dtype == tf.float32
    np.testing.assert_allclose(loss, [6e4, 6e4], rtol=1e-3)


def test_smoothed_label_is_best_where_the_probability_is_nine_tenths():
    best = np.log(0.9 / 0.1)  # sigmoid(best) = 0.9
    logits = full(best)
    with tf.GradientTape() as tape:
        tape.watch(logits)
        loss = losses.adversarial_loss(logits, 0.9)
    np.testing.assert_allclose(tape.gradient(loss, logits), full(0), atol=1e-7)
    entropy = -0.9 * np.log(0.9) - 0.1 * np.log(0.1)
    np.testing.assert_allclose(loss, [entropy], rtol=1e-6)
    for other in (best - 0.5, best + 0.5):
        assert losses.adversarial_loss(full(other), 0.9)[0] > loss[0]


def test_l1_loss_by_hand():
    fake = np.zeros((2, 2, 1, 2), np.float32)
    real = np.zeros((2, 2, 1, 2), np.float32)
    fake[0, 0, 0] = [1.0, -1.0]
    real[0, 1, 0] = [0.5, 0.0]
    real[1] = -2.0
    np.testing.assert_allclose(losses.l1_loss(fake, real), [2.5 / 4, 2.0])


def test_softened_l1_loss_by_hand():
    real = tf.zeros((1, 1, 2, 2))
    fake = tf.constant([0.5, -0.5, 0.0, 1.5], shape=(1, 1, 2, 2))
    expected = 0.5 * (2 * math.log(2.0) + math.log(4.0)) / 4
    np.testing.assert_allclose(losses.l1_loss(fake, real, 0.5), [expected], rtol=1e-6)


def test_of_several_colors_l1_prefers_the_median_and_softened_the_most_frequent():
    seen = tf.constant([0.3, 0.3, 0.3, -0.8, -0.4, 0.0, 0.1], shape=(7, 1, 1, 1))
    median, mode = (tf.fill((7, 1, 1, 1), value) for value in (0.1, 0.3))

    def mean(guess, softening):
        return losses.l1_loss(guess, seen, softening).numpy().mean()

    assert mean(median, 0.0) < mean(mode, 0.0) and mean(mode, 0.03) < mean(median, 0.03)


def test_l1_loss_of_equal_pictures_is_zero_with_a_finite_gradient():
    ab = tf.random.stateless_uniform((3, 4, 4, 2), (0, 0), -1, 1)
    with tf.GradientTape() as tape:
        tape.watch(ab)
        loss = losses.l1_loss(ab, tf.identity(ab))
    np.testing.assert_array_equal(loss, [0, 0, 0])
    assert np.isfinite(tape.gradient(loss, ab)).all()


def test_l1_loss_is_taken_in_float32():
    # In float16 0.001 steps above 1 vanish and the mean over 10,000 values is lost.
    fake = tf.fill((1, 100, 50, 2), tf.constant(1.0, tf.float16))
    loss = losses.l1_loss(fake, tf.fill((1, 100, 50, 2), 1.0001))
    assert loss.dtype == tf.float32
    np.testing.assert_allclose(loss, [1e-4], rtol=1e-2)


@pytest.mark.parametrize("batch", [1, 3])
def test_losses_are_one_value_a_picture(batch):
    ab = tf.zeros((batch, 8, 8, 2))
    assert losses.l1_loss(ab, ab).shape == (batch,)
    assert losses.adversarial_loss(full(0, batch), 1.0).shape == (batch,)


def test_a_picture_does_not_change_the_loss_of_another():
    logits = np.random.default_rng(0).normal(size=(4, 4, 4, 1)).astype(np.float32)
    changed = logits.copy()
    changed[2] += 100
    before, after = (losses.adversarial_loss(x, 1.0).numpy() for x in (logits, changed))
    np.testing.assert_array_equal(before[[0, 1, 3]], after[[0, 1, 3]])
    assert before[2] != after[2]
