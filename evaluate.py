"""Measures a run on its test split: `python evaluate.py --workdir=runs/cifar10`. See --help."""

from __future__ import annotations

from pathlib import Path

from absl import flags

from colorizer import config as config_lib, flags as flags_lib

USAGE = """Prints the results table of a run on its test split, beside the gray baseline.

  python evaluate.py --workdir=runs/cifar10

Writes results.json, results.csv and results.png (best, median, worst pictures)."""
BATCH = 100


def main(argv: list[str]) -> None:
    values = flags.FlagValues()
    flags_lib.define("workdir", None, "str", "folder of the run to measure", "Run", values)
    flags_lib.define("output", None, "str", "folder for the results (default: <workdir>/results)",
                     "Run", values)
    flags_lib.define("data_dir", None, "str", "where TensorFlow Datasets keeps its data (default: "
                     "the run's)", "Data", values)
    flags_lib.define("examples", None, "int", "test pictures to measure (default: all)", "Data",
                     values)
    rest = flags_lib.parse(argv, values, USAGE)
    if rest or values.workdir is None:
        raise config_lib.ConfigError("evaluate.py needs --workdir, the folder of a run. Received: "
                                     f"workdir={values['workdir'].value} {' '.join(rest)}")
    examples = values.examples
    if examples is not None and examples < 1:
        raise config_lib.ConfigError(f"`examples` must be at least 1. Received: {examples}")
    workdir = Path(values.workdir)
    config = config_lib.read_config(workdir)
    from colorizer import data, evaluation, inference

    colorizer = inference.Colorizer.load(workdir)
    dataset = data.load_dataset(
        config.data.dataset, data_dir=values.data_dir or config.data.data_dir,
        image_size=config.data.image_size, test_split=config.data.test_split,
        workdir=str(workdir))
    result = evaluation.evaluate(
        colorizer.colorize_rgb8, dataset.test_batches(BATCH, examples))
    print(f"{workdir} on the test pictures of {dataset.name}:\n{result.text()}")
    output = Path(values.output or workdir / "results")
    written = result.write(output)
    evaluation.write_ranked_grid(
        output / "results.png", colorizer.colorize_rgb8, dataset.test_batches(BATCH, examples),
        result.delta_e)
    print("written:", *written, output / "results.png")


if __name__ == "__main__":
    flags_lib.run(main)
