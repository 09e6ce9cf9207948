"""Every setting of a run: its default, its help and its rule.

The dataclasses are the single list of settings. `colorizer.flags` makes one command-line flag of
each field, under the heading of its class; `config.json` in a run's folder holds the same fields.
No TensorFlow here, so that a wrong flag is refused before anything slow is imported.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
import math
from typing import Any

from colorizer.color import controls
from colorizer.color.controls import Control
from colorizer.errors import UserError


class ConfigError(UserError):
    """A setting breaks its rule."""


def setting(
    default: Any, help: str, *, low: float | None = None, high: float | None = None,
    above: float | None = None, choices: tuple[str, ...] | None = None,
    published: tuple[str, ...] = (), may_change: bool = False,
) -> Any:
    """A field: help text, bounds, the names earlier programs gave it, whether a resume may
    change it.
    """
    metadata = dict(help=help, low=low, high=high, above=above, choices=choices,
                    published=published, may_change=may_change)
    return dataclasses.field(default=default, metadata=metadata)


@dataclass(frozen=True)
class DataConfig:
    """Data"""

    dataset: str = setting(
        "cifar10", "what to train on: `sample` (built in), the name of any TensorFlow Datasets "
        "set that has an `image`, or a folder of pictures")
    data_dir: str | None = setting(
        None, "where TensorFlow Datasets keeps its data (default: ~/tensorflow_datasets)",
        published=("dataset_path",), may_change=True)
    image_size: int = setting(
        None, "side of the training pictures in pixels, a power of two (default: the set's own "
        "when it is 32, else 256)", low=16, high=1024)
    test_split: float = setting(
        0.1, "share of a folder's pictures held out for testing, unless it has train/ and test/",
        above=0.0, high=0.9)
    augment: bool = setting(True, "flip pictures at random, and crop those of a folder")
    max_bad_share: float = setting(
        0.05, "largest share of a folder's pictures that may be unreadable", low=0, high=1,
        may_change=True)


@dataclass(frozen=True)
class ModelConfig:
    """Networks"""

    width: int = setting(
        None, "channels of the first layer; the others scale with it (default: the paper's 64; "
        "24 for the sample)", low=1, high=1024)
    dropout: float = setting(
        0.5, "dropout of the generator's first two decoder layers, up to 64 px", low=0, high=0.9)
    num_downsamples: int | None = setting(
        None, "how often the generator halves the picture (default: down to 2 x 2 pixels; 4 at "
        "32 px)", low=1, high=9)
    gen_norm: str = setting(
        "batch", "normalization in the generator", choices=("batch", "instance"))
    disc_norm: str = setting(
        "batch", "normalization in the discriminator; spectral: of every convolution's kernel",
        choices=("batch", "instance", "spectral", "none"))
    init: str = setting(
        "he", "how kernels begin: he (the generator's last layer at zeros, so that training begins "
        "with gray), normal (N(0, 0.02) everywhere, batch norm's gain N(1, 0.02)), lecun (the "
        "paper's released code), uniform (PyTorch's default)",
        choices=("he", "normal", "lecun", "uniform"))
    input_channel: str = setting(
        "lightness", "what the networks see of the gray picture: CIE L*, or luma (Rec. 601), as in "
        "the paper's released code", choices=("lightness", "luma"))
    output_channels: str = setting(
        "ab", "what the generator predicts: ab, joined with the picture's own lightness, or lab, "
        "as in the paper's released code", choices=("ab", "lab"))
    attention_resolution: int | None = setting(
        None, "side in pixels of the feature map that gets self-attention (default: none): 4, 8 "
        "... up to the picture's own in the generator, to half of it in the discriminator", low=4)
    attention_in: str = setting(
        "generator", "which networks get self-attention", choices=("generator", "both"))
    global_context: bool = setting(
        False, "let a summary of the whole picture modulate the generator's decoder, and foretell "
        "how colorful the picture is")

    def generator_options(self) -> dict[str, Any]:
        """What `networks.build_generator` takes besides the size, the width and the condition."""
        return dict(dropout=self.dropout, num_downsamples=self.num_downsamples, norm=self.gen_norm,
                    init=self.init, output_channels=self.output_channels,
                    attention_resolution=self.attention_resolution,
                    global_context=self.global_context)

    def discriminator_options(self) -> dict[str, Any]:
        """The same for `networks.build_discriminator`."""
        attention = self.attention_resolution if self.attention_in == "both" else None
        return dict(norm=self.disc_norm, init=self.init, output_channels=self.output_channels,
                    attention_resolution=attention)


@dataclass(frozen=True)
class ObjectiveConfig:
    """Objective"""

    adversarial_weight: float = setting(
        1.0, "weight of -log D(G) in the generator's loss; 0 trains without a discriminator", low=0)
    l1_weight: float = setting(100.0, "weight of the mean |ab - original ab|", low=0)
    l1_softening: float = setting(
        0.0, "distance in ab / 110 beyond which being further off counts ever less, so that the "
        "likeliest color wins over the median one (of a conditional model: where no target is "
        "asked for); 0: the paper's L1", low=0)
    original_colorfulness_weight: float = setting(
        0.0, "weight of |colorfulness - the original's| where no target is asked for, which keeps "
        "L1 from painting duller than the pictures are; 0: none, as in the paper", low=0)
    label_smoothing: float = setting(
        0.1, "how far the discriminator's label for real pictures is below 1", low=0, high=0.5)
    perceptual_weight: float = setting(
        0.0, "weight of the content loss, the distance in the features of `perceptual_network`",
        low=0)
    perceptual_network: str = setting(
        "vgg19", "the content loss's classifier: vgg19 (ImageNet weights, downloaded), cifar10 "
        "(comes with the package), the path of a .keras classifier of RGB in [0, 1], or of a .h5 "
        "file with VGG19's weights")
    perceptual_layers: str | None = setting(
        None, "names of its layers to compare, separated by commas (default: the last of each "
        "block; of a .keras file, the last that gives a map)")


@dataclass(frozen=True)
class _ControlsBase:
    """Controls"""

    conditional: bool = setting(
        False, "train one model that obeys any target given when it colors")
    condition: str = setting(
        "both", "which networks of a conditional model see the control vector; one whose generator "
        "does not see it cannot be asked for anything",
        choices=("generator", "discriminator", "both"))
    controls: str | None = setting(
        None, "what a conditional model obeys, separated by commas (default: every control)")
    condition_dropout: float = setting(
        0.25, "share of the training pictures with no target, so that natural coloring is kept; "
        "each of the others is asked for at least one control",
        low=0, high=1)
    l1_target: str = setting(
        "retargeted", "what a conditional model's L1 compares with: the original moved to the "
        "targets, or as it is", choices=("retargeted", "original"))
    hue_mean: str = setting(
        "circular", "how the hue of a picture is averaged: circular, weighted by chroma; linear "
        "is the published term, which breaks at the wrap", choices=("circular", "linear"))

    def obeyed(self) -> tuple[Control, ...]:
        """What a conditional model is trained to obey, in the order of its control vector."""
        return controls.select((self.controls or ",".join(controls.NAMES)).split(","))

    def askable(self) -> tuple[Control, ...]:
        """The same, if the generator is given the control vector: what it can be asked for."""
        seen = self.conditional and self.condition != "discriminator"
        return self.obeyed() if seen else ()

    def desired(self) -> dict[str, float]:
        """The fixed targets that were asked for, by control."""
        values = {name: getattr(self, f"desired_{name}") for name in controls.NAMES}
        return {name: value for name, value in values.items() if value is not None}

    def weights(self) -> dict[str, float]:
        """The weight of each control's loss."""
        return {name: getattr(self, f"{name}_weight") for name in controls.NAMES}


ControlsConfig: Any = dataclasses.make_dataclass(
    "ControlsConfig",
    [(f"desired_{control.name}", "float | None", setting(
        None, f"fixed target of training: {control.help}", low=0, high=1))
     for control in controls.CONTROLS]
    + [(f"{control.name}_weight", "float", setting(
        1.0, f"weight of |mean {control.name} - target| in the generator's loss", low=0))
       for control in controls.CONTROLS],
    bases=(_ControlsBase,), frozen=True, namespace={"__doc__": _ControlsBase.__doc__})


@dataclass(frozen=True)
class OptimizerConfig:
    """Optimization"""

    batch_size: int = setting(
        None, "pictures a step, over all devices (default: 128 up to 64 px, else 16)", low=1)
    epochs: float = setting(
        None, "passes over the training pictures (default: 200 up to 64 px, else 10; "
        "30 for the sample)", above=0, may_change=True)
    max_steps: int | None = setting(
        None, "stop after this many steps, whatever `epochs`", low=1,
        may_change=True)
    lr: float = setting(
        None, "learning rate of Adam for both networks (default: the paper's 2e-4; 1e-3 for the "
        "sample)", above=0, published=("gen_lr",), may_change=True)
    disc_lr: float | None = setting(
        None, "learning rate of the discriminator (default: `lr`)", above=0, may_change=True)
    min_lr: float = setting(
        0.0, "the decay lets no rate fall below this", low=0, may_change=True)
    generator_steps: int = setting(
        1, "updates of the generator a step. 1: one pass of the generator serves both networks' "
        "updates. 2, as in the paper's released code: the discriminator is updated, then the "
        "generator twice, with new dropout each time", low=1, high=10)
    beta1: float = setting(
        0.5, "Adam's decay of the first moment (\"reduced momentum\")", low=0, high=0.9999)
    lr_decay: str = setting(
        None, "how the rates fall: by `lr_decay_rate` every `lr_decay_steps` steps (exponential), "
        "or whenever the training L1 has stopped falling (plateau); default: exponential "
        "if `lr_decay_steps` is given, else plateau", choices=("exponential", "plateau", "none"),
        may_change=True)
    lr_decay_rate: float = setting(
        0.1, "factor on the rates at a decay", above=0, high=1,
        may_change=True)
    lr_decay_steps: int | None = setting(
        None, "steps in which the rates fall by `lr_decay_rate`, smoothly", low=1, may_change=True)
    plateau_patience: int = setting(
        10, "epochs without a lower training L1 before a plateau decay", low=1, may_change=True)
    ema_decay: float = setting(
        None, "average the generator's weights over steps with this factor and color with the "
        "average (default: 0, off, as in the paper; 0.99 for the sample)", low=0, high=0.99999)
    precision: str = setting(
        "float32", "arithmetic: mixed_float16 for GPUs with tensor cores, such as a T4; "
        "mixed_bfloat16 for newer GPUs and CPUs with bfloat16 matrix units",
        choices=("float32", "mixed_float16", "mixed_bfloat16"))
    jit_compile: bool = setting(
        False, "compile the step with XLA (slower on CPUs)",
        may_change=True)


@dataclass(frozen=True)
class RunConfig:
    """Run"""

    workdir: str = setting(
        None, "folder of the run: config.json, checkpoints, TensorBoard logs, pictures (default: "
        "runs/<dataset>)", published=("checkpoints_path",), may_change=True)
    seed: int = setting(0, "fixes weights, order of the pictures, flips and dropout",
                        low=0, high=2**31 - 1)
    init_from: str | None = setting(
        None, "a run or model whose generator training begins with, as far as names and shapes "
        "agree: its folder, file or name")
    deterministic: bool = setting(
        False, "bit-identical results on GPUs too, which is slower", may_change=True)
    max_bad_steps: int = setting(
        10, "steps in a row with numbers that are not finite, each of which is dropped, before the "
        "run goes back to a checkpoint with lower rates, once", low=1, may_change=True)
    checkpoint_minutes: float = setting(
        10.0, "minutes between checkpoints", above=0,
        may_change=True)
    checkpoint_steps: int | None = setting(
        None, "steps between checkpoints, besides those by time", low=1,
        published=("save_interval",), may_change=True)
    keep_checkpoints: int = setting(
        3, "how many of the newest checkpoints stay, besides that with the lowest delta_e", low=1,
        may_change=True)
    log_steps: int = setting(20, "steps between TensorBoard scalars", low=1, may_change=True)
    eval_steps: int | None = setting(
        None, "steps between evaluations and picture grids (default: one epoch, at most 1000)",
        low=1, published=("log_interval",), may_change=True)
    eval_examples: int = setting(
        1000, "test pictures in an evaluation during training", low=1,
        may_change=True)
    grid_examples: int = setting(
        16, "test pictures in the grid of every evaluation", low=1, high=64,
        published=("samples_size",), may_change=True)


_KINDS: dict[str, Any] = {"bool": bool, "int": int, "float": (int, float), "str": str}


def check_kind(field: dataclasses.Field, value: Any) -> None:
    """Refuses what a hand-edited config.json may hold: the flags check this on their own."""
    kind = str(field.type).split("|")[0].strip()
    if value is None and field.default is None:
        return
    if not isinstance(value, _KINDS[kind]) or (isinstance(value, bool) and kind != "bool"):
        raise ConfigError(f"`{field.name}` must be of type {kind}. "
                          f"Received: {field.name}={value!r}")


def check(name: str, value: Any, rule: Any) -> None:
    """Refuses a value that breaks the rule in the metadata of its field."""
    if value is None:
        return
    received = f"Received: {name}={value}"
    if rule["choices"] and value not in rule["choices"]:
        raise ConfigError(f"`{name}` must be one of {', '.join(rule['choices'])}. {received}")
    if isinstance(value, float) and not math.isfinite(value):
        raise ConfigError(f"`{name}` must be a finite number. {received}")
    low, high, above = rule["low"], rule["high"], rule["above"]
    if above is not None and value <= above:
        raise ConfigError(f"`{name}` must be above {above:g}. {received}")
    if low is not None and value < low:
        raise ConfigError(f"`{name}` must be at least {low:g}. {received}")
    if high is not None and value > high:
        raise ConfigError(f"`{name}` must be at most {high:g}. {received}")
