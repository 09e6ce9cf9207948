"""`python -m colorizer.export`: see `inference/export.py`."""

from colorizer import cli
from colorizer.inference import export

if __name__ == "__main__":
    cli.run(export.main)
