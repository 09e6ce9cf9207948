"""The rules of every setting, and the JSON form."""

import json

import pytest

from colorizer.color.controls import CONTROL_NAMES
from colorizer.config import ConfigError, TrainConfig, read_config

# Another value than the default for every setting but these, which do not go with the others.
ENCODER = dict(encoder="efficientnet_lite0", encoder_trainable="upper", hint_share=0.5)
OTHER = dict(
    dataset="pictures", data_dir="/data", image_size=64, augment=False, base_channels=16,
    num_downsamples=4, disc_norm="spectral", init="normal", predict_lightness=True,
    attention_resolution=8, adversarial_weight=0.5, l1_weight=1.5,
    l1_target="original", label_smoothing=0.25, perceptual_weight=2.0,
    perceptual_network="cifar10", condition_dropout=0.5, hue_mean="linear", control_weight=20.0,
    batch_size=7, epochs=0.5, max_steps=11, lr=1e-3, disc_lr=6e-5, min_lr=1e-6, disc_min_lr=1e-7,
    update_schedule="joint", beta1=0.9, lr_decay_steps=60_000, ema_decay=0.999,
    precision="mixed_bfloat16", chroma_gain=1.5,
    pretrain_epochs=0.25, encoder_lr=1e-5, workdir="ordner/ü", seed=100, init_from="anfang/ü",
    deterministic=True, checkpoint_steps=5, eval_steps=9, eval_examples=12,
    **{f"desired_{name}": 0.25 for name in CONTROL_NAMES})


def value_of(config, name):
    return {key: value for key, value, _ in config.settings()}[name]


def refused(**changes):
    with pytest.raises(ConfigError) as caught:
        TrainConfig().replace(**changes)
    message = str(caught.value)
    assert "\n" not in message and "Received: " in message
    return message


@pytest.mark.parametrize("name, wrong, right", [
    ("image_size", 8, 16), ("image_size", 2048, 1024), ("base_channels", 0, 1),
    ("adversarial_weight", -1e-9, 0.0), ("label_smoothing", 0.51, 0.5), ("batch_size", 0, 1),
    ("epochs", 0.0, 0.001), ("max_steps", 0, 1), ("lr", 0.0, 1e-12), ("disc_lr", -2e-4, 2e-4),
    ("beta1", 1.0, 0.9999), ("lr_decay_steps", 0, 1), ("ema_decay", 1.0, 0.99999),
    ("seed", 2**31, 2**31 - 1), ("checkpoint_steps", 0, 1), ("eval_examples", 0, 1),
    ("disc_norm", "layer", "spectral"), ("init", "zeros", "he"), ("attention_resolution", 2, 4),
    ("min_lr", -1e-6, 0.0), ("update_schedule", "g_d", "d_g_g"),
    ("precision", "float16", "float32"),
    ("desired_saturation", 1.1, 1.0), ("desired_hue", -0.1, 0.0), ("condition_dropout", 1.5, 1.0),
    ("control_weight", -1.0, 0.0),
])
def test_each_bound_is_kept_and_named(name, wrong, right):
    message = refused(**{name: wrong})
    assert f"`{name}`" in message and f"{name}={wrong!r}" in message
    assert value_of(TrainConfig().replace(**{name: right}), name) == right


@pytest.mark.parametrize("name", [n for n, value in OTHER.items() if isinstance(value, float)])
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_no_setting_takes_nan_or_infinity(name, value):
    assert f"`{name}`" in refused(**{name: value})


@pytest.mark.parametrize("size", [17, 48, 255])
def test_image_size_must_be_a_power_of_two(size):
    assert "power of two" in refused(image_size=size)


@pytest.mark.parametrize("size", [16, 100])
def test_an_encoder_takes_multiples_of_32_pixels(size):
    assert "multiple of 32" in refused(**ENCODER, image_size=size)
    assert TrainConfig().replace(**ENCODER, image_size=224).data.image_size == 224


def test_an_image_can_be_halved_down_to_one_pixel():
    assert TrainConfig().replace(image_size=32, num_downsamples=5).model.num_downsamples == 5
    assert "num_downsamples=6" in refused(image_size=32, num_downsamples=6)


@pytest.mark.parametrize("settings, sides", [
    (dict(image_size=64, num_downsamples=3, attention_resolution=8), "16, 32, 64."),
    (dict(image_size=32, attention_resolution=6), "4, 8, 16, 32."),
    (dict(image_size=32, attention_resolution=64), "4, 8, 16, 32.")])
def test_attention_needs_a_map_of_its_size(settings, sides):
    assert sides in refused(**settings)
    size = settings.pop("image_size")
    with pytest.raises(ConfigError, match="side of a map"):  # the same once the size is known
        TrainConfig().replace(**settings).resolve(size)


def test_attention_that_needs_too_much_memory_is_refused_with_the_figure():
    # 16 images, 128 * 128 positions, a quarter as many keys, 4 bytes.
    assert 16 * 128**2 * 64**2 * 4 == 4 * 2**30
    message = refused(image_size=256, attention_resolution=128, batch_size=16)
    assert "4 GiB" in message and "batch_size=16" in message
    TrainConfig().replace(image_size=256, attention_resolution=128, batch_size=4)


def test_a_weight_may_wait_for_the_targets_of_the_model_that_a_run_begins_with():
    assert TrainConfig().replace(control_weight=5.0, init_from="photos").run.init_from == "photos"


@pytest.mark.parametrize("changes, received", [
    (dict(l1_weight=0.0, adversarial_weight=0.0), "both 0"),
    (dict(conditional=True, desired_saturation=1.0), "conditional=True, desired_saturation=1"),
    (dict(conditional=True, hue_mean="linear"), "conditional=True, hue_mean=linear"),
    (dict(desired_hue=0.5, control_weight=0.0), "desired_hue=0.5, control_weight=0"),
    (dict(control_weight=20.0), "control_weight=20 alone"),
    (dict(encoder_trainable="upper"), "encoder=none, encoder_trainable=upper"),
    (dict(hint_share=0.5), "encoder=none, hint_share=0.5"),
    (dict(ENCODER, predict_lightness=True), "predict_lightness=True"),
    (dict(ENCODER, attention_resolution=16), "attention_resolution=16"),
    (dict(color=1, flavor=2, lr=1e-3), "color, flavor")])
def test_settings_that_contradict_each_other_are_refused(changes, received):
    assert received in refused(**changes)


def test_a_conditional_model_supports_every_control_and_no_other_model_any():
    assert TrainConfig().controls.supported() == ()
    supported = TrainConfig().replace(conditional=True).controls.supported()
    assert tuple(control.name for control in supported) == CONTROL_NAMES
    fixed = TrainConfig().replace(desired_hue=0.6, desired_saturation=1.0).controls
    assert fixed.supported() == () and fixed.desired() == {"saturation": 1.0, "hue": 0.6}


@pytest.mark.parametrize("dataset, size, base_channels, batch_size, epochs, lr", [
    ("cifar10", 32, 64, 128, 200, 2e-4),  # the paper, section 4
    ("places365_small", 256, 64, 16, 10, 2e-4),  # the released code
    ("folder", 64, 64, 128, 200, 2e-4), ("folder", 128, 64, 16, 10, 2e-4),
    ("sample", 32, 24, 32, 15, 1e-3),  # as --help says
])
def test_resolve_fills_what_depends_on_the_data(
        dataset, size, base_channels, batch_size, epochs, lr):
    config = TrainConfig().replace(dataset=dataset).resolve(size)
    assert config.data.image_size == size and config.model.base_channels == base_channels
    assert config.optimizer.batch_size == batch_size and config.optimizer.epochs == epochs
    assert config.optimizer.lr == lr and config.resolve(size) == config


def test_resolve_keeps_what_was_given():
    given = dict(image_size=64, base_channels=8, batch_size=3, epochs=1.5, lr=0.5, ema_decay=0.0)
    config = TrainConfig().replace(**given).resolve(32)
    assert {name: value_of(config, name) for name in given} == given


def test_json_round_trip_keeps_every_setting_and_its_type():
    config = TrainConfig().replace(**OTHER)
    default = {name: value for name, value, _ in TrainConfig().settings()}
    assert {name for name, value, _ in config.settings() if value != default[name]} == set(OTHER)
    assert {*OTHER, *ENCODER, "conditional"} == set(default)
    again = TrainConfig.from_dict(json.loads(config.to_json()))
    assert again == config
    photos = TrainConfig().replace(**ENCODER, conditional=True)
    assert TrainConfig.from_dict(json.loads(photos.to_json())) == photos
    for (name, one, _), (_, other, _) in zip(again.settings(), config.settings()):
        assert type(one) is type(other), name
    assert TrainConfig.from_dict(json.loads(TrainConfig().to_json())) == TrainConfig()
    sections = {"data", "model", "objective", "controls", "optimizer", "run"}
    assert set(json.loads(config.to_json())) == sections


def test_settings_that_a_file_lacks_keep_their_defaults():
    config = TrainConfig.from_dict({"optimizer": {"lr": 0.5}})
    assert config == TrainConfig().replace(lr=0.5)


@pytest.mark.parametrize("text", [
    "[]", "3", "null", '{"data": 3}', '{"data": ["lr"]}', '{"data": {"color": 1}}',
    '{"data": {"self": 1}}', '{"optimizer": {"lr": NaN}}', '{"data": {"image_size": 48}}',
    '{"data": {"dataset": "\\ud800"}}', '{"data": {"dataset": "\\u0000"}}',
    f'{{"data": {{"dataset": [{"1, " * 9999} 1]}}}}', f'{{"data": {{"{"color" * 9999}": 1}}}}'],
    ids=lambda text: text[:40])
def test_a_file_that_is_no_configuration_is_refused_in_one_short_line(tmp_path, text):
    path = tmp_path / "config.json"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        read_config(tmp_path)
    assert str(caught.value).isprintable() and str(path) in str(caught.value)
    assert len(str(caught.value)) < len(str(path)) + 250


@pytest.mark.parametrize("section, name, text", [
    ("optimizer", "lr", '"fast"'), ("optimizer", "beta1", "null"), ("optimizer", "lr", "[1]"),
    ("optimizer", "batch_size", "1.5"), ("optimizer", "batch_size", "true"),
    ("data", "augment", '"False"'), ("data", "dataset", "{}"), ("optimizer", "precision", "null")])
def test_a_value_of_the_wrong_type_in_a_file_is_refused_and_named(section, name, text):
    with pytest.raises(ConfigError, match=f"`{name}`"):
        TrainConfig.from_dict({section: {name: json.loads(text)}})


def test_read_config_reads_the_file_of_a_run_and_refuses_others(tmp_path):
    with pytest.raises(ConfigError, match=f"`workdir` must be .*{tmp_path}"):
        read_config(tmp_path)
    config = TrainConfig().replace(**OTHER)
    (tmp_path / "config.json").write_text(config.to_json(), encoding="utf-8")
    assert read_config(tmp_path) == config
    (tmp_path / "config.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError):
        read_config(tmp_path)
