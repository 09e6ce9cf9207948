"""Trains a colorizer: `python train.py --dataset=cifar10`. See --help."""

from __future__ import annotations

from pathlib import Path
from typing import NoReturn

from absl import flags

from colorizer import cli, data
from colorizer.config import CONFIG_FILE, ConfigError, TrainConfig, read_config
from colorizer.files import check_writable

USAGE = """Trains a grayscale-to-color GAN (arXiv:1803.05400).

  python train.py --dataset=sample                   the built-in photographs, minutes
  python train.py --dataset=cifar10                  the paper's CIFAR-10 networks
  python train.py --dataset=/path/to/images          any folder of images
  python train.py --workdir=runs/cifar10             go on with a run

Exit status: 0 when the run is finished, 75 when it was stopped (SIGTERM, SIGHUP, Ctrl-C, a lost
worker) and the same command goes on, 2 for wrong flags or data and for numbers that stay infinite.
"""


def main(argv: list[str]) -> int:
    values = flags.FlagValues()
    cli.define_settings(values)
    rest = cli.parse(argv, values, USAGE)
    if rest:
        raise ConfigError(f"train.py takes flags only. Received: {' '.join(rest)}")
    config = cli.build_config(values, base=_saved_config(values.workdir))
    data.find_folder(config.data.dataset)
    check_writable(config.run.workdir or "runs", "workdir")
    from colorizer import training  # TensorFlow is imported only once the flags are right.

    return training.train(config)


def _saved_config(workdir: str | None) -> TrainConfig:
    """The settings of the run in `workdir`, which the given flags then change; else the defaults.
    """
    if workdir and (Path(workdir) / CONFIG_FILE).exists():
        return read_config(Path(workdir))
    return TrainConfig()


def run() -> NoReturn:
    """The command of an installed package."""
    cli.run(main)
