"""Models for other runtimes: each file gives what Python gives, at any size."""

from pathlib import Path
import re
import runpy

from PIL import Image
import keras
import numpy as np
import pytest
from skimage import data as skdata, transform
import tensorflow as tf

from colorizer.errors import UserError
from colorizer.export import main
from colorizer.inference import Colorizer, Hint, formats
from tests.references import ROOT
from tests.tiny_runs import write_run

SIZES = ((32, 32), (256, 256), (500, 333), (61, 190))  # the last one is not checked by the exporter
HINTS = [Hint(0.5, 0.4, (192, 57, 43), True), Hint(0.5, 0.4, (40, 180, 60), True)]  # in one place


def photograph(size):
    image = transform.resize(skdata.coffee(), size, anti_aliasing=True)
    return (255 * image).round().astype(np.uint8)


def check(colorizer, run, *calls):
    for size in SIZES:
        image = photograph(size)
        for call in calls:
            expected = colorizer(image, **call).astype(int)
            assert np.ptp(expected, axis=-1).mean() > 3
            found = run(formats.model_inputs(colorizer, image, **call))
            assert found.dtype == np.uint8 and found.shape == (1, *size, 3)
            assert np.abs(found[0] - expected).max() <= 1, (size, call)


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """The shipped model of photographs as TFLite, in a folder like a user's."""
    folder = tmp_path_factory.mktemp("exported")
    formats.export_format("photos", "tflite", folder / "exported" / "photos.tflite")
    return folder


@pytest.mark.slow
def test_tflite_does_all_that_the_shipped_model_does(exported):
    run = formats.RUNNERS["tflite"](exported / "exported" / "photos.tflite")
    check(Colorizer.load("photos"), run, {}, {"hue": 0.6, "saturation": 0.5}, {"hints": HINTS},
          {"warmth": 0.3, "hints": HINTS[:1]})


@pytest.mark.slow
def test_tflite_reshapes_no_input_where_it_lies(exported):
    # After a resize it would at times read the input where it was: all targets 0.
    interpreter = tf.lite.Interpreter(str(exported / "exported" / "photos.tflite"))
    inputs = {one["index"] for one in interpreter.get_input_details()}
    operations = interpreter._get_ops_details()
    assert any(inputs & set(one["inputs"]) for one in operations)
    assert not any(inputs & set(one["inputs"]) for one in operations if one["op_name"] == "RESHAPE")


@pytest.mark.slow
def test_a_keras_file_of_a_conditional_run_loads_with_its_settings(
        conditional_run, conditional, tmp_path):
    path = tmp_path / "out" / "model.keras"
    assert formats.export_format(conditional_run, "keras", path).max_difference <= 1
    model = keras.models.load_model(path)
    assert [control.name for control in model.controls][:2] == ["saturation", "hue"]
    check(conditional, formats.RUNNERS["keras"](path), {}, {"saturation": 0.5})


@pytest.fixture(scope="module")
def plain_run(tmp_path_factory):
    return write_run(tmp_path_factory.mktemp("plain"))


@pytest.mark.slow
@pytest.mark.parametrize("format", ["saved_model", "onnx"])
def test_an_unconditional_run_keeps_its_colors(plain_run, tmp_path, format):
    if format == "onnx":
        for package in formats.ONNX_PACKAGES:
            pytest.importorskip(package, reason='ONNX needs pip install -e ".[onnx]"')
    formats.export_format(plain_run, format, tmp_path / "model")
    check(Colorizer.load(plain_run), formats.RUNNERS[format](tmp_path / "model"), {})


@pytest.mark.slow
def test_the_example_of_the_documentation_runs(exported, monkeypatch):
    monkeypatch.chdir(exported)
    Image.fromarray(photograph((120, 90))).save("photo.jpg")
    scripts = re.findall(r"```python\n(.*?)```", (ROOT / "docs/export.md").read_text(), re.DOTALL)
    script, = [script for script in scripts if "tf.lite" in script]
    assert len(script.splitlines()) <= 15
    Path("script.py").write_text(script)
    runpy.run_path("script.py")
    image = np.asarray(Image.open("photo.jpg"))
    found = np.asarray(Image.open("tflite.png")).astype(int)
    assert np.abs(found - Colorizer.load("photos")(image)).max() <= 1


def test_a_file_that_differs_from_python_is_not_left_behind(plain_run, tmp_path, monkeypatch):
    def write_other(image_model, path, quantize):
        kernel = next(one for one in image_model.generator.weights if one.path == "ab/kernel")
        value = kernel.numpy()
        kernel.assign(1.2 * value)
        image_model.save(path)
        kernel.assign(value)

    monkeypatch.setitem(formats.WRITERS, "keras", write_other)
    with pytest.raises(UserError, match="1/255. Received: [0-9]+/255"):
        formats.export_format(plain_run, "keras", tmp_path / "model.keras")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_quantized_weights_are_smaller_and_nearly_the_same(plain_run, tmp_path, capsys):
    sizes = []
    for quantize in ("none", "int8"):
        main(["export", f"--workdir={plain_run}", "--format=tflite", f"--quantize={quantize}",
              f"--output={tmp_path / quantize}"])
        sizes.append((tmp_path / f"{quantize}.tflite").stat().st_size)
    assert sizes[1] < sizes[0]
    moved = float(re.search(r"a mean CIEDE2000 of ([0-9.]+);", capsys.readouterr().out)[1])
    assert 0.0 < moved < 2.0


@pytest.mark.parametrize("flags, words", [
    (["--format=gif"], "npz, keras, saved_model, tflite, onnx"), (["--quantize=int4"], "int8"),
    (["--format=onnx", "--quantize=int8"], "--format=tflite"),
    (["--format=keras", "--checkpoint=x"], "--format=npz"),
    (["--format=keras", "--model=nowhere"], "nowhere")])
def test_wrong_flags_are_refused_in_one_line(tmp_path, monkeypatch, flags, words):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=words):
        main(["export", "--model=photos", *flags])
    assert list(tmp_path.iterdir()) == []


def test_missing_packages_are_named_with_the_pip_command(tmp_path):
    with pytest.raises(UserError, match=r'pip install no_such_package \(or .*"\.\[onnx\]"'):
        formats.require(("numpy", "no_such_package"), "onnx")
