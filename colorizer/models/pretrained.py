"""Trained models on disk: found by name, folder or file, and checked (no TensorFlow here).

A run is a folder with `config.json` and `checkpoints/`. An exported model (`inference.export`) is
a folder with `weights.npz` (named float arrays, nothing executable), `config.json` (the settings of
its run) and `model.json` (format, SHA-256 of the weights, step, architecture). The models that
ship with the package are exported ones in `colorizer/pretrained/<name>/`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
import itertools
import json
from pathlib import Path
from typing import Any

from colorizer.config import CONFIG_FILE as CONFIG, ConfigError, TrainConfig, read_config
from colorizer.errors import UserError
from colorizer.files import sha256

PRETRAINED = Path(__file__).parent.parent / "pretrained"
DEFAULT_NAMES = ("photos", "cifar10")  # the first that ships colorizes by default
FORMAT = 1
WEIGHTS, MODEL = "weights.npz", "model.json"
# The model settings that the generator's arrays depend on.
ARCHITECTURE_SETTINGS = (
    "base_channels", "num_downsamples", "predict_lightness", "attention_resolution",
    "global_context")
RESERVED_NAMES = {"gray baseline", "gray", "original"}  # other rows and columns of tables


class ModelError(UserError):
    """A model is not there, damaged, or of another architecture."""


@dataclass(frozen=True)
class Model:
    """A run or an exported model to be measured.

    Attributes:
        name: the shortest end of its path that no other model has.
        folder: the folder of a run or of an exported model.
        config: the settings that it was trained with.
    """

    name: str
    folder: Path
    config: TrainConfig

    def results_folder(self, kind: str) -> Path:
        """Where results go by default: into a run's folder, but not into the package."""
        shipped = self.folder.parent == PRETRAINED
        return Path("results") / self.name if shipped else self.folder / kind


def names() -> list[str]:
    """The models that ship with the package."""
    return sorted(path.parent.name for path in PRETRAINED.glob(f"*/{MODEL}"))


def default_name() -> str:
    """The shipped model that colorizes by default: `photos`, else `cifar10`.

    Raises:
        ModelError: neither is in the package.
    """
    for name in DEFAULT_NAMES:
        if name in names():
            return name
    raise ModelError(f"`model` must be {_choices()}. Received: model=None")


def find_model(model: str | Path, flag: str = "model") -> Path:
    """The folder of a model.

    Args:
        model: the name of a shipped model; it wins over a folder of that name here, which is
            given as `./name`. Or the folder of a run or of an exported model, or the
            `weights.npz` in the latter.
        flag: the flag it was given as, for the message.

    Raises:
        ModelError: it is none of these.

    Example:
        >>> find_model("photos").name
        'photos'
    """
    path = Path(model).expanduser()
    if str(model) in names():
        return PRETRAINED / str(model)
    if path.name == WEIGHTS and is_exported(path.parent):
        return path.parent
    if (path / CONFIG).exists():
        return path
    raise ModelError(f"`{flag}` must be {_choices()}. Received: {flag}={model}")


def is_exported(folder: Path) -> bool:
    """Whether the folder holds an exported model; else it is a run's."""
    return (folder / MODEL).exists()


def read_model_config(folder: Path) -> TrainConfig:
    """The settings that a model was trained with.

    Raises:
        ModelError: `model.json` cannot be used, or its architecture is not that of `config.json`.
        ConfigError: `config.json` cannot be used.
    """
    config = read_config(folder)
    if config.data.image_size is None or config.model.base_channels is None:
        raise ModelError(
            f"{folder / CONFIG} must be that of a run, which names `image_size` and "
            f"`base_channels`. Received: image_size={config.data.image_size}, "
            f"base_channels={config.model.base_channels}")
    if is_exported(folder):
        found, wanted = _read_description(folder)["architecture"], architecture(config)
        differing = [f"{name} is {found.get(name)} there and {wanted.get(name)} in {CONFIG}"
                     for name in sorted(found.keys() | wanted.keys())
                     if found.get(name) != wanted.get(name)]
        if differing:
            raise ModelError(f"{folder / MODEL} must have the architecture of {CONFIG}. "
                             f"Received: {'; '.join(differing)}")
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
        raise ModelError(f"{path} cannot be read: {error.strerror}") from error
    if digest != _read_description(folder)["sha256"]:
        raise ModelError(f"{path} is damaged: its SHA-256 is not the one in {folder / MODEL}")
    return path


def architecture(config: TrainConfig) -> dict[str, Any]:
    """What the arrays of a generator depend on, as JSON values; the order of controls counts."""
    return {"image_size": config.data.image_size,
            **{name: getattr(config.model, name) for name in ARCHITECTURE_SETTINGS},
            "controls": [control.name for control in config.controls.supported()]}


def describe(config: TrainConfig, weights: Path, step: int) -> dict[str, Any]:
    """The content of `model.json`.

    Raises:
        OSError: the weights file cannot be read.
    """
    return {"format": FORMAT, "sha256": sha256(weights), "step": step,
            "architecture": architecture(config)}


def read_models(workdirs: Sequence[str], dataset: str | None = None) -> list[Model]:
    """Reads the settings of models that are to be compared on the same images.

    Args:
        workdirs: the folders of runs or exported models, or names of shipped ones; at least one.
        dataset: what to measure them on; by default what each was trained on.

    Returns:
        The models in the order given.

    Raises:
        ConfigError: none, one given twice, or models trained at different image sizes: no one size
            would be fair to all.
        ModelError: a folder that holds no model.
    """
    if not workdirs:
        raise ConfigError("`compare` must name at least one run or model. Received: none")
    folders = [find_model(workdir, "workdir") for workdir in workdirs]
    configs = [read_model_config(folder) for folder in folders]
    if dataset:
        configs = [config.replace(dataset=dataset) for config in configs]
    paths = [folder.resolve() for folder in folders]
    if len(set(paths)) < len(paths):
        raise ConfigError(f"`compare` must name each model once. Received: {', '.join(workdirs)}")
    sizes = [config.data.image_size for config in configs]
    if len(set(sizes)) > 1:
        received = ", ".join(f"{size} px in {folder}" for size, folder in zip(sizes, workdirs))
        raise ConfigError("models compared on the same images must be trained at one "
                          f"`image_size`. Received: {received}")
    return [Model(*one) for one in zip(_shortest_names(paths), folders, configs)]


def _shortest_names(paths: Sequence[Path]) -> list[str]:
    for count in itertools.count(1):
        found = ["/".join(path.parts[-count:]) for path in paths]
        if len(RESERVED_NAMES.union(found)) == len(RESERVED_NAMES) + len(found):
            break
    return found


def _read_description(folder: Path) -> dict[str, Any]:
    path = folder / MODEL
    try:
        description = json.loads(path.read_text(encoding="utf-8"))
        version = description["format"]
        if version == FORMAT:
            return {"sha256": str(description["sha256"]),
                    "architecture": dict(description["architecture"])}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError(f"{path} cannot be used: {type(error).__name__}: {error}") from error
    raise ModelError(f"{path} must be of format {FORMAT}. Received: format={version}")


def _choices() -> str:
    shipped = names()
    ours = f"one of the package's own ({', '.join(shipped)}), " if shipped else ""
    nothing = "" if shipped else "; no trained model is in the package yet"
    return f"{ours}the folder of a run, with its {CONFIG}, or an exported model{nothing}"
