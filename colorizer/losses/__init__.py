"""What training minimizes: the adversarial, L1 and perceptual losses, and the color controls."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(__name__, submod_attrs={
    "gan": ["adversarial_loss", "discriminator_accuracy", "l1_loss"],
    "color_control": ["control_losses"],
    "perceptual": ["PerceptualLoss"],
})
