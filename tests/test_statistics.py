"""Statistics, edits and reach against NumPy, skimage and brute force; targets on real pictures."""

from pathlib import Path

import numpy as np
import pytest
from skimage import color as skcolor
import tensorflow as tf
import tensorflow_datasets as tfds

from colorizer import controls, statistics

TFDS = Path(__file__).resolve().parents[2] / "shared" / "data" / "tfds"
BY_NAME = {control.name: control for control in controls.CONTROLS}
PER_PIXEL = [control for control in controls.CONTROLS if control.per_pixel]
LINEAR = [control for control in controls.CONTROLS if not control.circular]
SATURATIONS = (0.0, 0.1, 0.25, 0.5, 0.75, 1.0)
HUES = (0.0, 0.3, 0.7)
TO_XYZ = [[0.412453, 0.357580, 0.180423], [0.212671, 0.715160, 0.072169],
          [0.019334, 0.119193, 0.950227]]  # IEC 61966-2-1, of linear RGB
# Black, white, gray; red, green, blue, yellow, cyan, magenta.
FLAT = np.float32([[0, 0, 0], [1, 1, 1], [0.5, 0.5, 0.5], [1, 0, 0], [0, 1, 0], [0, 0, 1],
                   [1, 1, 0], [0, 1, 1], [1, 0, 1]])[:, None, None].repeat(4, 1).repeat(4, 2)


def smooth_pictures(batch=16, size=12, seed=0):
    low = np.random.default_rng(seed).uniform(0.1, 0.9, (batch, 4, 4, 3)).astype(np.float32)
    return np.clip(tf.image.resize(low, (size, size)).numpy(), 0, 1)


def gray_pictures():
    """Flat ones, and one of all levels."""
    levels = np.array([0, 1, 20, 64, 128, 129, 200, 254, 255]) / 255
    flat = np.broadcast_to(levels[:, None, None], (9, 9, 9))
    return np.concatenate([flat, flat.T[:1]])[..., None].repeat(3, axis=-1)


def noise_picture(size=40, seed=0):
    """8-bit colours from all over the cube, its corners and near-blacks included."""
    rgb = np.random.default_rng(seed).integers(0, 256, (1, size, size, 3))
    rgb[:, 0] = rgb[:, 0] // 128 * 255
    rgb[:, 1] = rgb[:, 1] // 32
    return rgb / 255


def lab_of(rgb):
    return skcolor.rgb2lab(rgb).astype(np.float32)


def lightness_change(rgb, lab):
    return np.abs(skcolor.rgb2lab(rgb)[..., 0] - lab[..., 0]).max()


def edited(rgb, edits):
    """Every edit of every picture: float64 [edits, pictures, h, w, 3]."""
    edits = np.float32(edits)
    lab = np.tile(lab_of(rgb), (len(edits), 1, 1, 1))
    moved = statistics.apply_edit(lab, np.repeat(edits, len(rgb), axis=0))
    return moved.numpy().astype(np.float64).reshape(len(edits), *rgb.shape)


def vivified(rgb, amounts):
    return edited(rgb, [[0, 0, 0, amount] for amount in amounts])


def around(difference):
    return np.abs((difference + 0.5) % 1 - 0.5)


# References: float64 [..., h, w, 3] -> [...].

def pixel_mean(values):
    return values.mean(axis=(-2, -1))


def hue_reference(rgb):
    chroma = rgb.max(axis=-1) - rgb.min(axis=-1)
    vector = pixel_mean(chroma * np.exp(2j * np.pi * skcolor.rgb2hsv(rgb)[..., 0]))
    return np.angle(vector) / (2 * np.pi) % 1


def colorfulness_reference(rgb):
    """Hasler and Suesstrunk, M3 of 0 ... 255."""
    r, g, b = np.moveaxis(255 * rgb, -1, 0)
    rg, yb = r - g, (r + g) / 2 - b
    spread = np.hypot(rg.std(axis=(-2, -1)), yb.std(axis=(-2, -1)))
    return (spread + 0.3 * np.hypot(pixel_mean(rg), pixel_mean(yb))) / 100


REFERENCES = {
    "saturation": lambda rgb: pixel_mean(skcolor.rgb2hsv(rgb)[..., 1]),
    "hue": hue_reference,
    "linear_hue": lambda rgb: pixel_mean(skcolor.rgb2hsv(rgb)[..., 0]),
    "red": lambda rgb: pixel_mean(rgb[..., 0]),
    "green": lambda rgb: pixel_mean(rgb[..., 1]),
    "blue": lambda rgb: pixel_mean(rgb[..., 2]),
    "colorfulness": colorfulness_reference,
    "warmth": lambda rgb: 0.5 + pixel_mean(skcolor.rgb2lab(rgb)[..., 2]) / 100,
}


def gradient(name, rgb):
    rgb = tf.convert_to_tensor(rgb)
    with tf.GradientTape() as tape:
        tape.watch(rgb)
        value = getattr(statistics, name)(rgb)
    return tape.gradient(value, rgb).numpy()


# The table

def test_every_control_has_a_name_of_its_own_a_statistic_and_an_edit_of_four_numbers():
    assert len(set(controls.NAMES)) == len(controls.CONTROLS)
    assert set(controls.NAMES) | {"linear_hue"} == set(REFERENCES)
    for control in controls.CONTROLS:
        assert callable(getattr(statistics, control.name))
        assert len(control.edit) == 4 and np.any(control.edit) and control.help


@pytest.mark.parametrize("control", LINEAR, ids=lambda control: control.name)
def test_the_edit_of_a_control_raises_its_statistic(control):
    moved = edited(smooth_pictures(), np.multiply.outer([0.0, 0.1, 0.2, 0.3], control.edit))
    assert (np.diff(REFERENCES[control.name](moved), axis=0) > 0.002).all()


# The statistics

@pytest.mark.parametrize("name", REFERENCES)
def test_statistics_agree_with_their_references(name):
    rgb = np.concatenate([smooth_pictures(), noise_picture(12).astype(np.float32)])
    result = getattr(statistics, name)(rgb)
    assert result.dtype == tf.float32 and result.shape == (17,)
    difference = np.asarray(result, np.float64) - REFERENCES[name](rgb.astype(np.float64))
    np.testing.assert_allclose(around(difference) if name == "hue" else difference, 0, atol=1e-5)


@pytest.mark.parametrize("name", REFERENCES)
def test_gradients_are_those_of_the_references(name):
    rgb = np.random.default_rng(3).uniform(0.1, 0.9, (4, 4, 3))
    steps = 1e-6 * np.eye(rgb.size).reshape(-1, *rgb.shape)
    change = REFERENCES[name](rgb + steps) - REFERENCES[name](rgb - steps)
    np.testing.assert_allclose(
        gradient(name, rgb[None])[0], (change / 2e-6).reshape(rgb.shape), rtol=1e-3, atol=1e-7)


@pytest.mark.parametrize("name", REFERENCES)
def test_gradients_are_finite_where_hue_saturation_or_roots_have_none(name):
    halves = FLAT.copy()
    halves[:, 2:] = 1 - halves[:, 2:]  # complementary: no mean hue either
    for rgb in (FLAT, halves, 0.5 + 1e-7 * FLAT, 0.5 + 1e-7 * halves):
        assert np.isfinite(getattr(statistics, name)(rgb)).all()
        assert np.isfinite(gradient(name, rgb)).all()


def test_flat_pictures_have_the_statistics_known_by_hand():
    np.testing.assert_allclose(statistics.saturation(FLAT), [0] * 3 + [1] * 6, atol=1e-6)
    hues = np.array([0, 0, 0, 0, 2, 4, 1, 3, 5]) / 6
    np.testing.assert_allclose(statistics.hue(FLAT), hues, atol=1e-6)
    np.testing.assert_allclose(statistics.linear_hue(FLAT), hues, atol=1e-6)
    expected = [0, 0, 0, 0.3 * 2.55 * np.hypot(1, 0.5)]
    np.testing.assert_allclose(statistics.colorfulness(FLAT)[:4], expected, atol=1e-5)


def test_hue_is_the_mean_around_the_circle_and_the_published_one_is_not():
    hsv = np.full((1, 4, 4, 3), [0.98, 0.7, 0.6])
    hsv[:, 2:, :, 0] = 0.02
    rgb = skcolor.hsv2rgb(hsv).astype(np.float32)
    assert around(statistics.hue(rgb).numpy()) == pytest.approx(0, abs=1e-5)
    assert statistics.linear_hue(rgb).numpy() == pytest.approx(0.5, abs=1e-5)


def test_distances_go_around_the_circle_for_hue_only():
    value, target = np.float32(np.meshgrid(np.linspace(0, 1, 21), np.linspace(0, 1, 21)))
    hue = statistics.distance(BY_NAME["hue"], value, target).numpy()
    np.testing.assert_allclose(hue, around(value - target), atol=1e-6)
    assert hue.max() == pytest.approx(0.5)
    for control in LINEAR:
        np.testing.assert_array_equal(
            statistics.distance(control, value, target), np.abs(value - target))


# Edits

def test_an_edit_of_zeros_changes_nothing():
    for rgb in (smooth_pictures(), gray_pictures(), noise_picture()):
        # Twice 1e-5 for the cube's corners, where float32 leaves linear RGB 1e-6 beside 0.
        np.testing.assert_allclose(edited(rgb, np.zeros((1, 4)))[0], rgb, atol=2e-5)


def test_edits_keep_lightness_and_stay_in_the_display_s_range():
    edits = np.random.default_rng(1).uniform(-1, 1, (40, 4)) * [2, 100, 100, 2]
    extreme = np.array([control.edit for control in controls.CONTROLS]) * 2
    edits = np.concatenate([edits, extreme, -extreme, [[1, 300, -300, 1], [-1, -300, 300, 2]]])
    moved = edited(noise_picture(), edits)
    assert moved.min() >= 0 and moved.max() <= 1
    assert lightness_change(moved, lab_of(noise_picture())) < 0.05


def test_vividness_runs_from_gray_to_vivid_and_no_further():
    moved = vivified(smooth_pictures(), np.linspace(-1, 1, 9))
    assert np.ptp(moved[0], axis=-1).max() < 1e-5
    assert (np.diff(REFERENCES["saturation"](moved), axis=0) > 0).all()
    np.testing.assert_allclose(moved[[0, -1]], vivified(smooth_pictures(), [-3, 3]), atol=1e-6)


@pytest.mark.parametrize("amount", [-1, -0.3, 0.1, 0.3, 0.6, 1])
def test_gray_pictures_stay_gray_however_vivid(amount):
    np.testing.assert_allclose(
        vivified(gray_pictures(), [amount])[0], gray_pictures(), atol=2e-3)


# Targets, on real pictures

@pytest.fixture(scope="module")
def photos():
    """64 pictures of CIFAR-10, in [0, 1]."""
    if not (TFDS / "cifar10").is_dir():
        pytest.skip("needs ../shared/data/tfds")
    pictures = tfds.load("cifar10", split="test[:64]", data_dir=str(TFDS), download=False)
    return np.stack([row["image"] for row in tfds.as_numpy(pictures)]) / 255


def reached(rgb, name, targets):
    """The statistics [targets, pictures] of pictures moved to targets, once range and L* hold."""
    lab = np.tile(lab_of(rgb), (len(targets), 1, 1, 1))
    compiled = tf.function(lambda x, y: statistics.retarget(x, BY_NAME[name], y))
    moved = compiled(lab, np.repeat(np.float32(targets), len(rgb))).numpy().astype(np.float64)
    assert moved.min() >= 0 and moved.max() <= 1
    assert lightness_change(moved, lab) < 0.05
    return REFERENCES[name](moved).reshape(len(targets), len(rgb))


def test_real_pictures_reach_a_saturation(photos):
    saturation = dict(zip(SATURATIONS, reached(photos, "saturation", SATURATIONS)))
    for target in (0.0, 0.1, 0.25, 0.5):
        assert np.mean(np.abs(saturation[target] - target) < 0.005) >= 0.95, target
    # Light pixels reach little at their L*: means of 0.74 and 0.87 were measured.
    assert 0.70 < saturation[0.75].mean() < 0.755
    assert 0.83 < saturation[1.0].mean() < 0.95


def test_real_pictures_reach_a_hue(photos):
    near = around(reached(photos, "hue", HUES) - np.array(HUES)[:, None]) < 0.02
    assert (near.mean(axis=1) >= 0.9).all()


# Reach

@pytest.fixture(scope="module")
def brute_force():
    """L* -> control -> (lowest, highest), over all whole a*, b* inside the gamut."""
    extremes = {}
    for l_star in (5.0, 20.0, 40.0, 60.0, 80.0, 95.0):
        a, b = (x.ravel() for x in np.meshgrid(np.arange(-90.0, 100.0), np.arange(-110.0, 97.0)))
        fy = (l_star + 16) / 116
        f = np.stack([fy + a / 500, np.full_like(a, fy), fy - b / 200])
        xyz = np.where(f**3 > 0.008856, f**3, (f - 16 / 116) / 7.787)
        linear = np.linalg.solve(TO_XYZ, xyz * [[0.95047], [1.0], [1.08883]])
        inside = ((linear > -1e-4) & (linear < 1 + 1e-4)).all(axis=0)
        rgb = skcolor.lab2rgb(np.stack([np.full_like(a, l_star), a, b], axis=-1)[inside])
        values = {control.name: REFERENCES[control.name](rgb[:, None, None])
                  for control in PER_PIXEL}
        extremes[l_star] = {name: (x.min(), x.max()) for name, x in values.items()}
    return extremes


@pytest.mark.parametrize("control", PER_PIXEL, ids=lambda control: control.name)
def test_reach_is_what_a_search_over_all_ab_finds(control, brute_force):
    expected = np.array([extremes[control.name] for extremes in brute_force.values()])
    l_star = np.float32(list(brute_force))
    each = np.transpose(statistics.reach(control, l_star[:, None, None]))
    np.testing.assert_allclose(each, expected, atol=0.05)
    mixed = np.transpose(statistics.reach(control, l_star.reshape(1, 2, 3)))
    np.testing.assert_allclose(mixed[0], expected.mean(axis=0), atol=0.05)


def test_real_pictures_lie_inside_their_reach(photos):
    for control in controls.CONTROLS:
        lowest, highest = np.asarray(statistics.reach(control, lab_of(photos)[..., 0]))
        value = REFERENCES[control.name](photos)
        if control.per_pixel:
            assert (value > lowest - 0.02).all() and (value < highest + 0.02).all(), control.name
        else:  # not known
            assert (lowest == 0).all() and (highest == 1).all()
