"""From an image of any size to its colors: the network at its scale, lightness at full size."""

from __future__ import annotations

import copy
import functools
import hashlib
from pathlib import Path
from typing import Any, Callable, Mapping, Sequence

import keras
from keras import ops
import numpy as np
import tensorflow as tf

from colorizer import color, data, models
from colorizer.color import controls
from colorizer.config import TrainConfig
from colorizer.inference import postprocess, upsampling
from colorizer.inference.hints import Hint, HintError, HintPoints, hint_map, hint_points, meet_hints

MAX_VIVID = 4.0
ROW_PIXELS = 2**20  # pixels converted at once, to bound memory on large photographs
NETWORK_PIXELS = 2**18  # pixels that the network sees at once: 256 images of 32 px, 4 of 256


@functools.lru_cache(maxsize=1000)
def _working_size(*sizes: int) -> tuple[int, int]:
    height, width = upsampling.working_size(*sizes)
    return int(height), int(width)


def _image_spec(channels: int) -> tf.TensorSpec:
    return tf.TensorSpec([None, None, None, channels], tf.float32)


def _graph(function: Callable, *signature: tf.TensorSpec) -> Callable:
    """The function as a graph, several times faster than eager."""
    # AutoGraph would rewrite the source of every function called, which takes longer than tracing.
    return tf.function(function, input_signature=signature, autograph=False)


def _model_graph(model: keras.Model) -> Callable:
    """A network as a graph of its inputs."""
    return _graph(
        lambda *inputs: model(inputs if len(inputs) > 1 else inputs[0], training=False),
        *(tf.TensorSpec(one.shape, one.dtype) for one in model.inputs))


_rgb_to_l_scaled = _graph(color.rgb_to_l_scaled, _image_spec(3))
_rgb_to_luma_scaled = _graph(color.rgb_to_luma_scaled, _image_spec(3))


_meet_hints = _graph(
    meet_hints, HintPoints(*(tf.TensorSpec(shape, dtype) for shape, dtype in (
        ([None], tf.int32), ([None], tf.int32), ([None, 2], tf.float32), ([None], tf.float32)))),
    _image_spec(1), _image_spec(1), _image_spec(2))


_smooth_flat = _graph(upsampling.smooth_flat, _image_spec(1), _image_spec(2))
_scale_chroma = _graph(
    postprocess.scale_chroma, _image_spec(1), _image_spec(2), tf.TensorSpec([], tf.float32))


@functools.lru_cache(maxsize=1000)
def _control_vector(given: tuple[controls.Control, ...], values: tuple) -> np.ndarray:
    """The control vector of one image: float32 [1, condition size]."""
    named = {control.name: value for control, value in zip(given, values)}
    return ops.convert_to_numpy(
        models.encode_targets(given, models.fixed_targets(given, named, 1)))


@functools.lru_cache(maxsize=None)
def _enlarged_rgb(dtype: str) -> Callable:
    """RGB of some rows: l_small, ab_small, size of the image, first row, l_scaled there -> rgb."""
    def convert(l_small, ab_small, size, start, l_scaled):
        upsampler = upsampling.Upsampler(l_small, ab_small, (size[0], size[1]))
        lab = color.scaled_to_lab(l_scaled, upsampler.rows(start, l_scaled))
        # As `color.to_gamut`, several times faster: few colors are out of gamut.
        outside = tf.where(color.is_outside(lab))
        lab = tf.tensor_scatter_nd_update(lab, outside, color.to_gamut(tf.gather_nd(lab, outside)))
        return ops.cast(ops.round(color.lab_to_rgb(lab) * np.iinfo(dtype).max), dtype)

    return _graph(convert, _image_spec(1), _image_spec(2), tf.TensorSpec([2], tf.int32),
                  tf.TensorSpec([], tf.int32), _image_spec(1))


@functools.lru_cache(maxsize=None)
def _meet_targets(names: tuple[str, ...]) -> Callable:
    """`postprocess.meet_targets` as a graph: l_scaled, ab_scaled, values, which count -> ab."""
    def meet(l_scaled, ab_scaled, values, desired):
        targets = {name: values[index] for index, name in enumerate(names)}
        lab = color.scaled_to_lab(l_scaled, ab_scaled)
        rgb = postprocess.meet_targets(lab, targets, desired)
        return color.lab_to_scaled(color.rgb_to_lab(rgb))[1]

    vector = tf.TensorSpec([len(names)], tf.float32)
    return _graph(meet, _image_spec(1), _image_spec(2), vector, vector)


class Colorizer:
    """Colorizes images of any size with a trained generator.

    Args:
        generator: as from `models.generator_from_config(config, fixed_size=False)`.
        config: the settings that it was trained with, `image_size` included.

    Attributes:
        controls: the controls that a call takes targets for; none if it is not conditional.
        fixed_targets: control -> the target that an unconditional model was trained for.
        image_size: side in pixels of the images that it was trained on.

    Example:
        >>> import numpy as np
        >>> from colorizer import Colorizer
        >>> colorizer = Colorizer.load("photos")
        >>> gray = np.full((60, 80), 128, np.uint8)
        >>> colorizer(gray).shape
        (60, 80, 3)
        >>> colorizer(gray, saturation=0.5, hue=0.6, vivid=1.2).dtype
        dtype('uint8')
    """

    def __init__(self, generator: keras.Model, config: TrainConfig):
        self.generator = generator
        self.image_size: int = config.data.image_size or 0
        self.controls = config.controls.supported()
        self.fixed_targets = config.controls.desired()
        self._predicts_lightness = config.model.predict_lightness
        self._multiple, self._stride = models.size_multiple(config), models.color_stride(config)
        self._last: tuple | None = None  # what `_lightness` gave for the last images
        self.takes_hints = config.controls.hint_share > 0
        if config.model.encoder == "none":
            self._predict = _model_graph(generator)
        else:
            self._predict = _CachedEncoder(
                _model_graph(generator.get_layer("encoder")),
                _model_graph(generator.get_layer("decoder")))

    @classmethod
    def load(cls, model: str | Path) -> "Colorizer":
        """Loads a trained model.

        `model` is the name of a model that ships with the package (`models.names()`), the folder of
        a run (its newest whole checkpoint), or an exported model: its folder or the `weights.npz`
        in it. Raises UserError if there is no such model, it is damaged, or it is of another
        architecture.
        """
        folder = models.find_model(model)
        config = models.read_model_config(folder)
        return cls(models.load_generator(folder, config), config)

    def __call__(self, image: Any, *, vivid: float = 1.0, hints: Sequence[Hint] = (),
                 dtype: str = "uint8", **targets: float | None) -> Any:
        """Colorizes one image, a batch of one size, or a list of images of any sizes.

        Args:
            image: a PIL image, or uint8 (0 to 255), uint16 (0 to 65535) or float (0 to 1) sRGB, of
                which only the lightness is used. One: [H, W], [H, W, 1] or [H, W, 3]; a batch:
                [N, H, W], [N, H, W, 1] or [N, H, W, 3]. A last axis of up to 4 counts as channels.
                Or a list of such images.
            vivid: factor on the chroma of the result, in [0, 4]. 0 is gray, 1 the model's own
                colors. What then exceeds the sRGB gamut is mapped into it at its L* and hue. It
                also applies to the colors that met the targets, so that they are met at 1 only.
            hints: for a model that takes them, the colors of some points of one image. They win
                over targets.
            dtype: "uint8" or "uint16", of the result.
            **targets: for a conditional model, a target in [0, 1] for any of its `controls`; none,
                or None, colorizes naturally.

        Returns:
            uint8, or uint16, [H, W, 3] or [N, H, W, 3], sRGB, with the lightness of the input; for
            a list the list of the results.

        Raises:
            ImageError: an array that is no image.
            ControlError: `vivid` or a target is out of range, or the model does not support it.
            HintError: a hint outside of the image, or for a model or a batch that takes none.
        """
        self.check(targets, vivid, hints)
        if dtype not in ("uint8", "uint16"):
            raise data.ImageError(f"`dtype` must be uint8 or uint16. Received: dtype={dtype}")
        several = isinstance(image, (list, tuple))
        # All are checked before the first is colorized.
        batches = [data.as_batch(one) for one in (image if several else [image])]
        if hints and [len(batch) for batch, _ in batches] != [1]:
            raise HintError("hints go with one image. Received: "
                            f"{sum(len(batch) for batch, _ in batches)} images")
        for hint in hints:
            hint.place(*batches[0][0].shape[1:3])
        results = [self._colorize(batch, targets, vivid=vivid, hints=hints, dtype=dtype)
                   for batch, _ in batches]
        results = [result[0] if single else result
                   for result, (_, single) in zip(results, batches)]
        return results if several else results[0]

    def copy(self) -> "Colorizer":
        """A `Colorizer` of the same network that keeps other last images: for another user."""
        other = copy.copy(self)
        if isinstance(self._predict, _CachedEncoder):
            other._predict = copy.copy(self._predict)
            other._predict.forget()
        other.forget()
        return other

    def forget(self) -> None:
        """Drops what is kept of the last images: the weights of the network have changed."""
        self._last = None  # `_CachedEncoder` knows images by the lightness in it

    def colorize_rgb8(
        self, rgb8: np.ndarray, *, correct: bool = True, **targets: float | None
    ) -> np.ndarray:
        """Colorizes uint8 [batch, h, w, 3], as a call does.

        `correct=False` gives the network's own colors, before they are moved to the targets.
        """
        self.check(targets)
        return self._colorize(data.as_batch(rgb8)[0], targets, correct=correct)

    def check(self, targets: Mapping[str, float | None], vivid: float = 1.0,
              hints: Sequence[Hint] = ()) -> None:
        """Raises a UserError for a target or `vivid` out of range, or what the model lacks."""
        if hints and not self.takes_hints:
            raise HintError("this model takes no hints: it was trained with hint_share=0. "
                            f"Received: {len(hints)} hints")
        controls.check_targets(targets, self.controls, self.fixed_targets)
        if not 0.0 <= vivid <= MAX_VIVID:
            raise controls.ControlError(
                f"`vivid` must be in [0, {MAX_VIVID:g}]. Received: vivid={vivid}")

    def _colorize(
        self, batch: np.ndarray, targets: Mapping[str, float | None], *, correct: bool = True,
        vivid: float = 1.0, hints: Sequence[Hint] = (), dtype: str = "uint8",
    ) -> np.ndarray:
        """Colorizes [n, h, w, 1 or 3] as from `data.as_batch`: uint8 or uint16 [n, h, w, 3]."""
        height, width = self.working_size(*batch.shape[1:3])
        count = max(1, NETWORK_PIXELS // (height * width))
        return np.concatenate([
            self._colorize_at_once(
                batch[start:start + count], targets, correct, vivid, hints, dtype)
            for start in range(0, len(batch), count)])

    def _colorize_at_once(
        self, batch: np.ndarray, targets: Mapping[str, float | None], correct: bool, vivid: float,
        hints: Sequence[Hint], dtype: str,
    ) -> np.ndarray:
        l_scaled, l_small = self._lightness(batch)
        output = self._predict(*self._network_inputs(batch, l_small, targets, hints))
        if self._predicts_lightness:
            l_small = output[..., :1]
            l_scaled = _predicted_lightness(l_small, l_scaled)
        if self._stride > 1:
            l_small = ops.average_pool(l_small, self._stride)
        ab_small = _smooth_flat(l_small, output[..., -2:])
        names = tuple(name for name in controls.CONTROL_NAMES if name in targets)
        desired = np.array([targets[name] is not None for name in names], "float32")
        if desired.any() and correct:
            # One graph for the same names, whichever of them have targets.
            values = np.array([targets[name] or 0.0 for name in names], "float32")
            ab_small = _meet_targets(names)(l_small, ab_small, values, desired)
        if vivid != 1.0:
            ab_small = _scale_chroma(l_small, ab_small, np.float32(vivid))
        if hints and correct:
            points = hint_points(hints, batch.shape[1:3])
            ab_small = _meet_hints(points, l_scaled, l_small, ab_small)
        size = np.array(batch.shape[1:3], np.int32)
        return _by_rows(lambda start, band: _enlarged_rgb(dtype)(
            l_small, ab_small, size, np.int32(start), band), l_scaled)

    def _lightness(self, batch: np.ndarray) -> tuple[Any, Any]:
        """The lightness at full size and at the network's, kept for other targets or hints."""
        digest = hashlib.blake2b(batch.tobytes()).digest()
        key, last = (digest, batch.shape, batch.dtype), self._last  # other threads may replace it
        if last is None or last[0] != key:
            l_scaled = _by_rows(lambda _, band: _rgb_to_l_scaled(data.unit_rgb(band)), batch)
            last = self._last = key, l_scaled, self._shrink(l_scaled)
        return last[1:]

    def _network_inputs(
        self, batch: np.ndarray, l_small, targets: Mapping[str, float | None],
        hints: Sequence[Hint],
    ) -> list:
        """The gray image at the network's scale and, for a conditional model, the condition."""
        inputs = [l_small]
        if self._predicts_lightness:  # as the released code, it sees luma
            inputs = [self._shrink(
                _by_rows(lambda _, band: _rgb_to_luma_scaled(data.unit_rgb(band)), batch))]
        if self.controls:
            values = [targets.get(control.name) for control in self.controls]
            inputs.append(np.tile(_control_vector(self.controls, tuple(values)), (len(batch), 1)))
        if self.takes_hints:
            size = tuple(side // self._stride for side in l_small.shape[1:3])
            inputs.append(hint_map(hint_points(hints, batch.shape[1:3]), batch.shape[1:3], size)
                          if hints else np.zeros((len(batch), *size, 3), np.float32))
        return inputs

    def _shrink(self, gray):
        size = self.working_size(*gray.shape[1:3])
        return ops.clip(ops.image.resize(gray, size, antialias=True), -1.0, 1.0)

    def working_size(self, height: int, width: int) -> tuple[int, int]:
        """The size the network sees: short side as trained, both sides a multiple it can take."""
        return _working_size(height, width, self.image_size, self._multiple)


class _CachedEncoder:
    """A generator in two parts: what the encoder gave for the last images is kept.

    Other targets or hints for the same images then cost the decoder alone.
    """

    def __init__(self, encode: Callable, decode: Callable):
        self._encode, self._decode = encode, decode
        self._last: tuple[Any, Sequence] | None = None

    def forget(self) -> None:
        """Drops what is kept."""
        self._last = None

    def __call__(self, l_small, *others):
        last = self._last  # other threads may replace it
        if last is None or last[0] is not l_small:
            last = self._last = l_small, self._encode(l_small)
        return self._decode(*last[1], *others)


def _predicted_lightness(l_small, l_scaled: np.ndarray) -> np.ndarray:
    """The lightness that a network predicted at its scale, with the image's own fine detail.

    `l_small` is the prediction, `l_scaled` the image's lightness: both float [batch, h, w, 1] in
    [-1, 1], as is the result, at the size of `l_scaled`. It is `l_small` where the sizes are equal.
    """
    coarse = ops.image.resize(l_scaled, l_small.shape[1:3], antialias=True)
    change = ops.image.resize(l_small - coarse, l_scaled.shape[1:3])
    return np.clip(l_scaled + ops.convert_to_numpy(change), -1.0, 1.0)


def _by_rows(function: Callable[[int, np.ndarray], Any], batch: np.ndarray) -> np.ndarray:
    """Applies (first row, band [n, rows, w, c]) -> [n, rows, w, d] to each band, and joins them."""
    count, height, width = batch.shape[:3]
    rows = max(1, ROW_PIXELS // (count * width))
    return np.concatenate(
        [ops.convert_to_numpy(function(start, batch[:, start:start + rows]))
         for start in range(0, height, rows)], axis=1)
