"""One training step: both networks, their optimizers, and the update from one batch."""

from __future__ import annotations

from typing import Any, NamedTuple, Sequence

import keras
from keras import ops
import tensorflow as tf

from colorizer.color import lab as color
from colorizer.models import conditioning
from colorizer import config as config_lib
from colorizer.losses import gan as losses
from colorizer.models import generator as networks
from colorizer.losses import perceptual

FORETELLING_WEIGHT = 3.0


class Examples(NamedTuple):
    """One replica's pictures.

    Attributes:
        gray: float [batch, h, w, 1] in [-1, 1], what the networks see: lightness or luma.
        l_scaled: float [batch, h, w, 1], the lightness.
        ab_real: float [batch, h, w, 2], what the discriminator is shown as real.
        ab_l1: float [batch, h, w, 2], what the L1 loss compares with.
        targets: what is asked of the colors.
        condition: the control vector of a conditional model, float [batch, n]; else None.
    """

    gray: Any
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
                    size, width, condition_size=of_generator, synchronized=synchronized,
                    **config.model.generator_options())

            self.generator = build_generator()
            self.discriminator = networks.build_discriminator(
                size, width, condition_size=of_discriminator, synchronized=synchronized,
                **config.model.discriminator_options())
            self.average = build_generator() if config.optimizer.ema_decay > 0 else None
            if self.average:
                self.average.set_weights(self.generator.get_weights())
            self.generator_optimizer = self._build_optimizer(self.generator)
            self.discriminator_optimizer = self._build_optimizer(self.discriminator)
            objective = config.objective
            self.content_loss = perceptual.ContentLoss(
                objective.perceptual_network, objective.perceptual_layers
            ) if objective.perceptual_weight > 0 else None
        self._dropouts = [layer for layer in self.generator.layers
                          if isinstance(layer, keras.layers.Dropout)]
        self._obeyed = config.controls.obeyed()
        self._turns = _turns(config)
        self._differentiate = self._differentiate_replica
        if config.optimizer.jit_compile:  # not the update, which waits for other replicas
            compiled = tf.function(self._differentiate_replica, jit_compile=True)
            # Its results have no device, by which all-reduce finds the replicas: copies have one.
            self._differentiate = lambda *args: tf.nest.map_structure(tf.identity, compiled(*args))
        # Not fused, the controls' pixelwise mathematics takes a third of a step on CPUs.
        fused = tf.function(jit_compile=not tf.config.list_logical_devices("GPU"))
        self._draw_targets = fused(self._edit_originals)
        self._color_losses = fused(self._measure_misses)

    @property
    def coloring_model(self) -> keras.Model:
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
        """Sets both learning rates to `factor` times the configured ones, or to `min_lr`."""
        settings = self.config.optimizer
        for optimizer, rate in ((self.generator_optimizer, settings.lr),
                                (self.discriminator_optimizer, settings.disc_lr or settings.lr)):
            optimizer.learning_rate = max(factor * rate, min(settings.min_lr, rate))

    @tf.function
    def __call__(self, rgb, step):
        """Updates both networks, or leaves everything as it was if a number is not finite.

        Args:
            rgb: uint8 [batch, size, size, 3], one such tensor per replica.
            step: int64 scalar, the number of finished steps.

        Returns:
            float32 scalars by name: losses averaged over the global batch, and the L2 norms of
            the gradients, with several replicas the sum of the norms of their parts. One that is
            not finite means that its pass of the generator updated nothing.
        """
        values = {}
        for turn in range(len(self._turns)):
            values |= self._take_turn(rgb, step, turn)
        return values

    def _take_turn(self, rgb, step, turn: int):
        """Updates the networks whose turn it is from one pass of the generator."""
        per_replica, gradients, before = self.strategy.run(
            self._differentiate, args=(rgb, step, turn))
        values = {name: self.strategy.reduce("SUM", value, axis=None)
                  for name, value in per_replica.items()}
        sound = tf.reduce_all(tf.math.is_finite(list(values.values())))
        # Around strategy.run, not in it: optimizers synchronize replicas, which a tf.cond forbids.
        tf.cond(sound,
                lambda: self.strategy.run(self._apply_replica, args=(gradients, step, turn)),
                lambda: self.strategy.run(self._restore, args=(before,)))
        return values

    def _differentiate_replica(self, rgb, step, turn: int):
        """Losses and gradients of one replica's pictures, and the state that the passes change."""
        examples = self._examples(rgb, step)
        self._seed_dropout(step, turn)
        moved = self._turns[turn]
        before = [tf.identity(variable) for variable in self._changed_by_passes()]
        with tf.GradientTape() as generator_tape, tf.GradientTape() as discriminator_tape:
            fake, *foretold = tf.nest.flatten(self.generator(
                self._inputs(self.generator, [examples.gray], examples), training=True))
            generator_terms, discriminator_terms = self._terms(
                examples, fake, foretold, real="discriminator" in moved)
            generator_loss = self._mean(self._weigh(generator_terms))
            scaled_generator_loss = self.generator_optimizer.scale_loss(generator_loss)
            if discriminator_terms:
                discriminator_loss = self._mean(sum(discriminator_terms.values()))
                scaled_discriminator_loss = self.discriminator_optimizer.scale_loss(
                    discriminator_loss)

        results, gradients = {}, {}
        if "generator" in moved:
            results["generator/loss"] = generator_loss
            results |= {f"generator/{name}": self._mean(term)
                        for name, term in generator_terms.items()}
            gradients["generator"] = generator_tape.gradient(
                scaled_generator_loss, self.generator.trainable_variables)
        if discriminator_terms:
            results["discriminator/loss"] = discriminator_loss
            results |= {f"discriminator/{name}": self._mean(term)
                        for name, term in discriminator_terms.items()}
            gradients["discriminator"] = discriminator_tape.gradient(
                scaled_discriminator_loss, self.discriminator.trainable_variables)
        if self.config.optimizer.precision != "mixed_float16":  # whose loss scale may overflow
            results |= {f"{network}/gradient_norm": tf.linalg.global_norm(values)
                        for network, values in gradients.items()}
        return results, gradients, before

    def _apply_replica(self, gradients, step, turn: int):
        if "generator" in gradients:
            self.generator_optimizer.apply(
                gradients["generator"], self.generator.trainable_variables)
        if "discriminator" in gradients:
            self.discriminator_optimizer.apply(
                gradients["discriminator"], self.discriminator.trainable_variables)
        if turn == len(self._turns) - 1:
            self._update_average(step)

    def _restore(self, before):
        for variable, value in zip(self._changed_by_passes(), before):
            variable.assign(value)

    def _changed_by_passes(self):
        """What a forward pass in training mode updates: the averages of batch normalization, and
        with spectral normalization the discriminator's kernels.
        """
        variables = [variable for model in (self.generator, self.discriminator)
                     for variable in model.non_trainable_variables
                     if variable.dtype == "float32"]
        if self.config.model.disc_norm == "spectral":
            variables += self.discriminator.trainable_variables
        return variables

    def _examples(self, rgb, step) -> Examples:
        """The pictures of one replica in the networks' scales, and what is asked of each."""
        rgb = ops.cast(rgb, "float32") / 255.0
        lab = color.rgb_to_lab(rgb)
        l_scaled, ab_real = color.lab_to_scaled(lab)
        luma = self.config.model.input_channel == "luma"
        gray = color.rgb_to_luma_scaled(rgb) if luma else l_scaled
        settings = self.config.controls
        batch = self.config.optimizer.batch_size // self.replicas
        if not settings.conditional:
            targets = conditioning.fixed_targets(self._obeyed, settings.desired(), batch)
            return Examples(gray, l_scaled, ab_real, ab_real, targets, None)
        # All replicas draw for the whole batch and take their share: as one replica would.
        draws = conditioning.draws(self._obeyed)
        uniform = tf.random.stateless_uniform(
            [batch * self.replicas, draws],
            tf.stack([tf.constant(self.config.run.seed, tf.int64), step]))
        uniform = tf.slice(uniform, [_replica() * batch, 0], [batch, draws])
        ab_moved, targets = self._draw_targets(lab, uniform)
        ab_l1 = ab_moved if settings.l1_target == "retargeted" else ab_real
        return Examples(
            gray, l_scaled, ab_moved, ab_l1, targets,
            conditioning.encode(self._obeyed, targets))

    def _edit_originals(self, lab, uniform):
        """The edited pictures' ab, scaled, and the targets that they answer."""
        rgb, targets = conditioning.draw_targets(
            self._obeyed, lab, uniform, self.config.controls.condition_dropout)
        return color.lab_to_scaled(color.rgb_to_lab(rgb))[1], targets

    def _inputs(self, model: keras.Model, pictures: list, examples: Examples):
        """What a network is called with: the pictures, and the condition if it has that input."""
        if len(model.inputs) > len(pictures):
            return [*pictures, examples.condition]
        return pictures if len(pictures) > 1 else pictures[0]

    def _discriminate(self, picture, examples: Examples):
        inputs = self._inputs(self.discriminator, [examples.gray, picture], examples)
        return self.discriminator(inputs, training=True)

    def _as_output(self, examples: Examples, ab_scaled):
        """A picture as the generator should give it: ab, or L and ab."""
        if self.config.model.output_channels == "ab":
            return ab_scaled
        return ops.concatenate([examples.l_scaled, ab_scaled], axis=-1)

    def _terms(self, examples: Examples, fake, foretold: Sequence = (), *, real: bool):
        """Both networks' losses, [batch] each; D sees the fake pictures once for both.

        Args:
            examples: the batch.
            fake: the generator's colors.
            foretold: its second output, if it has one.
            real: whether D is shown the real pictures, too; without them it has no losses.
        """
        objective = self.config.objective
        generator_terms = {"l1": self._l1(fake, examples)}
        l_fake = fake[..., :1] if fake.shape[-1] == 3 else examples.l_scaled
        if self.content_loss:
            generator_terms["perceptual"] = self.content_loss(
                l_fake, fake[..., -2:], examples.l_scaled, examples.ab_l1)
        if self._controlled or objective.original_colorfulness_weight or foretold:
            generator_terms |= self._color_losses(
                l_fake, fake[..., -2:], examples, *foretold)
        if objective.adversarial_weight == 0:
            return generator_terms, {}
        discriminator_terms = {}
        if real:
            real_logits = self._discriminate(
                self._as_output(examples, examples.ab_real), examples)
            discriminator_terms["real"] = losses.adversarial_loss(
                real_logits, 1.0 - objective.label_smoothing)
        fake_logits = self._discriminate(fake, examples)
        generator_terms["adversarial"] = losses.adversarial_loss(fake_logits, 1.0)
        if real:
            discriminator_terms["fake"] = losses.adversarial_loss(fake_logits, 0.0)
        return generator_terms, discriminator_terms

    def _l1(self, fake, examples: Examples):
        """The L1 loss; what a picture was moved to counts in full, however far off it is."""
        wanted = self._as_output(examples, examples.ab_l1)
        softening = self.config.objective.l1_softening
        loss = losses.l1_loss(fake, wanted, softening)
        if not (softening and self.config.controls.conditional):
            return loss
        return ops.where(examples.targets.any_asked > 0, losses.l1_loss(fake, wanted), loss)

    def _measure_misses(self, l_fake, ab_fake, examples: Examples, foretold=None):
        """How far a picture is from each target that has a loss, and what is foretold and the
        picture's colorfulness from the original's.
        """
        missed = conditioning.control_losses(
            self._obeyed, l_fake, ab_fake, examples.targets, self._controlled,
            self.config.controls.hue_mean)
        if self.config.objective.original_colorfulness_weight:
            missed["original_colorfulness"] = conditioning.original_colorfulness_loss(
                l_fake, ab_fake, examples.l_scaled, examples.ab_real, examples.targets)
        if foretold is not None:
            missed["foretelling"] = conditioning.foretelling_loss(
                foretold, examples.l_scaled, examples.ab_real, examples.targets)
        return missed

    @property
    def _controlled(self) -> list[str]:
        """The controls that have a loss."""
        settings = self.config.controls
        names = ([control.name for control in self._obeyed] if settings.conditional
                 else settings.desired())
        return [name for name in names if settings.weights()[name] > 0]

    def _weigh(self, terms):
        objective = self.config.objective
        weights = {"l1": objective.l1_weight, "adversarial": objective.adversarial_weight,
                   "perceptual": objective.perceptual_weight,
                   "original_colorfulness": objective.original_colorfulness_weight,
                   "foretelling": FORETELLING_WEIGHT,
                   **self.config.controls.weights()}
        return sum(weights[name] * term for name, term in terms.items())

    def _mean(self, per_example):
        """The one place that reduces over the batch: the sum over replicas is the global mean."""
        return tf.nn.compute_average_loss(
            per_example, global_batch_size=self.config.optimizer.batch_size)

    def _seed_dropout(self, step, turn=0):
        """Makes each mask a function of (seed, layer, step, replica, turn), so that a resume
        repeats it.

        Checkpoints do not hold the state of Keras's seed generators, and equal states would give
        every replica the same mask.
        """
        count = step * self.replicas + tf.cast(_replica(), tf.int64)
        count = count * len(self._turns) + turn
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


def _turns(config: config_lib.TrainConfig) -> Sequence[tuple[str, ...]]:
    """The networks that each pass of the generator updates, in the order of a step."""
    repeats = config.optimizer.generator_steps
    if config.objective.adversarial_weight == 0:
        return [("generator",)] * repeats
    if repeats == 1:
        return [("generator", "discriminator")]
    return [("discriminator",)] + [("generator",)] * repeats


def _replica():
    return tf.convert_to_tensor(tf.distribute.get_replica_context().replica_id_in_sync_group)
