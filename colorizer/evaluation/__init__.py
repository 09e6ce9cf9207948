"""How good the colors are: metrics beside the gray baseline, calibration of the controls, a
visual Turing test.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(__name__, submod_attrs={
    "metrics": ["per_example", "summarize"],
    "evaluator": ["Evaluation", "evaluate", "compare", "gray_image", "GRAY", "MODEL"],
    "calibration": ["Calibration", "calibrate"],
})
