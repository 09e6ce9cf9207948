"""The sRGB gamut: chroma is reduced until a color can be displayed, L* and hue angle stay."""

from __future__ import annotations

from keras import ops

from colorizer.color.lab import (
    F_EPSILON, LAB_OFFSET, LAB_SLOPE, LAB_XYZ_TO_RGB, lab_to_rgb, scaled_to_lab
)

GAMUT_BISECTIONS = 12  # chroma to 1 / 4096 before the Newton step
GAMUT_TOLERANCE = 1e-5  # in linear RGB, so that 8-bit colors count as inside
NEWTON_STEP = 1e-3
EPSILON = 1e-6


def to_gamut(lab):
    """Reduces chroma until the color lies in the sRGB gamut; L* and hue angle stay.

    Colors inside come back as they are. Outside, the factor on (a*, b*) is found by bisection
    and polished by one Newton step, which also makes the gradient exact (implicit function
    theorem): moving outwards changes nothing, moving along the hue follows the gamut's edge.
    `lab` is float [..., 3]: L* in [0, 100], a*, b* of any size. Returns float [..., 3].

    Example:
        >>> to_gamut(np.float32([50.0, 80.0, 80.0])).numpy().round()
        array([50., 62., 62.], dtype=float32)
    """
    return ops.concatenate([lab[..., :1], lab[..., 1:] * ops.expand_dims(_scale(lab), -1)], axis=-1)


def is_outside(lab):
    """Whether `to_gamut` changes each color: bool [...] of float [..., 3]."""
    return _overshoot(*(lab[..., i] for i in range(3))) > GAMUT_TOLERANCE


def _scale(lab):
    """The largest factor on (a*, b*) with which each color is inside: float [...] in [0, 1]."""
    l_star, a, b = (ops.stop_gradient(lab[..., i]) for i in range(3))
    low, high = ops.zeros_like(l_star), ops.ones_like(l_star)
    for _ in range(GAMUT_BISECTIONS):
        middle = 0.5 * (low + high)
        inside = _overshoot(l_star, middle * a, middle * b) <= 0.0
        low, high = ops.where(inside, middle, low), ops.where(inside, high, middle)
    # One Newton step from the bracket's top, whose value carries the gradient of (a*, b*).
    at_top = _overshoot(l_star, high * a, high * b)
    beyond = high + NEWTON_STEP
    slope = (_overshoot(l_star, beyond * a, beyond * b) - at_top) / NEWTON_STEP
    at_top = _overshoot(lab[..., 0], high * lab[..., 1], high * lab[..., 2])
    newton = high - at_top / ops.maximum(slope, EPSILON)
    inside = _overshoot(l_star, a, b) <= GAMUT_TOLERANCE
    return ops.where(inside, ops.ones_like(newton), ops.clip(newton, 0.0, 1.0))


def scaled_to_rgb(l_scaled, ab_scaled):
    """The model's tensors, float [..., 1] and [..., 2], to RGB float [..., 3] in [0, 1].

    Both inputs are in [-1, 1], `ab_scaled` only nominally. `to_gamut` maps colors into the gamut.
    """
    return lab_to_rgb(to_gamut(scaled_to_lab(l_scaled, ab_scaled)))


def scaled_to_rgb8(l_scaled, ab_scaled):
    """`scaled_to_rgb`, rounded to the 8-bit image that users get: uint8 [..., 3] in [0, 255]."""
    return ops.cast(ops.round(scaled_to_rgb(l_scaled, ab_scaled) * 255.0), "uint8")


def _overshoot(l_star, a, b):
    """How far the worst linear channel is above 1 or below 0: float [...], negative inside.

    The same formulas as `lab_to_linear`, channel by channel: the gamut's edge is sought in a loop,
    and this is several times faster than stacking.
    """
    fy = (l_star + 16.0) / 116.0
    x, y, z = (ops.where(f > F_EPSILON, f * f * f, (f - LAB_OFFSET) / LAB_SLOPE)
               for f in (fy + a / 500.0, fy, fy - b / 200.0))
    worst = None
    for from_x, from_y, from_z in LAB_XYZ_TO_RGB.T.tolist():
        linear = from_x * x + from_y * y + from_z * z
        excess = ops.maximum(linear - 1.0, -linear)
        worst = excess if worst is None else ops.maximum(worst, excess)
    return worst
