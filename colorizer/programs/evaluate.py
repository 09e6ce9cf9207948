"""Measures models on their test images: `python evaluate.py --workdir=runs/cifar10`. See --help."""

from __future__ import annotations

from typing import NoReturn

from absl import flags

from colorizer import cli, evaluation, models
from colorizer.config import ConfigError
from colorizer.files import make_output_folder

USAGE = """Measures models on test images, always beside the gray baseline.

  python evaluate.py --workdir=runs/cifar10
  python evaluate.py --compare runs/cifar10 runs/controlled
  python evaluate.py --turing_test --workdir=runs/cifar10

One model: results.json, .csv and .png (best, median and worst images); if it was trained to targets
also its calibration, desired against achieved: calibration.json, .csv and .png. Several, at
--image_size if they were trained at different ones: results.json, .csv, compare.png, and the curves
of runs. A visual Turing test asks in a browser which of two images is real: turing.json."""
MODELS, DATA, METRICS, TURING = "Models", "Data", "Metrics", "Visual Turing test"
FLAGS = (  # name, default, kind, help, group
    ("workdir", None, "str", "folder of a run to measure, or a shipped model's name", MODELS),
    ("compare", None, "list", "models to measure in one table on the images of the first, "
     "--compare a b or --compare=a,b; conditional ones are given no target", MODELS),
    ("output", None, "str", "folder for the results (default: results/ in the run's)", MODELS),
    ("dataset", None, "str", "whose test images (default: what the model was trained on)", DATA),
    ("data_dir", None, "str", "TensorFlow Datasets' folder (default: the run's)", DATA),
    ("image_size", None, "int", "side of the images in pixels (default: the models' own)", DATA),
    ("examples", None, "int", "number of test images (default: all)", DATA),
    ("metrics", None, "list", "further metrics: features (distances in EfficientNet-Lite0, which "
     "comes with the package), fid (in the InceptionV3 of Keras, downloaded)", METRICS),
    ("calibration_examples", 200, "int", "test images in the calibration; 0: none", METRICS),
    ("turing_test", False, "bool", "serve a page that asks which of two images is real", TURING),
    ("trials", 100, "int", "number of pairs, each of another test image", TURING),
    ("seconds", 2.0, "float", "how long a pair is shown; 0: until it is answered", TURING),
    ("seed", 0, "int", "decides the order of the pairs and the sides in them", TURING),
)
MIN_VALUES = dict(image_size=16, examples=1, calibration_examples=0, trials=1, seconds=0, seed=0)
USED_BY = {  # option -> the ways to measure that take it
    **dict.fromkeys(("data_dir", "image_size"), ("workdir", "compare", "turing_test")),
    **dict.fromkeys(("examples", "metrics"), ("workdir", "compare")),
    "calibration_examples": ("workdir",),
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
    mode = "turing_test" if values.turing_test else "compare" if several else "workdir"
    if several == (values.workdir is not None) or (rest and not several):
        raise ConfigError(f"evaluate.py needs --workdir or --compare. {received}")
    if several and values.turing_test:
        raise ConfigError(f"--turing_test is for --workdir. {received}")
    for name, modes in USED_BY.items():
        if values[name].present and mode not in modes:
            raise ConfigError(f"--{name} is for --{' or --'.join(modes)}. {received}")
    values["metrics"].value = cli.split_names("metrics", values.metrics or [], ("features", "fid"))
    options = {name: values[name].value for name, modes in USED_BY.items() if mode in modes}
    names = cli.split_names("compare", values.compare + rest) if several else [values.workdir]
    found = models.read_models(names, values.dataset, values.image_size)
    default = found[0].results_folder("compare" if several else "results")
    folder = make_output_folder(values.output or default)
    if several:
        evaluation.report_comparison(found, folder, **options)
    elif values.turing_test:
        evaluation.report_turing_test(found[0], folder, **options)
    else:
        evaluation.report_model(found[0], folder, **options)


def run() -> NoReturn:
    """The command of an installed package."""
    cli.run(main)
