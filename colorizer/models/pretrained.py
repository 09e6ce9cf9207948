"""Trained models on disk: found by name, folder or file, and checked (no TensorFlow here).

A run is a folder with `config.json` and `checkpoints/`. An exported model (`inference.export`) is
a folder with `weights.npz` (named float arrays, nothing executable), `config.json` (the settings of
its run) and `model.json` (format, SHA-256 of the weights, step). The models that ship with the
package are exported ones in `colorizer/pretrained/<name>/`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
import itertools
from pathlib import Path

from colorizer import data
from colorizer.config import CONFIG_FILE as CONFIG, ConfigError, TrainConfig, read_config
from colorizer.errors import UserError
from colorizer.files import read_json, sha256

PRETRAINED = Path(__file__).parent.parent / "pretrained"
DEFAULT = "photos"  # colorizes where no model is named
FORMAT = 1
WEIGHTS, MODEL = "weights.npz", "model.json"
MODEL_FIELDS = {"format": int, "sha256": str}
RESERVED_NAMES = {"gray baseline", "gray", "original"}  # other rows and columns of tables


class ModelError(UserError):
    """A model is not there, or damaged."""


@dataclass(frozen=True)
class Model:
    """A run or an exported model to be measured."""

    name: str  # the shortest end of its path that no other model has
    folder: Path  # of a run or of an exported model
    config: TrainConfig  # the settings that it was trained with
    other_data: bool = False  # whether `config` names other images than it was trained on

    def results_folder(self, kind: str) -> Path:
        """Where results go by default: into a run's folder, but not into the package."""
        shipped = self.folder.parent == PRETRAINED
        return Path("results") / self.name if shipped else self.folder / kind


def names() -> list[str]:
    """The models that ship with the package."""
    return sorted(path.parent.name for path in PRETRAINED.glob(f"*/{MODEL}"))


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
    raise ModelError(
        f"`{flag}` must be one of the package's own ({', '.join(names())}), the folder of a run, "
        f"with its {CONFIG}, or an exported model. Received: {flag}={model}")


def is_exported(folder: Path) -> bool:
    """Whether the folder holds an exported model; else it is a run's."""
    return (folder / MODEL).exists()


def read_model_config(folder: Path) -> TrainConfig:
    """The settings that a model was trained with.

    Raises ModelError if `config.json` is not that of a run, ConfigError if it cannot be used.
    """
    config = read_config(folder)
    if config.data.image_size is None or config.model.base_channels is None:
        raise ModelError(
            f"{folder / CONFIG} must be that of a run, which names `image_size` and "
            f"`base_channels`. Received: image_size={config.data.image_size}, "
            f"base_channels={config.model.base_channels}")
    return config


def checked_weights(folder: Path) -> Path:
    """The weights file of an exported model, whose SHA-256 is the one in `model.json`.

    Raises UserError if one of them is missing, or they differ.
    """
    path, description = folder / WEIGHTS, folder / MODEL
    values = read_json(description, MODEL_FIELDS)
    if values["format"] != FORMAT:
        raise ModelError(
            f"{description} must be of format {FORMAT}. Received: format={values['format']}")
    try:
        damaged = sha256(path) != values["sha256"]
    except OSError as error:
        raise ModelError(f"{path} cannot be read: {error.strerror}") from error
    if damaged:
        raise ModelError(f"{path} is damaged: its SHA-256 is not the one in {description}")
    return path


def read_models(
    workdirs: Sequence[str], dataset: str | None = None, image_size: int | None = None
) -> list[Model]:
    """Reads the settings of models that are to be compared on the same images, in their order.

    Args:
        workdirs: the folders of runs or exported models, or names of shipped ones; at least one.
        dataset: what to measure them on; by default what each was trained on.
        image_size: side of the images in pixels; by default what they were trained at.

    Raises:
        ConfigError: none, one given twice, or models trained at different image sizes, where no
            `image_size` is given: none of theirs would be fair to all.
        ModelError: a folder that holds no model.
        DatasetError: `dataset` is a file, or a path to nothing.
    """
    if not workdirs:
        raise ConfigError("`compare` must name at least one run or model. Received: none")
    folders = [find_model(workdir, "workdir") for workdir in workdirs]
    configs = [read_model_config(folder) for folder in folders]
    trained_on = [config.data.dataset for config in configs]
    if dataset:
        data.find_folder(dataset)  # refuses what is none
        configs = [config.replace(dataset=dataset) for config in configs]
    paths = [folder.resolve() for folder in folders]
    if len(set(paths)) < len(paths):
        raise ConfigError(f"`compare` must name each model once. Received: {', '.join(workdirs)}")
    sizes = [config.data.image_size for config in configs]
    if image_size is None and len(set(sizes)) > 1:
        received = ", ".join(f"{size} px in {folder}" for size, folder in zip(sizes, workdirs))
        raise ConfigError("models compared on the same images must be trained at one `image_size`, "
                          f"or --image_size must name one. Received: {received}")
    other = [config.data.dataset != name and
             Path(config.data.dataset).resolve() != Path(name).resolve()
             for config, name in zip(configs, trained_on)]
    return [Model(*one) for one in zip(_shortest_names(paths), folders, configs, other)]


def _shortest_names(paths: Sequence[Path]) -> list[str]:
    for count in itertools.count(1):
        found = ["/".join(path.parts[-count:]) for path in paths]
        if len(RESERVED_NAMES.union(found)) == len(RESERVED_NAMES) + len(found):
            break
    return found
