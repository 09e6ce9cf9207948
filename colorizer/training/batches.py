"""What a step trains on: images in the networks' scales, with their targets, hints and answers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from keras import ops
import tensorflow as tf

from colorizer import color, models
from colorizer.color.controls import select
from colorizer.config import TrainConfig
from colorizer.inference.postprocess import meet_targets
from colorizer.training.hints import NUM_HINT_DRAWS, draw_counts, draw_hints, faded_gain
from colorizer.training.targets import draw_targets, num_draws


class Batch(NamedTuple):
    """One replica's images, float [batch, h, w, channels]."""

    gray: Any  # 1 channel in [-1, 1], what the generator sees: lightness or luma
    gray_small: Any  # the same at the scale of its colors, as all that follows
    l_scaled: Any  # the lightness
    ab_real: Any  # what the discriminator sees as real
    ab_l1: Any  # what the L1 loss compares with
    rgb_l1: Any  # the same, RGB in [0, 1], for the perceptual loss
    targets: models.Targets  # of the color controls
    condition: Any  # the control vector of a conditional model, float [batch, n]; else None
    hints: Any  # the colors of some points, float [batch, h, w, 3]; else None


class BatchPreparation:
    """Makes the batches of one replica.

    Args:
        config: resolved.
        replicas: that share each batch.

    Attributes:
        controls: of a conditional model, or those with fixed targets.

    Example:
        >>> config = TrainConfig().resolve(32)
        >>> prepare = BatchPreparation(config, replicas=1)
        >>> batch = prepare(rgb8, tf.constant(0, tf.int64))
        >>> batch.gray.shape
        TensorShape([128, 32, 32, 1])
    """

    def __init__(self, config: TrainConfig, replicas: int):
        self._config, self._replicas = config, replicas
        self.controls = config.controls.supported() or select(list(config.controls.desired()))
        assert config.optimizer.batch_size
        self._size = config.optimizer.batch_size // replicas
        self._stride = models.color_stride(config)
        self._retarget = fused(self._retarget_originals)

    def __call__(self, rgb8, step) -> Batch:
        """Prepares uint8 [batch, size, size, 3] for a step, an int64 scalar."""
        rgb = ops.cast(rgb8, "float32") / 255.0
        luma = self._config.model.predict_lightness
        gray = color.rgb_to_luma_scaled(rgb) if luma else color.rgb_to_l_scaled(rgb)
        gray_small = gray
        if self._stride > 1:
            rgb, gray_small = (ops.average_pool(image, self._stride) for image in (rgb, gray))
        lab = color.rgb_to_lab(rgb)
        settings, objective = self._config.controls, self._config.objective
        uniform, hint_draws = self._draw(step)
        counts = draw_counts(hint_draws, settings.hint_share)
        if self._config.data.chroma_gain != 1.0:
            gain = faded_gain(self._config.data.chroma_gain, counts)[:, None, None]
            lab = color.to_gamut(ops.concatenate([lab[..., :1], gain * lab[..., 1:]], axis=-1))
            rgb = color.lab_to_rgb(lab)
        l_scaled, ab_real = color.lab_to_scaled(lab)
        rgb_l1, ab_l1, condition, hints = rgb, ab_real, None, None
        retargeted = objective.l1_target == "retargeted"
        if settings.conditional or (self.controls and retargeted):
            rgb_edited, ab_real, targets = self._retarget(lab, uniform)
            if retargeted:
                rgb_l1, ab_l1 = rgb_edited, ab_real
        else:
            targets = models.fixed_targets(self.controls, settings.desired(), self._size)
        if settings.conditional:
            condition = models.encode_targets(self.controls, targets)
        if settings.hint_share > 0:
            hints = draw_hints(ab_l1, counts, hint_draws)
        return Batch(gray, gray_small, l_scaled, ab_real, ab_l1, rgb_l1, targets, condition, hints)

    def _draw(self, step):
        """Uniform numbers for each image's targets and hints, drawn for the whole batch at once."""
        draws = [num_draws(self.controls), NUM_HINT_DRAWS]
        seeds = tf.stack([tf.constant(self._config.run.seed, tf.int64), step])
        shape = [self._size * self._replicas, sum(draws)]
        uniform = tf.random.stateless_uniform(shape, seeds)
        own = tf.slice(uniform, [replica() * self._size, 0], [self._size, shape[1]])
        return tf.split(own, draws, axis=1)

    def _retarget_originals(self, lab, uniform):
        """The edited originals as RGB and scaled ab, and the targets that they meet.

        Fixed targets are met as far as edits can.
        """
        settings = self._config.controls
        if settings.conditional:
            rgb, targets = draw_targets(
                self.controls, lab, uniform, settings.condition_dropout)
        else:
            rgb = meet_targets(lab, settings.desired())
            targets = models.fixed_targets(self.controls, settings.desired(), self._size)
        return rgb, color.lab_to_scaled(color.rgb_to_lab(rgb))[1], targets


def fused(function: Callable) -> Any:
    """The function as one kernel on CPUs, where pixelwise mathematics is a third of a step else."""
    return tf.function(
        function, autograph=False, jit_compile=not tf.config.list_logical_devices("GPU"))


def replica():
    """The number of this replica, an int32 scalar."""
    return tf.convert_to_tensor(tf.distribute.get_replica_context().replica_id_in_sync_group)
