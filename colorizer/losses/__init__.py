"""What training minimizes: the adversarial and L1 losses, the color controls, the perceptual
loss.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(__name__, submod_attrs={
    "gan": ["adversarial_loss", "l1_loss"],
    "color_control": ["control_losses"],
    "perceptual": ["PerceptualLoss", "PerceptualError"],
})
