"""Every setting of a run: its default, its help, its rule, and its JSON form (no TensorFlow).

The section classes are the one list of settings. `cli.py` makes a flag of each field.
"""

from __future__ import annotations

from collections.abc import Iterator
import dataclasses
from dataclasses import dataclass
import json
from pathlib import Path
from typing import Any, Mapping

from colorizer.color import controls
from colorizer.errors import UserError, brief
from colorizer.fields import ConfigError, check, field_types, setting
from colorizer.files import CONFIG_FILE, read_json

MIN_ATTENTION_SIDE = 4
ENCODER_MULTIPLE = 32  # pixels: the deepest map of a pretrained encoder is at 1/32


def target(name: str) -> Any:
    """The field of one control's fixed target."""
    return setting(None, f"fixed target: {controls.select([name])[0].help}", low=0, high=1)


@dataclass(frozen=True)
class DataConfig:
    """Data"""

    dataset: str = setting(
        "cifar10", "what to train on: `sample` (built in), a folder of images, or the name of any "
        "TensorFlow Datasets set that has an `image`", may_change=True)
    data_dir: str | None = setting(
        None, "where TensorFlow Datasets keeps its data (default: ~/tensorflow_datasets)",
        aliases=("dataset_path",), may_change=True)
    image_size: int | None = setting(
        None, "side of the images in pixels, a power of two (default: the set's own if that is 32, "
        "else 256); with an encoder a multiple of 32", low=16, high=1024)
    augment: bool = setting(True, "flip images at random, and crop those of a folder")
    chroma_gain: float = setting(
        1.0, "factor on the chroma of the training images, which L1 mutes", above=0, high=2)


@dataclass(frozen=True)
class ModelConfig:
    """Networks"""

    base_channels: int | None = setting(
        None, "channels of the first layer; the others scale with it (default: the paper's 64; "
        "24 for the sample)", low=1, high=1024, aliases=("width",))
    num_downsamples: int | None = setting(
        None, "how often the generator halves the image", low=1, high=9, flag=False)
    encoder: str = setting(
        "none", "encoder of the generator: none (the paper's networks), or efficientnet_lite0, "
        "trained on ImageNet, with a light decoder whose colors are at 1/4 of the image",
        choices=("none", "efficientnet_lite0"))
    encoder_trainable: str = setting(
        "none", "which part of a pretrained encoder is trained: none, upper (from 1/32 of the "
        "image on), or all", choices=("none", "upper", "all"))
    disc_norm: str = setting(
        "batch", "normalization in the discriminator", choices=("batch", "spectral"))
    init: str = setting(
        "he", "how kernels are initialized: he (training begins with gray), normal (N(0, 0.02)), "
        "lecun (the paper's released code), uniform (PyTorch's default)",
        choices=("he", "normal", "lecun", "uniform"))
    predict_lightness: bool = setting(
        False, "as the paper's released code: see luma in place of CIE L*, and predict L, too")
    attention_resolution: int | None = setting(
        None, "side in pixels of the generator's map that gets self-attention (default: none)",
        low=MIN_ATTENTION_SIDE)


@dataclass(frozen=True)
class ObjectiveConfig:
    """Objective"""

    adversarial_weight: float = setting(
        1.0, "weight of -log D(G) in the generator's loss; 0 trains without a discriminator", low=0)
    l1_weight: float = setting(100.0, "weight of the mean |ab - real ab|", low=0)
    pretrain_epochs: float = setting(
        0.0, "passes over the images with the other losses before the discriminator joins", low=0)
    l1_target: str = setting(
        "retargeted", "what L1 compares with where there are targets: the original moved to them, "
        "or as it is, as published", choices=("retargeted", "original"))
    label_smoothing: float = setting(
        0.1, "how far the discriminator's label for real images is below 1", low=0, high=0.5)
    perceptual_weight: float = setting(
        0.0, "weight of the perceptual loss, a distance in the features of `perceptual_network`",
        low=0)
    perceptual_network: str = setting(
        "vgg19", "classifier of the perceptual loss: vgg19 (ImageNet weights, downloaded), "
        "efficientnet_lite0 or cifar10 (come with the package), or the path of a .keras classifier "
        "of RGB in [0, 1]")


@dataclass(frozen=True)
class ControlsConfig:
    """Controls"""

    conditional: bool = setting(
        False, "train one model that takes any target at inference")
    condition_dropout: float = setting(
        0.25, "share of a conditional model's training images without a target", low=0, high=1)
    hue_mean: str = setting(
        "circular", "how the hue of an image is averaged: circular, weighted by chroma, or linear, "
        "the published term, which breaks at the wrap", choices=("circular", "linear"))
    desired_saturation: float | None = target("saturation")
    desired_hue: float | None = target("hue")
    desired_red: float | None = target("red")
    desired_green: float | None = target("green")
    desired_blue: float | None = target("blue")
    desired_colorfulness: float | None = target("colorfulness")
    desired_warmth: float | None = target("warmth")
    control_weight: float | None = setting(
        None, "weight of each control's |statistic - target| in the generator's loss (default: "
        "half of `l1_weight`; 1 if conditional)", low=0)
    hint_share: float = setting(
        0.0, "share of the training images that show the colors of some points; above 0 the model "
        "takes hints at inference", low=0, high=1)

    def supported(self) -> tuple[controls.Control, ...]:
        """The controls that a user may set at inference: all of a conditional model, else none."""
        return controls.CONTROLS if self.conditional else ()

    def desired(self) -> dict[str, float]:
        """The fixed targets of training, control -> target."""
        return {name: value for name in controls.CONTROL_NAMES
                if (value := getattr(self, f"desired_{name}")) is not None}


@dataclass(frozen=True)
class OptimizerConfig:
    """Optimization"""

    batch_size: int | None = setting(
        None, "images a step, over all devices (default: 128 up to 64 px, else 16)", low=1)
    epochs: float | None = setting(
        None, "passes over the images (default: 200 up to 64 px, else 10; 15 for the sample)",
        above=0, may_change=True)
    max_steps: int | None = setting(
        None, "stop after this many steps, whatever `epochs`", low=1, may_change=True)
    lr: float | None = setting(
        None, "learning rate of Adam (default: the paper's 2e-4; 1e-3 for the sample)", above=0,
        aliases=("gen_lr",), may_change=True)
    disc_lr: float | None = setting(
        None, "learning rate of the discriminator (default: `lr`)", above=0, may_change=True)
    encoder_lr: float | None = setting(
        None, "learning rate of a pretrained encoder (default: a tenth of `lr`)", above=0,
        may_change=True)
    min_lr: float = setting(
        0.0, "the learning rates never fall below this", low=0, may_change=True)
    disc_min_lr: float | None = setting(
        None, "the same for the discriminator (default: `min_lr`)", low=0, may_change=True)
    update_schedule: str = setting(
        "d_g", "the updates of a step. d_g: the discriminator, then the generator, as in the "
        "paper; d_g_g: then the generator again, as in its released code; joint: both from one "
        "pass of the generator, which is faster and has other dynamics",
        choices=("d_g", "d_g_g", "joint"))
    beta1: float = setting(
        0.5, "Adam's decay of the first moment (\"reduced momentum\")", low=0, high=0.9999)
    lr_decay_steps: int | None = setting(
        None, "steps in which the learning rates fall smoothly to a tenth (default: to a tenth at "
        "each plateau of the training L1, as in the paper)", low=1, may_change=True)
    ema_decay: float | None = setting(
        None, "decay of an average of the generator's weights, which then colorizes (default: 0, "
        "none, as in the paper; 0.99 for the sample)", low=0, high=0.99999)
    precision: str = setting(
        "float32", "arithmetic: mixed_float16 for GPUs with tensor cores, such as a T4; "
        "mixed_bfloat16 for newer GPUs and CPUs with bfloat16 matrix units",
        choices=("float32", "mixed_float16", "mixed_bfloat16"))


@dataclass(frozen=True)
class RunConfig:
    """Run"""

    workdir: str | None = setting(
        None, "folder of the run (default: runs/<dataset>)", aliases=("checkpoints_path",),
        may_change=True)
    seed: int = setting(
        0, "fixes weights, order of the images, flips and dropout", low=0, high=2**31 - 1)
    init_from: str | None = setting(
        None, "a run or a model that ships, whose generator and architecture this run begins with")
    deterministic: bool = setting(
        False, "bit-identical results on GPUs too, which is slower", may_change=True)
    checkpoint_steps: int | None = setting(
        None, "steps between checkpoints, besides one every 10 minutes", low=1,
        aliases=("save_interval",), may_change=True)
    eval_steps: int | None = setting(
        None, "steps between evaluations and image grids (default: one epoch, at most 1000)",
        low=1, aliases=("log_interval",), may_change=True)
    eval_examples: int = setting(
        1000, "validation images in an evaluation during training", low=1, may_change=True)


@dataclass(frozen=True)
class TrainConfig:
    """All settings of one training run; None is a default that depends on the data set.

    Raises:
        ConfigError: a setting breaks its rule, or two contradict each other.

    Example:
        >>> TrainConfig().replace(dataset="cifar10", desired_saturation=1.0).controls.desired()
        {'saturation': 1.0}
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
            types = field_types(type(part))
            for field in dataclasses.fields(part):
                check(field, getattr(part, field.name), types[field.name])
        if self.objective.adversarial_weight == 0 and self.objective.l1_weight == 0:
            raise ConfigError(
                "one of `adversarial_weight` and `l1_weight` must be above 0. Received: both 0")
        self._check_encoder()
        self._check_size()
        self._check_controls()

    def _check_encoder(self) -> None:
        model = self.model
        if model.encoder == "none":
            needing = [f"encoder_trainable={model.encoder_trainable}"] * (
                model.encoder_trainable != "none")
            needing += [f"hint_share={self.controls.hint_share:g}"] * (self.controls.hint_share > 0)
            if needing:
                raise ConfigError("hints and the training of an encoder need one. Received: "
                                  f"encoder=none, {', '.join(needing)}")
        elif model.predict_lightness or model.attention_resolution or model.num_downsamples:
            raise ConfigError(
                "`predict_lightness`, `attention_resolution` and `num_downsamples` are for the "
                f"paper's networks. Received: encoder={model.encoder}, predict_lightness="
                f"{model.predict_lightness}, attention_resolution={model.attention_resolution}, "
                f"num_downsamples={model.num_downsamples}")

    def _check_size(self) -> None:
        if (size := self.data.image_size) is None:
            return
        if self.model.encoder != "none":
            if size % ENCODER_MULTIPLE:
                raise ConfigError(f"with an encoder, `image_size` must be a multiple of "
                                  f"{ENCODER_MULTIPLE}. Received: image_size={size}")
            return
        if size & (size - 1):
            raise ConfigError(f"`image_size` must be a power of two. Received: image_size={size}")
        downsamples = self.model.num_downsamples or size.bit_length() - 2
        if 2 ** downsamples > size:
            raise ConfigError("`image_size` must be at least 2 ** `num_downsamples`. "
                              f"Received: image_size={size}, num_downsamples={downsamples}")
        if not (side := self.model.attention_resolution):
            return
        smallest = max(MIN_ATTENTION_SIDE, 2 * size // 2 ** downsamples)
        sides = [2**power for power in range(smallest.bit_length() - 1, size.bit_length())]
        if side not in sides:
            raise ConfigError(
                f"`attention_resolution` must be the side of a map, {', '.join(map(str, sides))}. "
                f"Received: attention_resolution={side}")
        needed = 4 * (self.optimizer.batch_size or 1) * side**2 * (side // 2)**2
        if needed > 2**30:
            raise ConfigError(
                "the attention matrices, 4 bytes * batch_size * side^2 * (side / 2)^2, must fit "
                f"into 1 GiB. Received: {needed / 2**30:.3g} GiB of attention_resolution={side}, "
                f"batch_size={self.optimizer.batch_size}")

    def _check_controls(self) -> None:
        desired = self.controls.desired()
        received = ", ".join(f"desired_{name}={desired[name]:g}" for name in desired)
        if self.controls.conditional and desired:
            raise ConfigError("a conditional model takes its targets at inference, not fixed ones."
                              f" Received: conditional=True, {received}")
        if self.controls.conditional and self.controls.hue_mean == "linear":
            raise ConfigError("the hue of a conditional model's targets is circular. "
                              "Received: conditional=True, hue_mean=linear")
        weight = self.controls.control_weight
        if desired and weight == 0:
            raise ConfigError(f"a target needs a weight. Received: {received}, control_weight=0")
        if weight and not (received or self.controls.conditional or self.run.init_from):
            raise ConfigError("`control_weight` needs a target, such as --desired_saturation=1, or "
                              f"--conditional. Received: control_weight={weight:g} alone")

    def settings(self) -> Iterator[tuple[str, Any, Mapping[str, Any]]]:
        """Yields (name, value, metadata) of every setting."""
        for section in dataclasses.fields(self):
            part = getattr(self, section.name)
            for field in dataclasses.fields(part):
                yield field.name, getattr(part, field.name), field.metadata

    def resolve(self, image_size: int) -> "TrainConfig":
        """Fills the settings that depend on the data, images of this side in pixels."""
        sample, small = self.data.dataset == "sample", image_size <= 64
        defaults: dict[str, Any] = {
            "image_size": image_size,
            "base_channels": 24 if sample else 64,
            "batch_size": 32 if sample else 128 if small else 16,
            "epochs": 15.0 if sample else 200.0 if small else 10.0,
            "lr": 1e-3 if sample else 2e-4,
            "ema_decay": 0.99 if sample else 0.0,
        }
        if self.controls.conditional or self.controls.desired():
            defaults["control_weight"] = (
                not self.controls.conditional and self.objective.l1_weight / 2.0) or 1.0
        return self.replace(**{name: defaults[name] for name, value, _ in self.settings()
                               if value is None and name in defaults})

    def replace(self, /, **changes: Any) -> "TrainConfig":
        """A copy with the named settings changed, whatever section they are in."""
        parts = {}
        for section in dataclasses.fields(self):
            part = getattr(self, section.name)
            names = [field.name for field in dataclasses.fields(part) if field.name in changes]
            own = {name: changes.pop(name) for name in names}
            parts[section.name] = dataclasses.replace(part, **own)
        if changes:
            raise ConfigError(f"unknown settings. Received: {brief(', '.join(sorted(changes)))}")
        return TrainConfig(**parts)

    def to_json(self) -> str:
        """The settings as JSON, one object a section."""
        return json.dumps(dataclasses.asdict(self), indent=2) + "\n"

    @classmethod
    def from_dict(cls, sections: Any) -> "TrainConfig":
        """The inverse of `dataclasses.asdict`, with defaults for what it lacks; or ConfigError."""
        try:
            values = [item for section in sections.values() for item in section.items()]
        except AttributeError:
            raise ConfigError(f"settings must be in sections. Received: {brief(repr(sections))}")
        return cls().replace(**dict(values))


def read_config(workdir: Path) -> TrainConfig:
    """The configuration of a run; a ConfigError where there is none, or none that can be read."""
    try:
        return TrainConfig.from_dict(read_json(workdir / CONFIG_FILE))
    except ConfigError as error:
        raise ConfigError(f"{workdir / CONFIG_FILE}: {error}") from error
    except UserError as error:
        raise ConfigError(f"`workdir` must be the folder of a run. Received: {error}") from error
