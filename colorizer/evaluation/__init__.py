"""How good the colors are: metrics beside the gray baseline, fixed targets (`achieved`),
calibration (is the desired color achieved?), curves of runs, a visual Turing test.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__, submodules=["metrics"], submod_attrs={
        "evaluator": ["Evaluation", "evaluate", "compare", "gray_image", "GRAY", "MODEL"],
        "achieved": ["Achieved", "TargetMeter", "short_texts"],
        "features": ["FeatureMetrics", "load_feature_metrics", "frechet_distance"],
        "calibration": ["Calibration", "calibrate"],
        "turing_test": ["TuringTest", "serve"],
        "report": ["report_model", "report_comparison", "report_turing_test"],
    })
