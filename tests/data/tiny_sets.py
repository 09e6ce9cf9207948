"""Sets for TensorFlow Datasets, made on the spot."""

from __future__ import annotations

from pathlib import Path

import tensorflow_datasets as tfds

from tests.colors import COLORS, GRAY, image

TRAIN_COLORS, TRAIN_GRAY = 45, 20


class TinyPhotos(tfds.core.GeneratorBasedBuilder):
    """Uniform JPEGs of different sizes, many of them gray."""

    VERSION = tfds.core.Version("1.0.0")
    pkg_dir_path = Path(__file__).parent
    BUILDER_CONFIGS = [tfds.core.BuilderConfig(name=name) for name in (
        "validated", "solo", "one_channel")]

    def _info(self):
        self.channels = 1 if self.builder_config.name == "one_channel" else 3
        return self.dataset_info_from_configs(features=tfds.features.FeaturesDict({
            "image": tfds.features.Image(
                shape=(None, None, self.channels), encoding_format="jpeg")}))

    def _split_generators(self, dl_manager):
        splits = {"train": self._generate_examples(COLORS[:TRAIN_COLORS], TRAIN_GRAY)}
        if self.builder_config.name == "validated":
            splits["validation"] = self._generate_examples(COLORS[TRAIN_COLORS:], 1)
        return splits

    def _generate_examples(self, colors, gray):
        for number, color in enumerate([*colors, *[GRAY] * gray]):
            yield number, {"image": image(color, 16 + number % 9, 18)[..., :self.channels]}
