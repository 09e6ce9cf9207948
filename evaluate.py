"""Measures a run on its test split: `python evaluate.py --workdir=runs/cifar10`. See --help."""

from __future__ import annotations

from pathlib import Path

from absl import flags

from colorizer import config as config_lib, flags as flags_lib

USAGE = """Prints the results table of a run on its test split, beside the gray baseline.

  python evaluate.py --workdir=runs/cifar10
  python evaluate.py --workdir=runs/controlled --rival=runs/cifar10

Writes results.json, results.csv and results.png (best, median, worst pictures); for a conditional
model also its calibration, asked against achieved: calibration.json, .csv and .png."""
BATCH = 100
CALIBRATION_EXAMPLES = 200


def main(argv: list[str]) -> None:
    values = flags.FlagValues()
    flags_lib.define("workdir", None, "str", "folder of the run to measure", "Run", values)
    flags_lib.define("rival", None, "str", "folder of an unconditional run whose colours, moved to "
                     "each target by formula, the calibration compares with (default: this "
                     "model's own natural colours)", "Run", values)
    flags_lib.define("output", None, "str", "folder for the results (default: <workdir>/results)",
                     "Run", values)
    flags_lib.define("data_dir", None, "str", "where TensorFlow Datasets keeps its data (default: "
                     "the run's)", "Data", values)
    flags_lib.define("examples", None, "int", "test pictures to measure (default: all)", "Data",
                     values)
    flags_lib.define("calibration_examples", CALIBRATION_EXAMPLES, "int", "test pictures of the "
                     "calibration", "Data", values)
    rest = flags_lib.parse(argv, values, USAGE)
    if rest or values.workdir is None:
        raise config_lib.ConfigError("evaluate.py needs --workdir, the folder of a run. Received: "
                                     f"workdir={values.workdir} {' '.join(rest)}")
    for name, count in (("examples", values.examples),
                        ("calibration_examples", values.calibration_examples)):
        if count is not None and count < 1:
            raise config_lib.ConfigError(f"`{name}` must be at least 1. Received: {name}={count}")
    workdir = Path(values.workdir)
    config = config_lib.read_config(workdir)
    from colorizer import calibration, data, evaluation, inference

    colorizer = inference.Colorizer.load(workdir)
    rival = inference.Colorizer.load(values.rival).colorize_rgb8 if values.rival else None
    dataset = data.load_dataset(
        config.data.dataset, data_dir=values.data_dir or config.data.data_dir,
        image_size=config.data.image_size, test_split=config.data.test_split,
        workdir=str(workdir))
    result = evaluation.evaluate(
        colorizer.colorize_rgb8, dataset.test_batches(BATCH, values.examples))
    print(f"{workdir} on the test pictures of {dataset.name}:\n{result.text()}")
    output = Path(values.output or workdir / "results")
    written = result.write(output)
    evaluation.write_ranked_grid(
        output / "results.png", colorizer.colorize_rgb8,
        dataset.test_batches(BATCH, values.examples), result.delta_e)
    if colorizer.conditional:
        curves = calibration.calibrate(
            colorizer.colorize_rgb8, dataset.test_batches(BATCH, values.calibration_examples),
            rival=rival)
        print(curves.text())
        written += curves.write(output)
    print("written:", *written, output / "results.png")


if __name__ == "__main__":
    flags_lib.run(main)
