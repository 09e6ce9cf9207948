"""Colours your own pictures: `python colorize.py --workdir=runs/cifar10 photo.jpg`. See --help."""

from __future__ import annotations

from pathlib import Path
import sys

from absl import flags

from colorizer import config as config_lib, controls, flags as flags_lib

USAGE = """Colours pictures of any size. Gray ones, or colour ones of which the lightness is taken.

  python colorize.py --workdir=runs/cifar10 photo.jpg folder/ 'scans/*.png' --output=out/
  python colorize.py --workdir=runs/controlled photo.jpg --saturation=0.6 --hue=0.08
  python colorize.py --workdir=runs/controlled photo.jpg --saturation=0,0.25,0.5,0.75,1

Exit status: 0 if every picture was coloured, 1 if some failed, 2 for wrong flags."""


def main(argv: list[str]) -> int:
    values = flags.FlagValues()
    flags_lib.define("workdir", None, "str", "folder of the run whose model colours", "Run", values)
    flags_lib.define("output", "colorized", "str", "folder for the results", "Run", values)
    flags_lib.define("overwrite", False, "bool", "replace results that are there already", "Run",
                     values)
    for control in controls.CONTROLS:
        flags_lib.define(control.name, None, "str", f"{control.help}; several with commas make a "
                         "contact sheet", "Targets of a conditional model, in [0, 1]", values)
    patterns = flags_lib.parse(argv, values, USAGE)
    combinations = controls.parse_targets({name: values[name].value for name in controls.NAMES})
    if values.workdir is None:
        raise config_lib.ConfigError(
            "colorize.py needs --workdir, the folder of a run. Received: workdir=None")
    if not patterns:
        raise config_lib.ConfigError(
            "colorize.py needs pictures: files, folders or globs. Received: none")
    config_lib.read_config(Path(values.workdir))
    from colorizer import images, inference

    sources = images.expand_inputs(patterns)
    colorizer = inference.Colorizer.load(values.workdir)
    for targets in combinations:
        colorizer.check(targets)
    warning = controls.contradiction(combinations[0])
    if warning:
        print(f"warning: {warning}", file=sys.stderr)
    done, failures = inference.colorize_files(
        colorizer, sources, Path(values.output), overwrite=values.overwrite,
        combinations=combinations)
    for failure in failures:
        print(failure, file=sys.stderr)
    print(f"{done} pictures coloured into {values.output}, {len(failures)} failed")
    return 1 if failures else 0


if __name__ == "__main__":
    flags_lib.run(main)
