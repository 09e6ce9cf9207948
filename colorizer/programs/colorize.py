"""Colorizes your own pictures: `python colorize.py photo.jpg`. See --help."""

from __future__ import annotations

import sys
from typing import NoReturn

from absl import flags

from colorizer import cli, data, inference
from colorizer.color import controls
from colorizer.errors import printable
from colorizer.models import pretrained

USAGE = """Colorizes pictures of any size: gray ones, or color ones of which the lightness is taken.

  python colorize.py                                     the built-in photographs
  python colorize.py photo.jpg folder/ 'scans/*.png' --output=out/
  python colorize.py photo.jpg --vivid=1.5
  python colorize.py photo.jpg --model=runs/cifar10
  python colorize.py photo.jpg --saturation=0.6 --hue=0.08
  python colorize.py photo.jpg --saturation=0,0.25,0.5,0.75,1
  python colorize.py photo.jpg --hint=120,80,#c0392b --hint=300,40,#2980b9

Exit status: 0 if every picture was colorized, 1 if some failed, 2 for wrong flags."""


def main(argv: list[str]) -> int:
    values = flags.FlagValues()
    define_flags(values)
    patterns = cli.parse(argv, values, USAGE)
    hints = [inference.parse_hint(text) for text in values.hint or []]
    if values.hints:
        hints += inference.read_hints(values.hints)
    combinations = controls.parse_targets(
        {name: values[name].value for name in controls.CONTROL_NAMES})
    model = values.model
    trained = pretrained.read_model_config(pretrained.find_model(model)).controls
    for targets in combinations:
        controls.check_targets(targets, trained.supported(), trained.desired())
    patterns = patterns or [str(path) for path in data.sample_paths()]
    sources = data.expand_inputs(patterns, values.output)
    results = data.name_results(sources, values.output, sheet=len(combinations) > 1)
    if not values.overwrite and all(path.exists() for _, path in results):
        print(f"all {len(results)} results are there already; --overwrite replaces them")
        return 0
    if warning := next(filter(None, map(controls.contradiction, combinations)), None):
        print(f"warning: {warning}", file=sys.stderr)
    files = inference.colorize_files(
        inference.Colorizer.load(model), sources, values.output, overwrite=values.overwrite,
        combinations=combinations, vivid=values.vivid, hints=hints, strip=values.strip)
    for line in [f"warning: {line}" for line in files.warnings] + files.failures:
        print(printable(line), file=sys.stderr)
    there = f", {files.skipped} there already (--overwrite replaces them)" if files.skipped else ""
    print(f"{files.written} {'picture' if files.written == 1 else 'pictures'} colorized by {model} "
          f"into {printable(values.output)}{there}, {len(files.failures)} failed")
    return 1 if files.failures else 0


def define_flags(values: flags.FlagValues) -> None:
    """Defines what the command line takes."""
    cli.define(
        values, "model", pretrained.DEFAULT, "str", "the name of a model that ships "
        f"({', '.join(pretrained.names())}), the folder of a run, or an exported model", "Run",
        ("workdir",))
    cli.define(values, "output", "colorized", "str", "folder for the results or, for one "
               "picture, a file such as result.png", "Run")
    cli.define(values, "overwrite", False, "bool", "replace results that are there already", "Run")
    cli.define(values, "strip", False, "bool", "leave out date, caption, place and so on", "Run")
    cli.define(values, "vivid", 1.0, "float", "factor on the chroma of the result, in [0, 4]: 0 is "
               "gray, 1 the model's own colors; it also applies after targets were met", "Run")
    cli.define(values, "hint", None, "list", "color of a point of the only picture, x,y,#rrggbb in "
               "pixels or in percent (50%,30%,#c0392b); can be repeated", "Hints")
    cli.define(values, "hints", None, "str", "JSON file with a list of hints", "Hints")
    for control in controls.CONTROLS:
        cli.define(values, control.name, None, "str", f"{control.help}; several with commas make a "
                   "contact sheet", "Targets of a conditional model, in [0, 1]")


def run() -> NoReturn:
    """The command of an installed package."""
    cli.run(main)
