"""Does a conditional model give what it is asked for? Asked against achieved, for every control.

Five readings keep the numbers honest. The *limit*: what any ab could give at the picture's
lightness (`statistics.reach`; for hue and colorfulness no limit is known, the target stands for
it). The *edited originals*, moved to the target at their own lightness (`edits.retarget`): what
results are compared with. The *rival*: a model's natural colors, their chroma scaled, hue turned
or ab shifted to the target, which needs no conditional model. The *rival by the same edit*: these
colors moved as the originals were; it alone shares their edit with `correction`, so that what is
left between it and the model is what the network has learned. And the *network alone*, without
what `correction` adds when a picture is colored.
"""

from __future__ import annotations

import functools
import math
from typing import Callable, Iterable, Mapping, Sequence

from keras import ops
import numpy as np
from skimage import color as skcolor
import tensorflow as tf

from colorizer.color import lab as color
from colorizer.color import controls as controls_lib
from colorizer.color import transforms as edits
from colorizer.color import statistics
from colorizer.evaluation.curves import Calibration, Row, mean_of

TARGETS = tuple(i / 10 for i in range(11))
CIRCULAR_TARGETS = tuple(i / 12 for i in range(12))
COLORED = 0.02  # mean HSV saturation above which a picture has a hue
FALL = 0.005  # 8-bit rounding: a statistic falling by less counts as not falling
FLAT = 1.0  # L* units between neighbors: below it no edge is visible
CHUNK = 8  # pictures edited at once: they stay in the processor's cache, and any batch size fits
Colorize = Callable[..., np.ndarray]


def targets_of(control: controls_lib.Control) -> Sequence[float]:
    """The targets that a control is asked for: 0, 0.1 ... 1, or 12 around the circle."""
    return CIRCULAR_TARGETS if control.circular else TARGETS


def calibrate(
    colorize: Colorize, batches: Iterable[np.ndarray], *,
    network: Colorize | None = None, rival: Callable[[np.ndarray], np.ndarray] | None = None,
    controls: Sequence[controls_lib.Control] = controls_lib.CONTROLS,
    targets: Mapping[str, Sequence[float]] | None = None,
) -> Calibration:
    """Asks a model for every target of every control, one at a time, and measures the results.

    Args:
        colorize: uint8 [batch, h, w, 3] originals, and a target by its control's name -> uint8
            pictures of the same shape; without a target, the model's natural colors.
        batches: the pictures, uint8 [batch, h, w, 3] each; gone through once.
        network: as `colorize`, with nothing done to its output; by default `colorize` itself.
        rival: originals -> natural colors that are moved to each target, those of an
            unconditional model for instance. By default those of `network`.
        controls: what to ask for.
        targets: control -> targets in [0, 1]; by default `targets_of` each.
    """
    asked = {control: sorted(targets[control.name] if targets is not None else targets_of(control))
             for control in controls}
    found: dict[tuple[controls_lib.Control, float], list[dict[str, np.ndarray]]] = {
        (control, target): [] for control in controls for target in asked[control]}
    variations, examples = [], 0
    for original in map(np.asarray, batches):
        examples += len(original)
        natural = colorize(original)
        alone = natural if network is None else network(original)
        moved_from = alone if rival is None else rival(original)
        variations.append(_variations(skcolor.rgb2lab(natural), skcolor.rgb2lab(original)))
        l_star = color.rgb_to_lab(_unit(original))[..., 0]
        for control in controls:
            low, high = (np.asarray(end) for end in statistics.reach(control, l_star))
            for target in asked[control]:
                wanted = {control.name: target}
                result = colorize(original, **wanted)
                alone = result if network is None else network(original, **wanted)
                found[control, target].append(
                    {"limit": np.clip(target, low, high),
                     "network_achieved": _statistic(control, alone),
                     **_compare(control, target, original, moved_from, result)})
    if not examples:
        raise ValueError("`batches` must hold at least one picture. Received: none")
    joined = {key: {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
              for key, parts in found.items()}
    monotone = {}
    for control in controls:
        if not control.circular and len(asked[control]) > 1:
            curves = np.stack([joined[control, target]["achieved"] for target in asked[control]])
            monotone[control.name] = float(np.mean(np.all(np.diff(curves, axis=0) >= -FALL, 0)))
    total_variation = {region: _ratio(np.concatenate([part[region] for part in variations]))
                       for region in ("flat", "all")}
    rows = [_row(control, target, values) for (control, target), values in joined.items()]
    return Calibration(rows, monotone, total_variation, examples)


def _compare(control, target: float, original: np.ndarray, moved_from: np.ndarray,
             result: np.ndarray) -> dict[str, np.ndarray]:
    """Values of each picture, float [batch]: an achieved statistic is NaN where it counts not."""
    edited = _moved(control, original, target, edits.apply_edit)
    lab = skcolor.rgb2lab(edited)
    values = {"edited_achieved": _statistic(control, edited),
              "flat_variation": _variations(skcolor.rgb2lab(result), lab)["flat"]}
    for who, picture in (
            ("", result),
            ("rival_", _moved(control, moved_from, target, edits.apply_plain_edit)),
            ("same_edit_rival_", _moved(control, moved_from, target, edits.apply_edit))):
        delta_e = skcolor.deltaE_ciede2000(lab, skcolor.rgb2lab(picture))
        values[f"{who}achieved"] = _statistic(control, picture)
        values[f"{who}mae_rgb"] = np.mean(np.abs(edited.astype(float) - picture), (1, 2, 3))
        values[f"{who}delta_e"] = np.mean(delta_e, (1, 2))
    return values


def _row(control, target: float, values: Mapping[str, np.ndarray]) -> Row:
    center, spread = _centre_and_spread(values["achieved"], control.circular)
    means = {name: mean_of(value) for name, value in values.items()
             if "achieved" not in name and name != "flat_variation"}
    for who in ("", "rival_", "same_edit_rival_", "edited_", "network_"):
        means[f"{who}mae_limit"] = mean_of(
            statistics.distance(control, values[f"{who}achieved"], values["limit"]))
    return Row(control=control.name, target=float(target), achieved=center, spread=spread,
               mae_target=mean_of(statistics.distance(control, values["achieved"], target)),
               counted=int(np.sum(~np.isnan(values["achieved"]))),
               **{f"{who}_achieved":
                  _centre_and_spread(values[f"{who}_achieved"], control.circular)[0]
                  for who in ("rival", "same_edit_rival")},
               flat_variation=_ratio(values["flat_variation"]), **means)


def _moved(control, rgb8: np.ndarray, target: float, apply) -> np.ndarray:
    """`edits.retarget` of 8-bit pictures, in chunks of one size: one compilation serves all."""
    parts = []
    for start in range(0, len(rgb8), CHUNK):
        part = rgb8[start:start + CHUNK]
        padded = np.concatenate([part, np.repeat(part[-1:], CHUNK - len(part), axis=0)])
        moved = _compiled_move(control, apply)(padded, np.full(CHUNK, target, np.float32))
        parts.append(np.asarray(moved)[:len(part)])
    return np.concatenate(parts)


@functools.lru_cache(maxsize=None)
def _compiled_move(control, apply):
    # XLA fuses the many small steps: 3 to 6 times faster than a plain graph on a CPU.
    @functools.partial(tf.function, jit_compile=True)
    def edit(rgb8, target):
        lab = color.rgb_to_lab(ops.cast(rgb8, "float32") / 255.0)
        moved = edits.retarget(lab, control, target, apply)
        return ops.cast(ops.round(255.0 * moved), "uint8")

    return edit


def _statistic(control, rgb8: np.ndarray) -> np.ndarray:
    rgb = _unit(rgb8)
    value = np.asarray(statistics.measure(control, rgb), np.float64)
    if control.circular:
        return np.where(np.asarray(statistics.saturation(rgb)) > COLORED, value, np.nan)
    return value


def _variations(result: np.ndarray, original: np.ndarray) -> dict[str, np.ndarray]:
    """Total variation of ab over the flat and over all pixels of each picture, of which Lab is
    given: float [batch, 2], the result's and the original's.

    A pixel's is the mean distance in (a*, b*) to its 4 neighbors; the outermost pixels, which
    have fewer, are left out.
    """
    changes = []
    for lab in (result, original):
        inner = lab[:, 1:-1, 1:-1]
        changes.append(np.stack([inner - lab[:, :-2, 1:-1], inner - lab[:, 2:, 1:-1],
                                 inner - lab[:, 1:-1, :-2], inner - lab[:, 1:-1, 2:]]))
    flat = np.all(np.abs(changes[1][..., 0]) < FLAT, axis=0)
    of_pixels = [np.mean(np.hypot(change[..., 1], change[..., 2]), 0) for change in changes]
    return {region: np.stack([np.sum(one * where, (1, 2)) for one in of_pixels], axis=1)
            for region, where in (("flat", flat), ("all", np.ones_like(flat)))}


def _ratio(variations: np.ndarray) -> float:
    """Of float [batch, 2]: the sum of the first column over that of the second."""
    result, original = variations.sum(axis=0)
    return float(result / original) if original > 0.0 else math.nan


def _centre_and_spread(values: np.ndarray, circular: bool) -> tuple[float, float]:
    """Mean and standard deviation of what is not NaN; circular ones of shares of a turn.

    Source: Mardia and Jupp, Directional Statistics, 2000, section 2.3: sqrt(-2 ln R).
    """
    values = values[~np.isnan(values)]
    if not len(values):
        return math.nan, math.nan
    if not circular:
        return float(np.mean(values)), float(np.std(values))
    mean = np.mean(np.exp(2j * np.pi * values))
    length = np.clip(np.abs(mean), 1e-12, 1.0)
    turn = np.angle(mean) / (2.0 * np.pi) % 1.0
    return float(turn), float(np.sqrt(-2.0 * np.log(length)) / (2.0 * np.pi))


def _unit(rgb8: np.ndarray) -> np.ndarray:
    return rgb8.astype(np.float32) / 255.0
