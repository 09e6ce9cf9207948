"""Statistics, reach and edits against float64 NumPy and skimage; edits on real pictures too."""

import functools
from pathlib import Path

import numpy as np
import pytest
from skimage import color as skcolor
import tensorflow as tf
import tensorflow_datasets as tfds

from colorizer import controls, statistics

CIFAR = Path(__file__).resolve().parents[2] / "shared" / "data" / "tfds"
PICTURES = 64  # of each kind
BY_NAME = {control.name: control for control in controls.CONTROLS}
LINE = [control for control in controls.CONTROLS if not control.circular]
PER_PIXEL = [control for control in controls.CONTROLS if control.per_pixel]
SPECIAL = {
    "black": (0, 0, 0), "white": (1, 1, 1), "gray": (0.5, 0.5, 0.5), "brown": (0.4, 0.3, 0.2),
    "red": (1, 0, 0), "green": (0, 1, 0), "blue": (0, 0, 1),
    "yellow": (1, 1, 0), "cyan": (0, 1, 1), "magenta": (1, 0, 1),
}
NEAR_NEUTRAL = 10.0  # Lab chroma, about that of Munsell chroma /2, which is named grayish


def named(control):
    return control.name


# --------------------------------------------- the definitions in float64, from skimage and papers

def reference_saturation(rgb):
    return skcolor.rgb2hsv(rgb)[..., 1].mean(axis=(1, 2))


def reference_hue(rgb):
    """The circular mean with chroma as weight."""
    chroma = np.ptp(rgb, axis=-1)
    total = (chroma * np.exp(2j * np.pi * skcolor.rgb2hsv(rgb)[..., 0])).mean(axis=(1, 2))
    return np.angle(total) / (2 * np.pi) % 1


def reference_linear_hue(rgb):
    return skcolor.rgb2hsv(rgb)[..., 0].mean(axis=(1, 2))


def reference_colorfulness(rgb):
    """Hasler and Suesstrunk 2003, section 5, on 0-255; over 100."""
    r, g, b = np.moveaxis(255 * rgb, -1, 0)
    red_green, yellow_blue = r - g, (r + g) / 2 - b
    spread = np.hypot(red_green.std(axis=(1, 2)), yellow_blue.std(axis=(1, 2)))
    centre = np.hypot(red_green.mean(axis=(1, 2)), yellow_blue.mean(axis=(1, 2)))
    return (spread + 0.3 * centre) / 100


def reference_warmth(rgb):
    return (skcolor.rgb2lab(rgb)[..., 2].mean(axis=(1, 2)) + 50) / 100


REFERENCES = {
    "saturation": reference_saturation, "hue": reference_hue, "linear_hue": reference_linear_hue,
    "red": lambda rgb: rgb[..., 0].mean(axis=(1, 2)),
    "green": lambda rgb: rgb[..., 1].mean(axis=(1, 2)),
    "blue": lambda rgb: rgb[..., 2].mean(axis=(1, 2)),
    "colorfulness": reference_colorfulness, "warmth": reference_warmth,
}


def circular(left, right):
    difference = np.abs(np.asarray(left) - right) % 1
    return np.minimum(difference, 1 - difference)


def measured(name, rgb):
    return getattr(statistics, name)(tf.constant(rgb, tf.float32)).numpy()


def random_pictures(count=4, height=6, width=5):
    return np.random.default_rng(0).uniform(0.05, 0.95, (count, height, width, 3))


def smooth_pictures(count=PICTURES, size=32):
    """Slow waves of lightness and of colour about a cast, saturated as photographs are."""
    rng = np.random.default_rng(1)
    y, x = np.meshgrid(*[np.linspace(0, 1, size)] * 2, indexing="ij")
    fy, fx, phase = rng.uniform(0.3, 1.5, (3, count, 3, 1, 1)) * [[[[[1]]]], [[[[1]]]], [[[[9]]]]]
    waves = np.sin(2 * np.pi * (fy * y + fx * x) + phase)
    light = rng.uniform(45, 60, (count, 1, 1)) + 28 * waves[:, 0]
    colour = rng.uniform(5, 15, (count, 1, 1, 1)) * np.moveaxis(waves[:, 1:], 1, -1)
    colour = colour + rng.uniform(-8, 8, (count, 1, 1, 2))
    rgb = skcolor.lab2rgb(np.concatenate([light[..., None], colour], axis=-1))
    return np.round(rgb * 255) / 255


@functools.lru_cache(maxsize=None)
def cifar_pictures():
    dataset = tfds.load("cifar10", split="test", data_dir=str(CIFAR), download=False)
    return np.stack([row["image"] for row in dataset.take(PICTURES).as_numpy_iterator()]) / 255


@pytest.fixture(scope="module")
def real_pictures():
    """Photographs if there are any: the shares below are those of CIFAR-10."""
    return cifar_pictures() if (CIFAR / "cifar10").is_dir() else smooth_pictures()


@pytest.fixture(scope="module", params=["synthetic", "cifar10"])
def pictures(request):
    if request.param == "synthetic":
        return smooth_pictures()
    if not (CIFAR / "cifar10").is_dir():
        pytest.skip("no CIFAR-10 in ../shared/data/tfds")
    return cifar_pictures()


def lab_of(rgb):
    return skcolor.rgb2lab(rgb).astype(np.float32)


def chroma_of(rgb):
    lab = skcolor.rgb2lab(np.asarray(rgb, np.float64))
    return np.hypot(lab[..., 1], lab[..., 2])


def edited(rgb, edit):
    """`apply_edit` with one edit for all pictures, checked to be colours; float64."""
    edits = tf.tile(tf.constant([edit], tf.float32), [len(rgb), 1])
    result = statistics.apply_edit(tf.constant(lab_of(rgb)), edits).numpy().astype(np.float64)
    assert np.isfinite(result).all() and result.min() >= 0.0 and result.max() <= 1.0
    return result


def raised(rgb, control, amount):
    return edited(rgb, [amount * value for value in control.edit])


def assert_same_lightness(left, right):
    np.testing.assert_allclose(
        skcolor.rgb2lab(left)[..., 0], skcolor.rgb2lab(right)[..., 0], atol=0.05)


def of_one_colour(rgb, side=4):
    return np.full((1, side, side, 3), rgb, np.float64)


def pictures_of_one_colour():
    return np.concatenate([of_one_colour(rgb) for rgb in SPECIAL.values()])


def colour_grid():
    """8-bit colours from black to white without the grays, as one picture."""
    levels = [*range(0, 256, 15), 1, 2, 10, 11, 254]
    colours = np.stack(np.meshgrid(levels, levels, levels, indexing="ij"), -1).reshape(-1, 3)
    return colours[np.ptp(colours, axis=1) > 0].reshape(1, -1, 1, 3) / 255


# -------------------------------------------------------------------------------------- statistics

@pytest.mark.parametrize("name", REFERENCES)
@pytest.mark.parametrize("make", [random_pictures, smooth_pictures])
def test_statistic_agrees_with_its_definition(name, make):
    rgb = make()
    expected, result = REFERENCES[name](rgb), measured(name, rgb)
    assert result.shape == (len(rgb),) and result.dtype == np.float32
    np.testing.assert_allclose(
        circular(result, expected) if name == "hue" else result - expected, 0, atol=2e-5)


@pytest.mark.parametrize("name", REFERENCES)
def test_statistic_of_one_colour_agrees_with_its_definition(name):
    result, expected = measured(name, pictures_of_one_colour()), REFERENCES[name](
        pictures_of_one_colour())
    np.testing.assert_allclose(
        circular(result, expected) if "hue" in name else result - expected, 0, atol=5e-5)


def gradient(name, rgb):
    x = tf.constant(rgb, tf.float32)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = getattr(statistics, name)(x)
    return tape.gradient(y, x).numpy()


def central_differences(name, rgb, step=1e-6):
    """Of the float64 definition, one picture: all neighbours in one batch."""
    shifts = step * np.eye(rgb.size).reshape(-1, *rgb.shape[1:])
    change = REFERENCES[name](rgb + shifts) - REFERENCES[name](rgb - shifts)
    change = (change + 0.5) % 1 - 0.5 if name == "hue" else change
    return (change / (2 * step)).reshape(rgb.shape)


@pytest.mark.parametrize("name", REFERENCES)
@pytest.mark.parametrize("rgb", [
    random_pictures(1), random_pictures(3)[2:], smooth_pictures(1)[:, ::8, ::8] + 1e-3
    * np.random.default_rng(5).uniform(size=(1, 4, 4, 3))], ids=["random", "random_2", "smooth"])
def test_gradient_of_statistic_is_that_of_its_definition(name, rgb):
    expected = central_differences(name, rgb)
    assert np.abs(expected).max() > 0
    np.testing.assert_allclose(
        gradient(name, rgb), expected, rtol=2e-3, atol=2e-3 * np.abs(expected).max())


@pytest.mark.parametrize("name", REFERENCES)
def test_gradient_of_statistic_is_finite(name):
    half_gray, complementary, almost_gray = (pictures_of_one_colour() for _ in range(3))
    half_gray[:, :2] = 0.5
    complementary[:, :2] = 1 - complementary[:, :2]  # no mean hue
    almost_gray = 0.5 + 1e-6 * almost_gray
    for rgb in (pictures_of_one_colour(), half_gray, complementary, almost_gray):
        assert np.isfinite(gradient(name, rgb)).all()


def test_gray_pixels_have_no_weight_in_hue_and_count_as_red_in_linear_hue():
    picture = of_one_colour((0.2, 0.2, 0.6))  # hue 2/3
    picture[:, :2] = 0.5
    np.testing.assert_allclose(measured("hue", picture), 2 / 3, atol=1e-6)
    np.testing.assert_allclose(measured("linear_hue", picture), 1 / 3, atol=1e-6)


def test_hue_is_averaged_around_the_wrap_and_linear_hue_is_not():
    hsv = np.full((1, 4, 4, 3), [0.98, 0.6, 0.8])
    hsv[:, ::2, :, 0] = 0.02
    rgb = skcolor.hsv2rgb(hsv)
    np.testing.assert_allclose(circular(measured("hue", rgb), 0), 0, atol=1e-5)
    np.testing.assert_allclose(measured("linear_hue", rgb), 0.5, atol=1e-5)


@pytest.mark.parametrize("value, target, around, straight", [
    (0.9, 0.1, 0.2, 0.8), (0.1, 0.9, 0.2, 0.8), (0.25, 0.5, 0.25, 0.25), (0, 1, 0, 1),
    (0.75, 0.25, 0.5, 0.5), (0.3, 0.3, 0, 0), (1, 0.4, 0.4, 0.6),
])
def test_distance_is_circular_for_hue_only(value, target, around, straight):
    value, target = tf.constant([value], tf.float32), tf.constant([target], tf.float32)
    for control in controls.CONTROLS:
        np.testing.assert_allclose(statistics.distance(control, value, target),
                                   [around if control.name == "hue" else straight], atol=1e-6)


def test_distance_in_hue_is_at_most_a_half():
    values = np.linspace(0, 1, 101, dtype=np.float32)
    result = statistics.distance(BY_NAME["hue"], values[:, None], values[None]).numpy()
    assert result.min() >= 0 and result.max() <= 0.5 + 1e-6
    np.testing.assert_allclose(result, circular(values[:, None], values[None]), atol=1e-6)


# ------------------------------------------------------------------------------------------- edits

def test_edit_keeps_colours_together_that_differ_by_their_noise():
    reds = np.array([(red, other, other) for red in range(60, 256, 5)
                     for other in range(40, red - 10, 5)], np.uint8)
    lab = skcolor.rgb2lab(reds)[:, None, None].astype(np.float32)
    noise = np.float32([0.0, 0.03, -0.03])
    edits = np.tile(np.float32([0, 0, 0, 0.6]), (len(reds), 1))
    one, other = (statistics.apply_edit(lab + sign * noise, edits).numpy() for sign in (-1, 1))
    assert np.abs(one - other).max() < 30 / 255  # 234 if one of two equal channels takes all


def test_edit_of_zeros_changes_nothing(pictures):
    np.testing.assert_allclose(edited(pictures, [0, 0, 0, 0]), pictures, atol=1e-5)


def test_edit_of_zeros_changes_no_8_bit_colour():
    # A hundredth of an 8-bit step: float32 Lab of saturated colours is no finer.
    np.testing.assert_allclose(edited(colour_grid(), [0, 0, 0, 0]), colour_grid(), atol=4e-5)


EDITS = [
    (1, 0, 0, 0), (-0.3, 0, 0, 0), (0, 30, -10, 0), (0, 100, 0, 0), (0, -100, 100, 0),
    (0, 0, -200, 0), (0, 0, 0, -0.5), (0, 0, 0, -1), (0.3, 20, -30, 0.5), (-2, -200, 200, 0.3),
    (3, 200, -200, 2), (0.5, 50, 0, -2),
]
VIVID_EDITS = [(0, 0, 0, 0.3), (0, 0, 0, 1)]


@pytest.mark.parametrize("edit", [*EDITS, *VIVID_EDITS], ids=str)
def test_edit_keeps_lightness(edit):
    rgb = smooth_pictures(16)
    assert_same_lightness(edited(rgb, edit), rgb)


@pytest.mark.parametrize("edit", [
    *EDITS, *VIVID_EDITS], ids=str)
def test_edit_keeps_lightness_of_8_bit_colours(edit):
    assert_same_lightness(edited(colour_grid(), edit), colour_grid())


def gray_pictures():
    """Every flat 8-bit gray, and their ramp."""
    levels = np.arange(256) / 255
    flat = np.broadcast_to(levels[:, None, None, None], (256, 16, 16, 3))
    return np.concatenate([flat, np.broadcast_to(levels.reshape(1, 16, 16, 1), (1, 16, 16, 3))])


@pytest.mark.parametrize("vividness", [
    -1, -0.5, 0.3, 1])
def test_gray_pictures_stay_gray_under_vividness(vividness):
    rgb = gray_pictures()
    result = edited(rgb, [0, 0, 0, vividness])
    assert np.ptp(result, axis=-1).max() < 0.5 / 255
    np.testing.assert_allclose(result, rgb, atol=0.5 / 255)


@pytest.mark.parametrize("gray", [0.1, 0.3, 0.5, 0.8, 0.95])
@pytest.mark.parametrize("vividness", [0.1, 0.25])
def test_flat_gray_areas_with_8_bit_noise_stay_near_neutral_at_moderate_vividness(gray, vividness):
    """Beside a coloured object, as in a photograph: 99 % below the chroma of a grayish colour."""
    rgb = np.full((1, 32, 32, 3), gray)
    rgb[:, 8:24, 8:24] = (0.7, 0.3, 0.2)
    noise = np.random.default_rng(2).integers(-1, 2, rgb.shape)
    rgb = np.clip(np.round(rgb * 255) + noise, 0, 255) / 255
    chroma = chroma_of(edited(rgb, [0, 0, 0, vividness]))[0]
    assert np.quantile(np.concatenate([chroma[:8], chroma[24:]]), 0.99) < NEAR_NEUTRAL


def test_vividness_minus_one_gives_the_gray_of_the_same_lightness(pictures):
    result = edited(pictures, [0, 0, 0, -1])
    np.testing.assert_allclose(np.ptp(result, axis=-1), 0, atol=1e-6)
    assert_same_lightness(result, pictures)


def test_mean_saturation_rises_with_vividness(pictures):
    rgb = pictures[:32]
    curve = np.stack([reference_saturation(edited(rgb, [0, 0, 0, value]))
                      for value in np.linspace(-1, 1, 11)])
    assert (np.diff(curve, axis=0) > -1e-5).all()
    coloured = reference_saturation(rgb) > 0.02
    assert coloured.mean() > 0.9
    assert (curve[-1] - curve[0])[coloured].min() > 0.3


def test_vividness_beyond_one_is_one(pictures):
    for beyond, end in ((1.7, 1), (-3, -1)):
        np.testing.assert_allclose(edited(pictures[:8], [0, 0, 0, beyond]),
                                   edited(pictures[:8], [0, 0, 0, end]), atol=1e-6)


def muted_picture():
    """Chroma up to 15 about middle lightness: in the gamut at every hue angle."""
    rng = np.random.default_rng(3)
    lightness, chroma, angle = rng.uniform([35, 5, 0], [75, 15, 6.28], (1, 256, 1, 3)).transpose(
        3, 0, 1, 2)
    return np.stack([lightness, chroma * np.cos(angle), chroma * np.sin(angle)], axis=-1)


def test_half_turn_gives_the_opposite_hue_angle_and_two_give_the_picture_back():
    lab = muted_picture()
    rgb = skcolor.lab2rgb(lab)
    once = edited(rgb, [1, 0, 0, 0])
    np.testing.assert_allclose(skcolor.rgb2lab(once), lab * [1, -1, -1], atol=0.02)
    np.testing.assert_allclose(edited(once, [1, 0, 0, 0]), rgb, atol=1e-4)
    assert circular(reference_hue(rgb[:, :1]), reference_hue(once[:, :1])) > 0.2


def test_turn_and_shift_are_those_of_ab_inside_the_gamut():
    lab = muted_picture()
    angle = np.pi * 0.3
    a = np.cos(angle) * lab[..., 1] - np.sin(angle) * lab[..., 2] + 4
    b = np.sin(angle) * lab[..., 1] + np.cos(angle) * lab[..., 2] - 3
    result = skcolor.rgb2lab(edited(skcolor.lab2rgb(lab), [0.3, 4, -3, 0]))
    np.testing.assert_allclose(result, np.stack([lab[..., 0], a, b], axis=-1), atol=0.02)


# ---------------------------------------------------------------------------------------- retarget

@functools.lru_cache(maxsize=None)
def compiled_retarget(name):
    return tf.function(lambda lab, target: statistics.retarget(lab, BY_NAME[name], target))


def retargeted(rgb, name, target):
    """`retarget`, checked to keep lightness and to give colours; float64."""
    targets = np.broadcast_to(np.float32(target), len(rgb))
    result = compiled_retarget(name)(lab_of(rgb), targets).numpy().astype(np.float64)
    assert np.isfinite(result).all() and result.min() >= 0.0 and result.max() <= 1.0
    assert_same_lightness(result, rgb)
    return result


@pytest.mark.parametrize("target", [0.0, 0.1, 0.25, 0.5])
def test_retarget_reaches_a_saturation_in_nearly_every_picture(real_pictures, target):
    saturation = reference_saturation(retargeted(real_pictures, "saturation", target))
    assert (np.abs(saturation - target) < 0.005).mean() >= 0.95


@pytest.mark.parametrize("target, lowest_share, lowest_mean", [(0.75, 0.75, 0.69), (1, 0.0, 0.75)])
def test_retarget_comes_near_a_high_saturation(
        real_pictures, target, lowest_share, lowest_mean):
    """White, and the amplified colour of near-grays, set the limit.

    Measured on 2,048 CIFAR-10 test pictures: 88 % within 0.005 of 0.75, mean reached 0.735;
    0.1 % within 0.005 of 1, mean reached 0.867.
    """
    saturation = reference_saturation(retargeted(real_pictures, "saturation", target))
    assert (np.abs(saturation - target) < 0.005).mean() >= lowest_share
    assert saturation.mean() >= lowest_mean
    # Never beyond the target, and no picture is left where it was.
    assert saturation.max() < target + 0.005
    before = reference_saturation(real_pictures)
    assert (saturation > before)[(before > 0.02) & (before < target)].all()


@pytest.mark.parametrize("target", [0.0, 0.25, 0.5, 0.75, 0.9])
def test_retarget_reaches_a_hue_in_most_pictures(real_pictures, target):
    hue = reference_hue(retargeted(real_pictures, "hue", target))
    assert (circular(hue, target) < 0.02).mean() >= 0.9


@pytest.mark.parametrize("by", [-0.04, 0.04])
@pytest.mark.parametrize("name", ["red", "green", "blue", "colorfulness", "warmth"])
def test_retarget_moves_any_other_statistic_a_little_in_nearly_every_picture(
        real_pictures, name, by):
    target = np.clip(REFERENCES[name](real_pictures) + by, 0, 1)
    reached = REFERENCES[name](retargeted(real_pictures, name, target))
    assert (np.abs(reached - target) < 0.005).mean() >= 0.9


@pytest.mark.parametrize("control", LINE, ids=named)
def test_retarget_to_what_a_picture_has_leaves_it_as_it_is(control):
    rgb = smooth_pictures(8)
    result = retargeted(rgb, control.name, REFERENCES[control.name](rgb))
    np.testing.assert_allclose(result, rgb, atol=1 / 255)


# ------------------------------------------------------------------------------------------- reach

@functools.lru_cache(maxsize=None)
def colours_of_lightness(l_star):
    """All in-gamut colours on a grid of ab, from a float64 inverse of CIE Lab: ([n, 3] RGB)."""
    step = 1.0 if 20 <= l_star <= 80 else 0.5
    a, b = np.meshgrid(*[np.arange(-110, 110 + step / 2, step)] * 2)
    lab = np.stack([np.full_like(a, l_star), a, b], axis=-1).reshape(-1, 3)
    fy = (lab[:, 0] + 16) / 116
    f = np.stack([fy + lab[:, 1] / 500, fy, fy - lab[:, 2] / 200], axis=-1)
    xyz = np.where(f**3 > 0.008856, f**3, (f - 16 / 116) / 7.787) * [0.95047, 1.0, 1.08883]
    linear = np.linalg.solve([[0.412453, 0.357580, 0.180423], [0.212671, 0.715160, 0.072169],
                              [0.019334, 0.119193, 0.950227]], xyz.T).T
    inside = (np.abs(linear - 0.5) <= 0.5 + 1e-4).all(axis=1)
    return skcolor.lab2rgb(lab[inside])


def reached(control, *l_stars):
    """`reach` of one picture, a column of each lightness: (lowest, highest)."""
    l_star = tf.tile(tf.constant([[l_stars]], tf.float32), [1, 2, 1])
    return np.array([bound.numpy()[0] for bound in statistics.reach(control, l_star)])


def searched(control, l_star):
    values = REFERENCES[control.name](colours_of_lightness(l_star)[:, None, None])
    return np.array([values.min(), values.max()])


@pytest.mark.parametrize("l_star", [5, 20, 35, 50, 65, 80, 90, 97])
@pytest.mark.parametrize("control", PER_PIXEL, ids=named)
def test_reach_is_what_a_search_over_ab_finds(control, l_star):
    np.testing.assert_allclose(reached(control, l_star), searched(control, l_star), atol=0.02)


@pytest.mark.parametrize("control", PER_PIXEL, ids=named)
def test_reach_of_a_picture_is_the_mean_of_its_pixels(control):
    expected = (searched(control, 20) + searched(control, 80)) / 2
    np.testing.assert_allclose(reached(control, 20, 80), expected, atol=0.02)


@pytest.mark.parametrize("name, l_star", [
    ("red", 100), ("green", 0), ("green", 100),
    ("saturation", 0), ("saturation", 100), ("red", 0), ("blue", 0), ("blue", 100),
    ("warmth", 0), ("warmth", 100)])
def test_black_and_white_reach_nothing_but_themselves(name, l_star):
    gray = REFERENCES[name](of_one_colour([l_star / 100] * 3))[0]
    np.testing.assert_allclose(reached(BY_NAME[name], l_star), gray, atol=0.01)


@pytest.mark.parametrize("control", [*PER_PIXEL, BY_NAME["hue"]], ids=named)
def test_pictures_lie_within_their_reach(pictures, control):
    lowest, highest = statistics.reach(control, lab_of(pictures)[..., 0])
    value = REFERENCES[control.name](pictures)
    assert lowest.shape == highest.shape == (len(pictures),)
    assert (value >= lowest.numpy() - 0.01).all() and (value <= highest.numpy() + 0.01).all()


@pytest.mark.parametrize("control", PER_PIXEL, ids=named)
def test_edits_lead_nowhere_beyond_the_reach(pictures, control):
    lowest, highest = statistics.reach(control, lab_of(pictures)[..., 0])
    assert (REFERENCES[control.name](raised(pictures, control, 2)) <= highest.numpy() + 0.01).all()
    assert (REFERENCES[control.name](raised(pictures, control, -2)) >= lowest.numpy() - 0.01).all()


# --------------------------------------------------------------------------------------- the table

def test_names_are_unique_and_each_has_its_statistic():
    assert len(set(controls.NAMES)) == len(controls.CONTROLS) == len(BY_NAME)
    rgb = random_pictures()
    for control in controls.CONTROLS:
        assert control.help and control.name.isidentifier()
        np.testing.assert_array_equal(
            statistics.measure(control, tf.constant(rgb, tf.float32)), measured(control.name, rgb))


@pytest.mark.parametrize("control", controls.CONTROLS, ids=named)
def test_edit_of_a_control_is_four_numbers_not_all_zero(control):
    assert len(control.edit) == 4 and any(control.edit)
    assert all(isinstance(value, float) and np.isfinite(value) for value in control.edit)


@pytest.mark.parametrize("control", LINE, ids=named)
def test_edit_raises_its_statistic(pictures, control):
    coloured = pictures[reference_saturation(pictures) > 0.02][:64]
    before = REFERENCES[control.name](coloured)
    assert (REFERENCES[control.name](raised(coloured, control, 0.3)) > before + 1e-3).all()
    assert (REFERENCES[control.name](raised(coloured, control, -0.3)) < before - 1e-3).all()


@pytest.mark.parametrize("control", controls.CONTROLS, ids=named)
def test_targets_0_and_1_are_the_same_for_a_circular_control_only(control):
    rgb = smooth_pictures(8)
    zero, one = (retargeted(rgb, control.name, target) for target in (0.0, 1.0))
    values = REFERENCES[control.name](zero), REFERENCES[control.name](one)
    if control.circular:
        np.testing.assert_allclose(zero, one, atol=0.02)
        np.testing.assert_allclose(circular(*values), 0, atol=0.02)
    else:
        assert (values[1] - values[0] > 0.2).all()
