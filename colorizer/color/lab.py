"""sRGB <-> CIE 1976 L*a*b*, the scaling of the model's tensors, and the sRGB gamut.

sRGB is IEC 61966-2-1 (D65 white, 2 degree observer). The constants are those of
`skimage.color.rgb2lab`, so both agree to float32 rounding. Every function is written in
`keras.ops`, works on `[..., 3]` float tensors of any rank, and has finite gradients everywhere:
a power is only ever taken of a value that was clamped away from zero.
"""

from __future__ import annotations

from keras import ops
import numpy as np

# IEC 61966-2-1, section 5.2: linear RGB -> XYZ, six decimals as in skimage.
RGB_TO_XYZ = np.array(
    [[0.412453, 0.357580, 0.180423], [0.212671, 0.715160, 0.072169], [0.019334, 0.119193, 0.950227]]
)
XYZ_TO_RGB = np.linalg.inv(RGB_TO_XYZ)
WHITE_D65 = np.array([0.95047, 1.0, 1.08883])  # ASTM E308, 2 degree observer

# CIE 15:2004, section 8.2.1.1: the cube root is replaced by a line near black.
LAB_EPSILON = 0.008856
LAB_SLOPE = 7.787
LAB_OFFSET = 16.0 / 116.0

SRGB_LINEAR_LIMIT = 0.04045
LINEAR_SRGB_LIMIT = 0.0031308
SRGB_SLOPE = 12.92
SRGB_GAMMA = 2.4

L_HALF_RANGE = 50.0  # L* in [0, 100] -> [-1, 1]
AB_RANGE = 110.0  # a*, b* in [-110, 110] -> [-1, 1]; sRGB reaches -108 ... 98

GAMUT_BISECTIONS = 12  # chroma to 1 / 4096 before the Newton step
GAMUT_TOLERANCE = 1e-5  # in linear RGB, so that 8-bit colors count as inside
NEWTON_STEP = 1e-3
EPSILON = 1e-6
LUMA_WEIGHTS = (0.299, 0.587, 0.114)  # ITU-R BT.601-7, section 2.5.1


def srgb_to_linear(rgb):
    """Undoes the sRGB transfer function: float [..., 3] in [0, 1] to the same shape and range."""
    curved = ((ops.maximum(rgb, SRGB_LINEAR_LIMIT) + 0.055) / 1.055) ** SRGB_GAMMA
    return ops.where(rgb > SRGB_LINEAR_LIMIT, curved, rgb / SRGB_SLOPE)


def linear_to_srgb(linear):
    """Applies the sRGB transfer function and clips.

    Args:
        linear: float [..., 3], linear light; values outside [0, 1] are clipped.

    Returns:
        float [..., 3] in [0, 1].
    """
    linear = ops.clip(linear, 0.0, 1.0)
    curved = 1.055 * ops.maximum(linear, LINEAR_SRGB_LIMIT) ** (1.0 / SRGB_GAMMA) - 0.055
    return ops.where(linear > LINEAR_SRGB_LIMIT, curved, linear * SRGB_SLOPE)


def rgb_to_lab(rgb):
    """sRGB to CIE L*a*b*.

    Args:
        rgb: float [..., 3] in [0, 1].

    Returns:
        float [..., 3]: L* in [0, 100], a* and b* about [-108, 98].

    Source: IEC 61966-2-1, section 5.2; CIE 15:2004, section 8.2.1.1.
    """
    xyz = ops.matmul(srgb_to_linear(rgb), _constant((RGB_TO_XYZ.T / WHITE_D65), rgb))
    root = ops.maximum(xyz, LAB_EPSILON) ** (1.0 / 3.0)
    f = ops.where(xyz > LAB_EPSILON, root, LAB_SLOPE * xyz + LAB_OFFSET)
    fx, fy, fz = f[..., 0], f[..., 1], f[..., 2]
    return ops.stack([116.0 * fy - 16.0, 500.0 * (fx - fy), 200.0 * (fy - fz)], axis=-1)


def lab_to_rgb(lab):
    """CIE L*a*b* to sRGB, each channel clipped to [0, 1].

    Colors outside the gamut change lightness and hue by the clipping: call `to_gamut` first
    where that matters.

    Args:
        lab: float [..., 3]: L* in [0, 100], a*, b*.

    Returns:
        float [..., 3] in [0, 1].
    """
    return linear_to_srgb(lab_to_linear(lab))


def lab_to_linear(lab):
    """CIE L*a*b* to linear RGB, not clipped. `lab`: float [..., 3]; returns float [..., 3]."""
    fy = (lab[..., 0] + 16.0) / 116.0
    f = ops.stack([fy + lab[..., 1] / 500.0, fy, fy - lab[..., 2] / 200.0], axis=-1)
    xyz = ops.where(f > _F_EPSILON, f**3, (f - LAB_OFFSET) / LAB_SLOPE)
    return ops.matmul(xyz, _constant(_LAB_XYZ_TO_RGB, lab))


def to_gamut(lab):
    """Reduces chroma until the color lies in the sRGB gamut; L* and hue angle stay.

    Colors inside come back as they are. Outside, the factor on (a*, b*) is found by bisection
    and polished by one Newton step, which also makes the gradient exact (implicit function
    theorem): moving outwards changes nothing, moving along the hue follows the gamut's edge.

    Args:
        lab: float [..., 3]: L* in [0, 100], a*, b* of any size.

    Returns:
        float [..., 3] with the same L*, and chroma at most the gamut's.
    """
    scale = gamut_scale(lab)
    return ops.concatenate([lab[..., :1], lab[..., 1:] * scale[..., None]], axis=-1)


def gamut_scale(lab):
    """The largest factor in [0, 1] on (a*, b*) that keeps a color inside the sRGB gamut.

    Args:
        lab: float [..., 3]: L* in [0, 100], a*, b*.

    Returns:
        float [...] in [0, 1]: 1 where the color is inside already.
    """
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


def lab_to_scaled(lab):
    """Lab to the model's tensors: `l_scaled` [..., 1] = L/50 - 1 and `ab_scaled` [..., 2] = ab/110.

    Args:
        lab: float [..., 3]: L* in [0, 100], a*, b*.

    Returns:
        (l_scaled, ab_scaled), both in [-1, 1] for colors of the gamut.
    """
    return lab[..., :1] / L_HALF_RANGE - 1.0, lab[..., 1:] / AB_RANGE


def scaled_to_lab(l_scaled, ab_scaled):
    """The inverse of `lab_to_scaled`: float [..., 1] and [..., 2] in [-1, 1] to Lab [..., 3]."""
    return ops.concatenate([(l_scaled + 1.0) * L_HALF_RANGE, ab_scaled * AB_RANGE], axis=-1)


def rgb_to_l_scaled(rgb):
    """sRGB float [..., 3] in [0, 1] to the generator's input: float [..., 1] in [-1, 1]."""
    return lab_to_scaled(rgb_to_lab(rgb))[0]


def rgb_to_luma_scaled(rgb):
    """sRGB float [..., 3] in [0, 1] to 2 Y' - 1, float [..., 1] in [-1, 1].

    Y' is the luma of ITU-R BT.601 (of the coded values, not of light), which the paper's released
    code feeds as the gray picture, there in 0 ... 255.
    """
    red, green, blue = LUMA_WEIGHTS
    luma = red * rgb[..., :1] + green * rgb[..., 1:2] + blue * rgb[..., 2:]
    return 2.0 * luma - 1.0


def chroma(ab):
    """C*, the distance from gray: float [..., 1] of ab, float [..., 2], in its scale."""
    return ops.sqrt(ops.sum(ops.square(ab), axis=-1, keepdims=True))


def shrink_chroma(ab, signal, noise: float, gain: float, order: float = 2.0):
    """Shrinks colors towards gray where the signal is small, stretches others; the hue stays.

    A network that is not sure paints a little of what might be there, a tint over what is gray in
    most pictures; the chroma of its guesses says how sure it is.

    Args:
        ab: float [..., 2], of any scale.
        signal: float [..., 1] in the scale of `ab`: the chroma that tells how sure a guess is, its
            own or that of its surroundings; below 0 counts as 0.
        noise: a chroma, in the scale of `ab`: guesses of a signal well below are taken for nothing.
        gain: on all that is left.
        order: above 0; how sharply what is left alone parts from what is shrunk.

    Returns:
        float [..., 2], `ab * gain * signal^order / (signal^order + noise^order)`.

    Source: the gain of the Wiener filter, power over power plus that of the noise, with guesses
    for the power: the empirical Wiener shrinkage of Dabov et al., Image denoising by sparse
    3-D transform-domain collaborative filtering, IEEE Transactions on Image Processing 16, 2007,
    section III, there of transform coefficients. That is order 2; others, as 1 with amplitudes in
    the place of powers, are ours.
    """
    return ab * (gain / (1.0 + (noise / ops.maximum(signal, 1e-6)) ** order))


def scaled_to_rgb8(l_scaled, ab_scaled):
    """The model's tensors to the 8-bit picture that users get.

    Args:
        l_scaled: float [..., 1] in [-1, 1].
        ab_scaled: float [..., 2] in [-1, 1].

    Returns:
        uint8 [..., 3], sRGB; colors outside the gamut are mapped into it at their L* and hue.
    """
    rgb = lab_to_rgb(to_gamut(scaled_to_lab(l_scaled, ab_scaled)))
    return ops.cast(ops.round(rgb * 255.0), "uint8")


def _overshoot(l_star, a, b):
    """How far the worst linear channel is above 1 or below 0: float [...], negative inside.

    The same formulas as `lab_to_linear`, channel by channel: the gamut's edge is sought in a loop,
    and this is several times faster than stacking.
    """
    fy = (l_star + 16.0) / 116.0
    x, y, z = (ops.where(f > _F_EPSILON, f * f * f, (f - LAB_OFFSET) / LAB_SLOPE)
               for f in (fy + a / 500.0, fy, fy - b / 200.0))
    worst = None
    for from_x, from_y, from_z in _LAB_XYZ_TO_RGB.T.tolist():
        linear = from_x * x + from_y * y + from_z * z
        excess = ops.maximum(linear - 1.0, -linear)
        worst = excess if worst is None else ops.maximum(worst, excess)
    return worst


def _constant(array, like):
    return ops.cast(ops.convert_to_tensor(array.astype("float32")), like.dtype)


_F_EPSILON = LAB_SLOPE * LAB_EPSILON + LAB_OFFSET
_LAB_XYZ_TO_RGB = (XYZ_TO_RGB * WHITE_D65).T
