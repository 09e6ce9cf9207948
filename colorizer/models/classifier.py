"""A small CIFAR-10 classifier whose features the perceptual loss compares.

Its weights come with the package. `benchmarks/train_classifier.py` trained them, and
`pretrained/cifar10_classifier/training.json` says how and how well.
"""

from __future__ import annotations

from pathlib import Path

import keras
from keras import layers

from colorizer.models.weights import load_weights

IMAGE_SIZE = 32
CLASSES = 10
BLOCKS = ((32,), (48, 48), (96, 96), (192,))  # channels of each block's convolutions
WEIGHTS = Path(__file__).parent.parent / "pretrained" / "cifar10_classifier" / "weights.npz"


def build_classifier() -> keras.Model:
    """Builds the classifier: 3 x 3 convolutions with batch norm, halved between four blocks.

    It maps `rgb` float [batch, 32, 32, 3], sRGB in [0, 1], to logits [batch, 10]. The layers
    `block_0` to `block_3` give each block's features, after the ReLU: [batch, 32, 32, 32],
    [batch, 16, 16, 48], [batch, 8, 8, 96] and [batch, 4, 4, 192].
    """
    rgb = keras.Input((IMAGE_SIZE, IMAGE_SIZE, 3), name="rgb")
    x = layers.Rescaling(2.0, offset=-1.0, name="scaled")(rgb)
    for index, channels in enumerate(BLOCKS):
        if index > 0:
            x = layers.MaxPooling2D(name=f"block_{index}_half")(x)
        for position, count in enumerate(channels):
            name = f"block_{index}_{position}"
            x = layers.Conv2D(count, 3, padding="same", use_bias=False,
                              kernel_initializer="he_normal", name=name)(x)
            x = layers.BatchNormalization(momentum=0.9, name=f"{name}_norm")(x)
            last = position == len(channels) - 1
            x = layers.ReLU(name=f"block_{index}" if last else f"{name}_relu")(x)
    x = layers.GlobalAveragePooling2D(name="average")(x)
    return keras.Model(rgb, layers.Dense(CLASSES, name="logits")(x), name="cifar10_classifier")


def load_classifier() -> keras.Model:
    """The classifier with its trained weights. Raises WeightsError if their file is damaged."""
    model = build_classifier()
    load_weights(model, WEIGHTS)
    return model
