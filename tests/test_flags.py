"""Command lines as users type them: through the parser, and through `python train.py`."""

from pathlib import Path
import subprocess
import sys
import time

from absl import flags as absl_flags
import pytest

from colorizer import cli as flags
from colorizer.config import TrainConfig

ROOT = Path(__file__).resolve().parents[1]
SECONDS = 5  # the longest a wrong or a --help command line may take


def parse(*arguments):
    """(rest, config) of a command line, from the defaults."""
    values = absl_flags.FlagValues()
    flags.define_settings(values)
    rest = flags.parse(["train.py", *arguments], values, "usage")
    return rest, flags.build_config(values, TrainConfig())


def config(*arguments):
    rest, result = parse(*arguments)
    assert rest == []
    return result


def error(capsys, *arguments):
    """The one line of a command line that is refused."""
    with pytest.raises(SystemExit) as caught:
        parse(*arguments)
    assert caught.value.code == 2
    output = capsys.readouterr()
    assert output.out == ""
    (line,) = output.err.splitlines()
    return line


def train(folder, *arguments, python=()):
    """Runs `python train.py` in `folder`."""
    start = time.monotonic()
    result = subprocess.run(
        [sys.executable, *python, str(ROOT / "train.py"), *arguments], cwd=folder,
        capture_output=True, text=True, timeout=60)
    assert time.monotonic() - start < SECONDS
    return result


# --------------------------------------------------------------------------------------- spelling

def test_the_published_command_means_what_it_did():
    command = (
        "--seed 100 --dataset cifar10 --checkpoints-path ./checkpoints --batch-size 128 "
        "--epochs 200 --lr 3e-4 --lr-decay-steps 1e4 --augment True")
    result = config(*command.split())
    assert result == TrainConfig().replace(
        seed=100, dataset="cifar10", workdir="./checkpoints", batch_size=128, epochs=200.0,
        lr=3e-4, lr_decay_steps=10_000, augment=True)
    assert type(result.optimizer.lr_decay_steps) is int
    assert result.resolve(32).optimizer.lr_decay == "exponential"


@pytest.mark.parametrize("arguments, expected", [
    (["--augment", "False"], False), (["--noaugment"], False), (["--augment=false"], False),
    (["--augment", "false"], False), (["--augment", "0"], False), (["--augment=False"], False),
    (["--augment", "True"], True), (["--augment"], True), (["--augment=true"], True),
    (["--augment", "--lr", "1e-3"], True), (["--noaugment", "--lr", "1e-3"], False),
    (["--augment", "False", "--augment", "True"], True),
])
def test_every_spelling_of_a_boolean(arguments, expected):
    assert config(*arguments).data.augment is expected


@pytest.mark.parametrize("arguments", [
    ["--batch-size", "8"], ["--batch_size", "8"], ["--batch-size=8"], ["--batch_size=8"],
    ["-batch_size", "8"], ["--batch-size=3", "--batch_size=8"],
])
def test_dashes_and_underscores_mean_the_same(arguments):
    assert config(*arguments) == TrainConfig().replace(batch_size=8)


@pytest.mark.parametrize("published, name, text, value", [
    ("dataset-path", "data_dir", "/d", "/d"), ("checkpoints-path", "workdir", "c", "c"),
    ("save-interval", "checkpoint_steps", "1e3", 1000), ("log-interval", "eval_steps", "7", 7),
    ("samples-size", "grid_examples", "9", 9),
])
def test_published_names_set_our_settings(published, name, text, value):
    assert config(f"--{published}", text) == TrainConfig().replace(**{name: value})


def test_a_value_may_begin_with_dashes():
    assert config("--workdir", "--odd").run.workdir == "--odd"


@pytest.mark.parametrize("text, value", [("1e4", 10_000), ("12", 12), ("12.0", 12)])
def test_whole_numbers_may_be_written_with_an_exponent(text, value):
    result = config("--max-steps", text).optimizer.max_steps
    assert result == value and type(result) is int


def test_no_flags_give_the_defaults():
    assert config() == TrainConfig()


def test_only_given_flags_change_the_saved_settings():
    values = absl_flags.FlagValues()
    flags.define_settings(values)
    flags.parse(["train.py", "--lr=2e-4", "--epochs=3"], values, "usage")
    saved = TrainConfig().replace(lr=0.5, epochs=1.0, batch_size=9)
    # lr is given, though it is the default; batch_size is not.
    assert flags.build_config(values, saved) == saved.replace(lr=2e-4, epochs=3.0)


def test_other_arguments_are_handed_back():
    assert parse("one", "--lr=1e-3", "two")[0] == ["one", "two"]
    assert parse("--", "--lr")[0] == ["--lr"]


def test_a_list_takes_a_value_each_time_it_is_given_and_keeps_the_arguments_apart(capsys):
    values = absl_flags.FlagValues()
    flags.define("runs", None, "list", "folders", "Run", values)
    assert flags.parse(["p", "--runs", "a", "b", "--runs=c,d"], values, "usage") == ["b"]
    assert values.runs == ["a", "c,d"]
    with pytest.raises(SystemExit):
        flags.parse(["p", "--help"], values, "usage")
    assert "  --runs <text>\n      folders; repeat this option" in capsys.readouterr().out


# -------------------------------------------------------------------------------------- flagfiles

def test_a_flagfile_with_comments_is_read(tmp_path):
    path = tmp_path / "recipe.flags"
    path.write_text("# the paper\n\n// section 4\n--lr=1e-3\n--batch-size=7\n--augment=False\n"
                    "--checkpoints-path=my run\n--lr_decay_steps=6e4\n")
    expected = TrainConfig().replace(
        lr=1e-3, batch_size=7, augment=False, workdir="my run", lr_decay_steps=60_000)
    assert config(f"--flagfile={path}") == expected
    assert config("--flagfile", str(path)) == expected


def test_flags_after_a_flagfile_win(tmp_path):
    path = tmp_path / "recipe.flags"
    path.write_text("--lr=1e-3\n--batch_size=7\n")
    assert config(f"--flagfile={path}", "--lr", "5e-3") == TrainConfig().replace(
        lr=5e-3, batch_size=7)


@pytest.mark.parametrize("path", sorted((ROOT / "configs").glob("*.flags")), ids=lambda p: p.name)
def test_every_shipped_flagfile_is_a_valid_recipe(path):
    assert config(f"--flagfile={path}") != TrainConfig()


def test_a_missing_flagfile_is_named(capsys, tmp_path):
    assert "nowhere.flags" in error(capsys, "--flagfile", str(tmp_path / "nowhere.flags"))


def test_a_flagfile_that_is_not_text_is_refused(capsys, tmp_path):
    (tmp_path / "picture.flags").write_bytes(b"\x89PNG\xff\xfe")
    assert "flagfile" in error(capsys, f"--flagfile={tmp_path / 'picture.flags'}")


# ----------------------------------------------------------------------------------------- errors

@pytest.mark.parametrize("arguments, part", [
    (["--color", "3"], "'color'"), (["--batch-sizee=3"], "Did you mean: batch_size"),
    (["--lr"], "--lr"), (["--lr=fast"], "--lr=fast: must be a number"),
    (["--lr="], "--lr=: must be a number"), (["--lr", "nan"], "must be a number"),
    (["--lr", "inf"], "must be a number"),
    (["--batch-size", "12.5"], "--batch_size=12.5: must be a whole number"),
    (["--batch-size", "many"], "must be a whole number"),
    (["--batch-size", "nan"], "must be a whole number"),
    (["--batch-size", "1e999"], "must be a whole number"),
    (["--augment=maybe"], "--augment=maybe"), (["--noaugment=3"], "noaugment"),
    (["--nolr"], "nolr"),
])
def test_a_flag_that_cannot_be_read_is_named_in_one_line(capsys, arguments, part):
    line = error(capsys, *arguments)
    assert "error: " in line and part in line


WRONG = [
    ["--color", "3"], ["--lr", "fast"], ["--lr", "nan"], ["--lr", "0"], ["--lr", "-1e-3"],
    ["--batch-size", "12.5"], ["--batch-size", "0"], ["--image-size", "48"],
    ["--image-size", "8"], ["--test-split", "1"], ["--label-smoothing", "0.9"],
    ["--precision", "float64"], ["--lr-decay", "cosine"], ["--lr-decay", "exponential"],
    ["--lr-decay", "none", "--lr-decay-steps", "100"],
    ["--adversarial-weight", "0", "--l1-weight", "0"], ["--seed", "-1"], ["--augment=maybe"],
    ["--noaugment=3"], ["--augment", "maybe"], ["picture.png"], ["--flagfile", "nowhere.flags"],
    ["--keep-checkpoints", "0"], ["--lr"],
]


@pytest.mark.parametrize("arguments", WRONG, ids=" ".join)
def test_a_wrong_command_line_ends_at_once_in_one_line_and_leaves_nothing(tmp_path, arguments):
    result = train(tmp_path, "--workdir", "run", *arguments)
    assert result.returncode == 2
    assert result.stdout == ""
    (line,) = result.stderr.splitlines()
    assert line.startswith("train.py: error: ")
    assert list(tmp_path.iterdir()) == []


def test_a_rule_broken_on_the_command_line_is_stated_with_what_was_received(tmp_path):
    result = train(tmp_path, "--image-size", "48")
    assert result.stderr == (
        "train.py: error: `image_size` must be a power of two. Received: image_size=48\n")


@pytest.mark.parametrize("content", [b"{", b"[]", b"\xff\xfe", b'{"optimizer": {"lr": "fast"}}'])
def test_a_run_whose_config_is_damaged_ends_in_one_line(tmp_path, content):
    (tmp_path / "config.json").write_bytes(content)
    result = train(tmp_path, "--workdir", str(tmp_path))
    assert result.returncode == 2 and len(result.stderr.splitlines()) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["config.json"]


# ------------------------------------------------------------------------------------------- help

@pytest.mark.parametrize("flag", ["--help", "-h"])
def test_help_shows_every_setting_by_subject_without_tensorflow(tmp_path, flag):
    result = train(tmp_path, flag, python=["-X", "importtime"])
    assert result.returncode == 0
    headings = [line for line in result.stdout.splitlines()
                if line.endswith(":") and not line.startswith(" ")]
    assert headings == [
        "Data:", "Networks:", "Objective:", "Controls:", "Optimization:", "Run:"]
    shown = {line.split()[0] for line in result.stdout.splitlines() if line.startswith("  --")}
    assert shown >= {f"--{name}" for name, _, _ in TrainConfig().settings()}
    for name in ("desired_saturation", "desired_warmth", "hue_weight", "colorfulness_weight"):
        assert f"--{name}" in shown
    assert max(map(len, result.stdout.splitlines())) <= 100
    imported = {line.rpartition("|")[2].strip().partition(".")[0]
                for line in result.stderr.splitlines()}
    assert "absl" in imported and not imported & {"tensorflow", "keras"}


def test_a_wrong_flag_is_refused_without_tensorflow(tmp_path):
    result = train(tmp_path, "--image-size", "48", python=["-X", "importtime"])
    imported = {line.rpartition("|")[2].strip().partition(".")[0]
                for line in result.stderr.splitlines()}
    assert result.returncode == 2
    assert "colorizer" in imported and not imported & {"tensorflow", "keras"}
