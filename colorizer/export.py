"""`python -m colorizer.export`: see `programs/export.py`."""

from colorizer.programs.export import main, run

__all__ = ["main"]

if __name__ == "__main__":
    run()
