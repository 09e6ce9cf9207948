"""Hints show an image's own colors, in a share of the images."""

import numpy as np

from colorizer.training.hints import CONTINUE, NUM_HINT_DRAWS, draw_counts, draw_hints, faded_gain

SIZE = 24


def drawn(share=1.0, batch=400, seed=0):
    rng = np.random.default_rng(seed)
    columns = np.linspace(-0.8, 0.8, SIZE)
    ab = np.stack(np.meshgrid(columns, columns, indexing="ij"), axis=-1).astype("float32")
    uniform = rng.uniform(size=(batch, NUM_HINT_DRAWS)).astype("float32")
    counts = draw_counts(uniform, share)
    return ab, np.asarray(draw_hints(np.repeat(ab[None], batch, 0), counts, uniform))


def test_hints_are_patches_of_the_images_own_colors_and_zero_elsewhere():
    ab, hints = drawn()
    mask = hints[..., 2]
    assert set(np.unique(mask)) == {0, 1}
    np.testing.assert_array_equal(hints[mask == 0], 0)
    step = 1.6 / (SIZE - 1)  # between neighbors; a patch reaches two from its center, the mean one
    inside = np.abs(hints[..., :2] - ab)[mask == 1]
    assert inside.max() <= 3 * step + 1e-5 and np.median(inside) < 1.01 * step


def test_the_share_and_the_number_of_points_are_those_stated():
    _, hints = drawn(share=0.4)
    has = hints[..., 2].any(axis=(1, 2))
    assert abs(has.mean() - 0.4) < 0.08  # 3 standard deviations of 400 draws
    assert not drawn(share=0.0)[1].any()
    # One point of the three sizes covers 1, 9 or 25 places. One in eight images has one point.
    single = [area for area in hints[has][..., 2].sum(axis=(1, 2)) if area in (1, 9, 25)]
    assert 0.4 * (1 - CONTINUE) < len(single) / has.sum() < 2.0 * (1 - CONTINUE)


def test_the_draws_alone_decide():
    np.testing.assert_array_equal(drawn(seed=3)[1], drawn(seed=3)[1])


def test_the_gain_fades_as_more_colors_are_known():
    gains = np.asarray(faded_gain(1.5, np.float32([[0], [4], [40]]))).ravel()
    np.testing.assert_allclose(gains, [1.5, 1.25, 1.5 - 0.5 * 40 / 44], rtol=1e-6)
