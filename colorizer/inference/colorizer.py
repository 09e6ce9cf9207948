"""Colors for a picture of any size: the network at its own scale, the lightness at full size.

    from colorizer.inference import Colorizer
    rgb = Colorizer.load("photos")(picture, saturation=0.5)
"""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any, Callable, Mapping, Sequence, overload

import keras
from keras import ops
import numpy as np
import tensorflow as tf

from colorizer.training import checkpoints
from colorizer.color import lab as color
from colorizer.models import conditioning
from colorizer.color import controls
from colorizer.inference import postprocess as correction
from colorizer.models import generator as networks
from colorizer.data import arrays as pictures_lib
from colorizer.models import pretrained as saved_models
from colorizer.inference import upsampling

MAX_ASPECT = 8  # a longer side than this many short ones is squeezed for the network
ROW_PIXELS = 2**20  # pixels converted at once, to bound memory on large photographs
NETWORK_PIXELS = 2**18  # pixels that the network sees at once: 256 pictures of 32 px, 4 of 256
SURE_WINDOWS = 20  # the trained side over this is the radius in which colors are judged


def _graph(function: Callable, *channels: int) -> Callable:
    """The function of pictures with so many channels as a graph: five times faster than eager."""
    return tf.function(function, input_signature=[
        tf.TensorSpec([None, None, None, count], tf.float32) for count in channels])


_lightness = _graph(color.rgb_to_l_scaled, 3)
_luma = _graph(color.rgb_to_luma_scaled, 3)
_to_rgb8 = _graph(color.scaled_to_rgb8, 1, 2)


@functools.partial(tf.function, reduce_retracing=True)
def _meet_targets(l_scaled, ab_scaled, targets):
    rgb = correction.meet_targets(color.scaled_to_lab(l_scaled, ab_scaled), targets)
    return color.lab_to_scaled(color.rgb_to_lab(rgb))[1]


class Colorizer:
    """A generator and the way from a picture to its colors and back.

    Args:
        generator: as from `networks.build_generator(..., fixed_size=False)`; one with three output
            channels predicts the lightness, too.
        image_size: the side in pixels that it was trained at.
        fixed: the targets that a model without the second input was trained for.
        num_downsamples: as it was built with.
        luma: whether it was trained to see luma, not lightness.
        obeyed: the controls of its second input, in their order; without such an input, none.
        natural: how colors that answer no target are finished.
    """

    def __init__(
        self, generator: keras.Model, image_size: int, fixed: Mapping[str, float] | None = None,
        *, num_downsamples: int | None = None, luma: bool = False,
        obeyed: Sequence[controls.Control] = (),
        natural: saved_models.NaturalColors = saved_models.NaturalColors(),
    ):
        self.generator = generator
        self.image_size = image_size
        self.multiple = networks.size_multiple(image_size, num_downsamples)
        self.conditional = bool(obeyed)
        self.fixed = dict(fixed or {})
        self.luma = luma
        self.obeyed = tuple(obeyed)
        self.natural = natural
        self._predict = tf.function(
            lambda *inputs: generator(inputs if len(inputs) > 1 else inputs[0], training=False),
            reduce_retracing=True)

    @classmethod
    def load(
        cls, model: str | Path, natural: saved_models.NaturalColors | None = None
    ) -> "Colorizer":
        """Loads a trained model.

        Args:
            model: the name of a model that ships with the package (`saved_models.names()`), the
                folder of a run (its newest checkpoint that is whole), or an exported model: its
                folder or the `weights.npz` in it.
            natural: how colors that answer no target are finished (default: the model's own way).

        Raises:
            UserError: there is no such model, it is damaged, it is of another architecture, or it
                was trained to fixed targets and leaves nothing to finish.
        """
        folder = saved_models.find(model)
        config = saved_models.read_settings(folder)
        natural = natural or saved_models.natural_colors(folder)
        saved_models.check_natural(natural, config)
        generator = networks.build_generator(
            config.data.image_size, config.model.width, fixed_size=False,
            condition_size=conditioning.condition_sizes(config.controls)[0],
            **config.model.generator_options())
        checkpoints.load_weights(generator, weights_file(folder))
        return cls(generator, config.data.image_size, config.controls.desired(),
                   num_downsamples=config.model.num_downsamples, luma=config.model.input_channel == "luma",
                   obeyed=config.controls.askable(),
                   natural=natural)

    @overload
    def __call__(self, picture: np.ndarray, **targets: float | None) -> np.ndarray: ...

    @overload
    def __call__(self, picture: Sequence[np.ndarray], **targets: float | None
                 ) -> list[np.ndarray]: ...

    def __call__(self, picture, **targets):
        """Colors one picture, a batch of one size, or a list of pictures of any sizes.

        Args:
            picture: uint8 (0 to 255), uint16 (0 to 65535) or float (0 to 1) sRGB, of which only
                the lightness is used. One: [H, W], [H, W, 1] or [H, W, 3]; a batch: [N, H, W],
                [N, H, W, 1] or [N, H, W, 3]. A last axis of up to 4 counts as channels. Or a list
                of such arrays.
            **targets: for a conditional model, a target in [0, 1] for any of `controls.NAMES`;
                none, or None, colors naturally.

        Returns:
            uint8 [H, W, 3] or [N, H, W, 3], sRGB, with the lightness of the input; for a list the
            list of the results.

        Raises:
            PictureError: an array that is no picture.
            ControlError: a target is out of range, or the model knows no targets.
        """
        self.check(targets)
        if isinstance(picture, (list, tuple)):
            batches = [pictures_lib.as_batch(one) for one in picture]  # all, before any is colored
            return [self._colorize_in_shares(*batch, targets) for batch in batches]
        return self._colorize_in_shares(*pictures_lib.as_batch(picture), targets)

    def colorize_rgb8(
        self, rgb8: np.ndarray, *, finished: bool = True, **targets: float | None
    ) -> np.ndarray:
        """As a call, for uint8 [batch, h, w, 3]; not finished, the colors are the network's
        alone, neither corrected towards the targets nor, with none, shrunk where it is not sure.
        """
        self.check(targets)
        return self._colorize_in_shares(*pictures_lib.as_batch(rgb8), targets, finished)

    def _colorize_in_shares(
        self, batch: np.ndarray, one: bool, targets: Mapping[str, float | None],
        finished: bool = True,
    ) -> np.ndarray:
        height, width = self.working_size(*batch.shape[1:3])
        share = max(1, NETWORK_PIXELS // (height * width))
        result = np.concatenate([self._colorize(batch[start:start + share], targets, finished)
                                 for start in range(0, len(batch), share)])
        return result[0] if one else result

    def _colorize(
        self, batch: np.ndarray, targets: Mapping[str, float | None], finished: bool
    ) -> np.ndarray:
        """Colors [n, h, w, 1 or 3] as from `pictures.as_batch`: uint8 [n, h, w, 3]."""
        size = batch.shape[1:3]
        l_scaled = _by_rows(lambda _, band: _lightness(pictures_lib.unit_rgb(band)), batch)
        small = self._shrink(l_scaled)
        inputs = self._inputs(batch, small, targets)
        asked = {name: tf.constant(value, tf.float32)
                 for name, value in targets.items() if value is not None}
        natural = finished and not asked
        output, *foretold = self._see_naturally(*inputs) if natural else self._see(*inputs)
        if output.shape[-1] == 3:
            l_scaled = _predicted_lightness(output[..., :1], l_scaled)
        ab_scaled = upsampling.smooth_flat(small, output[..., -2:])
        if natural:
            ab_scaled = self._keep_sure(small, ab_scaled, foretold)
        elif finished:
            ab_scaled = _meet_targets(small, ab_scaled, asked)
        upsampler = upsampling.Upsampler(small, ab_scaled, size)
        return _by_rows(
            lambda start, band: _to_rgb8(band, upsampler.rows(start, band)), l_scaled)

    def _inputs(self, batch: np.ndarray, small, targets: Mapping[str, float | None]) -> list:
        """What the network is called with: the picture at its scale, and the condition."""
        inputs = [small]
        if self.luma:
            inputs = [self._shrink(
                _by_rows(lambda _, band: _luma(pictures_lib.unit_rgb(band)), batch))]
        if self.conditional:
            wanted = conditioning.fixed_targets(self.obeyed, targets, len(batch))
            inputs.append(conditioning.encode(self.obeyed, wanted))
        return inputs

    def _see(self, gray, *condition) -> list:
        """The network's outputs for [n, h, w, 1]: colors, and what it foretells, if it does."""
        return tf.nest.flatten(self._predict(gray, *condition))

    def _see_naturally(self, gray, *condition) -> list:
        """The outputs that natural colors are finished from: with noise the means of those for
        the picture and for its mirror image.
        """
        seen = self._see(gray, *condition)
        if self.natural.chroma_noise == 0.0:
            return seen
        colors, *foretold = self._see(ops.flip(gray, axis=2), *condition)
        mirrored = [ops.flip(colors, axis=2), *foretold]
        return [(one + other) / 2.0 for one, other in zip(seen, mirrored)]

    def _keep_sure(self, l_scaled, ab_scaled, foretold: list):
        """Shrinks the colors that the network is not sure of, there and around: judged pixel by
        pixel, the surer spots of a plain thing would stand out from it.
        """
        gain = self._gain(foretold)
        if self.natural.chroma_noise == 0.0:
            return ab_scaled * gain
        signal = upsampling.guided_mean(
            l_scaled, color.chroma(ab_scaled), max(1, self.image_size // SURE_WINDOWS))
        return color.shrink_chroma(
            ab_scaled, signal, self.natural.chroma_noise / color.AB_RANGE, gain,
            self.natural.chroma_order)

    def _gain(self, foretold: list):
        """The factor on natural chroma: more for a picture that is foretold to be colorful."""
        gain, power = self.natural.chroma_gain, self.natural.colorfulness_power
        if power == 0.0:
            return gain
        return gain * (foretold[0][:, None, None] / networks.MODERATE_COLORFULNESS) ** power

    def _shrink(self, gray):
        size = self.working_size(*gray.shape[1:3])
        return ops.clip(ops.image.resize(gray, size, antialias=True), -1.0, 1.0)

    def check(self, targets: Mapping[str, float | None]) -> None:
        """Refuses targets that this model cannot be given.

        Raises:
            ControlError: an unknown control, a target out of range, or a model that knows none.
        """
        controls.check(targets, self.obeyed, self.fixed)

    def working_size(self, height: int, width: int) -> tuple[int, int]:
        """The size the network sees: short side as trained, both sides a multiple it can take."""
        multiple = self.multiple
        short = min(height, width)

        def side(pixels: int) -> int:
            scaled = min(pixels / short, MAX_ASPECT) * self.image_size
            return max(self.image_size, multiple * round(scaled / multiple))

        return side(height), side(width)


def weights_file(folder: Path) -> Path:
    """The generator's weights of a run (the newest whole checkpoint's) or of an exported model.

    Raises:
        UserError: there are none, or they are damaged.
    """
    if saved_models.is_exported(folder):
        return saved_models.checked_weights(folder)
    return checkpoints.newest_readable(folder / "checkpoints") / checkpoints.WEIGHTS


def _predicted_lightness(predicted, l_scaled: np.ndarray) -> np.ndarray:
    """The lightness that a network predicted at its scale, with the picture's own fine detail.

    Args:
        predicted: float [batch, h, w, 1] in [-1, 1], at the network's scale.
        l_scaled: float32 [batch, height, width, 1] in [-1, 1], the picture's.

    Returns:
        float32 of the shape of `l_scaled`: where both sizes are equal, `predicted`.
    """
    size, working_size = l_scaled.shape[1:3], predicted.shape[1:3]
    coarse = ops.image.resize(l_scaled, working_size, antialias=True)
    change = ops.image.resize(predicted - coarse, size)
    return np.clip(l_scaled + ops.convert_to_numpy(change), -1.0, 1.0)


def _by_rows(function: Callable[[int, np.ndarray], Any], batch: np.ndarray) -> np.ndarray:
    """Applies a function to [n, h, w, c] a band of rows at a time.

    Args:
        function: (first row, band [n, rows, w, c]) -> [n, rows, w, d].
        batch: the pictures.

    Returns:
        The bands of results, joined: [n, h, w, d].
    """
    count, height, width = batch.shape[:3]
    rows = max(1, ROW_PIXELS // (count * width))
    return np.concatenate(
        [ops.convert_to_numpy(function(start, batch[:, start:start + rows]))
         for start in range(0, height, rows)], axis=1)
