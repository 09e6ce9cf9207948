"""Training: the step, the loop around it, its checkpoints, devices and TensorBoard summaries."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(__name__, submod_attrs={
    "run": ["train"],
    "trainer": ["Trainer"],
    "train_step": ["TrainStep"],
    "distribution": ["choose_strategy"],
})
