"""Trains a colorizer: `python train.py --dataset=cifar10`. See --help.

The program is colorizer/programs/train.py.
"""

from colorizer.programs.train import main, run

__all__ = ["main"]

if __name__ == "__main__":
    run()
