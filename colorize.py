"""Colorizes your own pictures: `python colorize.py photo.jpg`. See --help.

The program is colorizer/programs/colorize.py.
"""

from colorizer.programs.colorize import main, run

__all__ = ["main"]

if __name__ == "__main__":
    run()
