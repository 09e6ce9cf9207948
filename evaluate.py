"""Measures runs on their test pictures: `python evaluate.py --workdir=runs/cifar10`. See --help."""

from __future__ import annotations

from absl import flags

from colorizer import config as config_lib
from colorizer import cli as flags_lib
from colorizer.evaluation import workdirs

USAGE = """Measures models on test pictures, always beside the gray baseline.

  python evaluate.py --workdir=runs/cifar10
  python evaluate.py --workdir=runs/controlled --rival=runs/cifar10
  python evaluate.py --compare runs/cifar10 runs/controlled
  python evaluate.py --turing_test --workdir=runs/cifar10

One model: writes results.json, .csv and .png (best, median, worst pictures); if it has targets
also its calibration, asked against achieved: calibration.json, .csv, .png. Several: results.json,
.csv and compare.png. A visual Turing test asks which of two pictures is real: turing.json."""
RUN, DATA, CALIBRATION, TURING = "Run", "Data", "Calibration", "Visual Turing test"
FLAGS = (
    (RUN, "workdir", None, "str", "folder of the run to measure, or a shipped model's name"),
    (RUN, "compare", None, "list", "runs to measure in one table on the pictures of the first, "
     "--compare a b or --compare=a,b; of one image size; conditional ones are given no target"),
    (RUN, "output", None, "str", "folder for the results (default: in the run's, results/)"),
    (DATA, "dataset", None, "str", "whose test pictures (default: what the run was trained on)"),
    (DATA, "data_dir", None, "str", "folder of TensorFlow Datasets' data (default: the run's)"),
    (DATA, "examples", None, "int", "test pictures to measure (default: all)"),
    (CALIBRATION, "rival", None, "str", "a run or model without targets whose colors, moved to "
     "each by an edit, are compared with (default: this model's own natural colors)"),
    (CALIBRATION, "calibration_examples", 200, "int", "test pictures for it; 0: no calibration"),
    (TURING, "turing_test", False, "bool", "show real and colorized pictures side by side, in a "
     "PNG, a color terminal and a browser, and ask which is real; 1 or 2 answers, q ends early"),
    (TURING, "trials", 100, "int", "pairs to show, each of another test picture"),
    (TURING, "seconds", 2.0, "float", "how long a pair is seen; 0: until it is answered"),
    (TURING, "seed", 0, "int", "decides the order of the pairs and the sides in them"),
)
AT_LEAST = {"examples": 1, "calibration_examples": 0, "trials": 1, "seconds": 0, "seed": 0}
BELONG = {  # flags that go with some ways to measure only
    "examples": ("workdir", "compare"), "rival": ("workdir",), "calibration_examples": ("workdir",),
    "turing_test": ("workdir", "turing_test"),
    **dict.fromkeys(("trials", "seconds", "seed"), ("turing_test",))}


def main(argv: list[str]) -> None:
    values = flags.FlagValues()
    for group, name, default, kind, help in FLAGS:
        flags_lib.define(name, default, kind, help, group, values,
                         published=("model",) if name == "workdir" else ())
    rest = flags_lib.parse(argv, values, USAGE)
    for name, low in AT_LEAST.items():
        if (got := values[name].value) is not None and got < low:
            raise config_lib.ConfigError(f"`{name}` must be at least {low}. Received: {name}={got}")
    several, asking = values.compare is not None, values.turing_test
    received = f"Received: {' '.join(argv[1:]) or 'nothing'}"
    if several == (values.workdir is not None) or (rest and not several):
        raise config_lib.ConfigError(f"evaluate.py needs --workdir or --compare. {received}")
    mode = "compare" if several else "turing_test" if asking else "workdir"
    for name, modes in BELONG.items():
        if values[name].present and mode not in modes:
            raise config_lib.ConfigError(f"--{name} is for --{' or --'.join(modes)}. {received}")
    names = [name for text in values.compare or [] for name in text.split(",") if name] + rest
    runs = workdirs.read_runs(names if several else [values.workdir], values.dataset)
    if values.rival:
        workdirs.check_rival(values.rival, runs[0])
    results = runs[0].results_folder("compare" if several else "results")
    folder = workdirs.make_folder(values.output or results)
    from colorizer.evaluation import report as reports

    if asking:
        reports.turing_test(runs[0], folder, data_dir=values.data_dir, trials=values.trials,
                            seconds=values.seconds, seed=values.seed)
    elif several:
        reports.compare(runs, folder, data_dir=values.data_dir, examples=values.examples)
    else:
        reports.measure(runs[0], folder, data_dir=values.data_dir, examples=values.examples,
                        calibration_examples=values.calibration_examples, rival=values.rival)


if __name__ == "__main__":
    flags_lib.run(main)
