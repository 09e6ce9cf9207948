"""One training step: both networks, their optimizers, and the update from one batch."""

from __future__ import annotations

from typing import Any, NamedTuple

import keras
from keras import ops
import tensorflow as tf

from colorizer import color, conditioning, config as config_lib, losses, networks


class Examples(NamedTuple):
    """One replica's pictures.

    Attributes:
        l_scaled: float [batch, h, w, 1], the generator's input.
        ab_real: float [batch, h, w, 2], what the discriminator is shown as real.
        ab_l1: float [batch, h, w, 2], what the L1 loss compares with.
        targets: what is asked of the colours.
        condition: the control vector of a conditional model, float [batch, n]; else None.
    """

    l_scaled: Any
    ab_real: Any
    ab_l1: Any
    targets: conditioning.Targets
    condition: Any


class TrainStep:
    """The networks and what one step does to them.

    Build it, and call `__call__`, under the scope of the strategy it is given.

    Args:
        config: resolved, no setting left at None that depends on the data set.
        strategy: over the devices that share each batch.
    """

    def __init__(self, config: config_lib.TrainConfig, strategy: tf.distribute.Strategy):
        self.config = config
        self.strategy = strategy
        self.replicas = strategy.num_replicas_in_sync
        keras.utils.set_random_seed(config.run.seed)
        keras.config.set_dtype_policy(config.optimizer.precision)
        size, width = config.data.image_size, config.model.width
        with strategy.scope():
            synchronized = self.replicas > 1
            of_generator, of_discriminator = conditioning.condition_sizes(config.controls)

            def build_generator():
                return networks.build_generator(
                    size, width, dropout=config.model.dropout, halvings=config.model.halvings,
                    condition_size=of_generator, synchronized=synchronized)

            self.generator = build_generator()
            self.discriminator = networks.build_discriminator(
                size, width, condition_size=of_discriminator, synchronized=synchronized)
            self.average = build_generator() if config.optimizer.ema_decay > 0 else None
            if self.average:
                self.average.set_weights(self.generator.get_weights())
            self.generator_optimizer = self._build_optimizer(self.generator)
            self.discriminator_optimizer = self._build_optimizer(self.discriminator)
        self._dropouts = [layer for layer in self.generator.layers
                          if isinstance(layer, keras.layers.Dropout)]
        self._differentiate = self._differentiate_replica
        if config.optimizer.jit_compile:  # not the update, which waits for other replicas
            compiled = tf.function(self._differentiate_replica, jit_compile=True)
            # Its results have no device, by which all-reduce finds the replicas: copies have one.
            self._differentiate = lambda *args: tf.nest.map_structure(tf.identity, compiled(*args))

    @property
    def colouring_model(self) -> keras.Model:
        """The generator that users get: the average of its weights if there is one."""
        return self.average or self.generator

    def state(self) -> dict[str, object]:
        """Everything that a checkpoint must hold."""
        state = {
            "generator": self.generator, "discriminator": self.discriminator,
            "generator_optimizer": self.generator_optimizer,
            "discriminator_optimizer": self.discriminator_optimizer,
        }
        return state | ({"average": self.average} if self.average else {})

    def set_rates(self, factor: float) -> None:
        """Sets both learning rates to `factor` times the configured ones."""
        lr, disc_lr = self.config.optimizer.lr, self.config.optimizer.disc_lr
        self.generator_optimizer.learning_rate = factor * lr
        self.discriminator_optimizer.learning_rate = factor * (disc_lr or lr)

    @tf.function
    def __call__(self, rgb, step):
        """Updates both networks once, or leaves everything as it was if a number is not finite.

        Args:
            rgb: uint8 [batch, size, size, 3], one such tensor per replica.
            step: int64 scalar, the number of finished steps.

        Returns:
            float32 scalars by name: losses averaged over the global batch, and the L2 norms of
            the gradients, with several replicas the sum of the norms of their parts. One that is
            not finite means that nothing was updated.
        """
        per_replica, gradients, before = self.strategy.run(self._differentiate, args=(rgb, step))
        values = {name: self.strategy.reduce("SUM", value, axis=None)
                  for name, value in per_replica.items()}
        sound = tf.reduce_all(tf.math.is_finite(list(values.values())))
        # Around strategy.run, not in it: optimizers synchronize replicas, which a tf.cond forbids.
        tf.cond(sound,
                lambda: self.strategy.run(self._apply_replica, args=(gradients, step)),
                lambda: self.strategy.run(self._put_back, args=(before,)))
        return values

    def _differentiate_replica(self, rgb, step):
        """Losses and gradients of one replica's pictures, and the state that the passes change."""
        examples = self._examples(rgb, step)
        self._seed_dropout(step)
        before = [tf.identity(variable) for variable in self._running_statistics()]
        with tf.GradientTape() as generator_tape, tf.GradientTape() as discriminator_tape:
            ab_fake = self.generator(
                self._inputs(self.generator, [examples.l_scaled], examples), training=True)
            generator_terms, discriminator_terms = self._terms(examples, ab_fake)
            generator_loss = self._mean(self._weigh(generator_terms))
            scaled_generator_loss = self.generator_optimizer.scale_loss(generator_loss)
            if discriminator_terms:
                discriminator_loss = self._mean(sum(discriminator_terms.values()))
                scaled_discriminator_loss = self.discriminator_optimizer.scale_loss(
                    discriminator_loss)

        results = {"generator/loss": generator_loss}
        gradients = {"generator": generator_tape.gradient(
            scaled_generator_loss, self.generator.trainable_variables)}
        if discriminator_terms:
            results["discriminator/loss"] = discriminator_loss
            gradients["discriminator"] = discriminator_tape.gradient(
                scaled_discriminator_loss, self.discriminator.trainable_variables)
        if self.config.optimizer.precision != "mixed_float16":  # whose loss scale may overflow
            results |= {f"{network}/gradient_norm": tf.linalg.global_norm(values)
                        for network, values in gradients.items()}
        for name, term in generator_terms.items():
            results[f"generator/{name}"] = self._mean(term)
        for name, term in discriminator_terms.items():
            results[f"discriminator/{name}"] = self._mean(term)
        return results, gradients, before

    def _apply_replica(self, gradients, step):
        self.generator_optimizer.apply(
            gradients["generator"], self.generator.trainable_variables)
        if "discriminator" in gradients:
            self.discriminator_optimizer.apply(
                gradients["discriminator"], self.discriminator.trainable_variables)
        self._update_average(step)

    def _put_back(self, before):
        for variable, value in zip(self._running_statistics(), before):
            variable.assign(value)

    def _running_statistics(self):
        """What a forward pass in training mode updates: the averages of batch normalization."""
        return [variable for model in (self.generator, self.discriminator)
                for variable in model.non_trainable_variables
                if variable.dtype == "float32"]

    def _examples(self, rgb, step) -> Examples:
        """The pictures of one replica in the networks' scales, and what is asked of each."""
        lab = color.rgb_to_lab(ops.cast(rgb, "float32") / 255.0)
        l_scaled, ab_real = color.split_scaled(lab)
        settings = self.config.controls
        batch = self.config.optimizer.batch_size // self.replicas
        if not settings.conditional:
            targets = conditioning.fixed_targets(settings.desired(), batch)
            return Examples(l_scaled, ab_real, ab_real, targets, None)
        # All replicas draw for the whole batch and take their share: as one replica would.
        uniform = tf.random.stateless_uniform(
            [batch * self.replicas, conditioning.DRAWS],
            tf.stack([tf.constant(self.config.run.seed, tf.int64), step]))
        uniform = tf.slice(uniform, [_replica() * batch, 0], [batch, conditioning.DRAWS])
        moved_rgb, targets = conditioning.draw_targets(lab, uniform, settings.unconditional_share)
        ab_moved = color.split_scaled(color.rgb_to_lab(moved_rgb))[1]
        ab_l1 = ab_moved if settings.l1_target == "retargeted" else ab_real
        return Examples(l_scaled, ab_moved, ab_l1, targets, conditioning.encode(targets))

    def _inputs(self, model: keras.Model, pictures: list, examples: Examples):
        """What a network is called with: the pictures, and the condition if it has that input."""
        if len(model.inputs) > len(pictures):
            return [*pictures, examples.condition]
        return pictures if len(pictures) > 1 else pictures[0]

    def _discriminate(self, ab_scaled, examples: Examples):
        inputs = self._inputs(self.discriminator, [examples.l_scaled, ab_scaled], examples)
        return self.discriminator(inputs, training=True)

    def _terms(self, examples: Examples, ab_fake):
        """Both networks' losses, [batch] each; D sees the fake pictures once for both."""
        objective = self.config.objective
        generator_terms = {"l1": losses.l1_loss(ab_fake, examples.ab_l1)}
        if self._controlled:
            generator_terms |= conditioning.control_losses(
                examples.l_scaled, ab_fake, examples.targets, self._controlled,
                self.config.controls.hue_mean)
        if objective.adversarial_weight == 0:
            return generator_terms, {}
        real_logits = self._discriminate(examples.ab_real, examples)
        fake_logits = self._discriminate(ab_fake, examples)
        generator_terms["adversarial"] = losses.adversarial_loss(fake_logits, 1.0)
        discriminator_terms = {
            "real": losses.adversarial_loss(real_logits, 1.0 - objective.label_smoothing),
            "fake": losses.adversarial_loss(fake_logits, 0.0),
        }
        return generator_terms, discriminator_terms

    @property
    def _controlled(self) -> list[str]:
        """The controls that have a loss."""
        settings = self.config.controls
        names = settings.weights() if settings.conditional else settings.desired()
        return [name for name in names if settings.weights()[name] > 0]

    def _weigh(self, terms):
        objective = self.config.objective
        weights = {"l1": objective.l1_weight, "adversarial": objective.adversarial_weight,
                   **self.config.controls.weights()}
        return sum(weights[name] * term for name, term in terms.items())

    def _mean(self, per_example):
        """The one place that reduces over the batch: the sum over replicas is the global mean."""
        return tf.nn.compute_average_loss(
            per_example, global_batch_size=self.config.optimizer.batch_size)

    def _seed_dropout(self, step):
        """Makes each mask a function of (seed, layer, step, replica), so that a resume repeats it.

        Checkpoints do not hold the state of Keras's seed generators, and equal states would give
        every replica the same mask.
        """
        count = step * self.replicas + tf.cast(_replica(), tf.int64)
        for index, layer in enumerate(self._dropouts):
            seed = self.config.run.seed + index
            layer.seed_generator.state.assign(tf.stack([tf.cast(seed, tf.int64), count]))

    def _update_average(self, step):
        if not self.average:
            return
        # A young average follows quickly: (1 + t) / (10 + t), as tf.train's moving average does.
        young = (1.0 + tf.cast(step, tf.float32)) / (10.0 + tf.cast(step, tf.float32))
        keep = tf.minimum(self.config.optimizer.ema_decay, young)
        for average, current in zip(self.average.weights, self.generator.weights):
            average.assign(current + keep * (average - current))

    def _build_optimizer(self, model: keras.Model) -> keras.Optimizer:
        optimizer = keras.optimizers.Adam(
            self.config.optimizer.lr, beta_1=self.config.optimizer.beta1)
        if self.config.optimizer.precision == "mixed_float16":
            optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
        optimizer.build(model.trainable_variables)
        return optimizer


def _replica():
    return tf.convert_to_tensor(tf.distribute.get_replica_context().replica_id_in_sync_group)
