"""Command lines: absl flags made from the settings, the published spellings, errors in one line.

The published commands are typed with dashes, separate values and `--augment True`; absl takes
underscores and no value after a boolean. `parse` brings the first form into the second.
"""

from __future__ import annotations

import dataclasses
import math
import os
import shutil
import sys
import textwrap
from typing import Any, Callable, NoReturn, Sequence

from absl import flags

from colorizer import config as config_lib
from colorizer.errors import UserError

_BOOLEAN_WORDS = ("true", "false", "t", "f", "yes", "no", "y", "n", "1", "0")


class _NumberParser(flags.ArgumentParser):
    """Reads numbers, `1e4` also where a whole number is wanted; never nan."""

    def __init__(self, whole: bool):
        super().__init__()
        self.whole = whole
        self.syntactic_help = "a whole number" if whole else "a number"

    def parse(self, argument):
        try:
            value = float(argument)
        except (TypeError, ValueError):
            raise ValueError(f"must be {self.syntactic_help}")
        if not math.isfinite(value) or (self.whole and value != int(value)):
            raise ValueError(f"must be {self.syntactic_help}")
        return int(value) if self.whole else value

    def flag_type(self):
        return "int" if self.whole else "float"


def define_settings(flag_values: flags.FlagValues) -> None:
    """Defines one flag for each setting of `TrainConfig`, grouped by section."""
    config = config_lib.TrainConfig()
    for section in dataclasses.fields(config):
        part = getattr(config, section.name)
        for field in dataclasses.fields(part):
            define(field.name, field.default, _kind(str(field.type)), field.metadata["help"],
                   type(part).__doc__ or section.name, flag_values,
                   published=field.metadata["published"])


def define(
    name: str, default: Any, kind: str, help: str, group: str, flag_values: flags.FlagValues,
    *, published: Sequence[str] = (),
) -> None:
    """Defines one flag under a heading of --help.

    Args:
        kind: "bool", "int", "float", "str", or "list": a text each time the flag is given.
    """
    if kind == "bool":
        flags.DEFINE_boolean(name, default, help, flag_values=flag_values, module_name=group)
    elif kind == "list":
        flags.DEFINE_multi_string(name, default, help, flag_values=flag_values, module_name=group)
    else:
        parser = flags.ArgumentParser() if kind == "str" else _NumberParser(kind == "int")
        flags.DEFINE(parser, name, default, help, flag_values=flag_values, module_name=group,
                     serializer=flags.ArgumentSerializer())
    for other in published:
        flags.DEFINE_alias(other, name, flag_values=flag_values, module_name="published names")


def _kind(annotation: str) -> str:
    return annotation.split("|")[0].strip()


def build_config(
    flag_values: flags.FlagValues, base: config_lib.TrainConfig
) -> config_lib.TrainConfig:
    """The settings `base` with those that the command line names changed.

    Raises:
        config_lib.ConfigError: a setting breaks its rule, or two contradict each other.
    """
    given = {name: flag_values[name].value for name, _, _ in base.settings()
             if flag_values[name].present}
    return base.replace(**given)


def parse(argv: Sequence[str], flag_values: flags.FlagValues, usage: str) -> list[str]:
    """Parses a command line; `--help` prints the grouped flags and exits 0.

    Args:
        argv: the program's name and its arguments.
        flag_values: the defined flags; set from `argv`.
        usage: what --help prints above the flags.

    Returns:
        The arguments that are no flags.

    Raises:
        SystemExit: status 0 after --help, 2 after an unknown or malformed flag.
    """
    if any(argument in ("--help", "-h", "--helpfull", "-help") for argument in argv[1:]):
        print(usage_text(usage, flag_values))
        sys.exit(0)
    try:
        expanded = flag_values.read_flags_from_files(list(argv), force_gnu=True)
        return flag_values(normalize(expanded, flag_values))[1:]
    except UnicodeDecodeError as error:
        fail(f"a flagfile must be text in UTF-8. Received: {error}")
    except (flags.Error, ValueError) as error:  # absl: ValueError for --noaugment=3
        fail(str(error).splitlines()[0])


def normalize(argv: Sequence[str], flag_values: flags.FlagValues) -> list[str]:
    """Turns `--batch-size 8 --augment True` into `--batch_size 8 --augment=true`."""
    result = list(argv[:1])
    rest = list(argv[1:])
    while rest:
        argument = rest.pop(0)
        if argument == "--":
            return result + [argument] + rest
        if not argument.startswith("--"):
            result.append(argument)
            continue
        name, equals, value = argument[2:].partition("=")
        name = name.replace("-", "_")
        known = name in flag_values
        if known and flag_values[name].boolean and not equals and rest:
            if rest[0].lower() in _BOOLEAN_WORDS:
                equals, value = "=", rest.pop(0)
        elif known and not flag_values[name].boolean and not equals and rest:
            # Joined, so that a value may begin with a dash ("--output -x") without being a flag.
            equals, value = "=", rest.pop(0)
        result.append("--" + name + equals + value)
    return result


def usage_text(usage: str, flag_values: flags.FlagValues) -> str:
    """The text of --help: usage, then the flags by subject with their defaults."""
    width = min(shutil.get_terminal_size().columns, 100)
    lines = [usage.strip(), ""]
    for group, members in flag_values.flags_by_module_dict().items():
        if group in ("absl.flags", "published names") or group.startswith("absl"):
            continue
        lines.append(f"{group}:")
        for flag in members:
            lines.append(f"  --{flag.name}" + ("" if flag.boolean else f" <{_word(flag)}>"))
            default = "" if flag.default in (None, "") else f" [{_plain(flag.default)}]"
            text = " ".join((flag.help + default).split())  # absl breaks the help of lists
            lines += textwrap.wrap(text, width, initial_indent=" " * 6, subsequent_indent=" " * 6)
        lines.append("")
    lines.append("Also: --flagfile=<file> reads flags from a file, one a line (see configs/).")
    return "\n".join(lines)


def _word(flag: flags.Flag) -> str:
    return "text" if flag.flag_type().endswith("string") else flag.flag_type()


def _plain(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def run(main: Callable[[list[str]], int | None]) -> NoReturn:
    """Runs a program: what the user can mend ends in one line and a status, not a traceback.

    Exit status: what `main` returns (0 for None), a `UserError`'s own (2 for wrong settings or
    data), 130 for Ctrl-C.
    """
    try:
        status = main(sys.argv) or 0
    except UserError as error:
        fail(str(error), error.status)
    except KeyboardInterrupt:
        print("\ninterrupted", file=sys.stderr)
        status = 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = 1
    sys.exit(status)


def fail(message: str, status: int = UserError.status) -> NoReturn:
    """Prints one line to standard error and exits."""
    program = os.path.basename(sys.argv[0])
    print(f"{program}: error: {message}", file=sys.stderr)
    sys.exit(status)
