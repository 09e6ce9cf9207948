"""A trained model for other runtimes: one file from picture to picture, checked before it stays.

The graph is that of `image_model.ImageModel`, with the weights as constants. Each file is run in
its own runtime and compared with the `Colorizer` at three sizes. The file appears at its place
only after that.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
import logging
import os
from pathlib import Path
import shutil
from typing import Any
import uuid
import warnings

import keras
import numpy as np
from skimage import color as skcolor
import tensorflow as tf

from colorizer import data, models
from colorizer.errors import UserError
from colorizer.files import make_output_folder
from colorizer.inference.colorizer import Colorizer
from colorizer.inference.export import SUFFIXES
from colorizer.inference.hints import Hint
from colorizer.inference.image_model import NO_TARGET, ImageModel

ONNX_PACKAGES, ONNX_OPSET = ("tf2onnx", "onnx", "onnxruntime"), 18
CHECKED_SIZES = ((32, 32), (256, 256), (500, 333))  # pixels
CHECKED_HINTS = (Hint(0.3, 0.4, (192, 57, 43), True), Hint(0.8, 0.2, (41, 128, 185), True))
MAX_DIFFERENCE = 1  # of 255, in any channel of any pixel
NO_HINT = [[NO_TARGET, 0.0, 0.0, 0.0, 0.0]]

Run = Callable[[Mapping[str, np.ndarray]], np.ndarray]  # inputs -> uint8 [1, h, w, 3]


@dataclass(frozen=True)
class Exported:
    """A model that was exported.

    Attributes:
        path: the file, or the folder of a SavedModel.
        max_difference: from the `Colorizer`, of 255.
        delta_e: mean CIEDE2000 of the five built-in photographs from what the `Colorizer` gives.
        loss: by how much their mean CIEDE2000 to the originals grew.
    """

    path: Path
    max_difference: int
    delta_e: float
    loss: float


def export_format(model: str | Path, format: str, output: str | Path, quantize: str = "none"
                  ) -> Exported:
    """Writes a model for another runtime; what was there before is replaced.

    Args:
        model: as for `Colorizer.load`.
        format: `keras`, `saved_model`, `tflite` or `onnx`.
        output: the file or, for a SavedModel, the folder.
        quantize: of the weights, for TFLite: `none`, `float16`, or `int8` (of which the arithmetic
            stays in floats where a runtime has no other).

    Raises:
        UserError: no model, a format that needs packages that are not installed, a place that
            cannot be written, or a result that is not what Python gives.

    Example:
        >>> export_format("photos", "tflite", "photos.tflite").max_difference
        1
    """
    if format not in WRITERS or (quantize != "none" and format != "tflite"):
        raise UserError(f"`format` must be one of {', '.join(WRITERS)}, and `quantize` is for "
                        f"tflite. Received: format={format}, quantize={quantize}")
    if format == "onnx":
        require(ONNX_PACKAGES, "onnx")
    folder = models.find_model(model)
    config = models.read_model_config(folder)
    colorizer = Colorizer(models.load_generator(folder, config), config)
    image_model = ImageModel(config, colorizer.generator)
    output = Path(output)
    make_output_folder(output.parent)
    temporary = output.with_name(f".{uuid.uuid4().hex}{SUFFIXES[format]}")
    try:
        WRITERS[format](image_model, temporary, quantize)
        exported = _check(colorizer, RUNNERS[format](temporary), output)
        if exported.max_difference > MAX_DIFFERENCE and quantize == "none":
            raise UserError(f"the {format} file must give what Python gives within "
                            f"{MAX_DIFFERENCE}/255. Received: {exported.max_difference}/255")
        if (output / "saved_model.pb").is_file():
            shutil.rmtree(output)
        os.replace(temporary, output)
    except OSError as error:
        raise UserError(f"`output` must be a place that can be written ({error.strerror}). "
                        f"Received: output={output}") from error
    finally:
        if temporary.is_dir():
            shutil.rmtree(temporary)
        temporary.unlink(missing_ok=True)
    return exported


def require(packages: tuple[str, ...], extra: str) -> None:
    """Raises UserError, with the pip command, if one of the packages is not installed."""
    missing = [name for name in packages if find_spec(name) is None]
    if missing:
        raise UserError(f"{', '.join(packages)} must be installed: "
                        f'pip install {" ".join(missing)} (or pip install ".[{extra}]" in the '
                        f"clone). Received: no {', '.join(missing)}")


def model_inputs(image_model: ImageModel | Colorizer, rgb8: np.ndarray, hints=(), **targets
                 ) -> dict[str, np.ndarray]:
    """The inputs of an exported model for uint8 [h, w, 3], as far as the model takes them."""
    inputs = {"image": rgb8[None]}
    if image_model.controls:
        inputs["targets"] = np.array(
            [targets.get(control.name, NO_TARGET) for control in image_model.controls], "float32")
    if image_model.takes_hints:
        height, width = rgb8.shape[:2]
        places = [(hint.x, hint.y) if hint.relative else (hint.x / width, hint.y / height)
                  for hint in hints]
        inputs["hints"] = np.array([[*place, *hint.rgb] for place, hint in zip(places, hints)]
                                   or NO_HINT, "float32")
    return inputs


def _graph(image_model: ImageModel) -> Any:
    """The model as a concrete function, its weights constants."""
    values = [(variable, variable.numpy()) for variable in image_model.variables]

    def colorize(**inputs):
        constants = [(variable, tf.constant(value)) for variable, value in values]
        with keras.StatelessScope(constants):
            return {"rgb": image_model(inputs)}

    specs = {name: tf.TensorSpec(shape, dtype, name)
             for name, (dtype, shape) in image_model.input_shapes().items()}
    return tf.function(colorize, autograph=False).get_concrete_function(**specs)


def _write_keras(image_model: ImageModel, path: Path, quantize: str) -> None:
    image_model.save(path)


def _write_saved_model(image_model: ImageModel, path: Path, quantize: str) -> None:
    tf.saved_model.save(tf.Module(), str(path), signatures=_graph(image_model))


def _write_tflite(image_model: ImageModel, path: Path, quantize: str) -> None:
    converter = tf.lite.TFLiteConverter.from_concrete_functions([_graph(image_model)], image_model)
    if quantize != "none":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if quantize == "float16":
        converter.target_spec.supported_types = [tf.float16]
    path.write_bytes(converter.convert())


def _write_onnx(image_model: ImageModel, path: Path, quantize: str) -> None:
    import onnx
    import tf2onnx

    logging.getLogger("tf2onnx").setLevel(logging.ERROR)
    graph = _graph(image_model)
    specs = [graph.structured_input_signature[1][name] for name in image_model.input_shapes()]

    def colorize(*inputs):
        return graph(**dict(zip(image_model.input_shapes(), inputs)))["rgb"]

    model, _ = tf2onnx.convert.from_function(
        tf.function(colorize, input_signature=specs, autograph=False), specs, opset=ONNX_OPSET)
    output = model.graph.output[0]
    model.graph.node.add(op_type="Identity", input=[output.name], output=["rgb"])
    output.name = "rgb"
    onnx.save(model, path)


def _run_keras(path: Path) -> Run:
    loaded = keras.models.load_model(path)
    return lambda inputs: np.asarray(loaded(
        {name: tf.constant(value) for name, value in inputs.items()}))


def _run_saved_model(path: Path) -> Run:
    signature = tf.saved_model.load(str(path)).signatures["serving_default"]
    return lambda inputs: signature(
        **{name: tf.constant(value) for name, value in inputs.items()})["rgb"].numpy()


def _run_tflite(path: Path) -> Run:
    with warnings.catch_warnings(action="ignore"):  # of a successor in a package of its own
        interpreter = tf.lite.Interpreter(str(path))
    runner = interpreter.get_signature_runner()
    return lambda inputs: runner(**inputs)["rgb"]


def _run_onnx(path: Path) -> Run:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors
    session = onnxruntime.InferenceSession(
        str(path), options, providers=["CPUExecutionProvider"])
    return lambda inputs: session.run(["rgb"], dict(inputs))[0]


WRITERS = {"keras": _write_keras, "saved_model": _write_saved_model, "tflite": _write_tflite,
           "onnx": _write_onnx}
RUNNERS: dict[str, Callable[[Path], Run]] = {
    "keras": _run_keras, "saved_model": _run_saved_model, "tflite": _run_tflite,
    "onnx": _run_onnx}


def _check(colorizer: Colorizer, run: Run, output: Path) -> Exported:
    """Compares with the `Colorizer`: natural colors, two targets, hints; each at each size."""
    calls: list[dict[str, Any]] = [{}]
    if colorizer.controls:
        calls.append({"saturation": 0.6, "hue": 0.1})
    if colorizer.takes_hints:
        calls.append({"hints": CHECKED_HINTS})
    originals = [data.read_rgb(path) for path in data.sample_paths()]
    largest = 0
    for size in CHECKED_SIZES:
        rgb8 = tf.cast(tf.image.resize(originals[0], size, antialias=True), tf.uint8).numpy()
        for call in calls:
            found = run(model_inputs(colorizer, rgb8, **call))[0]
            difference = found.astype(int) - colorizer(rgb8, **call)
            largest = max(largest, int(np.abs(difference).max()))
    distances = []
    for original in originals:
        rgb8 = data.resize_and_crop(original, CHECKED_SIZES[1][0])
        lab, python, found = (skcolor.rgb2lab(rgb) for rgb in (
            rgb8, colorizer(rgb8), run(model_inputs(colorizer, rgb8))[0]))
        distances.append([skcolor.deltaE_ciede2000(*pair).mean() for pair in (
            (python, found), (lab, python), (lab, found))])
    changed, before, after = np.mean(distances, axis=0)
    return Exported(output, largest, float(changed), float(after - before))
