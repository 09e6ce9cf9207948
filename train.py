"""Trains a colorizer: `python train.py --dataset=cifar10`. See --help."""

from __future__ import annotations

import pathlib

from absl import flags

from colorizer import config as config_lib
from colorizer import cli as flags_lib

USAGE = """Trains a grayscale-to-color GAN (arXiv:1803.05400).

  python train.py --dataset=sample                   the built-in photographs, minutes
  python train.py --dataset=cifar10                  the paper's CIFAR-10 networks
  python train.py --dataset=/path/to/pictures        any folder of pictures
  python train.py --workdir=runs/cifar10             go on with a run

Exit status: 0 when the run is finished, 75 when it was stopped (SIGTERM, Ctrl-C, a lost worker) and
the same command goes on, 2 for wrong flags or data and for numbers that stay infinite."""


def main(argv: list[str]) -> int:
    values = flags.FlagValues()
    flags_lib.define_settings(values)
    rest = flags_lib.parse(argv, values, USAGE)
    if rest:
        raise config_lib.ConfigError(f"train.py takes flags only. Received: {' '.join(rest)}")
    config = flags_lib.build_config(values, base=_saved_config(values.workdir))
    # TensorFlow is imported only once the flags are right, and several workers must find each
    # other before it does anything: importing `runs` computes tables.
    from colorizer.training import distribution as devices

    strategy = devices.choose_strategy()
    from colorizer.training import run as runs

    return runs.run(config, strategy)


def _saved_config(workdir: str | None) -> config_lib.TrainConfig:
    """The settings of the run in `workdir`, which the given flags then change; else the defaults.
    """
    if workdir and (pathlib.Path(workdir) / "config.json").exists():
        return config_lib.read_config(pathlib.Path(workdir))
    return config_lib.TrainConfig()


if __name__ == "__main__":
    flags_lib.run(main)
