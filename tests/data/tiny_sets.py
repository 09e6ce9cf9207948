"""Sets for TensorFlow Datasets, made on the spot."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import tensorflow_datasets as tfds

from tests.colors import COLORS, GRAY, image

TRAIN_COLORS, TRAIN_GRAY = 45, 20


class TinyPhotos(tfds.core.GeneratorBasedBuilder):
    """Uniform JPEGs of different sizes, many of them gray."""

    VERSION = tfds.core.Version("1.0.0")
    pkg_dir_path = Path(__file__).parent
    BUILDER_CONFIGS = [tfds.core.BuilderConfig(name=name) for name in ("validated", "solo")]

    def _info(self):
        return self.dataset_info_from_configs(features=tfds.features.FeaturesDict({
            "image": tfds.features.Image(encoding_format="jpeg"),
            "label": tfds.features.ClassLabel(num_classes=3)}))

    def _split_generators(self, dl_manager):
        splits = {"train": self._generate_examples(COLORS[:TRAIN_COLORS], TRAIN_GRAY)}
        if self.builder_config.name == "validated":
            splits["validation"] = self._generate_examples(COLORS[TRAIN_COLORS:], 1)
        return splits

    def _generate_examples(self, colors, gray):
        for number, color in enumerate([*colors, *[GRAY] * gray]):
            yield number, {"image": image(color, 16 + number % 9, 18), "label": number % 3}


class TinyNumbers(tfds.core.GeneratorBasedBuilder):
    VERSION = tfds.core.Version("1.0.0")
    pkg_dir_path = Path(__file__).parent

    def _info(self):
        return self.dataset_info_from_configs(
            features=tfds.features.FeaturesDict({"number": np.int64}))

    def _split_generators(self, dl_manager):
        return {"train": self._generate_examples()}

    def _generate_examples(self):
        yield 0, {"number": 1}


def prepare(folder):
    """Makes them in a folder, for `data_dir`."""
    for name in ("tiny_photos/validated", "tiny_photos/solo", "tiny_numbers"):
        tfds.builder(name, data_dir=folder).download_and_prepare()
    return str(folder)
