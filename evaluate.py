"""Measures runs on their test pictures: `python evaluate.py --workdir=runs/cifar10`. See --help."""

from __future__ import annotations

from pathlib import Path

from absl import flags

from colorizer import config as config_lib, flags as flags_lib, runs as runs_lib

USAGE = """Measures models on test pictures, always beside the gray baseline.

  python evaluate.py --workdir=runs/cifar10
  python evaluate.py --workdir=runs/controlled --rival=runs/cifar10
  python evaluate.py --compare runs/cifar10 runs/controlled

One model: writes results.json, results.csv and results.png (best, median, worst pictures); for a
conditional model also its calibration, asked against achieved: calibration.json, .csv and .png.
Several: one table, results.json, results.csv and compare.png (original, gray, each model)."""
FLAGS = (  # group, name, default, kind, help
    ("Run", "workdir", None, "str", "folder of the run to measure"),
    ("Run", "compare", None, "list", "folders of the runs to measure in one table on the test "
     "pictures of the first, which may be written --compare a b or --compare=a,b; all must have "
     "one image size; conditional models are given no target"),
    ("Run", "output", None, "str", "folder for the results (default: <workdir>/results; of "
     "--compare, <first run>/compare)"),
    ("Data", "data_dir", None, "str", "where TensorFlow Datasets keeps its data (default: the "
     "run's)"),
    ("Data", "examples", None, "int", "test pictures to measure (default: all)"),
    ("Calibration of a conditional model", "rival", None, "str", "folder of an unconditional run "
     "whose colours, moved to each target by formula, the calibration compares with (default: "
     "this model's own natural colours)"),
    ("Calibration of a conditional model", "calibration_examples", 200, "int", "test pictures of "
     "the calibration"),
)
AT_LEAST = {"examples": 1, "calibration_examples": 1}


def main(argv: list[str]) -> None:
    values = flags.FlagValues()
    for group, name, default, kind, help in FLAGS:
        flags_lib.define(name, default, kind, help, group, values)
    rest = flags_lib.parse(argv, values, USAGE)
    for name, low in AT_LEAST.items():
        if (value := values[name].value) is not None and value < low:
            raise config_lib.ConfigError(
                f"`{name}` must be at least {low}. Received: {name}={value}")
    several = values.compare is not None
    if several == (values.workdir is not None) or (rest and not several):
        raise config_lib.ConfigError(
            "evaluate.py needs --workdir, the folder of a run, or --compare, the folders of "
            f"several. Received: workdir={values.workdir}, compare={values.compare} "
            f"{' '.join(rest)}".rstrip())
    folders = [name for text in values.compare or [] for name in text.split(",") if name] + rest
    runs = runs_lib.read_runs(folders if several else [values.workdir])
    folder = Path(values.output or runs[0].workdir / ("compare" if several else "results"))
    from colorizer import reports  # TensorFlow is imported only once the flags are right.

    if several:
        reports.compare(runs, folder, data_dir=values.data_dir, examples=values.examples)
    else:
        reports.measure(
            runs[0].workdir, folder, data_dir=values.data_dir, examples=values.examples,
            calibration_examples=values.calibration_examples, rival=values.rival)


if __name__ == "__main__":
    flags_lib.run(main)
