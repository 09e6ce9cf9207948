"""The Frechet distance against SciPy and by hand, and the networks that give the features."""

import json

from PIL import Image
import keras
from keras import layers
import numpy as np
import pytest
from scipy import linalg
from skimage import data as skdata

from colorizer import models
from colorizer.errors import UserError
from colorizer.evaluation import evaluator, features

RNG = np.random.default_rng(0)
FEW, OTHERS = RNG.normal(size=(50, 4)), RNG.normal(1.0, 2.0, (40, 4)) @ RNG.normal(size=(4, 4))
PHOTOS = np.stack([skdata.astronaut()[:320, :320], skdata.coffee()[:320, :320]])


def frechet_by_scipy(one, other):
    """Dowson and Landau 1982, with the matrix square root of SciPy."""
    c1, c2 = np.cov(one, rowvar=False), np.cov(other, rowvar=False)
    shift = one.mean(axis=0) - other.mean(axis=0)
    return shift @ shift + np.trace(c1 + c2 - 2 * np.real(linalg.sqrtm(c1 @ c2)))


@pytest.fixture(scope="module")
def networks():
    return features.load_feature_metrics(["features"])


def test_the_frechet_distance_is_that_of_scipys_matrix_square_root():
    found = features.frechet_distance(FEW, OTHERS)
    assert found == pytest.approx(frechet_by_scipy(FEW, OTHERS), rel=1e-9)
    assert found == pytest.approx(features.frechet_distance(OTHERS, FEW), rel=1e-12)


def test_of_normal_distributions_in_one_dimension_means_and_deviations_differ():
    one, other = RNG.normal(3.0, 2.0, (10**6, 1)), RNG.normal(7.0, 5.0, (10**6, 1))
    assert features.frechet_distance(one, other) == pytest.approx((7 - 3)**2 + (5 - 2)**2, rel=0.01)


def test_fewer_images_than_features_are_compared_as_well():
    # Means of 0; variances of 2 along the first axis, and of 8 along the second, of 1,280.
    one, other = np.zeros((2, 1280), np.float32), np.zeros((2, 1280), np.float32)
    one[:, 0], other[:, 1] = (1, -1), (2, -2)
    assert features.frechet_distance(one, other) == pytest.approx(2 + 8)
    assert features.frechet_distance(one, 2 * one) == pytest.approx(2 + 8 - 2 * 4)


@pytest.mark.parametrize("images, size", [(50, 4), (5, 300)])
def test_equal_sets_are_at_0_whatever_their_order(images, size):
    found = RNG.normal(5.0, 1.0, (images, size))
    assert 0 <= features.frechet_distance(found, found[::-1]) < 1e-9


def test_pooled_features_are_the_classifiers_of_images_of_224_px(networks):
    classifier = models.load_efficientnet()
    last = keras.Model(classifier.inputs[0], classifier.get_layer("map_32").output)
    small = np.stack([np.stack([
        np.asarray(Image.fromarray(channel.astype(np.float32)).resize((224, 224), Image.BILINEAR))
        for channel in np.moveaxis(photo, -1, 0)], axis=-1) for photo in PHOTOS])
    expected = np.mean(last(small / 255), axis=(1, 2))
    found = networks.pooled(PHOTOS)["frechet"]
    assert found.shape == (2, 1280) and found.dtype == np.float32
    np.testing.assert_allclose(found, expected, rtol=0.01, atol=1e-3)


def test_the_feature_distance_is_0_of_equal_images_and_grows_with_the_change(networks, monkeypatch):
    monkeypatch.setattr(features, "CHUNK", 2)
    images = np.concatenate([PHOTOS, PHOTOS[:1]])[:, ::10, ::10]
    gray = evaluator.gray_image(images)
    tinted = np.uint8(0.5 * images + 0.5 * gray)
    same, near, far = (networks.per_example(images, result)["feature_distance"]
                       for result in (images, tinted, gray))
    assert far.shape == (3,) and far.dtype == np.float64 and far[0] == pytest.approx(far[2], 1e-3)
    np.testing.assert_allclose(same, [0, 0, 0], atol=1e-6)
    assert (near > 0.01).all() and (far > near).all()


def test_inception_sees_299_px_in_its_own_preprocessing(monkeypatch):
    given = {}

    def network(**options):
        given.update(options)
        rgb = keras.Input((299, 299, 3))
        return keras.Model(rgb, layers.GlobalAveragePooling2D()(rgb))

    monkeypatch.setattr(keras.applications, "InceptionV3", network)
    found = features.load_feature_metrics(["fid"])
    assert given == {"include_top": False, "pooling": "avg", "weights": "imagenet"}
    assert list(found.pools) == ["fid_keras"] and not found.distances
    colors = np.full((1, 16, 16, 3), (0, 51, 255), np.uint8)
    np.testing.assert_allclose(found.pooled(colors)["fid_keras"], [[-1, -0.6, 1]], atol=1e-3)


def test_without_inceptions_weights_the_message_names_what_needs_none(monkeypatch):
    def download_fails(**options):
        raise Exception("URL fetch failure on https://example.org:\n None -- [Errno 111]")

    monkeypatch.setattr(keras.applications, "InceptionV3", download_fails)
    with pytest.raises(UserError, match="InceptionV3.*URL fetch failure.*--metrics=feat") as caught:
        features.load_feature_metrics(["fid"])
    assert "\n" not in str(caught.value)


def test_an_unknown_set_is_refused():
    with pytest.raises(ValueError, match="features, fid. Received: lpips"):
        features.load_feature_metrics(["lpips", "fid"])


IMAGES = RNG.integers(0, 256, (9, 16, 16, 3), dtype=np.uint8)
SIMPLE = features.FeatureMetrics(
    {"frechet": lambda rgb: rgb.mean(axis=(1, 2))},
    {"feature_distance": lambda rgb, other: np.abs(rgb - other).mean(axis=(1, 2, 3))})


def negative(rgb8):
    return 255 - rgb8


def test_the_table_has_them_for_every_row_and_the_originals_two_halves(tmp_path):
    result = evaluator.compare(
        {"negative": negative, "same": np.copy}, iter([IMAGES[:4], IMAGES[4:]]), SIMPLE)
    means = (IMAGES / 255).mean(axis=(1, 2))
    rows = result.rows
    assert rows["negative"]["frechet"] == pytest.approx(frechet_by_scipy(means, 1 - means), 1e-3)
    assert rows["same"]["frechet"] == pytest.approx(0, abs=1e-9)
    assert rows["gray baseline"]["frechet"] > 0
    assert rows["negative"]["feature_distance"] == pytest.approx(rows["negative"]["mae_rgb"] / 255)
    assert result.halves == {"frechet": pytest.approx(
        frechet_by_scipy(means[::2], means[1::2]), 1e-3)}
    lines, value = result.text().splitlines(), result.halves["frechet"]
    assert lines[-2] == f"frechet between the originals' two halves: {value:.3f}."
    values = {line[:40].strip(): line[40:].split() for line in lines[1:14]}
    assert values["frechet, lower is better"][-1] == "0.000*"
    assert values["feature_distance, lower is better"][-1] == "0.000*"
    written = json.loads(result.write(tmp_path)[0].read_text())
    assert written == {"examples": 9, "rows": rows, "halves": result.halves}


@pytest.mark.parametrize("images, has_distance, has_halves", [
    (1, False, False), (2, True, False), (3, True, False), (4, True, True)])
def test_too_few_images_have_no_frechet_distance(images, has_distance, has_halves):
    result = evaluator.evaluate(negative, [IMAGES[:images]], SIMPLE)
    assert ("frechet" in result.rows["model"]) == has_distance
    assert bool(result.halves) == has_halves and "feature_distance" in result.rows["model"]
    assert "nan" not in result.text()
