"""Trained models on disk: found by name, folder or file, and checked (no TensorFlow here).

A run is a folder with `config.json` and `checkpoints/`. An exported model (`colorizer.export`) is a
folder with `weights.npz` (named float arrays, nothing that could be run), `config.json` (the
settings of its run) and `model.json` (format, architecture, SHA-256 of the weights, how natural
colors are finished). The models that ship with the package are exported ones in
`colorizer/models/<name>/`.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
from pathlib import Path
from typing import Any

from colorizer import config as config_lib
from colorizer.errors import UserError

SHIPPED = Path(__file__).parent.parent / "pretrained"
PREFERRED = ("photos", "cifar10")  # which shipped model colors if none is asked for
FORMAT = 1
WEIGHTS, SETTINGS, MODEL = "weights.npz", "config.json", "model.json"
NATURAL_HELP = {
    "chroma_noise": "natural colors stay gray where the chroma around is well below this, in "
    "units of a* and b*; 0: nowhere",
    "chroma_gain": "factor on the chroma of natural colors",
    "chroma_order": "how sharply they part at that noise: 2 as the Wiener filter, 1 gently, 4 "
    "sharply",
    "colorfulness_power": "power of the colorfulness foretold for a picture, as a multiple of a "
    "moderate one (of a model with global context), another factor on the chroma; 0: none"}


class ModelError(UserError):
    """A model is not there, damaged, or of another architecture."""


@dataclasses.dataclass(frozen=True)
class NaturalColors:
    """What is done to the colors of a model that is asked for nothing: `color.shrink_chroma`.

    With noise, of the mean of its colors for a picture and for the mirror image, in which what it
    is not sure of is less. How sure it is tells the chroma around each pixel
    (`upsampling.guided_mean`).

    Attributes:
        chroma_noise: in units of a* and b*, at least 0; 0 leaves all colors.
        chroma_gain: above 0; with no noise 1 leaves them as they are.
        chroma_order: above 0; 2 is the Wiener filter's gain, 1 parts them gently, 4 sharply.
        colorfulness_power: at least 0; of the foretold colorfulness over a moderate one's
            (`networks.MODERATE_COLORFULNESS`), a factor on the gain.

    Raises:
        ModelError: one of them is out of its range.
    """

    chroma_noise: float = 0.0
    chroma_gain: float = 1.0
    chroma_order: float = 2.0
    colorfulness_power: float = 0.0

    def __post_init__(self):
        least = min(self.chroma_noise, self.colorfulness_power)
        positive = min(self.chroma_gain, self.chroma_order)
        values = dataclasses.asdict(self)
        if not (least >= 0.0 and positive > 0.0 and all(map(math.isfinite, values.values()))):
            raise ModelError(
                "`chroma_noise` and `colorfulness_power` must be at least 0, `chroma_gain` and "
                "`chroma_order` above 0. Received: "
                f"{', '.join(f'{name}={value}' for name, value in values.items())}")


def names() -> list[str]:
    """The models that ship with the package."""
    return sorted(path.parent.name for path in SHIPPED.glob(f"*/{MODEL}"))


def default_name() -> str:
    """The shipped model that colors if none is asked for: `photos`, else `cifar10`.

    Raises:
        ModelError: neither is in the package.
    """
    for name in PREFERRED:
        if name in names():
            return name
    raise ModelError(f"a model is needed: {_choices()}. Received: model=None")


def find(model: str | Path, flag: str = "model") -> Path:
    """The folder of a model.

    Args:
        model: a shipped model's name, which goes before a folder of that name here (give that as
            `./name`); the folder of a run or of an exported model; the `weights.npz` in the latter.
        flag: what the user gave it as.

    Raises:
        ModelError: it is none of these.
    """
    path = Path(model).expanduser()
    if str(model) in names():
        return SHIPPED / str(model)
    if path.name == WEIGHTS and is_exported(path.parent):
        return path.parent
    if (path / SETTINGS).exists():
        return path
    raise ModelError(f"`{flag}` must be {_choices()}. Received: {flag}={model}")


def is_exported(folder: Path) -> bool:
    """Whether the folder holds an exported model; else it is a run's."""
    return (folder / MODEL).exists()


def read_settings(folder: Path) -> config_lib.TrainConfig:
    """The settings that a model was trained with.

    Raises:
        ModelError: `model.json` cannot be used or its architecture is not that of `config.json`.
        ConfigError: `config.json` cannot be used.
    """
    config = config_lib.read_config(folder)
    if config.data.image_size is None or config.model.width is None:
        raise ModelError(f"{folder / SETTINGS} must be that of a run, which says `image_size` and "
                         f"`width`. Received: image_size={config.data.image_size}, "
                         f"width={config.model.width}")
    if is_exported(folder):
        found, wanted = _read_description(folder)["architecture"], architecture(config)
        differing = [f"{name} is {found.get(name)} there and {wanted.get(name)} in {SETTINGS}"
                     for name in sorted(found) if found[name] != wanted.get(name)]
        if differing:
            raise ModelError(f"the architecture in {folder / MODEL} is another: "
                             f"{'; '.join(differing)}")
    return config


def checked_weights(folder: Path) -> Path:
    """The weights file of an exported model, whose SHA-256 is the one in `model.json`.

    Raises:
        ModelError: it is missing or differs.
    """
    path = folder / WEIGHTS
    try:
        digest = sha256(path)
    except OSError as error:
        raise ModelError(f"{path} cannot be read: {error.strerror}")
    if digest != _read_description(folder)["sha256"]:
        raise ModelError(f"{path} is damaged: its SHA-256 is not the one in {folder / MODEL}")
    return path


def architecture(config: config_lib.TrainConfig) -> dict[str, Any]:
    """What the arrays of a generator depend on, as JSON values; the order of controls counts."""
    return {"image_size": config.data.image_size, **dataclasses.asdict(config.model),
            "controls": [control.name for control in config.controls.askable()]}


def natural_colors(folder: Path) -> NaturalColors:
    """How an exported model finishes its natural colors; a run leaves them as they are.

    Raises:
        ModelError: `model.json` cannot be used.
    """
    if not is_exported(folder):
        return NaturalColors()
    return _read_description(folder)["natural"]


def check_natural(natural: NaturalColors, config: config_lib.TrainConfig) -> None:
    """Refuses what a model's natural colors cannot be finished by.

    Raises:
        ModelError: it was trained to fixed targets, which it answers, and `natural` does not leave
            colors as they are; or it foretells no colorfulness, and `natural` has a power of it.
    """
    if natural.colorfulness_power and not config.model.global_context:
        raise ModelError("`colorfulness_power` is for models trained with --global_context. "
                         f"Received: colorfulness_power={natural.colorfulness_power}")
    fixed = config.controls.desired()
    if fixed and natural != NaturalColors():
        raise ModelError(f"`{'`, `'.join(NATURAL_HELP)}` are for models that color naturally. "
                         f"Received: desired_{' desired_'.join(fixed)}")


def describe(
    config: config_lib.TrainConfig, weights: Path, step: int,
    natural: NaturalColors = NaturalColors(),
) -> dict[str, Any]:
    """The content of `model.json`."""
    return {"format": FORMAT, "sha256": sha256(weights), "step": step,
            "natural": dataclasses.asdict(natural), "architecture": architecture(config)}


def sha256(path: Path) -> str:
    """The SHA-256 of a file in hexadecimal."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _read_description(folder: Path) -> dict[str, Any]:
    path = folder / MODEL
    try:
        description = json.loads(path.read_text(encoding="utf-8"))
        version = description["format"]
        if version == FORMAT:
            return {"sha256": str(description["sha256"]),
                    "natural": NaturalColors(**description.get("natural", {})),
                    "architecture": dict(description["architecture"])}
    except (OSError, ValueError, KeyError, TypeError, ModelError) as error:
        raise ModelError(f"{path} cannot be used: {type(error).__name__}: {error}")
    raise ModelError(f"{path} must be of format {FORMAT}. Received: format={version}")


def _choices() -> str:
    shipped = names()
    ours = f"one of the package's own ({', '.join(shipped)}), " if shipped else ""
    nothing = "" if shipped else "; no trained model is in the package yet"
    return f"{ours}the folder of a run, with its {SETTINGS}, or an exported model{nothing}"
