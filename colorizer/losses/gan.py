"""The paper's objective, one value per image: the trainer alone averages over the batch.

Source: Nazeri et al., arXiv:1803.05400, section 3 (equations 4 to 6).
"""

from __future__ import annotations

from keras import ops


def adversarial_loss(logits, label: float):
    """Binary cross-entropy of the discriminator's patch logits against one label.

    With `label` = 1 on the generator's images this is the non-saturating generator loss
    `-log D(G)`; with the smoothed real label (0.9) and 0 it is the discriminator's.

    Args:
        logits: float [batch, h, w, 1], not squashed.
        label: the target probability, in [0, 1].

    Returns:
        float [batch], in nats, the mean over the patches.

    Source: arXiv:1803.05400, equations 4 and 5; one-sided smoothing: Salimans et al. 2016,
    section 3.4.

    Example:
        >>> float(adversarial_loss(np.zeros((1, 4, 4, 1)), 1.0)[0])  # log 2
        0.6931471824645996
    """
    logits = ops.cast(logits, "float32")
    # softplus(x) - x * label is the cross-entropy of sigmoid(x), and never takes log(0).
    return _mean_per_example(ops.softplus(logits) - logits * label)


def discriminator_accuracy(logits, real: bool):
    """The share of patches that are judged right, for real or for generated images: [batch].

    `logits` are float [batch, h, w, 1]; a patch is taken for real above 0.
    """
    return _mean_per_example(ops.cast((logits > 0.0) == real, "float32"))


def l1_loss(ab_fake, ab_real):
    """Mean absolute difference of two ab images, float [batch, h, w, 2] scaled to [-1, 1].

    Returns float [batch], in scaled units (1 = 110 units of a* or b*).

    Source: arXiv:1803.05400, equation 6 (there a sum; the released code takes the mean).
    """
    return _mean_per_example(ops.abs(ops.cast(ab_fake, "float32") - ops.cast(ab_real, "float32")))


def _mean_per_example(values):
    return ops.mean(values, axis=tuple(range(1, len(values.shape))))
