"""Measures models on their test images: `python evaluate.py --workdir=runs/cifar10`. See --help."""

from __future__ import annotations

from absl import flags

from colorizer import cli, evaluation, models
from colorizer.config import ConfigError
from colorizer.files import make_output_folder

USAGE = """Measures models on test images, always beside the gray baseline.

  python evaluate.py --workdir=runs/cifar10
  python evaluate.py --compare runs/cifar10 runs/controlled
  python evaluate.py --turing_test --workdir=runs/cifar10

One model: writes results.json, .csv and .png (best, median and worst images); if it was trained
to targets also its calibration, desired against achieved: calibration.json, .csv and .png.
Several: results.json, .csv and compare.png. A visual Turing test asks in a browser which of two
images is real: turing.json."""
MODELS, DATA, CALIBRATION, TURING = "Models", "Data", "Calibration", "Visual Turing test"
FLAGS = (  # name, default, kind, help, group
    ("workdir", None, "str", "folder of a run to measure, or a shipped model's name", MODELS),
    ("compare", None, "list", "models of one image size to measure in one table on the images of "
     "the first, --compare a b or --compare=a,b; conditional ones are given no target", MODELS),
    ("output", None, "str", "folder for the results (default: results/ in the run's)", MODELS),
    ("dataset", None, "str", "whose test images (default: what the model was trained on)", DATA),
    ("data_dir", None, "str", "TensorFlow Datasets' folder (default: the run's)", DATA),
    ("examples", None, "int", "number of test images (default: all)", DATA),
    ("calibration_examples", 200, "int", "number of test images for it; 0: none", CALIBRATION),
    ("turing_test", False, "bool", "serve a page that shows real and colorized images side by side "
     "and asks which is real", TURING),
    ("trials", 100, "int", "number of pairs, each of another test image", TURING),
    ("seconds", 2.0, "float", "how long a pair is shown; 0: until it is answered", TURING),
    ("seed", 0, "int", "decides the order of the pairs and the sides in them", TURING),
)
MIN_VALUES = {"examples": 1, "calibration_examples": 0, "trials": 1, "seconds": 0, "seed": 0}
USED_BY = {  # flags that go with some ways to measure only
    "examples": ("workdir", "compare"), "calibration_examples": ("workdir",),
    "turing_test": ("workdir", "turing_test"),
    **dict.fromkeys(("trials", "seconds", "seed"), ("turing_test",))}


def main(argv: list[str]) -> None:
    values = flags.FlagValues()
    for name, default, kind, help, group in FLAGS:
        cli.define(values, name, default, kind, help, group,
                   aliases=("model",) if name == "workdir" else ())
    rest = cli.parse(argv, values, USAGE)
    for name, low in MIN_VALUES.items():
        if (value := values[name].value) is not None and value < low:
            raise ConfigError(f"`{name}` must be at least {low}. Received: {name}={value}")
    several, received = values.compare is not None, f"Received: {' '.join(argv[1:]) or 'nothing'}"
    if several == (values.workdir is not None) or (rest and not several):
        raise ConfigError(f"evaluate.py needs --workdir or --compare. {received}")
    mode = "compare" if several else "turing_test" if values.turing_test else "workdir"
    for name, modes in USED_BY.items():
        if values[name].present and mode not in modes:
            raise ConfigError(f"--{name} is for --{' or --'.join(modes)}. {received}")
    names = [values.workdir]
    if several:
        names = [name for name in ",".join(values.compare + rest).split(",") if name]
    found = models.read_models(names, values.dataset)
    folder = make_output_folder(
        values.output or found[0].results_folder("compare" if several else "results"))
    if mode == "compare":
        evaluation.report_comparison(
            found, folder, data_dir=values.data_dir, examples=values.examples)
    elif mode == "turing_test":
        evaluation.report_turing_test(
            found[0], folder, data_dir=values.data_dir, trials=values.trials,
            seconds=values.seconds, seed=values.seed)
    else:
        evaluation.report_model(
            found[0], folder, data_dir=values.data_dir, examples=values.examples,
            calibration_examples=values.calibration_examples)


if __name__ == "__main__":
    cli.run(main)
