"""Colors for images of any size: a trained generator from file to file, and its export."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(__name__, submod_attrs={
    "colorizer": ["Colorizer"],
    "files": ["colorize_files"],
    "export": ["export_model"],
})
