"""Colors for images of any size: a trained generator from file to file, and its export.

Inside are `upsampling` (from the network's scale to the image's) and `postprocess` (targets met,
chroma scaled).
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(__name__, submod_attrs={
    "colorizer": ["Colorizer"],
    "hints": ["Hint", "HintError", "parse_hint", "read_hints"],
    "files": ["colorize_files"],
    "export": ["export_model"],
    "formats": ["Exported", "export_format"],
    "image_model": ["ImageModel"],
})
