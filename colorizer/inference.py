"""Colours for a picture of any size: the network at its own scale, the lightness at full size."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Sequence

import keras
from keras import ops
import numpy as np
import tensorflow as tf
from tqdm import tqdm

from colorizer import checkpoints, color, config as config_lib, images, networks

MAX_ASPECT = 8  # a longer side than this many short ones is squeezed for the network
ROW_PIXELS = 2**20  # pixels converted at once, to bound memory on large photographs


class Colorizer:
    """A generator and the way from a picture to its colours and back.

    Args:
        generator: as from `networks.build_generator(..., fixed_size=False)`.
        image_size: the side in pixels that it was trained at.
    """

    def __init__(self, generator: keras.Model, image_size: int):
        self.generator = generator
        self.image_size = image_size
        self._predict = tf.function(
            lambda l_scaled: generator(l_scaled, training=False), reduce_retracing=True)

    @classmethod
    def load(cls, workdir: str | Path) -> "Colorizer":
        """Loads the newest checkpoint of a run.

        Raises:
            UserError: the folder is no run's, or holds no checkpoint that can be loaded.
        """
        workdir = Path(workdir)
        config = config_lib.read_config(workdir)
        generator = networks.build_generator(
            config.data.image_size, config.model.width, fixed_size=False)
        checkpoint = checkpoints.newest_readable(workdir / "checkpoints")
        checkpoints.load_weights(generator, checkpoint / checkpoints.WEIGHTS)
        return cls(generator, config.data.image_size)

    def __call__(self, rgb: np.ndarray) -> np.ndarray:
        """Colours one picture.

        Args:
            rgb: float32 [h, w, 3], sRGB in [0, 1]; only its lightness is used.

        Returns:
            uint8 [h, w, 3], sRGB, with the lightness of the input.
        """
        return self.batch(rgb[None])[0]

    def batch(self, rgb: np.ndarray) -> np.ndarray:
        """Colours pictures of one size: float32 [batch, h, w, 3] in [0, 1] -> uint8 of that shape.
        """
        batch, height, width, _ = rgb.shape
        flat = rgb.astype(np.float32).reshape(batch * height, width, 3)
        l_scaled = _by_rows(color.rgb_to_l_scaled, flat).reshape(batch, height, width, 1)
        small = ops.image.resize(l_scaled, self.working_size(height, width), antialias=True)
        ab_scaled = self._predict(ops.clip(small, -1.0, 1.0))
        ab_scaled = ops.convert_to_numpy(ops.image.resize(ab_scaled, (height, width)))
        rgb8 = _by_rows(color.scaled_lab_to_rgb8, l_scaled.reshape(batch * height, width, 1),
                        ab_scaled.reshape(batch * height, width, 2))
        return rgb8.reshape(batch, height, width, 3)

    def colorize_rgb8(self, rgb8: np.ndarray) -> np.ndarray:
        """As `batch`, for uint8 [batch, h, w, 3]."""
        return self.batch(rgb8.astype(np.float32) / 255.0)

    def working_size(self, height: int, width: int) -> tuple[int, int]:
        """The size the network sees: short side as trained, both sides a multiple it can take."""
        multiple = networks.size_multiple(self.image_size)
        short = min(height, width)

        def side(pixels: int) -> int:
            scaled = min(pixels / short, MAX_ASPECT) * self.image_size
            return max(self.image_size, multiple * round(scaled / multiple))

        return side(height), side(width)


def colorize_files(
    colorizer: Colorizer, sources: Sequence[tuple[Path, Path]], output: Path, *, overwrite: bool
) -> tuple[int, list[str]]:
    """Colours picture files, one after the other; a bad one does not stop the others.

    Args:
        colorizer: the model.
        sources: (file, name below `output`) pairs, as from `images.expand_inputs`.
        output: folder for the results.
        overwrite: whether results that exist are replaced.

    Returns:
        The number of pictures written, and one line for each that failed.
    """
    done, failures = 0, []
    for source, name in tqdm(sources, unit=" pictures", disable=len(sources) < 2):
        try:
            picture = images.read_picture(source)
            target = images.output_path(
                output, name, picture.format, has_alpha=picture.alpha is not None)
            if target.exists() and not overwrite:
                raise images.ImageError(f"{target}: exists already; --overwrite replaces it")
            images.write_picture(target, colorizer(picture.rgb), picture.alpha)
            done += 1
        except images.ImageError as error:
            failures.append(str(error))
        except OSError as error:
            failures.append(f"{source}: cannot be written: {error}")
    return done, failures


def _by_rows(function, *arrays: np.ndarray) -> np.ndarray:
    """Applies a pointwise function to [h, w, c] arrays, a band of rows at a time."""
    height, width = arrays[0].shape[:2]
    rows = max(1, ROW_PIXELS // width)
    bands = math.ceil(height / rows)
    return np.concatenate([
        ops.convert_to_numpy(function(*(array[i * rows:(i + 1) * rows] for array in arrays)))
        for i in range(bands)])
