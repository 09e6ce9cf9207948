"""The way from picture to picture as one Keras model, for other runtimes.

`Colorizer` does the same in steps that bound memory and keep what a next target needs.
"""

from __future__ import annotations

import json
from typing import Any

import keras
from keras import ops

from colorizer import color, models
from colorizer.config import TrainConfig
from colorizer.inference.hints import HintPoints, hint_map, meet_hints
from colorizer.inference.postprocess import meet_targets
from colorizer.inference.upsampling import Upsampler, resize_weights, smooth_flat, working_size

NO_TARGET = -1.0  # in the place of a target or of a hint's x: there is none


@keras.saving.register_keras_serializable("colorizer")
class ImageModel(keras.Model):
    """A trained generator from an image of any size to its colors.

    Call: a dictionary of
        image: uint8 [1, h, w, 3], sRGB, of which only the lightness is used;
        targets: float [controls] in [0, 1], -1 for no target, in the order of `controls`; only of
            a conditional model;
        hints: float [n, 5], a row a hint: x and y as shares of width and height, then red, green
            and blue in 0..255; x = -1 for none; at least one row. Only of a model that takes hints.
    It returns uint8 [1, h, w, 3].

    Args:
        config: the settings of the generator, or their JSON text, as in a .keras file.
        generator: as from `models.generator_from_config(config, fixed_size=False)`; by default a
            new one.

    Example:
        >>> model = keras.models.load_model("photos.keras")
        >>> rgb = model({"image": rgb8[None], "targets": np.full(7, -1, np.float32),
        ...              "hints": np.array([[-1, 0, 0, 0, 0]], np.float32)})
    """

    def __init__(self, config: TrainConfig | str, generator: keras.Model | None = None,
                 **options: Any):
        super().__init__(**options)
        if isinstance(config, str):
            config = TrainConfig.from_dict(json.loads(config))
        self.config = config
        self.generator = generator or models.generator_from_config(config, fixed_size=False)
        self.controls = config.controls.supported()
        self.takes_hints = config.controls.hint_share > 0
        self._multiple = models.size_multiple(config)
        self.built = True

    def get_config(self) -> dict[str, Any]:
        return {"name": self.name, "config": self.config.to_json()}

    def input_shapes(self) -> dict[str, tuple[str, list[int | None]]]:
        """Type and shape of each input that this model takes."""
        shapes: dict[str, tuple[str, list[int | None]]] = {"image": ("uint8", [1, None, None, 3])}
        if self.controls:
            shapes["targets"] = ("float32", [len(self.controls)])
        if self.takes_hints:
            shapes["hints"] = ("float32", [None, 5])
        return shapes

    def call(self, inputs):
        rgb = ops.cast(inputs["image"], "float32") / 255.0
        l_scaled = color.rgb_to_l_scaled(rgb)
        image_size = ops.shape(l_scaled)[1:3]
        seen = working_size(*image_size, self.config.data.image_size or 0, self._multiple)
        gray = color.rgb_to_luma_scaled(rgb) if self.config.model.predict_lightness else l_scaled
        l_small = ops.clip(_resize(gray, seen), -1.0, 1.0)
        network_inputs, stride = [l_small], models.color_stride(self.config)
        if self.controls:
            known = inputs["targets"] >= 0.0
            desired = ops.cast(known, "float32")
            # Not the input itself: TFLite at times reads it where it was before a resize.
            targets = ops.where(known, inputs["targets"], 0.0)
            network_inputs.append(models.encode_targets(
                self.controls, models.Targets(targets[None], desired[None])))
        if self.takes_hints:
            points = _read_points(inputs["hints"], image_size)
            network_inputs.append(hint_map(points, image_size, [side // stride for side in seen]))
        output = self.generator(
            network_inputs if len(network_inputs) > 1 else l_small, training=False)
        if self.config.model.predict_lightness:
            l_small = output[..., :1]
            change = _resize(l_small - _resize(l_scaled, seen), image_size)
            l_scaled = ops.clip(l_scaled + change, -1.0, 1.0)
        if stride > 1:
            l_small = ops.average_pool(l_small, stride)
        ab_small = smooth_flat(l_small, output[..., -2:])
        if self.controls:
            rgb = meet_targets(
                color.scaled_to_lab(l_small, ab_small),
                {control.name: targets[index] for index, control in enumerate(self.controls)},
                desired)
            met = color.lab_to_scaled(color.rgb_to_lab(rgb))[1]
            ab_small = ops.where(ops.max(desired) > 0.0, met, ab_small)
        if self.takes_hints:
            ab_small = meet_hints(points, l_scaled, l_small, ab_small)
        ab_scaled = Upsampler(l_small, ab_small, image_size).rows(0, l_scaled)
        return color.scaled_to_rgb8(l_scaled, ab_scaled)


def _resize(x, size):
    """Bilinear, antialiased where it reduces: float [1, h, w, 1] -> [1, *size, 1]."""
    height, width = ops.shape(x)[1:3]
    rows, columns = resize_weights(height, size[0], "bilinear"), resize_weights(
        width, size[1], "bilinear")
    resized = ops.matmul(ops.matmul(rows, x[0, ..., 0]), ops.transpose(columns))
    return ops.reshape(resized, (1, *size, 1))


def _read_points(hints, image_size) -> HintPoints:
    known = hints[:, 0] >= 0.0
    rows, columns = (
        ops.clip(ops.cast(hints[:, axis] * ops.cast(side, "float32"), "int32"), 0, side - 1)
        for axis, side in ((1, image_size[0]), (0, image_size[1])))
    lab = color.rgb_to_lab((hints[:, 2:] / 255.0)[None])[0]
    return HintPoints(rows, columns, color.lab_to_scaled(lab)[1], ops.cast(known, "float32"))
