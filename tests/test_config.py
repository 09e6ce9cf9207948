"""The rules of every setting, and the JSON form."""

import dataclasses
import json

import pytest

from colorizer import config as config_lib
from colorizer.color import controls
from colorizer.config import ConfigError, TrainConfig
from colorizer.errors import UserError

# Another value than the default for every setting.
OTHER = dict(
    dataset="pictures", data_dir="/data", image_size=64, test_split=0.25, augment=False,
    width=16, adversarial_weight=0.5, l1_weight=1.5, label_smoothing=0.25, batch_size=7,
    epochs=0.5, max_steps=11, lr=1e-3, disc_lr=6e-5, beta1=0.9, lr_decay="exponential",
    lr_decay_rate=0.75, lr_decay_steps=60_000, plateau_patience=3, ema_decay=0.999,
    precision="mixed_bfloat16", jit_compile=True, workdir="ordner/ü", seed=100,
    checkpoint_minutes=0.5, checkpoint_steps=5, keep_checkpoints=1, log_steps=2, eval_steps=9,
    eval_examples=12, grid_examples=4)
OTHER |= dict(dropout=0.25, gen_norm="instance", disc_norm="spectral", init="normal",
              input_channel="luma", output_channels="lab", attention_resolution=8,
              attention_in="both", perceptual_weight=2.0, perceptual_network="cifar10",
              perceptual_layers="block_0", min_lr=1e-6, generator_steps=2, global_context=True)
OTHER |= dict(condition="generator", condition_dropout=0.5, l1_target="original",
              hue_mean="linear", dropout=0.25, max_bad_share=0.5, max_bad_steps=3,
              deterministic=True, num_downsamples=4, init_from="anfang/ü", l1_softening=0.03)
for _name in controls.NAMES:
    OTHER |= {f"desired_{_name}": 0.25, f"{_name}_weight": 20.0}


def value_of(config, name):
    return {key: value for key, value, _ in config.settings()}[name]


def refused(**changes):
    with pytest.raises(ConfigError) as caught:
        TrainConfig().replace(**changes)
    message = str(caught.value)
    assert "\n" not in message and "Received: " in message
    return message


# ------------------------------------------------------------------------------------------ rules

@pytest.mark.parametrize("name, wrong, right", [
    ("image_size", 8, 16), ("image_size", 2048, 1024), ("image_size", -32, 32),
    ("test_split", 0.0, 0.001), ("test_split", 0.91, 0.9), ("test_split", -0.1, 0.5),
    ("width", 0, 1), ("width", 1025, 1024),
    ("adversarial_weight", -1e-9, 0.0), ("l1_weight", -1.0, 0.0), ("l1_softening", -0.1, 0.0),
    ("label_smoothing", -0.1, 0.0), ("label_smoothing", 0.51, 0.5),
    ("batch_size", 0, 1), ("batch_size", -1, 1),
    ("epochs", 0.0, 0.001), ("max_steps", 0, 1),
    ("lr", 0.0, 1e-12), ("lr", -2e-4, 2e-4), ("disc_lr", 0.0, 1e-12),
    ("beta1", -0.1, 0.0), ("beta1", 1.0, 0.9999),
    ("lr_decay_rate", 0.0, 0.001), ("lr_decay_rate", 1.1, 1.0),
    ("lr_decay_steps", 0, 1), ("plateau_patience", 0, 1),
    ("ema_decay", -0.1, 0.0), ("ema_decay", 1.0, 0.99999),
    ("seed", -1, 0), ("seed", 2**31, 2**31 - 1),
    ("checkpoint_minutes", 0.0, 0.01), ("checkpoint_steps", 0, 1), ("keep_checkpoints", 0, 1),
    ("log_steps", 0, 1), ("eval_steps", 0, 1), ("eval_examples", 0, 1),
    ("grid_examples", 0, 1), ("grid_examples", 65, 64),
    ("gen_norm", "spectral", "instance"), ("disc_norm", "layer", "none"), ("init", "zeros", "he"),
    ("input_channel", "rgb", "luma"), ("output_channels", "rgb", "lab"),
    ("attention_resolution", 2, 4), ("attention_in", "discriminator", "both"),
    ("perceptual_weight", -1.0, 0.0), ("original_colorfulness_weight", -1.0, 0.0),
    ("min_lr", -1e-6, 0.0), ("generator_steps", 0, 1), ("generator_steps", 11, 10),
    ("precision", "float16", "mixed_float16"), ("lr_decay", "cosine", "plateau"),
])
def test_each_bound_is_kept_and_named(name, wrong, right):
    message = refused(**{name: wrong})
    assert f"`{name}`" in message and f"{name}={wrong}" in message
    assert value_of(TrainConfig().replace(**{name: right}), name) == right


@pytest.mark.parametrize("name", [
    name for name, value in OTHER.items() if isinstance(value, float)])
@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_no_setting_takes_nan_or_infinity(name, value):
    assert f"`{name}`" in refused(**{name: value})


@pytest.mark.parametrize("size", [17, 33, 48, 96, 255, 1000])
def test_image_size_must_be_a_power_of_two(size):
    assert "power of two" in refused(image_size=size)


def test_a_picture_can_be_halved_down_to_one_pixel():
    assert TrainConfig().replace(image_size=32, num_downsamples=5).model.num_downsamples == 5
    assert "num_downsamples=6" in refused(image_size=32, num_downsamples=6)


def test_attention_is_for_maps_that_a_shallow_generator_has():
    assert TrainConfig().replace(image_size=64, num_downsamples=3, attention_resolution=16)
    assert "16, 32, 64" in refused(image_size=64, num_downsamples=3, attention_resolution=8)


@pytest.mark.parametrize("decay", ["plateau", "none"])
def test_decay_steps_contradict_a_decay_that_ignores_them(decay):
    message = refused(lr_decay=decay, lr_decay_steps=100)
    assert f"lr_decay={decay}" in message and "lr_decay_steps=100" in message


def test_exponential_decay_needs_its_steps():
    assert "`lr_decay_steps`" in refused(lr_decay="exponential")
    TrainConfig().replace(lr_decay="exponential", lr_decay_steps=1)


def test_one_of_the_two_losses_must_count():
    assert "`l1_weight`" in refused(l1_weight=0.0, adversarial_weight=0.0)


@pytest.mark.parametrize("asked", [
    dict(desired_hue=0.5), dict(conditional=True, condition_dropout=0.0)])
def test_the_originals_colorfulness_is_for_pictures_that_are_asked_for_nothing(asked):
    message = refused(original_colorfulness_weight=2.5, **asked)
    assert "original_colorfulness_weight=2.5" in message
    assert all(name in message for name in asked)
    TrainConfig().replace(original_colorfulness_weight=2.5, conditional=True)


def test_replace_names_unknown_settings():
    assert refused(color=1, flavour=2, lr=1e-3).endswith("color, flavour")


def test_replace_changes_the_copy_only():
    before = TrainConfig()
    after = before.replace(beta1=0.9, seed=5)
    assert (before.optimizer.beta1, before.run.seed) == (0.5, 0)
    assert (after.optimizer.beta1, after.run.seed) == (0.9, 5)
    assert after.replace(beta1=0.5, seed=0) == before


def test_settings_cannot_be_assigned():
    with pytest.raises(dataclasses.FrozenInstanceError):
        TrainConfig().optimizer.lr = 1.0


@pytest.mark.parametrize("side, where, maps", [
    (6, "generator", "4, 8, 16, 32."), (64, "generator", "4, 8, 16, 32."),
    (32, "both", "4, 8, 16.")])
def test_attention_needs_a_map_of_its_size(side, where, maps):
    message = refused(image_size=32, attention_resolution=side, attention_in=where)
    assert maps in message and f"attention_resolution={side}" in message
    with pytest.raises(ConfigError, match="feature map"):  # the same once the size is known
        TrainConfig().replace(attention_resolution=side, attention_in=where).resolve(32)


def test_attention_that_needs_too_much_memory_is_refused_with_the_figure():
    # 16 pictures, 128 * 128 positions, a quarter as many keys, 4 bytes.
    assert 16 * 128**2 * 64**2 * 4 == 4 * 2**30
    message = refused(image_size=256, attention_resolution=128, batch_size=16)
    assert "4 GiB" in message and "batch_size=16" in message
    TrainConfig().replace(image_size=256, attention_resolution=128, batch_size=4)


# --------------------------------------------------------------------------------------- defaults

@pytest.mark.parametrize("dataset, size, width, batch_size, epochs, lr", [
    ("cifar10", 32, 64, 128, 200, 2e-4),  # the paper, section 4
    ("places365_small", 256, 64, 16, 10, 2e-4),  # the released code
    ("folder", 64, 64, 128, 200, 2e-4), ("folder", 128, 64, 16, 10, 2e-4),
    ("sample", 32, 24, 32, 30, 1e-3),  # as --help says
])
def test_resolve_fills_what_depends_on_the_data(dataset, size, width, batch_size, epochs, lr):
    config = TrainConfig().replace(dataset=dataset).resolve(size)
    assert config.data.image_size == size and config.model.width == width
    assert config.optimizer.batch_size == batch_size and config.optimizer.epochs == epochs
    assert config.optimizer.lr == lr and config.optimizer.lr_decay == "plateau"
    assert config.resolve(size) == config


def test_resolve_keeps_what_was_given():
    config = TrainConfig().replace(
        image_size=64, width=8, batch_size=3, epochs=1.5, lr=0.5, lr_decay="none").resolve(32)
    assert config.data.image_size == 64 and config.model.width == 8
    assert config.optimizer.batch_size == 3 and config.optimizer.epochs == 1.5
    assert config.optimizer.lr == 0.5 and config.optimizer.lr_decay == "none"


def test_decay_steps_alone_choose_exponential_decay():
    assert TrainConfig().replace(lr_decay_steps=10).resolve(32).optimizer.lr_decay == "exponential"


def test_defaults_are_the_papers():
    config = TrainConfig().resolve(32)
    assert config.optimizer.lr == 2e-4 and config.optimizer.lr_decay_rate == 0.1
    assert config.objective.l1_weight == 100 and config.objective.label_smoothing == 0.1


# ------------------------------------------------------------------------------------------- json

def test_json_round_trip_keeps_every_setting():
    config = TrainConfig().replace(**OTHER)
    default = {name: value for name, value, _ in TrainConfig().settings()}
    assert {name for name, value, _ in config.settings() if value != default[name]} == set(OTHER)
    # A conditional model is refused fixed targets.
    assert set(OTHER) | {"conditional", "controls", "original_colorfulness_weight"} == set(default)
    conditional = TrainConfig().replace(conditional=True, controls="warmth,hue")
    assert TrainConfig.from_json(conditional.to_json()) == conditional
    again = TrainConfig.from_json(config.to_json())
    assert again == config
    for (name, one, _), (_, other, _) in zip(again.settings(), config.settings()):
        assert type(one) is type(other), name


def test_json_round_trip_keeps_what_was_left_open():
    assert TrainConfig.from_json(TrainConfig().to_json()) == TrainConfig()


def test_json_is_one_object_a_section():
    values = json.loads(TrainConfig().to_json())
    assert set(values) == {"data", "model", "objective", "controls", "optimizer", "run"}
    assert values["objective"]["l1_weight"] == 100


def test_settings_that_a_file_lacks_keep_their_defaults():
    config = TrainConfig.from_json('{"optimizer": {"lr": 0.5}}')
    assert config == TrainConfig().replace(lr=0.5)


def test_a_run_keeps_the_controls_that_its_model_obeys():
    some = TrainConfig().replace(conditional=True, controls="warmth,hue")
    assert [control.name for control in some.controls.obeyed()] == ["warmth", "hue"]
    assert some.resolve(32).controls.controls == "warmth,hue"
    whole = TrainConfig().replace(conditional=True).resolve(32).controls
    assert whole.controls.split(",") == [control.name for control in whole.obeyed()]
    assert whole.controls.split(",") == list(controls.NAMES)
    assert TrainConfig().resolve(32).controls.controls is None


@pytest.mark.parametrize("names", ["sheen", "hue,", "hue,hue", "hue, saturation", "Hue"])
def test_a_model_obeys_controls_that_there_are_each_once(names):
    with pytest.raises(UserError, match=f"each once. Received: controls={names}$"):
        TrainConfig().replace(conditional=True, controls=names)


@pytest.mark.parametrize("changes, received", [
    (dict(controls="hue"), "conditional=False, controls=hue"),
    (dict(conditional=True, hue_mean="linear"), "conditional=True, hue_mean=linear"),
    (dict(desired_hue=0.5, hue_weight=0.0), "desired_hue=0.5, hue_weight=0"),
])
def test_settings_of_controls_that_would_do_nothing_or_contradict_are_refused(changes, received):
    assert received in refused(**changes)


@pytest.mark.parametrize("text", [
    "", "{", "[]", "3", "null", '{"data": 3}', '{"data": ["lr"]}',
    '{"data": {"color": 1}}', '{"optimizer": {"lr": NaN}}', '{"optimizer": {"lr": -1}}',
    '{"data": {"image_size": 48}}',
])
def test_a_file_that_is_no_configuration_is_refused_in_one_line(text):
    with pytest.raises(ConfigError) as caught:
        TrainConfig.from_json(text)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text, name", [
    ('{"optimizer": {"lr": "fast"}}', "lr"),
    ('{"optimizer": {"beta1": null}}', "beta1"),
    ('{"optimizer": {"lr": [1]}}', "lr"),
    ('{"optimizer": {"batch_size": 1.5}}', "batch_size"),
    ('{"data": {"image_size": 32.5}}', "image_size"),
    ('{"data": {"augment": "False"}}', "augment"),
    ('{"data": {"dataset": {}}}', "dataset"),
    ('{"optimizer": {"precision": null}}', "precision"),
])
def test_a_value_of_the_wrong_kind_in_a_file_is_refused_and_named(text, name):
    with pytest.raises(ConfigError, match=f"`{name}`"):
        TrainConfig.from_json(text)


def test_read_config_reads_the_file_of_a_run(tmp_path):
    config = TrainConfig().replace(**OTHER)
    (tmp_path / "config.json").write_text(config.to_json())
    assert config_lib.read_config(tmp_path) == config


def test_read_config_names_a_folder_without_one(tmp_path):
    with pytest.raises(ConfigError, match=f"workdir={tmp_path}"):
        config_lib.read_config(tmp_path)


def test_read_config_refuses_a_file_that_is_not_text(tmp_path):
    (tmp_path / "config.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError):
        config_lib.read_config(tmp_path)


def test_a_conditional_model_is_refused_fixed_targets():
    with pytest.raises(ConfigError, match="conditional=True, desired_saturation=1"):
        TrainConfig().replace(conditional=True, desired_saturation=1.0)


@pytest.mark.parametrize("name, value", [
    ("desired_saturation", 1.1), ("desired_hue", -0.1), ("desired_hue", float("nan")),
    ("saturation_weight", -1.0), ("warmth_weight", float("nan")), ("condition_dropout", 1.5),
])
def test_a_control_out_of_range_is_refused_and_named(name, value):
    with pytest.raises(ConfigError, match=f"`{name}`.*Received: {name}={value}"):
        TrainConfig().replace(**{name: value})
