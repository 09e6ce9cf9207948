"""The command lines: flags in, results out. `train.py` and the others in the clone call them."""
