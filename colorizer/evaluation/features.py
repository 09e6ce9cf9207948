"""How far results are from originals to a classifier of ImageNet, which knows what is shown.

The metrics are this project's own. They follow the Frechet Inception Distance and LPIPS, but in
other networks and without learned weights, and compare with no published value of these.
"""

from __future__ import annotations

from dataclasses import dataclass, field
import functools
from typing import Any, Callable, Mapping, Sequence

import keras
from keras import ops
import numpy as np
import tensorflow as tf

from colorizer import data, losses, models
from colorizer.errors import UserError

FEATURES, FID = "features", "fid"  # the sets of metrics
EFFICIENTNET_SIZE, INCEPTION_SIZE = 224, 299  # pixels, as the networks were trained
CHUNK = 16  # images that a network sees at once, to bound memory


@dataclass(frozen=True)
class FeatureMetrics:
    """The networks in whose features results are compared with originals; by default none.

    Attributes:
        pools: name of a Frechet distance -> function from RGB float32 [batch, h, w, 3] in [0, 1]
            to pooled features, float32 [batch, d].
        distances: name of a distance -> function from two such images to float32 [batch].
    """

    pools: Mapping[str, Callable[..., Any]] = field(default_factory=dict)
    distances: Mapping[str, Callable[..., Any]] = field(default_factory=dict)

    def pooled(self, rgb8: np.ndarray) -> dict[str, np.ndarray]:
        """Pooled features of uint8 [batch, h, w, 3], sRGB: float32 [batch, d] a Frechet distance.
        """
        return {name: _by_chunks(pool, rgb8) for name, pool in self.pools.items()}

    def per_example(self, original: np.ndarray, result: np.ndarray) -> dict[str, np.ndarray]:
        """The distances of a batch, uint8 [batch, h, w, 3] each: float64 [batch] a distance."""
        return {name: _by_chunks(distance, original, result).astype(np.float64)
                for name, distance in self.distances.items()}


def load_feature_metrics(sets: Sequence[str]) -> FeatureMetrics:
    """Loads the networks of sets of metrics.

    `features` gives `frechet` and `feature_distance` in EfficientNet-Lite0, which comes with the
    package. `fid` gives `fid_keras`, the Frechet distance in the InceptionV3 of keras.applications,
    whose ImageNet weights are downloaded at first use.

    Raises:
        ValueError: no such set.
        UserError: the weights cannot be downloaded.

    Example:
        >>> sorted(load_feature_metrics(["features"]).pools)
        ['frechet']
    """
    if unknown := sorted(set(sets) - {FEATURES, FID}):
        raise ValueError(f"`sets` must be of {FEATURES}, {FID}. Received: {', '.join(unknown)}")
    pools, distances = {}, {}
    if FEATURES in sets:
        classifier = models.load_efficientnet()
        average = keras.Model(classifier.inputs[0], classifier.get_layer("average").output)
        pools["frechet"] = _pool(average, EFFICIENTNET_SIZE)
        distances["feature_distance"] = _graph(losses.PerceptualLoss("efficientnet_lite0"))
    if FID in sets:
        pools["fid_keras"] = _pool(
            _inception(), INCEPTION_SIZE,
            lambda rgb: keras.applications.inception_v3.preprocess_input(255.0 * rgb))
    return FeatureMetrics(pools, distances)


def frechet_distance(features: np.ndarray, others: np.ndarray) -> float:
    """The squared Frechet distance of the Gaussians that are fitted to two sets of features.

    |m1 - m2|^2 + tr(C1 + C2 - 2 (C1 C2)^(1/2)), with the sample means m and covariances C. With
    C = R^T R, tr (C1 C2)^(1/2) is the sum of the singular values of R1 R2^T. That needs no root of
    a matrix, and no more images than features.

    Args:
        features, others: float [n, d] and [m, d], at least 2 rows each.

    Source: Dowson and Landau, The Frechet distance between multivariate normal distributions,
    Journal of Multivariate Analysis 12, 1982, pages 450-455. Heusel et al., NIPS 2017, compare
    images so, in the features of InceptionV3.

    Example:
        >>> frechet_distance([[0.0], [2.0]], [[3.0], [5.0]])
        9.0
    """
    mean, root = _gaussian(features)
    other_mean, other_root = _gaussian(others)
    overlap = np.linalg.norm(root @ other_root.T, "nuc")
    distance = np.sum((mean - other_mean)**2) + np.sum(root**2) + np.sum(other_root**2)
    return max(0.0, float(distance - 2.0 * overlap))  # below 0 by rounding only


def _gaussian(features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The mean [d], and R [min(n, d), d] with R^T R the covariance; float64."""
    features = np.asarray(features, np.float64)
    mean = features.mean(axis=0)
    scaled = (features - mean) / np.sqrt(len(features) - 1)
    return mean, np.asarray(np.linalg.qr(scaled, mode="r"))


def _inception() -> keras.Model:
    try:
        return keras.applications.InceptionV3(
            include_top=False, pooling="avg", weights="imagenet")
    except Exception as error:  # a failed download is a plain Exception in Keras
        raise UserError(
            f"--metrics={FID} needs the ImageNet weights of InceptionV3 (90 MB), which could not "
            f"be downloaded ({' '.join(str(error).split())[:300]}): use --metrics={FEATURES}, "
            "whose network comes with the package")


def _pool(network: keras.Model, size: int, preprocess: Callable = lambda rgb: rgb) -> Callable:
    """The network as a graph of images of any size, which are resized to `size` pixels a side."""
    return _graph(lambda rgb: network(
        preprocess(ops.image.resize(rgb, (size, size), antialias=True)), training=False))


_graph = functools.partial(tf.function, autograph=False, reduce_retracing=True)


def _by_chunks(function: Callable[..., Any], *batches: np.ndarray) -> np.ndarray:
    return np.concatenate([
        function(*(data.unit_rgb(batch[start:start + CHUNK]) for batch in batches))
        for start in range(0, len(batches[0]), CHUNK)])
