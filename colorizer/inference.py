"""Colours for a picture of any size: the network at its own scale, the lightness at full size."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Mapping, Sequence

import keras
from keras import ops
import numpy as np
import tensorflow as tf
from tqdm import tqdm

from colorizer import (
    checkpoints, color, conditioning, config as config_lib, controls, grids, images, networks
)
from colorizer.controls import ControlError

SHEET_CELL = 512  # pixels of the longer side of a picture in a contact sheet
MAX_ASPECT = 8  # a longer side than this many short ones is squeezed for the network
ROW_PIXELS = 2**20  # pixels converted at once, to bound memory on large photographs


class Colorizer:
    """A generator and the way from a picture to its colours and back.

    Args:
        generator: as from `networks.build_generator(..., fixed_size=False)`; one with two inputs
            obeys targets, one with three output channels predicts the lightness, too.
        image_size: the side in pixels that it was trained at.
        fixed: the targets that a model without the second input was trained for.
        luma: whether it was trained to see luma, not lightness.
    """

    def __init__(
        self, generator: keras.Model, image_size: int, fixed: Mapping[str, float] | None = None,
        *, luma: bool = False,
    ):
        self.generator = generator
        self.image_size = image_size
        self.conditional = len(generator.inputs) == 2
        self.fixed = dict(fixed or {})
        self.luma = luma
        self._predict = tf.function(
            lambda *inputs: generator(inputs if len(inputs) > 1 else inputs[0], training=False),
            reduce_retracing=True)

    @classmethod
    def load(cls, workdir: str | Path) -> "Colorizer":
        """Loads the newest checkpoint of a run.

        Raises:
            UserError: the folder is no run's, or holds no checkpoint that can be loaded.
        """
        workdir = Path(workdir)
        config = config_lib.read_config(workdir)
        settings = config.controls
        generator = networks.build_generator(
            config.data.image_size, config.model.width, fixed_size=False,
            condition_size=conditioning.condition_sizes(settings)[0],
            **config.model.generator_options())
        checkpoint = checkpoints.newest_readable(workdir / "checkpoints")
        checkpoints.load_weights(generator, checkpoint / checkpoints.WEIGHTS)
        return cls(generator, config.data.image_size, settings.desired(),
                   luma=config.model.input_channel == "luma")

    def __call__(self, rgb: np.ndarray, **targets: float | None) -> np.ndarray:
        """Colours one picture.

        Args:
            rgb: float32 [h, w, 3], sRGB in [0, 1]; only its lightness is used.
            **targets: for a conditional model, a target in [0, 1] for any of `controls.NAMES`;
                none, or None, colours naturally.

        Returns:
            uint8 [h, w, 3], sRGB, with the lightness of the input.

        Raises:
            ControlError: a target is out of range, or the model knows no targets.
        """
        return self.batch(rgb[None], **targets)[0]

    def batch(self, rgb: np.ndarray, **targets: float | None) -> np.ndarray:
        """Colours pictures of one size: float32 [batch, h, w, 3] in [0, 1] -> uint8 of that shape.
        """
        self.check(targets)
        batch, height, width, _ = rgb.shape
        flat = rgb.astype(np.float32).reshape(batch * height, width, 3)
        l_scaled = _by_rows(color.rgb_to_l_scaled, flat).reshape(batch, height, width, 1)
        working_size = self.working_size(height, width)
        gray = color.rgb_to_luma_scaled(rgb.astype(np.float32)) if self.luma else l_scaled
        small = ops.image.resize(gray, working_size, antialias=True)
        inputs = [ops.clip(small, -1.0, 1.0)]
        if self.conditional:
            inputs.append(conditioning.encode(conditioning.fixed_targets(targets, batch)))
        output = self._predict(*inputs)
        if output.shape[-1] == 3:
            l_scaled = _predicted_lightness(output[..., :1], l_scaled)
        ab_scaled = output[..., -2:]
        ab_scaled = ops.convert_to_numpy(ops.image.resize(ab_scaled, (height, width)))
        rgb8 = _by_rows(color.scaled_lab_to_rgb8, l_scaled.reshape(batch * height, width, 1),
                        ab_scaled.reshape(batch * height, width, 2))
        return rgb8.reshape(batch, height, width, 3)

    def colorize_rgb8(self, rgb8: np.ndarray, **targets: float | None) -> np.ndarray:
        """As `batch`, for uint8 [batch, h, w, 3]."""
        return self.batch(rgb8.astype(np.float32) / 255.0, **targets)

    def check(self, targets: Mapping[str, float | None]) -> None:
        """Refuses targets that this model cannot be given.

        Raises:
            ControlError: an unknown control, a target out of range, or a model that knows none.
        """
        for name, value in targets.items():
            if name not in controls.NAMES:
                raise ControlError(f"a control must be one of {', '.join(controls.NAMES)}. "
                                   f"Received: {name}={value}")
            if value is not None and not 0.0 <= value <= 1.0:
                raise ControlError(f"`{name}` must be in [0, 1]. Received: {name}={value}")
        asked = {name: value for name, value in targets.items() if value is not None}
        if asked and not self.conditional:
            known = ", ".join(f"{name}={value:g}" for name, value in self.fixed.items())
            raise ControlError(
                f"this model {f'was trained for {known} alone' if known else 'knows no targets'}: "
                "train one with --conditional to choose them when it colours. Received: "
                + ", ".join(f"{name}={value:g}" for name, value in asked.items()))

    def working_size(self, height: int, width: int) -> tuple[int, int]:
        """The size the network sees: short side as trained, both sides a multiple it can take."""
        multiple = networks.size_multiple(self.image_size)
        short = min(height, width)

        def side(pixels: int) -> int:
            scaled = min(pixels / short, MAX_ASPECT) * self.image_size
            return max(self.image_size, multiple * round(scaled / multiple))

        return side(height), side(width)


def colorize_files(
    colorizer: Colorizer, sources: Sequence[tuple[Path, Path]], output: Path, *, overwrite: bool,
    combinations: Sequence[Mapping[str, float]] = ({},),
) -> tuple[int, list[str]]:
    """Colours picture files, one after the other; a bad one does not stop the others.

    Args:
        colorizer: the model.
        sources: (file, name below `output`) pairs, as from `images.expand_inputs`.
        output: folder for the results.
        overwrite: whether results that exist are replaced.
        combinations: targets by control; for more than one a contact sheet is made.

    Returns:
        The number of pictures written, and one line for each that failed.
    """
    done, failures = 0, []
    for source, name in tqdm(sources, unit=" pictures", disable=len(sources) < 2):
        try:
            picture = images.read_picture(source)
            sheet = len(combinations) > 1
            target = output / f"{name}-sheet.png" if sheet else images.output_path(
                output, name, picture.format, has_alpha=picture.alpha is not None)
            if target.exists() and not overwrite:
                raise images.ImageError(f"{target}: exists already; --overwrite replaces it")
            if sheet:
                grids.save_grid(target, contact_sheet(colorizer, picture.rgb, combinations))
            else:
                rgb = colorizer(picture.rgb, **combinations[0])
                images.write_picture(target, rgb, picture.alpha)
            done += 1
        except images.ImageError as error:
            failures.append(str(error))
        except OSError as error:
            failures.append(f"{source}: cannot be written: {error}")
    return done, failures


def contact_sheet(
    colorizer: Colorizer, rgb: np.ndarray, combinations: Sequence[Mapping[str, float]]
) -> dict[str, np.ndarray]:
    """One picture coloured for several targets: heading -> uint8 [1, h, w, 3], at most 512 px.

    Args:
        colorizer: a conditional model.
        rgb: float32 [h, w, 3] in [0, 1].
        combinations: targets by control.
    """
    shrink = min(1.0, SHEET_CELL / max(rgb.shape[:2]))
    size = tuple(max(1, round(side * shrink)) for side in rgb.shape[:2])
    small = np.clip(ops.image.resize(rgb, size, antialias=True), 0.0, 1.0)
    return {" ".join(f"{name} {value:g}" for name, value in targets.items()):
            colorizer(small, **targets)[None] for targets in combinations}


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


def _by_rows(function, *arrays: np.ndarray) -> np.ndarray:
    """Applies a pointwise function to [h, w, c] arrays, a band of rows at a time."""
    height, width = arrays[0].shape[:2]
    rows = max(1, ROW_PIXELS // width)
    bands = math.ceil(height / rows)
    return np.concatenate([
        ops.convert_to_numpy(function(*(array[i * rows:(i + 1) * rows] for array in arrays)))
        for i in range(bands)])
