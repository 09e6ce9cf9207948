"""Color mathematics: sRGB and CIE Lab, the gamut, color controls, their statistics and edits."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(__name__, submod_attrs={
    "lab": [
        "RGB_TO_XYZ", "L_HALF_RANGE", "AB_RANGE", "srgb_to_linear", "linear_to_srgb",
        "rgb_to_lab", "lab_to_rgb", "lab_to_linear", "lab_to_scaled", "scaled_to_lab",
        "rgb_to_l_scaled", "rgb_to_luma_scaled"],
    "gamut": ["to_gamut", "is_outside", "scaled_to_rgb", "scaled_to_rgb8"],
    "statistics": [
        "measure", "distance", "saturation", "hue", "linear_hue", "red", "green", "blue",
        "colorfulness", "warmth", "achievable_range"],
    "transforms": ["apply_edit", "retarget"],
    "controls": ["Control", "CONTROLS", "CONTROL_NAMES", "ControlError"],
})
