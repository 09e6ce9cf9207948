"""Targets as the networks see them: the control vector, its embedding, and FiLM."""

from __future__ import annotations

import math
from typing import Any, Mapping, NamedTuple, Sequence

import keras
from keras import layers, ops
import numpy as np

from colorizer.color.controls import Control

EMBEDDING_CHANNELS = 64


class Targets(NamedTuple):
    """The targets of each image, in the order of the controls: float [batch, controls] each."""

    values: Any  # the targets in [0, 1]
    desired: Any  # 1 where a target is given, else 0


def fixed_targets(
    controls: Sequence[Control], desired: Mapping[str, float | None], batch: int
) -> Targets:
    """The same targets for each of `batch` images.

    `controls` are those of the control vector. `desired` is control -> target in [0, 1]; absent or
    None for no target.
    """
    targets = [desired.get(control.name) for control in controls]
    rows = ([0.0 if target is None else target for target in targets],
            [target is not None for target in targets])
    return Targets(*(ops.tile(np.array([row], "float32"), (batch, 1)) for row in rows))


def condition_size(controls: Sequence[Control]) -> int:
    """Length of the control vector; 0 for no controls."""
    return sum(3 if control.circular else 2 for control in controls)


def encode_targets(controls: Sequence[Control], targets: Targets):
    """The control vector: float [batch, condition_size(controls)] in [-1, 1].

    Each control has 2 v - 1 for a target v, or its cosine and sine if it is circular, and then 1;
    zeros if it has no target.
    """
    parts = []
    for index, control in enumerate(controls):
        value, desired = targets.values[:, index], targets.desired[:, index]
        if control.circular:
            angle = 2.0 * math.pi * value
            parts += [desired * ops.cos(angle), desired * ops.sin(angle)]
        else:
            parts.append(desired * (2.0 * value - 1.0))
        parts.append(desired)
    return ops.stack(parts, axis=1)


def condition_input(size: int):
    """The control vector's input, as a list of one or none, and its embedding."""
    if not size:
        return [], None
    condition = keras.Input((size,), name="condition")
    embedding = layers.Dense(
        EMBEDDING_CHANNELS, activation="relu", kernel_initializer="he_normal",
        name="condition_embed")(condition)
    return [condition], embedding


def film(x, embedding, name: str):
    """Feature-wise linear modulation, x * (1 + gamma) + beta; the identity at first.

    Source: Perez et al., FiLM: Visual Reasoning with a General Conditioning Layer, AAAI 2018,
    equation 2, with gamma offset by 1 as in their section 7.2.
    """
    if embedding is None:
        return x
    channels = x.shape[-1]
    gamma, beta = (
        layers.Reshape((1, 1, channels), name=f"{name}_{part}_map")(
            layers.Dense(channels, kernel_initializer="zeros", name=f"{name}_{part}")(embedding))
        for part in ("gamma", "beta"))
    scaled = layers.Multiply(name=f"{name}_scaled")([x, gamma])
    return layers.Add(name=f"{name}_film")([x, scaled, beta])
