"""Grayscale-to-color GAN after Nazeri, Ng and Ebrahimi (arXiv:1803.05400).

    >>> from colorizer import Colorizer
    >>> rgb = Colorizer.load("photos")(image)
"""

import lazy_loader

__version__ = "0.1.0"

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    ["color", "data", "evaluation", "inference", "losses", "models", "training"],
    {"inference": ["Colorizer"]})
