"""One setting of a run as a dataclass field: its bounds, its help, and the check of a value."""

from __future__ import annotations

import dataclasses
import math
import os
from typing import Any, get_args, get_type_hints

from colorizer.errors import UserError, brief

MAX_INT = 2**53  # whole numbers up to it are exact as floats, too


class ConfigError(UserError):
    """A setting breaks its rule."""


def setting(
    default: Any, help: str, *, low: float | None = None, high: float | None = None,
    above: float | None = None, choices: tuple[str, ...] | None = None,
    aliases: tuple[str, ...] = (), may_change: bool = False, flag: bool = True,
) -> Any:
    """A field: help, bounds, other names of its flag, whether a resume may change it."""
    return dataclasses.field(default=default, metadata=dict(
        help=help, low=low, high=high, above=above, choices=choices, aliases=aliases,
        may_change=may_change, flag=flag))


def field_types(section: type) -> dict[str, tuple[type, ...]]:
    """The types that each setting of a section takes, such as (int, NoneType)."""
    return {name: get_args(hint) or (hint,) for name, hint in get_type_hints(section).items()}


def check(field: dataclasses.Field, value: Any, types: tuple[type, ...]) -> None:
    """Refuses a value of another type, or one that breaks the rule of its field."""
    rule = field.metadata
    accepted = types + (int,) if float in types else types
    if not isinstance(value, accepted) or (isinstance(value, bool) and bool not in types):
        broken = f"of type {types[0].__name__}"
    elif value is None:
        return
    elif rule["choices"] and value not in rule["choices"]:
        broken = f"one of {', '.join(rule['choices'])}"
    elif isinstance(value, str) and not _is_path_text(value):
        broken = "text that a file could be named"
    elif isinstance(value, float) and not math.isfinite(value):
        broken = "a finite number"
    elif isinstance(value, int) and abs(value) > MAX_INT:
        broken = f"a whole number up to {MAX_INT}"
    elif rule["above"] is not None and value <= rule["above"]:
        broken = f"above {rule['above']:g}"
    elif rule["low"] is not None and value < rule["low"]:
        broken = f"at least {rule['low']:g}"
    elif rule["high"] is not None and value > rule["high"]:
        broken = f"at most {rule['high']:g}"
    else:
        return
    raise ConfigError(
        f"`{field.name}` must be {broken}. Received: {field.name}={brief(repr(value))}")


def _is_path_text(text: str) -> bool:
    try:
        return b"\0" not in os.fsencode(text)
    except UnicodeEncodeError:  # a lone surrogate, which JSON can hold
        return False
