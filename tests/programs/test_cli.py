"""Command lines as users type them: through the parser, and through train.py."""

import ast
import os
from pathlib import Path
import subprocess
import sys

from absl import flags as absl_flags
import pytest

from colorizer import cli
from colorizer.config import TrainConfig
from colorizer.errors import UserError, printable
import train

ROOT = Path(__file__).resolve().parents[2]
MAX_FLAGS = 51
BARE = "import sys; assert not {'tensorflow', 'keras'} & set(sys.modules)"


def parse(*arguments):
    """(rest, config) of a command line, from the defaults."""
    values = absl_flags.FlagValues()
    cli.define_settings(values)
    rest = cli.parse(["train.py", *arguments], values, "usage")
    return rest, cli.build_config(values, TrainConfig())


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


def test_names_are_given_by_commas_or_one_by_one():
    assert cli.split_names("metrics", ["a,b", "", "c"], "abc") == ["a", "b", "c"]
    assert cli.split_names("compare", ["any"]) == ["any"]
    with pytest.raises(UserError, match="`metrics` must be of a, b. Received: metrics=d,c"):
        cli.split_names("metrics", ["a,d", "c"], ["a", "b"])


def test_the_published_command_means_what_it_did():
    command = (
        "--seed 100 --dataset cifar10 --checkpoints-path ./checkpoints --batch-size 128 "
        "--epochs 200 --lr 3e-4 --lr-decay-steps 1e4 --augment True")
    result = config(*command.split())
    assert result == TrainConfig().replace(
        seed=100, dataset="cifar10", workdir="./checkpoints", batch_size=128, epochs=200.0,
        lr=3e-4, lr_decay_steps=10_000, augment=True)
    assert type(result.optimizer.lr_decay_steps) is int


def test_the_command_of_this_project_trains_for_its_target():
    result = config("--dataset=cifar10", "--desired_saturation=1")
    assert result.controls.desired() == {"saturation": 1.0}
    assert result.resolve(32).controls.control_weight == result.objective.l1_weight / 2


@pytest.mark.parametrize("arguments, expected", [
    (["--augment", "False"], False), (["--noaugment"], False), (["--augment=false"], False),
    (["--augment", "0"], False), (["--augment", "True"], True), (["--augment"], True),
    (["--augment", "--lr", "1e-3"], True), (["--noaugment", "--lr", "1e-3"], False),
    (["--augment", "False", "--augment", "True"], True)])
def test_every_spelling_of_a_boolean(arguments, expected):
    assert config(*arguments).data.augment is expected


@pytest.mark.parametrize("arguments, settings", [
    (["--batch-size", "8"], dict(batch_size=8)), (["--batch_size=8"], dict(batch_size=8)),
    (["-batch_size", "8"], dict(batch_size=8)), (["--width=8"], dict(base_channels=8)),
    (["--batch-size=3", "--batch_size=8"], dict(batch_size=8)),
    (["--dataset-path", "/d"], dict(data_dir="/d")),
    (["--checkpoints-path", "c"], dict(workdir="c")), (["--gen-lr=1"], dict(lr=1.0)),
    (["--save-interval", "1e3"], dict(checkpoint_steps=1000)),
    (["--log-interval", "7"], dict(eval_steps=7)), (["--workdir", "--odd"], dict(workdir="--odd")),
    (["--max-steps", "12.0"], dict(max_steps=12)), ([], {})])
def test_spellings_and_published_names_set_the_settings(arguments, settings):
    assert config(*arguments) == TrainConfig().replace(**settings)


def test_only_given_flags_change_the_saved_settings():
    values = absl_flags.FlagValues()
    cli.define_settings(values)
    cli.parse(["train.py", "--lr=2e-4", "--epochs=3"], values, "usage")
    saved = TrainConfig().replace(lr=0.5, epochs=1.0, batch_size=9, num_downsamples=4)
    # lr is given, though it is the default; batch_size is not.
    assert cli.build_config(values, saved) == saved.replace(lr=2e-4, epochs=3.0)


def test_other_arguments_are_handed_back():
    assert parse("one", "--lr=1e-3", "two")[0] == ["one", "two"]
    assert parse("--", "--lr")[0] == ["--lr"]
    values = absl_flags.FlagValues()
    cli.define(values, "runs", None, "list", "folders", "Run")
    assert cli.parse(["p", "--runs", "a", "b", "--runs=c,d"], values, "usage") == ["b"]
    assert values.runs == ["a", "c,d"]


def test_a_flagfile_with_comments_is_read_and_later_flags_win(tmp_path):
    path = tmp_path / "recipe.flags"
    path.write_text("# the paper\n\n// section 4\n--lr=1e-3\n--batch-size=7\n--augment=False\n"
                    "--checkpoints-path=my run\n--lr_decay_steps=6e4\n")
    expected = TrainConfig().replace(
        lr=1e-3, batch_size=7, augment=False, workdir="my run", lr_decay_steps=60_000)
    assert config(f"--flagfile={path}") == config("--flagfile", str(path)) == expected
    assert config(f"--flagfile={path}", "--lr", "5e-3") == expected.replace(lr=5e-3)


def test_a_flagfile_that_cannot_be_read_is_refused(capsys, tmp_path):
    assert "nowhere.flags" in error(capsys, "--flagfile", str(tmp_path / "nowhere.flags"))
    (tmp_path / "image.flags").write_bytes(b"\x89PNG\xff\xfe")
    assert "flagfile" in error(capsys, f"--flagfile={tmp_path / 'image.flags'}")


@pytest.mark.parametrize("arguments, part", [
    (["--color", "3"], "'color'"), (["--batch-sizee=3"], "Did you mean: batch_size"),
    (["--lr"], "--lr"), (["--lr=fast"], "--lr=fast: must be a number"),
    (["--lr="], "--lr=: must be a number"), (["--lr", "nan"], "must be a number"),
    (["--batch-size", "12.5"], "--batch_size=12.5: must be a whole number"),
    (["--batch-size", "1e999"], "must be a whole number"), (["--nolr"], "nolr"),
    (["--augment=maybe"], "--augment=maybe"), (["--noaugment=3"], "noaugment")])
def test_a_flag_that_cannot_be_read_is_named_in_one_line(capsys, arguments, part):
    line = error(capsys, *arguments)
    assert "error: " in line and part in line


@pytest.mark.parametrize("arguments", [
    ["--lr", "0"], ["--image-size", "48"], ["--label-smoothing", "0.9"], ["--precision=float64"],
    ["--adversarial-weight", "0", "--l1-weight", "0"], ["--seed", "-1"], ["image.png"]],
    ids=" ".join)
def test_a_wrong_setting_is_refused_and_leaves_nothing(tmp_path, monkeypatch, arguments):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match="Received: "):
        train.main(["train.py", "--workdir", "run", *arguments])
    assert list(tmp_path.iterdir()) == []


def test_a_run_whose_config_is_damaged_is_refused(tmp_path):
    (tmp_path / "config.json").write_bytes(b'{"optimizer": {"lr": "fast"}}')
    with pytest.raises(UserError, match="`lr` must be of type float"):
        train.main(["train.py", "--workdir", str(tmp_path)])
    assert [path.name for path in tmp_path.iterdir()] == ["config.json"]


def test_ctrl_c_has_its_status():
    def interrupted(argv):
        raise KeyboardInterrupt

    with pytest.raises(SystemExit) as caught:
        cli.run(interrupted)
    assert caught.value.code == 130


# Prints, logs and draws a name that no terminal should see raw, and opens a file.
NAMES = r"""
import os, sys
from absl import logging
from tqdm import tqdm
from colorizer import cli
from colorizer.errors import UserError

def main(argv):
    assert open(os.devnull).fileno() > 2
    name = os.fsdecode(b"caf\xe9")
    for _ in range(1000):
        print(name, "\u00e9")
        print(name, file=sys.stderr, flush=True)
        logging.warning("skipped %s\n\x1b[31m", name)
    for _ in tqdm(range(3)):
        pass
    raise UserError(name + "\n\x1b[31m") if argv[1:] else SystemExit(75)

cli.run(main)
"""


@pytest.mark.parametrize("streams", [
    "2>&-", ">&- 2>&-", "<&- >&- 2>&-", "2>/dev/full", ">/dev/full", ">/dev/full 2>&1",
    "2>&1 | true", "2>&1 >/dev/null | true", "| true"])
def test_a_stream_that_is_closed_full_or_unread_changes_nothing(streams):
    command = f"(nice {sys.executable} -c '{NAMES}'; echo $? >&9) {streams}"
    result = subprocess.run(["bash", "-c", f"exec 9>&1; {command}"], cwd=ROOT, timeout=60,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert result.stdout.split()[-1] == b"75"
    assert b"Traceback" not in result.stderr and b"Exception ignored" not in result.stderr


def test_names_are_printed_escaped_in_any_encoding():
    result = subprocess.run([sys.executable, "-c", NAMES, "fail"], cwd=ROOT, capture_output=True,
                            env={**os.environ, "PYTHONIOENCODING": "ascii"}, timeout=60)
    assert result.returncode == 2
    assert result.stdout.splitlines()[0] == rb"caf\udce9 \xe9"
    lines = result.stderr.splitlines()
    assert lines[1] == rb"warning: skipped caf\udce9\n\x1b[31m"
    assert lines[-1] == rb"-c: error: caf\udce9\n\x1b[31m"


@pytest.mark.parametrize("name", [
    "caf\u00e9 \u5199\u771f", "a\nb\r\tc", "\x1b[2J\x07\x9b", "\u202egpj", "\udce9"])
def test_a_name_is_shown_as_python_writes_it(name):
    shown = printable(name)
    assert shown.isprintable() and ast.literal_eval(f"'{shown}'") == name
    assert (shown == name) == name.isprintable()


def test_a_name_that_is_too_long_is_refused_in_one_line(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["train.py", f"--workdir={'x' * 300}"])
    with pytest.raises(SystemExit) as caught:
        cli.run(train.main)
    line, = capsys.readouterr().err.splitlines()
    assert caught.value.code == 2 and "File name too long" in line


def test_help_shows_every_setting_by_subject(capsys):
    with pytest.raises(SystemExit) as caught:
        train.main(["train.py", "--help"])
    assert caught.value.code == 0
    lines = capsys.readouterr().out.splitlines()
    headings = {line for line in lines if line.endswith(":") and not line.startswith(" ")}
    assert headings >= {"Data:", "Networks:", "Objective:", "Controls:", "Optimization:", "Run:"}
    shown = {line.split()[0].rstrip(":").replace("[no]", "") for line in lines
             if line.startswith("  --")}
    settings = {f"--{name}" for name, _, rule in TrainConfig().settings() if rule["flag"]}
    assert shown >= settings and len(settings) <= MAX_FLAGS


@pytest.mark.parametrize("code", [
    "import colorizer", "from colorizer import color, data, evaluation, inference, models",
    "from colorizer import cli, config, files", "from colorizer.models import pretrained",
    "import train, evaluate, colorize"], ids=str)
def test_nothing_slow_is_imported_before_it_is_used(code):
    subprocess.run([sys.executable, "-c", f"{code}\n{BARE}"], cwd=ROOT, check=True)
