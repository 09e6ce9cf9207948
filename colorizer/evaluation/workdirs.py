"""Several runs side by side: what they are called, and whether they can be compared.

No TensorFlow here, so that a wrong folder is refused before anything slow is imported.
"""

from __future__ import annotations

from collections.abc import Sequence
import dataclasses
import itertools
from pathlib import Path

from colorizer import config as config_lib
from colorizer.models import pretrained as saved_models
from colorizer.files import replace_file

PROBE = ".colorizer-probe"
TAKEN = {"gray baseline", "gray", "original"}  # what tables and pictures call their other columns


@dataclasses.dataclass(frozen=True)
class Run:
    """A run's folder, its settings, and the shortest end of its path that names it alone."""

    name: str
    workdir: Path
    config: config_lib.TrainConfig

    def results_folder(self, kind: str) -> Path:
        """Where results go by default: into a run's folder, but not into the package."""
        shipped = self.workdir.parent == saved_models.SHIPPED
        return Path("results") / self.name if shipped else self.workdir / kind


def read_runs(workdirs: Sequence[str], dataset: str | None = None) -> list[Run]:
    """Reads the settings of runs that are to be compared on the same pictures.

    Args:
        workdirs: their folders, at least one, or names of models that ship.
        dataset: what to measure them on; by default what each was trained on.

    Returns:
        The runs in the order given.

    Raises:
        ConfigError: no folder, one given twice, or models trained at different image sizes: on
            pictures of one size, some would be out of their element.
        ModelError: a folder that holds no run and no model.
    """
    if not workdirs:
        raise config_lib.ConfigError(
            "`compare` needs the folder of at least one run. Received: none")
    folders = [saved_models.find(workdir, "workdir") for workdir in workdirs]
    configs = [saved_models.read_settings(folder) for folder in folders]
    if dataset:
        configs = [config.replace(dataset=dataset) for config in configs]
    paths = [folder.resolve() for folder in folders]
    if len(set(paths)) < len(paths):
        raise config_lib.ConfigError(
            f"`compare` must name each run once. Received: {', '.join(workdirs)}")
    sizes = [config.data.image_size for config in configs]
    if len(set(sizes)) > 1:
        received = ", ".join(f"{size} px in {folder}" for size, folder in zip(sizes, workdirs))
        raise config_lib.ConfigError("models compared on the same pictures must be trained at one "
                                     f"`image_size`. Received: {received}")
    return [Run(*one) for one in zip(_names(paths), folders, configs)]


def make_folder(path: str | Path) -> Path:
    """Makes the folder for results, before anything is measured.

    Raises:
        ConfigError: it cannot be made, or nothing can be written there.
    """
    folder = Path(path)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        replace_file(folder / PROBE, "")
        (folder / PROBE).unlink()
    except OSError as error:
        raise config_lib.ConfigError("`output` must be a folder that can be written "
                                     f"({error.strerror}). Received: output={folder}")
    return folder


def check_rival(rival: str, run: Run) -> None:
    """Refuses what a model's natural colors cannot be compared with.

    Raises:
        ConfigError: it was trained to targets, or at another image size.
        ModelError: it is no run and no model.
    """
    config = saved_models.read_settings(saved_models.find(rival, "rival"))
    if config.controls.conditional or config.controls.desired():
        raise config_lib.ConfigError(
            f"`rival` must have been trained without targets. Received: rival={rival}")
    sizes = config.data.image_size, run.config.data.image_size
    if sizes[0] != sizes[1]:
        raise config_lib.ConfigError(
            "`rival` must have been trained at the model's `image_size`. "
            f"Received: rival={rival}, {sizes[0]} px, {run.workdir}, {sizes[1]} px")


def _names(paths: Sequence[Path]) -> list[str]:
    for count in itertools.count(1):
        names = ["/".join(path.parts[-count:]) for path in paths]
        if len(TAKEN.union(names)) == len(TAKEN) + len(names):
            break
    return names
