"""Grayscale-to-colour GAN after Nazeri, Ng and Ebrahimi (arXiv:1803.05400)."""

import os

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

__version__ = "0.1.0"
