"""One training step: both networks, their optimizers, and their updates from one batch."""

from __future__ import annotations

import functools
from typing import Any, Sequence

import keras
from keras import ops
import tensorflow as tf

from colorizer import color, losses, models
from colorizer.config import TrainConfig
from colorizer.training.batches import Batch, BatchPreparation, fused, replica

G, D = "generator", "discriminator"
# In which the weight of fixed targets grows from 0: at full weight from the start, every image took
# the one hue that is saturated at any lightness, cyan.
RAMP_STEPS = 1000
ENCODER_RATE = 0.1  # of the learning rate, for a pretrained encoder
Schedule = tuple[tuple[str, ...], ...]
# What each pass of the generator updates, in the order of a step: see `TrainConfig`.
UPDATE_SCHEDULES: dict[str, Schedule] = {
    "d_g": ((D,), (G,)), "d_g_g": ((D,), (G,), (G,)), "joint": ((G, D),)}


class TrainStep:
    """The networks and what one step does to them.

    Build it, and call it, under the scope of the strategy it is given.

    Args:
        config: resolved, no setting left at None that depends on the data set.
        strategy: over the devices that share each batch.

    Attributes:
        weights: of the terms of the generator's loss, by name.

    Example:
        >>> step = TrainStep(TrainConfig().resolve(32), tf.distribute.MirroredStrategy())
        >>> values = step(rgb8, tf.constant(0, tf.int64))  # uint8 [128, 32, 32, 3]
        >>> float(values["generator/l1"])
    """

    def __init__(self, config: TrainConfig, strategy: tf.distribute.Strategy):
        self.config = config
        self.strategy = strategy
        self.replicas = strategy.num_replicas_in_sync
        keras.utils.set_random_seed(config.run.seed)
        keras.config.set_dtype_policy(config.optimizer.precision)
        synchronized = self.replicas > 1
        with strategy.scope():
            self.generator = models.generator_from_config(config, synchronized=synchronized)
            self.discriminator = models.discriminator_from_config(
                config, synchronized=synchronized)
            self.average = None
            if config.optimizer.ema_decay:
                self.average = models.generator_from_config(config, synchronized=synchronized)
                self.average.set_weights(self.generator.get_weights())
            self.generator_optimizer = self._build_optimizer(self.generator)
            self.discriminator_optimizer = self._build_optimizer(self.discriminator)
            self._perceptual_loss = losses.PerceptualLoss(
                config.objective.perceptual_network
            ) if config.objective.perceptual_weight > 0 else None
        self._dropouts = [layer for layer in self.generator.layers
                          if isinstance(layer, keras.layers.Dropout)]
        schedule = UPDATE_SCHEDULES[config.optimizer.update_schedule]
        self._schedules: dict[bool, Schedule] = {  # with the discriminator, and without
            True: schedule, False: tuple((G,) for networks in schedule if G in networks)}
        self.prepare_batch = BatchPreparation(config, self.replicas)
        self._controls = self.prepare_batch.controls
        objective = config.objective
        self.weights = {
            "l1": objective.l1_weight, "perceptual": objective.perceptual_weight, "adversarial":
            objective.adversarial_weight} | dict.fromkeys(
                [control.name for control in self._controls], config.controls.control_weight or 0.0)
        # The published form, `l1_target=original`, and drawn targets have no ramp.
        ramped = config.controls.desired() and objective.l1_target == "retargeted"
        self._ramp_steps = RAMP_STEPS if ramped else 0
        self._measure = fused(self._measure_colors)

    @property
    def inference_model(self) -> keras.Model:
        """The generator that users get: the average of its weights if there is one."""
        return self.average or self.generator

    def state(self) -> dict[str, object]:
        """Everything that a checkpoint must hold."""
        state: dict[str, object] = {
            G: self.generator, D: self.discriminator, "generator_optimizer":
            self.generator_optimizer, "discriminator_optimizer": self.discriminator_optimizer}
        return state | ({"average": self.average} if self.average else {})

    def set_learning_rates(self, generator: float, discriminator: float) -> None:
        """Sets the learning rates of both optimizers."""
        self.generator_optimizer.learning_rate = generator
        self.discriminator_optimizer.learning_rate = discriminator

    @functools.partial(tf.function, autograph=False)
    def __call__(self, rgb, step, adversarial: bool = True):
        """Takes one step: the updates of the schedule, each of which happens only if it is finite.

        Args:
            rgb: uint8 [batch, size, size, 3], one such tensor per replica.
            step: int64 scalar, the number of finished steps.
            adversarial: whether the discriminator takes part, if the objective has one.

        Returns:
            float32 scalars by name: losses averaged over the global batch, and the L2 norms of
            the gradients, with several replicas the sum of the norms of their parts. Where a
            network is updated twice, the values are those of its last update, or of the first that
            was not finite. An update that is not finite changes nothing.
        """
        batch = self.strategy.run(self.prepare_batch, args=(rgb, step))
        values: dict[str, Any] = {}
        schedule = self._schedules[adversarial and self.config.objective.adversarial_weight > 0]
        for index in range(len(schedule)):
            for name, value in self.update(batch, step, schedule, index).items():
                earlier = values.get(name, 0.0)
                values[name] = tf.where(tf.math.is_finite(earlier), value, earlier)
        return values

    def update(self, batch: Batch, step, schedule: Schedule, index: int):
        """Updates the networks of one entry of the schedule; returns the losses by name."""
        per_replica, gradients, before = self.strategy.run(
            self._differentiate, args=(batch, step, schedule, index))
        values = {name: self.strategy.reduce("SUM", value, axis=None)
                  for name, value in per_replica.items()}
        finite = tf.reduce_all(tf.math.is_finite(list(values.values())))
        # Around strategy.run, not in it: optimizers synchronize replicas, which a tf.cond forbids.
        tf.cond(finite,
                lambda: self.strategy.run(
                    self._apply, args=(gradients, step, index == len(schedule) - 1)),
                lambda: self.strategy.run(self._restore, args=(before,)))
        return values

    def _generator_loss(self, batch: Batch, fake, fake_logits, step):
        """The generator's weighted loss and its terms, [batch] each."""
        l_fake, ab_fake = (fake[..., :1] if fake.shape[-1] == 3 else batch.l_scaled,
                           fake[..., -2:])
        terms = {"l1": losses.l1_loss(fake, self._as_output(batch, batch.ab_l1))}
        if self._perceptual_loss or self._controls:
            rgb_fake, control_terms = self._measure(l_fake, ab_fake, batch.targets)
            if self._ramp_steps:
                ramp = tf.minimum(1.0, tf.cast(step, tf.float32) / self._ramp_steps)
                control_terms = {name: ramp * term for name, term in control_terms.items()}
            terms |= control_terms
            if self._perceptual_loss:
                terms["perceptual"] = self._perceptual_loss(rgb_fake, batch.rgb_l1)
        if fake_logits is not None:
            terms["adversarial"] = losses.adversarial_loss(fake_logits, 1.0)
        return sum(self.weights[name] * term for name, term in terms.items()), terms

    def _discriminator_loss(self, real_logits, fake_logits):
        """The discriminator's loss and its terms, [batch] each."""
        smoothing = self.config.objective.label_smoothing
        terms = {"real": losses.adversarial_loss(real_logits, 1.0 - smoothing),
                 "fake": losses.adversarial_loss(fake_logits, 0.0)}
        accuracy = {"accuracy_real": losses.discriminator_accuracy(real_logits, real=True),
                    "accuracy_fake": losses.discriminator_accuracy(fake_logits, real=False)}
        return terms["real"] + terms["fake"], terms | accuracy

    def _differentiate(self, batch: Batch, step, schedule: Schedule, index: int):
        """Losses and gradients of one replica's images, and the state that the passes change."""
        networks = schedule[index]
        self._seed_dropout(step, len(schedule), index)
        before = [tf.identity(variable) for variable in self._changed_by_passes()]
        results, gradients, real_logits, fake_logits = {}, {}, None, None
        with tf.GradientTape(persistent=True) as tape:
            fake = self.generator(self._inputs(self.generator, [batch.gray], batch), training=True)
            if D in networks:
                real_logits = self._discriminate(
                    batch, self._as_output(batch, batch.ab_real))
            if any(D in networks for networks in schedule):
                fake_logits = self._discriminate(batch, fake)
            found = {}
            if G in networks:
                found[G] = self._generator_loss(batch, fake, fake_logits, step)
            if D in networks:
                found[D] = self._discriminator_loss(real_logits, fake_logits)
            scaled = {name: self._optimizer(name).scale_loss(self._mean(loss))
                      for name, (loss, _) in found.items()}
        for name, (loss, terms) in found.items():
            results[f"{name}/loss"] = self._mean(loss)
            results |= {f"{name}/{term}": self._mean(value) for term, value in terms.items()}
            gradients[name] = tape.gradient(scaled[name], getattr(self, name).trainable_variables)
            if self.config.optimizer.precision != "mixed_float16":  # its loss scale may overflow
                results[f"{name}/gradient_norm"] = tf.linalg.global_norm(gradients[name])
        return results, gradients, before

    def _apply(self, gradients, step, last: bool):
        for name, values in gradients.items():
            self._optimizer(name).apply(values, getattr(self, name).trainable_variables)
        if last:
            self._update_average(step)

    def _restore(self, before):
        for variable, value in zip(self._changed_by_passes(), before):
            variable.assign(value)

    def _changed_by_passes(self):
        """What a training pass changes: batch norm's averages, spectrally normalized kernels."""
        encoder = {variable.path for variable in _encoder_variables(self.generator)}
        variables = [variable for model in (self.generator, self.discriminator)
                     for variable in model.non_trainable_variables
                     if variable.dtype == "float32" and variable.path not in encoder]
        if self.config.model.disc_norm == "spectral":
            variables += self.discriminator.trainable_variables
        return variables

    def _measure_colors(self, l_fake, ab_fake, targets: models.Targets):
        """The RGB of the generated images, and how far each is from its targets."""
        rgb = color.scaled_to_rgb(l_fake, ab_fake)
        l_star = color.scaled_to_lab(l_fake, ab_fake)[..., 0]
        return rgb, losses.control_losses(
            self._controls, rgb, l_star, targets.values, targets.desired,
            self.config.controls.hue_mean)

    def _inputs(self, model: keras.Model, images: list, batch: Batch):
        """What a network is called with: the images, and the condition if it has that input."""
        others = {"condition": batch.condition, "hints": batch.hints}
        names = [one.name for one in model.inputs[len(images):]]
        inputs = [*images, *(others[name] for name in names)]
        return inputs if len(inputs) > 1 else inputs[0]

    def _discriminate(self, batch: Batch, image):
        inputs = self._inputs(self.discriminator, [batch.gray_small, image], batch)
        return self.discriminator(inputs, training=True)

    def _as_output(self, batch: Batch, ab_scaled):
        """An image as the generator should give it: ab, or L and ab."""
        if not self.config.model.predict_lightness:
            return ab_scaled
        return ops.concatenate([batch.l_scaled, ab_scaled], axis=-1)

    def _mean(self, per_example):
        """The one place that reduces over the batch: the sum over replicas is the global mean."""
        return tf.nn.compute_average_loss(
            per_example, global_batch_size=self.config.optimizer.batch_size)

    def _seed_dropout(self, step, updates: int, index: int):
        """Makes each mask a function of (seed, layer, step, replica, update): a resume repeats it.

        Checkpoints lack the state of Keras's seed generators; equal states give equal masks.
        """
        count = step * self.replicas + tf.cast(replica(), tf.int64)
        count = count * updates + index
        for number, layer in enumerate(self._dropouts):
            seed = self.config.run.seed + number
            layer.seed_generator.state.assign(tf.stack([tf.cast(seed, tf.int64), count]))

    def _update_average(self, step):
        if not self.average:
            return
        # A young average follows quickly: (1 + t) / (10 + t), as tf.train's moving average does.
        young = (1.0 + tf.cast(step, tf.float32)) / (10.0 + tf.cast(step, tf.float32))
        keep = tf.minimum(self.config.optimizer.ema_decay, young)
        for average, current in zip(self.average.weights, self.generator.weights):
            average.assign(current + keep * (average - current))

    def _optimizer(self, network: str) -> keras.Optimizer:
        return self.generator_optimizer if network == G else self.discriminator_optimizer

    def _build_optimizer(self, model: keras.Model) -> keras.Optimizer:
        settings = self.config.optimizer
        assert settings.lr
        share = settings.encoder_lr / settings.lr if settings.encoder_lr else ENCODER_RATE
        slow = {variable.path for variable in _encoder_variables(model)}
        optimizer = _Adam(settings.lr, settings.beta1, [
            share if variable.path in slow else 1.0 for variable in model.trainable_variables])
        if settings.precision == "mixed_float16":
            optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
        optimizer.build(model.trainable_variables)
        return optimizer


class _Adam(keras.optimizers.Adam):
    """Adam that gives each variable its own share of the learning rate."""

    def __init__(self, learning_rate: float, beta1: float, shares: Sequence[float]):
        super().__init__(learning_rate, beta_1=beta1)
        self._shares = shares

    def update_step(self, gradient, variable, learning_rate):
        # As Adam itself finds the moments of a variable, which may be one replica's part of it.
        share = self._shares[self._get_variable_index(variable)]
        super().update_step(gradient, variable, share * learning_rate)


def _encoder_variables(model: keras.Model) -> list:
    """The variables of a pretrained encoder, which has no batch norm; none without one."""
    return [variable for layer in model.layers if layer.name == "encoder"
            for variable in layer.variables]
