"""Exports a model: `python -m colorizer.export --model=photos --format=onnx`. See --help."""

from __future__ import annotations

from pathlib import Path
from typing import NoReturn

from absl import flags

from colorizer import cli
from colorizer.config import ConfigError
from colorizer.inference.export import SUFFIXES, export_model
from colorizer.models import pretrained

USAGE = """Exports a model: as a folder that colorizes anywhere, or for another runtime.

  python -m colorizer.export --workdir=runs/photos --output=models/photos
  python -m colorizer.export --model=photos --format=onnx
  python -m colorizer.export --model=photos --format=tflite --quantize=float16

npz is the folder that colorize.py --model takes. The other formats take a picture of any size and
give its colors; each file is first compared with Python at three sizes. See docs/export.md.
"""
QUANTIZATIONS = ("none", "float16", "int8")


def main(argv: list[str]) -> None:
    values = flags.FlagValues()
    cli.define(values, "workdir", None, "str", "folder of a run, or an exported or a shipped model "
               f"({', '.join(pretrained.names())})", "Model", ("model",))
    cli.define(values, "checkpoint", None, "str",
               "a checkpoint's folder, for npz (default: the run's newest that is whole)", "Model")
    cli.define(values, "format", "npz", "str", " | ".join(SUFFIXES), "File")
    cli.define(values, "quantize", "none", "str",
               f"{' | '.join(QUANTIZATIONS)}: of the weights, for tflite", "File")
    cli.define(values, "output", None, "str", "the file or, for npz and saved_model, the folder "
               "(default: exported/<model>); the format's suffix is added", "File")
    rest = cli.parse(argv, values, USAGE)
    if rest or values.workdir is None:
        raise ConfigError("export needs --workdir or --model, the model to export. Received: "
                          f"workdir={values.workdir} {' '.join(rest)}".rstrip())
    cli.check_choice("format", values.format, tuple(SUFFIXES))
    cli.check_choice("quantize", values.quantize, QUANTIZATIONS)
    for flag, format in (("quantize", "tflite"), ("checkpoint", "npz")):
        if values[flag].present and values.format != format:
            raise ConfigError(f"--{flag} is for --format={format}. Received: "
                              f"--format={values.format}")
    suffix = SUFFIXES[values.format]
    name = pretrained.find_model(values.workdir, "workdir").resolve().name
    output = Path(values.output or f"exported/{name}{suffix}")
    if values.format == "npz":
        for path in export_model(values.workdir, output, values.checkpoint):
            print(f"{path}: {path.stat().st_size / 1e6:.2f} MB")
        return
    if output.suffix != suffix:
        output = output.with_name(output.name + suffix)
    from colorizer.inference import formats  # TensorFlow is imported once the flags are right

    exported = formats.export_format(values.workdir, values.format, output, values.quantize)
    size = sum(path.stat().st_size for path in [output, *output.rglob("*")] if path.is_file())
    print(f"{output}: {size / 1e6:.2f} MB, at most {exported.max_difference} of 255 from what "
          "Python gives (natural colors, targets, hints; 32 x 32, 256 x 256, 500 x 333 pixels)")
    if values.quantize != "none":
        print(f"{values.quantize} moves the five built-in photographs by a mean CIEDE2000 of "
              f"{exported.delta_e:.3f}; their delta_e to the originals grows by "
              f"{exported.loss:+.3f}")


def run() -> NoReturn:
    """The command of an installed package."""
    cli.run(main)
