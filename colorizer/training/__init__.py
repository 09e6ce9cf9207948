"""Training: `run` starts a run, `trainer` is its loop, `train_step` its mathematics.

Inside are `batches` (what a step trains on) with `targets` of conditional models and `hints`,
`schedules` (learning rates, what happens when numbers go bad), `checkpoints`, `distribution`
(devices, workers, signals), `progress` in the terminal and `summaries` for TensorBoard.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(__name__, submod_attrs={
    "run": ["train"],
    "trainer": ["Trainer"],
    "train_step": ["TrainStep"],
    "distribution": ["choose_strategy"],
})
