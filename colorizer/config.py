"""All settings of a run together: rules that need several of them, defaults that depend on the
data, and their JSON form.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
import json
from pathlib import Path
from typing import Any

from colorizer.color import controls
from colorizer.settings import (
    ConfigError, ControlsConfig, DataConfig, ModelConfig, ObjectiveConfig, OptimizerConfig, RunConfig, check, check_kind
)

ATTENTION_LIMIT = 2**30  # bytes


@dataclass(frozen=True)
class TrainConfig:
    """All settings of one training run.

    Settings whose default depends on the data set are None until `resolve`.
    """

    data: DataConfig = DataConfig()
    model: ModelConfig = ModelConfig()
    objective: ObjectiveConfig = ObjectiveConfig()
    controls: ControlsConfig = ControlsConfig()
    optimizer: OptimizerConfig = OptimizerConfig()
    run: RunConfig = RunConfig()

    def __post_init__(self):
        for section in dataclasses.fields(self):
            part = getattr(self, section.name)
            for field in dataclasses.fields(part):
                check_kind(field, getattr(part, field.name))
        for name, value, rule in self.settings():
            check(name, value, rule)
        size = self.data.image_size
        if size is not None and size & (size - 1):
            raise ConfigError(f"`image_size` must be a power of two. Received: image_size={size}")
        if size is not None and 2 ** (self.model.num_downsamples or 0) > size:
            raise ConfigError(f"`image_size` must be at least 2 to the power of `num_downsamples`. "
                              f"Received: image_size={size}, num_downsamples={self.model.num_downsamples}")
        if self.optimizer.lr_decay in ("plateau", "none") and self.optimizer.lr_decay_steps:
            raise ConfigError(
                "`lr_decay_steps` belongs to lr_decay=exponential. Received: "
                f"lr_decay={self.optimizer.lr_decay}, "
                f"lr_decay_steps={self.optimizer.lr_decay_steps}")
        if self.optimizer.lr_decay == "exponential" and not self.optimizer.lr_decay_steps:
            raise ConfigError(
                "lr_decay=exponential needs `lr_decay_steps`. Received: lr_decay_steps=None")
        self._check_controls(self.controls.desired())
        if self.objective.adversarial_weight == 0 and self.objective.l1_weight == 0:
            raise ConfigError(
                "one of `adversarial_weight` and `l1_weight` must be above 0. Received: both 0")
        if self.model.attention_resolution is not None and size is not None:
            self._check_attention(size, self.model.attention_resolution)

    def _check_controls(self, desired: dict[str, float]) -> None:
        self.controls.obeyed()
        received = ", ".join(f"desired_{name}={value:g}" for name, value in desired.items())
        if self.controls.conditional and desired:
            raise ConfigError(
                "a conditional model is given its targets when it colors, a fixed one when it is "
                f"trained: not both. Received: conditional=True, {received}")
        if self.controls.conditional and self.controls.hue_mean == "linear":
            raise ConfigError("`hue_mean` must be circular for a conditional model, whose targets "
                              "are. Received: conditional=True, hue_mean=linear")
        if self.controls.controls and not self.controls.conditional:
            raise ConfigError("`controls` says what a conditional model obeys. Received: "
                              f"conditional=False, controls={self.controls.controls}")
        weight = self.objective.original_colorfulness_weight
        never_natural = self.controls.conditional and self.controls.condition_dropout == 0
        if weight > 0 and (desired or never_natural):
            received = received or "conditional=True, condition_dropout=0"
            raise ConfigError(
                "`original_colorfulness_weight` is for pictures that are asked for nothing. "
                f"Received: original_colorfulness_weight={weight:g}, {received}")
        unweighted = [name for name in desired if self.controls.weights()[name] == 0]
        if unweighted:
            raise ConfigError("a control with a fixed target must have a weight above 0. Received: "
                              f"{received}, {unweighted[0]}_weight=0")

    def _check_attention(self, size: int, side: int) -> None:
        largest = size // 2 if self.model.attention_in == "both" else size
        smallest = max(4, 2 * size // 2 ** (self.model.num_downsamples or size.bit_length()))
        maps = [2**power for power in range(smallest.bit_length() - 1, largest.bit_length())]
        if side not in maps:
            raise ConfigError(
                "`attention_resolution` must be the side of a feature map, here one of "
                f"{', '.join(map(str, maps))}. Received: attention_resolution={side}, "
                f"image_size={size}, attention_in={self.model.attention_in}")
        batch = self.optimizer.batch_size or 1
        needed = 4 * batch * side**2 * (side // 2)**2
        if needed > ATTENTION_LIMIT:
            raise ConfigError(
                "the attention matrices of a batch, 4 bytes * batch_size * side^2 * (side / 2)^2, "
                f"must fit into {ATTENTION_LIMIT / 2**30:g} GiB. Received: {needed / 2**30:.3g} "
                f"GiB of attention_resolution={side}, batch_size={batch}")

    def settings(self):
        """Yields (name, value, metadata) of every setting."""
        for section in dataclasses.fields(self):
            part = getattr(self, section.name)
            for field in dataclasses.fields(part):
                yield field.name, getattr(part, field.name), field.metadata

    def resolve(self, image_size: int) -> "TrainConfig":
        """Fills the settings that were left to depend on the data set.

        Args:
            image_size: side in pixels that the loaded data set has.

        Returns:
            The configuration with no such setting left at None.
        """
        sample = self.data.dataset == "sample"
        small = image_size <= 64
        decay = "exponential" if self.optimizer.lr_decay_steps else "plateau"
        defaults = {
            "image_size": image_size,
            "width": 24 if sample else 64,
            "batch_size": 32 if sample else 128 if small else 16,
            "epochs": 30 if sample else 200 if small else 10,
            "lr": 1e-3 if sample else 2e-4,
            "lr_decay": decay,
            "controls": ",".join(controls.NAMES) if self.controls.conditional else None,
            "ema_decay": 0.99 if sample else 0.0,
        }
        missing = {
            name: defaults[name] for name, value, _ in self.settings()
            if value is None and name in defaults
        }
        return self.replace(**missing)

    def replace(self, **changes: Any) -> "TrainConfig":
        """A copy with the named settings changed, whatever section they are in."""
        parts = {}
        for section in dataclasses.fields(self):
            part = getattr(self, section.name)
            own = {f.name: changes.pop(f.name) for f in dataclasses.fields(part)
                   if f.name in changes}
            parts[section.name] = dataclasses.replace(part, **own)
        if changes:
            raise ConfigError(f"unknown settings. Received: {', '.join(sorted(changes))}")
        return TrainConfig(**parts)

    def to_json(self) -> str:
        """The settings as JSON, one object a section."""
        return json.dumps(dataclasses.asdict(self), indent=2) + "\n"

    @classmethod
    def from_json(cls, text: str) -> "TrainConfig":
        """The inverse of `to_json`; settings the file lacks keep their defaults.

        Raises:
            ConfigError: not JSON, not an object of objects, or a setting that breaks its rule.
        """
        try:
            values = {name: value for section in json.loads(text).values()
                      for name, value in section.items()}
        except (ValueError, AttributeError) as error:
            raise ConfigError(f"config.json must be an object of sections. Received: {error}")
        return cls().replace(**values)


def read_config(workdir: Path) -> TrainConfig:
    """The configuration of a run.

    Raises:
        ConfigError: there is no `config.json`, or it cannot be read.
    """
    try:
        return TrainConfig.from_json((workdir / "config.json").read_text(encoding="utf-8"))
    except UnicodeDecodeError as error:
        raise ConfigError(f"config.json must be text in UTF-8. Received: {error}")
    except OSError as error:
        raise ConfigError(
            f"`workdir` must be the folder of a run, with a config.json ({error.strerror}). "
            f"Received: workdir={workdir}")
