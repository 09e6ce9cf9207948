"""Measures models on their test images: `python evaluate.py --workdir=runs/cifar10`. See --help.

The program is colorizer/programs/evaluate.py.
"""

from colorizer.programs.evaluate import main, run

__all__ = ["main"]

if __name__ == "__main__":
    run()
