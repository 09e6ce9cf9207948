"""sRGB <-> Lab against skimage and published values; the gamut against a float64 NumPy twin."""

from PIL import Image
import numpy as np
import pytest
from skimage import color as skcolor
import tensorflow as tf

from colorizer.color import lab as color

SPECIAL = {
    "black": (0.0, 0.0, 0.0),
    "white": (1.0, 1.0, 1.0),
    "gray": (0.5, 0.5, 0.5),
    "red": (1.0, 0.0, 0.0),
    "dark_blue": (0.0, 0.0, 1 / 255),
    "outside": (-0.5, 1.5, 0.3),
    "at_the_limit_of_the_curve": (0.04045, 0.04045, 0.04045),
}
# Lab, in the order inside, neutral, far outside.
LABS = {
    "black": (0.0, 0.0, 0.0),
    "white": (100.0, 0.0, 0.0),
    "gray": (50.0, 0.0, 0.0),
    "inside": (50.0, 20.0, -10.0),
    "outside_green": (50.0, -110.0, 110.0),
    "outside_white": (100.0, 110.0, 110.0),
    "outside_black": (0.0, -110.0, 110.0),
    "almost_gray": (50.0, 1e-7, 0.0),
}


# ------------------------------------------------- a float64 twin from the standards, not our code

def reference_linear(lab):
    """CIE 15:2004 8.2.1 inverted, then XYZ -> linear sRGB."""
    lab = np.asarray(lab, np.float64)
    fy = (lab[..., 0] + 16) / 116
    f = np.stack([fy + lab[..., 1] / 500, fy, fy - lab[..., 2] / 200], axis=-1)
    xyz = np.where(f**3 > 0.008856, f**3, (f - 16 / 116) / 7.787) * [0.95047, 1.0, 1.08883]
    to_xyz = [[0.412453, 0.357580, 0.180423], [0.212671, 0.715160, 0.072169],
              [0.019334, 0.119193, 0.950227]]
    return np.linalg.solve(to_xyz, xyz[..., None])[..., 0]


def overshoot(lab):
    """How far the linear RGB of a color leaves [0, 1]; negative inside."""
    linear = reference_linear(lab)
    return np.maximum(linear - 1, -linear).max(axis=-1)


def with_chroma_scaled(lab, factor):
    factor = np.broadcast_to(factor, np.shape(lab)[:-1])
    return np.concatenate([lab[..., :1], lab[..., 1:] * factor[..., None]], axis=-1)


def reference_to_gamut(lab):
    lab = np.asarray(lab, np.float64)
    low, high = np.zeros(lab.shape[:-1]), np.ones(lab.shape[:-1])
    for _ in range(60):
        middle = (low + high) / 2
        inside = overshoot(with_chroma_scaled(lab, middle)) <= 0
        low, high = np.where(inside, middle, low), np.where(inside, high, middle)
    return np.where(overshoot(lab)[..., None] <= 0, lab, with_chroma_scaled(lab, low))


def random_lab(count=20_000, lowest=2.0, highest=98.0, seed=0):
    rng = np.random.default_rng(seed)
    ab = rng.uniform(-110, 110, (count, 2))
    return np.concatenate([rng.uniform(lowest, highest, (count, 1)), ab], axis=1)


def random_lab_outside(count=20_000):
    lab = random_lab(count)
    return lab[overshoot(lab) > 1e-3]


def rgb8_grid(step):
    values = np.unique([*range(0, 256, step), 1, 2, 10, 11, 254, 255]).astype(np.uint8)
    return np.stack(np.meshgrid(values, values, values, indexing="ij"), axis=-1).reshape(-1, 3)


def as_float(rgb8):
    return (rgb8 / 255).astype(np.float32)


def gradient(function, values):
    x = tf.constant(values, tf.float32)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = function(x)
    return tape.gradient(y, x).numpy()


# ------------------------------------------------------------------------------------- conversion

@pytest.mark.parametrize("rgb, lab", [
    # Bruce Lindbloom's calculator, sRGB, D65; the two-decimal agreement allows for his matrix.
    ((1, 1, 1), (100.0, 0.0, 0.0)),
    ((0, 0, 0), (0.0, 0.0, 0.0)),
    ((1, 0, 0), (53.24, 80.09, 67.20)),
    ((0, 1, 0), (87.73, -86.18, 83.18)),
    ((0, 0, 1), (32.30, 79.19, -107.86)),
])
def test_rgb_to_lab_gives_the_published_values_of_the_primaries(rgb, lab):
    result = color.rgb_to_lab(np.float32([rgb])).numpy()[0]
    np.testing.assert_allclose(result, lab, atol=0.02)


def round_trip(rgb8):
    return np.round(color.lab_to_rgb(color.rgb_to_lab(as_float(rgb8))).numpy() * 255)


def test_rgb_to_lab_agrees_with_skimage_and_inverts_on_a_grid():
    rgb8 = rgb8_grid(5)
    lab = color.rgb_to_lab(as_float(rgb8)).numpy()
    np.testing.assert_allclose(lab, skcolor.rgb2lab(rgb8), atol=0.01)
    np.testing.assert_array_equal(round_trip(rgb8), rgb8)


@pytest.mark.slow
def test_lab_to_rgb_inverts_every_8_bit_color():
    green, blue = np.meshgrid(np.arange(256), np.arange(256), indexing="ij")
    for red in range(256):
        rgb8 = np.stack([np.full_like(green, red), green, blue], axis=-1).astype(np.uint8)
        lab = color.rgb_to_lab(as_float(rgb8)).numpy()
        assert np.abs(lab - skcolor.rgb2lab(rgb8)).max() < 0.01, f"red {red}"
        np.testing.assert_array_equal(round_trip(rgb8), rgb8, err_msg=f"red {red}")


def test_lab_to_linear_agrees_with_the_standard_outside_the_gamut_too():
    lab = random_lab(lowest=0, highest=100)
    np.testing.assert_allclose(
        color.lab_to_linear(np.float32(lab)).numpy(), reference_linear(lab), atol=1e-5)


def test_lab_to_rgb_clips_colors_outside_the_gamut():
    lab = random_lab_outside()
    rgb = color.lab_to_rgb(np.float32(lab)).numpy()
    linear = reference_linear(lab)
    assert rgb.min() >= 0.0 and rgb.max() <= 1.0
    np.testing.assert_allclose(rgb[linear > 1], 1.0, atol=1e-6)
    np.testing.assert_allclose(rgb[linear < 0], 0.0, atol=1e-6)


@pytest.mark.parametrize("rgb", SPECIAL.values(), ids=SPECIAL.keys())
def test_gradient_of_rgb_to_lab_is_finite(rgb):
    result = gradient(color.rgb_to_lab, [rgb])
    assert np.isfinite(result).all() and np.abs(result).max() > 0


@pytest.mark.parametrize("function", [color.lab_to_rgb, color.to_gamut])
@pytest.mark.parametrize("lab", LABS.values(), ids=LABS.keys())
def test_gradient_of_lab_functions_is_finite(function, lab):
    assert np.isfinite(gradient(function, [lab])).all()


def test_gradients_are_finite_all_over_the_lab_cube():
    lab = random_lab(100_000, lowest=0, highest=100)
    for function in (color.lab_to_rgb, color.to_gamut, lambda x: color.lab_to_rgb(
            color.to_gamut(x))):
        assert np.isfinite(gradient(function, lab)).all()


@pytest.mark.parametrize("shape", [(3,), (4, 3), (2, 5, 4, 3), (1, 2, 2, 2, 3)])
def test_conversions_keep_shape_and_float32(shape):
    rgb = tf.fill(shape, 0.4)
    lab = color.rgb_to_lab(rgb)
    for result in (lab, color.lab_to_rgb(lab), color.lab_to_linear(lab), color.to_gamut(lab),
                   color.to_gamut(lab * 3.0)):
        assert result.dtype == tf.float32 and tuple(result.shape) == shape


def test_conversions_compile_to_the_same_values():
    lab = np.float32(random_lab(500))
    compiled = tf.function(lambda x: color.lab_to_rgb(color.to_gamut(x)))
    np.testing.assert_allclose(
        compiled(lab), color.lab_to_rgb(color.to_gamut(lab)), atol=1e-5)


# ------------------------------------------------------------------------------------------ gamut

def test_to_gamut_leaves_8_bit_colors_as_they_are():
    lab = color.rgb_to_lab(as_float(rgb8_grid(5))).numpy()
    np.testing.assert_array_equal(color.to_gamut(lab).numpy(), lab)


@pytest.mark.slow
def test_to_gamut_leaves_every_8_bit_color_as_it_is():
    green, blue = np.meshgrid(np.arange(256), np.arange(256), indexing="ij")
    for red in range(256):
        rgb8 = np.stack([np.full_like(green, red), green, blue], axis=-1)
        lab = color.rgb_to_lab(as_float(rgb8)).numpy()
        np.testing.assert_array_equal(color.to_gamut(lab).numpy(), lab, err_msg=f"red {red}")


def test_to_gamut_keeps_lightness_and_hue_and_never_adds_chroma():
    lab = np.float32(random_lab(lowest=0, highest=100))
    result = color.to_gamut(lab).numpy()
    np.testing.assert_array_equal(result[:, 0], lab[:, 0])
    chroma, before = np.hypot(*result[:, 1:].T), np.hypot(*lab[:, 1:].T)
    assert (chroma <= before * (1 + 1e-6)).all()
    # The cross product of the two (a, b) is 0 where the hue angle is the same, or the opposite.
    cross = lab[:, 1] * result[:, 2] - lab[:, 2] * result[:, 1]
    np.testing.assert_allclose(cross / before, 0, atol=1e-4)
    assert ((lab[:, 1:] * result[:, 1:]).sum(axis=1) >= 0).all()


def test_to_gamut_gives_colors_inside_the_gamut():
    lab = np.float32(random_lab(lowest=0, highest=100))
    assert overshoot(lab).max() > 0.5
    assert overshoot(color.to_gamut(lab).numpy()).max() < 1e-3


def test_to_gamut_gives_the_largest_chroma_inside_the_gamut():
    lab = np.float32(random_lab_outside())
    result = color.to_gamut(lab).numpy()
    assert (overshoot(with_chroma_scaled(result, 1.02)) > 0).all()
    np.testing.assert_allclose(result, reference_to_gamut(lab), atol=0.05)


def finite_difference(lab, direction, step=1e-3):
    change = reference_to_gamut(lab + step * direction) - reference_to_gamut(lab - step * direction)
    return change / (2 * step)


def jacobian_product(lab, direction):
    """d to_gamut(lab) along `direction`, from the three backward gradients."""
    rows = [gradient(lambda x, i=i: color.to_gamut(x)[..., i], lab) for i in range(3)]
    return np.stack([(row * direction).sum(axis=-1) for row in rows], axis=-1)


def away_from_corners(lab):
    """Whether two channels do not leave the gamut together: there the edge has a kink."""
    linear = reference_linear(reference_to_gamut(lab))
    margins = np.sort(np.concatenate([1 - linear, linear], axis=-1), axis=-1)
    return margins[..., 1] > 0.02


def outside_with_frame():
    lab = random_lab_outside(3000)
    lab = lab[(lab[:, 0] > 10) & (lab[:, 0] < 95)]
    lab = lab[away_from_corners(lab)]
    radial = lab * [0, 1, 1] / np.hypot(lab[:, 1], lab[:, 2])[:, None]
    tangential = np.stack([np.zeros(len(lab)), -radial[:, 2], radial[:, 1]], axis=-1)
    assert len(lab) > 500
    return lab, radial, tangential


def test_to_gamut_does_not_move_when_an_outside_color_moves_outwards():
    lab, radial, _ = outside_with_frame()
    np.testing.assert_allclose(jacobian_product(lab, radial), 0, atol=0.02)


def test_gradient_of_to_gamut_along_the_hue_is_that_of_the_edge():
    lab, _, tangential = outside_with_frame()
    np.testing.assert_allclose(
        jacobian_product(lab, tangential), finite_difference(lab, tangential), atol=0.03)


def test_gradient_of_to_gamut_in_lightness_is_that_of_the_edge():
    lab, radial, _ = outside_with_frame()
    lightness = np.broadcast_to([1.0, 0.0, 0.0], lab.shape)
    np.testing.assert_allclose(
        jacobian_product(lab, lightness), finite_difference(lab, lightness), rtol=0.02, atol=0.05)


def test_gradient_of_to_gamut_is_one_inside():
    lab = color.rgb_to_lab(as_float(rgb8_grid(60)[5:50])).numpy()
    np.testing.assert_array_equal(gradient(color.to_gamut, lab), np.ones_like(lab))


# ------------------------------------------------------------------------------------ model ranges

def test_split_scaled_and_join_scaled_are_inverse():
    lab = np.float32(random_lab(1000, lowest=0, highest=100)).reshape(10, 10, 10, 3)
    l_scaled, ab_scaled = color.lab_to_scaled(lab)
    assert l_scaled.shape == (10, 10, 10, 1) and ab_scaled.shape == (10, 10, 10, 2)
    np.testing.assert_allclose(color.scaled_to_lab(l_scaled, ab_scaled), lab, atol=2e-5)


@pytest.mark.parametrize("lab, l_scaled, ab_scaled", [
    ((0, 0, 0), -1, (0, 0)), ((100, 110, -110), 1, (1, -1)), ((50, -55, 11), 0, (-0.5, 0.1)),
])
def test_split_scaled_by_hand(lab, l_scaled, ab_scaled):
    found_l, found_ab = color.lab_to_scaled(np.float32(lab))
    np.testing.assert_allclose(found_l, [l_scaled], atol=1e-6)
    np.testing.assert_allclose(found_ab, ab_scaled, atol=1e-6)


@pytest.mark.parametrize("noise, gain, order, ab, expected", [
    (5.0, 1.0, 2.0, (3, -4), (1.5, -2.0)), (5.0, 3.0, 2.0, (3, -4), (4.5, -6.0)),  # 25 of 25 + 25
    (20.0, 1.0, 2.0, (0, 5), (0, 5 / 17)), (5.0, 1.0, 2.0, (-100, 0), (-1e6 / 10025, 0)),
    (0.0, 1.0, 2.0, (-70, 1e-3), (-70, 1e-3)), (0.0, 1.0, 2.0, (0, 0), (0, 0)),
    (9.0, 3.0, 2.0, (0, 0), (0, 0)), (9.0, 3.0, 1.0, (0, 0), (0, 0)),
    (15.0, 2.0, 1.0, (3, -4), (1.5, -2.0)), (0.0, 1.0, 1.0, (0, -6), (0, -6)),  # 5 of 5 + 15
    (0.0, 1.0, 8.0, (0.01, 0), (0.01, 0)),
])
def test_shrink_chroma_by_hand(noise, gain, order, ab, expected):
    ab = np.float32([[ab]])
    np.testing.assert_allclose(color.chroma(ab), [[[np.hypot(*ab[0, 0])]]], rtol=1e-6)
    found = color.shrink_chroma(ab, color.chroma(ab), noise, gain, order)
    np.testing.assert_allclose(found, [[expected]], atol=1e-5)
    shared = color.shrink_chroma(ab, np.float32([[[noise]]]), noise, gain, order)
    np.testing.assert_allclose(shared, ab * gain / (2.0 if noise else 1.0), atol=1e-5)
    if noise:  # a guided mean may be below 0
        below = color.shrink_chroma(ab, np.float32([[[-3.0]]]), noise, gain, order)
        np.testing.assert_allclose(below, np.zeros_like(ab), atol=1e-3)


def test_scaled_tensors_of_8_bit_colors_lie_in_the_range_of_tanh():
    l_scaled, ab_scaled = color.lab_to_scaled(color.rgb_to_lab(as_float(rgb8_grid(15))))
    assert np.min(l_scaled) >= -1 - 1e-6 and np.max(l_scaled) <= 1 + 1e-6
    assert np.abs(ab_scaled).max() < 1
    # L = 0 and 100 are reached; b* of blue is -107.86 of 110.
    np.testing.assert_allclose([np.min(l_scaled), np.max(l_scaled)], [-1, 1], atol=1e-5)
    np.testing.assert_allclose(np.min(ab_scaled), -107.86 / 110, atol=1e-3)


def test_rgb_to_l_scaled_is_the_lightness_of_skimage():
    rgb8 = rgb8_grid(40)
    expected = skcolor.rgb2lab(rgb8)[:, :1] / 50 - 1
    np.testing.assert_allclose(color.rgb_to_l_scaled(as_float(rgb8)), expected, atol=2e-4)


def test_scaled_lab_to_rgb8_gives_back_the_picture():
    rgb8 = rgb8_grid(40).reshape(1, -1, 1, 3)
    result = color.scaled_to_rgb8(*color.lab_to_scaled(color.rgb_to_lab(as_float(rgb8))))
    assert result.dtype == tf.uint8
    np.testing.assert_array_equal(result, rgb8)


def test_luma_is_that_of_pillow():
    rgb8 = np.random.default_rng(0).integers(0, 256, (16, 16, 3)).astype(np.uint8)
    luma = np.asarray(Image.fromarray(rgb8).convert("L"), np.float32)  # ITU-R 601, rounded
    scaled = np.asarray(color.rgb_to_luma_scaled(rgb8.astype(np.float32) / 255.0))
    np.testing.assert_allclose((scaled[..., 0] + 1.0) * 127.5, luma, atol=1.0)
    white = np.ones((1, 3), np.float32)
    np.testing.assert_allclose(color.rgb_to_luma_scaled(white), [[1.0]], atol=1e-6)
    np.testing.assert_allclose(color.rgb_to_luma_scaled(0 * white), [[-1.0]], atol=1e-6)
