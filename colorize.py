"""Colors your own pictures: `python colorize.py photo.jpg`. See --help."""

from __future__ import annotations

import dataclasses
from pathlib import Path
import sys

from absl import flags

from colorizer.color import controls
from colorizer import cli as flags_lib
from colorizer.data import image_paths
from colorizer.models import pretrained as saved_models

USAGE = """Colors pictures of any size. Gray ones, or color ones of which the lightness is taken.

  python colorize.py                                     the built-in photographs
  python colorize.py photo.jpg folder/ 'scans/*.png' --output=out/
  python colorize.py photo.jpg --model=runs/cifar10
  python colorize.py photo.jpg --saturation=0.6 --hue=0.08
  python colorize.py photo.jpg --saturation=0,0.25,0.5,0.75,1
  python colorize.py photo.jpg --chroma_noise=0 --chroma_gain=1

Exit status: 0 if every picture was colored, 1 if some failed, 2 for wrong flags."""


def main(argv: list[str]) -> int:
    values = flags.FlagValues()
    flags_lib.define(
        "model", None, "str", "what colors: the name of a model that ships "
        f"({', '.join(saved_models.names()) or 'none yet'}), the folder of a run, or an exported "
        f"model (default: {', else '.join(saved_models.PREFERRED)})", "Run", values,
        published=("workdir",))
    flags_lib.define("output", "colorized", "str", "folder for the results", "Run", values)
    flags_lib.define("overwrite", False, "bool", "replace results that are there already", "Run",
                     values)
    for control in controls.CONTROLS:
        flags_lib.define(control.name, None, "str", f"{control.help}; several with commas make a "
                         "contact sheet", "Targets of a conditional model, in [0, 1]", values)
    for name, help in saved_models.NATURAL_HELP.items():
        flags_lib.define(name, None, "float", f"{help} (default: the model's own)",
                         "Natural colors, of which no target is asked", values)
    patterns = flags_lib.parse(argv, values, USAGE)
    combinations = controls.parse_targets({name: values[name].value for name in controls.NAMES})
    model = saved_models.default_name() if values.model is None else values.model
    folder = saved_models.find(model)
    settings = saved_models.read_settings(folder)
    trained = settings.controls
    for targets in combinations:
        controls.check(targets, trained.askable(), trained.desired())
    changed = {name: float(values[name].value or 0.0) for name in saved_models.NATURAL_HELP
               if values[name].present}
    if changed and any(combinations):
        raise saved_models.ModelError(
            f"`{next(iter(changed))}` is for pictures of which no target is asked. Received: "
            f"{' '.join(argv[1:])}")
    natural = dataclasses.replace(saved_models.natural_colors(folder), **changed)
    saved_models.check_natural(natural, settings)
    sources = image_paths.expand_inputs(patterns)
    from colorizer.data import load as data
    from colorizer.inference import colorizer as inference
    from colorizer.inference import files as picture_files

    sources = sources or image_paths.expand_inputs([str(path) for path in data.sample_paths()])
    colorizer = inference.Colorizer.load(model, natural)
    warning = next(filter(None, map(controls.contradiction, combinations)), None)
    if warning:
        print(f"warning: {warning}", file=sys.stderr)
    done, failures = picture_files.colorize_files(
        colorizer, sources, Path(values.output), overwrite=values.overwrite,
        combinations=combinations)
    for failure in failures:
        print(failure, file=sys.stderr)
    print(f"{done} {'picture' if done == 1 else 'pictures'} colored by {model} into "
          f"{values.output}, {len(failures)} failed")
    return 1 if failures else 0


if __name__ == "__main__":
    flags_lib.run(main)
