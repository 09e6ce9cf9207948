"""Command lines: absl flags made from the settings, errors in one line, output that ends no
program (no TensorFlow).

The published commands are typed with dashes, separate values and `--augment True`; absl takes
underscores and no value after a boolean. `normalize` brings the first form into the second.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
import contextlib
import dataclasses
import logging
import math
import os
import sys
from typing import Any, NoReturn, TextIO, cast

from absl import flags

from colorizer.config import ConfigError, TrainConfig
from colorizer.errors import UserError, printable
from colorizer.fields import field_types

HELP = ("--help", "-h", "-help", "--helpfull", "--helpshort")
BOOLEAN_WORDS = ("true", "false", "t", "f", "yes", "no", "y", "n", "1", "0")


class _NumberParser(flags.ArgumentParser):
    """Reads finite numbers, and `1e4` also where a whole number is wanted."""

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
    config = TrainConfig()
    for section in dataclasses.fields(config):
        part = getattr(config, section.name)
        types = field_types(type(part))
        for field in dataclasses.fields(part):
            if field.metadata["flag"]:
                define(flag_values, field.name, field.default, types[field.name][0].__name__,
                       field.metadata["help"], type(part).__doc__ or section.name,
                       field.metadata["aliases"])


def define(
    flag_values: flags.FlagValues, name: str, default: Any, kind: str, help: str, group: str,
    aliases: Sequence[str] = (),
) -> None:
    """Defines one flag under a heading of --help.

    `kind` is "bool", "int", "float", "str", or "list": a text each time the flag is given.
    """
    common: dict[str, Any] = dict(flag_values=flag_values, module_name=group)
    if kind == "bool":
        flags.DEFINE_boolean(name, default, help, **common)
    elif kind == "list":
        flags.DEFINE_multi_string(name, default, help, **common)
    else:
        parser = flags.ArgumentParser() if kind == "str" else _NumberParser(kind == "int")
        flags.DEFINE(parser, name, default, help, serializer=flags.ArgumentSerializer(), **common)
    for alias in aliases:
        flags.DEFINE_alias(alias, name, flag_values=flag_values, module_name=group)


def build_config(flag_values: flags.FlagValues, base: TrainConfig) -> TrainConfig:
    """The settings `base` with those that the command line names changed.

    Raises ConfigError if a setting breaks its rule, or two contradict each other.
    """
    return base.replace(**{name: flag_values[name].value for name, _, rule in base.settings()
                           if rule["flag"] and flag_values[name].present})


def parse(argv: Sequence[str], flag_values: flags.FlagValues, usage: str) -> list[str]:
    """Parses a command line into `flag_values` and returns the arguments that are no flags.

    `argv` is the program's name and its arguments; `--flagfile` reads flags from a file. `--help`
    prints `usage` above absl's help. Raises SystemExit, of status 0 after --help and 2 after an
    unknown or malformed flag.
    """
    if any(argument in HELP for argument in argv[1:]):
        print(f"{usage}\n{flag_values.get_help()}")
        sys.exit(0)
    try:
        expanded = flag_values.read_flags_from_files(list(argv), force_gnu=True)
        return flag_values(normalize(expanded, flag_values))[1:]
    except UnicodeDecodeError as error:
        fail(f"a flagfile must be text in UTF-8. Received: {error}")
    except (flags.Error, ValueError) as error:  # absl: ValueError for --noaugment=3
        fail(str(error).splitlines()[0])


def normalize(argv: Sequence[str], flag_values: flags.FlagValues) -> list[str]:
    """Turns `--batch-size 8 --augment True` into `--batch_size=8 --augment=True`."""
    result, rest = list(argv[:1]), list(argv[1:])
    while rest:
        argument = rest.pop(0)
        if argument == "--":
            return result + [argument] + rest
        if argument.startswith("--"):
            name, equals, value = argument[2:].partition("=")
            name = name.replace("-", "_")
            if name in flag_values and not equals and rest:
                if not flag_values[name].boolean or rest[0].lower() in BOOLEAN_WORDS:
                    equals, value = "=", rest.pop(0)
            argument = "--" + name + equals + value
        result.append(argument)
    return result


def split_names(flag: str, texts: Sequence[str], choices: Sequence[str] = ()) -> list[str]:
    """The names in the texts of a "list" flag, each such as `a` or `a,b`.

    Raises ConfigError if one is not of the choices, where there are any.
    """
    names = [name for name in ",".join(texts).split(",") if name]
    if choices and (wrong := [name for name in names if name not in choices]):
        raise ConfigError(f"`{flag}` must be of {', '.join(choices)}. "
                          f"Received: {flag}={','.join(wrong)}")
    return names


def check_choice(flag: str, value: str, choices: Sequence[str]) -> None:
    """Raises ConfigError if a flag's value is not one of the choices."""
    if value not in choices:
        raise ConfigError(f"`{flag}` must be one of {', '.join(choices)}. Received: {flag}={value}")


def run(main: Callable[[list[str]], int | None]) -> NoReturn:
    """Runs a program: what the user can mend ends in one line and a status, not a traceback.

    Exit status: what `main` returns (0 for None), a `UserError`'s own (2 for wrong settings or
    data), 130 for Ctrl-C. A standard stream that is closed, full or without a reader changes none.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # TensorFlow's own start-up messages
    with _lasting_output():
        try:
            status = main(sys.argv) or 0
        except UserError as error:
            fail(str(error), error.status)
        except OSError as error:
            if error.filename is None:
                raise
            fail("files and folders must be ones that can be used. "
                 f"Received: {error.filename}: {error.strerror}")
        except KeyboardInterrupt:
            print("\ninterrupted", file=sys.stderr)
            status = 130
        sys.exit(status)


def fail(message: str, status: int = UserError.status) -> NoReturn:
    """Prints one line to standard error and exits."""
    print(f"{os.path.basename(sys.argv[0])}: error: {printable(message)}", file=sys.stderr)
    sys.exit(status)


class _LineFormatter(logging.Formatter):
    """Log messages in one line each, whatever names are in them."""

    def format(self, record):
        return printable(f"{record.levelname.lower()}: {record.getMessage()}")


class _Output:
    """A standard stream that ends no program: what cannot be written there is lost."""

    def __init__(self, stream: TextIO):
        self._stream = stream

    def write(self, text: str) -> int:
        with contextlib.suppress(OSError, ValueError):
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            self._stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextlib.contextmanager
def _lasting_output() -> Iterator[None]:
    """Standard streams that take any text, even where they are closed, full or without a reader."""
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:  # closed: the next file, a checkpoint perhaps, would get its number
            os.open(os.devnull, os.O_RDWR)
    streams = sys.stdout, sys.stderr
    lasting = [stream or open(os.devnull, "w") for stream in streams]
    for stream in lasting:
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    sys.stdout, sys.stderr = (cast(TextIO, _Output(stream)) for stream in lasting)
    log = logging.StreamHandler()
    log.setFormatter(_LineFormatter())
    logging.root.addHandler(log)
    try:
        yield
    finally:
        logging.root.removeHandler(log)
        sys.stdout, sys.stderr = streams
        for stream in lasting:
            try:
                stream.flush()
            except (OSError, ValueError):  # the interpreter would try again, and complain
                with contextlib.suppress(OSError, ValueError):
                    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
