"""sRGB <-> CIE 1976 L*a*b*, and the scaling of the model's tensors.

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
F_EPSILON = LAB_SLOPE * LAB_EPSILON + LAB_OFFSET
LAB_XYZ_TO_RGB = (XYZ_TO_RGB * WHITE_D65).T  # XYZ over white -> linear RGB, from the right

SRGB_LINEAR_LIMIT = 0.04045
LINEAR_SRGB_LIMIT = 0.0031308
SRGB_SLOPE = 12.92
SRGB_GAMMA = 2.4

L_HALF_RANGE = 50.0  # L* in [0, 100] -> [-1, 1]
AB_RANGE = 110.0  # a*, b* in [-110, 110] -> [-1, 1]; sRGB reaches -108 ... 98

LUMA_WEIGHTS = (0.299, 0.587, 0.114)  # ITU-R BT.601-7, section 2.5.1


def srgb_to_linear(rgb):
    """Undoes the sRGB transfer function: float [..., 3] in [0, 1] to the same shape and range."""
    curved = ((ops.maximum(rgb, SRGB_LINEAR_LIMIT) + 0.055) / 1.055) ** SRGB_GAMMA
    return ops.where(rgb > SRGB_LINEAR_LIMIT, curved, rgb / SRGB_SLOPE)


def linear_to_srgb(linear):
    """Applies the sRGB transfer function to linear light, float [..., 3], clipped to [0, 1]."""
    linear = ops.clip(linear, 0.0, 1.0)
    curved = 1.055 * ops.maximum(linear, LINEAR_SRGB_LIMIT) ** (1.0 / SRGB_GAMMA) - 0.055
    return ops.where(linear > LINEAR_SRGB_LIMIT, curved, linear * SRGB_SLOPE)


def rgb_to_lab(rgb):
    """sRGB float [..., 3] in [0, 1] to CIE L*a*b*: L* in [0, 100], a* and b* about [-108, 98].

    Source: IEC 61966-2-1, section 5.2; CIE 15:2004, section 8.2.1.1.

    Example:
        >>> rgb_to_lab(np.float32([1.0, 0.0, 0.0])).numpy().round()
        array([53., 80., 67.], dtype=float32)
    """
    xyz = ops.matmul(srgb_to_linear(rgb), _constant(RGB_TO_XYZ.T / WHITE_D65, rgb))
    root = ops.maximum(xyz, LAB_EPSILON) ** (1.0 / 3.0)
    f = ops.where(xyz > LAB_EPSILON, root, LAB_SLOPE * xyz + LAB_OFFSET)
    fx, fy, fz = f[..., 0], f[..., 1], f[..., 2]
    return ops.stack([116.0 * fy - 16.0, 500.0 * (fx - fy), 200.0 * (fy - fz)], axis=-1)


def lab_to_rgb(lab):
    """CIE L*a*b*, float [..., 3] with L* in [0, 100], to sRGB float [..., 3] clipped to [0, 1].

    The clipping changes lightness and hue of colors outside the gamut: call `to_gamut` first
    where that matters.
    """
    return linear_to_srgb(lab_to_linear(lab))


def lab_to_linear(lab):
    """CIE L*a*b* to linear RGB, not clipped. `lab`: float [..., 3]; returns float [..., 3]."""
    fy = (lab[..., 0] + 16.0) / 116.0
    f = ops.stack([fy + lab[..., 1] / 500.0, fy, fy - lab[..., 2] / 200.0], axis=-1)
    xyz = ops.where(f > F_EPSILON, f * f * f, (f - LAB_OFFSET) / LAB_SLOPE)
    return ops.matmul(xyz, _constant(LAB_XYZ_TO_RGB, lab))


def lab_to_scaled(lab):
    """Lab float [..., 3] to `l_scaled` [..., 1] = L/50 - 1 and `ab_scaled` [..., 2] = ab/110.

    L* is in [0, 100]. The model's tensors are in [-1, 1] for colors of the gamut.
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

    Y' is the luma of ITU-R BT.601, of the coded values and not of light. The paper's released code
    feeds it as the gray image, there in [0, 255].
    """
    red, green, blue = LUMA_WEIGHTS
    luma = red * rgb[..., :1] + green * rgb[..., 1:2] + blue * rgb[..., 2:]
    return 2.0 * luma - 1.0


def _constant(array, like):
    return ops.cast(ops.convert_to_tensor(array.astype("float32")), like.dtype)
