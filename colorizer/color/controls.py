"""What a user may ask of the colors: one table entry a control (no TensorFlow here).

The flags (`--desired_hue`, `--hue_weight`, `colorize.py --hue`), the losses, the control vector of
a conditional model and the calibration are all derived from `CONTROLS`. The statistic of an entry
is the function of the same name in `statistics.py`.

A real picture is moved towards a target by an *edit* of four numbers: turn its ab by half-turns,
shift its ab, and make it more or less vivid (`edits.apply_edit`). An entry says which edit
raises its statistic; edits of several controls add up.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
import itertools
import math

from colorizer.errors import UserError

SHIFT = 50.0  # a*, b* units at amount 1
Edit = tuple[float, float, float, float]  # half-turns, a*, b*, vividness


@dataclass(frozen=True)
class Control:
    """One thing that can be asked for.

    Attributes:
        name: of its flags, of the `Colorizer`'s argument and of its function in `statistics.py`.
        help: what the targets 0 and 1 mean.
        edit: what amount 1 does to a real picture; the statistic rises with the amount (nearly
            always: what exceeds the gamut is folded back), or turns for a circular control.
        per_pixel: the statistic is a mean over pixels, so that its reach is known at each L*.
        circular: targets 0 and 1 are the same, distances are at most 0.5.
    """

    name: str
    help: str
    edit: Edit
    per_pixel: bool = True
    circular: bool = False


def _towards(degrees: float) -> Edit:
    """A shift of ab towards a Lab hue angle."""
    angle = math.radians(degrees)
    return (0.0, SHIFT * math.cos(angle), SHIFT * math.sin(angle), 0.0)


TURN: Edit = (1.0, 0.0, 0.0, 0.0)
VIVID: Edit = (0.0, 0.0, 0.0, 1.0)

# Lab hue angles near those of the sRGB primaries (40, 136, 306 degrees) and of b* (90); for green
# the angle that reaches furthest at both ends on CIFAR-10.
CONTROLS: tuple[Control, ...] = (
    Control("saturation", "mean HSV saturation: 0 gray, 1 as vivid as the lightness allows", VIVID),
    Control("hue", "mean hue, weighted by chroma: 0 and 1 red, 0.33 green, 0.67 blue", TURN,
            per_pixel=False, circular=True),
    Control("red", "mean of the red channel", _towards(40.0)),
    Control("green", "mean of the green channel", _towards(150.0)),
    Control("blue", "mean of the blue channel", _towards(306.0)),
    Control("colorfulness", "colorfulness after Hasler and Suesstrunk, of 100: 0 gray, 0.33 "
            "moderate, 0.82 high", VIVID, per_pixel=False),
    Control("warmth", "mean b*, -50 to 50: 0 blue, 0.5 neutral, 1 yellow", _towards(90.0)),
)
NAMES = tuple(control.name for control in CONTROLS)


class ControlError(UserError):
    """A target breaks its rule, or the model cannot be given one."""


def select(names: Sequence[str]) -> tuple[Control, ...]:
    """The entries of that name, in that order.

    Raises:
        ControlError: there is no such control, or one is named twice.
    """
    table = {control.name: control for control in CONTROLS}
    if not names or set(names) - set(table) or len(set(names)) < len(names):
        raise ControlError(f"`controls` must name some of {', '.join(NAMES)}, each once. "
                           f"Received: controls={','.join(names)}")
    return tuple(table[name] for name in names)


def parse_targets(texts: Mapping[str, str | None]) -> list[dict[str, float]]:
    """Reads targets as typed: one number each, or several with commas for a contact sheet.

    Args:
        texts: control -> "0.6" or "0,0.25,0.5"; None for what is not asked for.

    Returns:
        Every combination, control -> target; one empty one if nothing is asked for.

    Raises:
        ControlError: not a number in [0, 1].
    """
    asked = {name: text for name, text in texts.items() if text is not None}
    ranges = [[_parse_target(name, part) for part in text.split(",")]
              for name, text in asked.items()]
    return [dict(zip(asked, values)) for values in itertools.product(*ranges)]


def _parse_target(name: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0.0 <= value <= 1.0:
        raise ControlError(f"`{name}` must be a number in [0, 1]. Received: {name}={text}")
    return value


def check(
    targets: Mapping[str, float | None], obeyed: Sequence[Control], fixed: Mapping[str, float]
) -> None:
    """Refuses targets that a model cannot be given.

    Args:
        targets: control -> target; None for what is not asked for.
        obeyed: what the model was trained to obey; nothing if it is not conditional.
        fixed: the targets it was trained to without being given them.

    Raises:
        ControlError: an unknown control, a target out of range, or one the model does not obey.
    """
    for name, value in targets.items():
        if name not in NAMES:
            raise ControlError(f"a control must be one of {', '.join(NAMES)}. "
                               f"Received: {name}={value}")
        if value is not None and not 0.0 <= value <= 1.0:
            raise ControlError(f"`{name}` must be in [0, 1]. Received: {name}={value}")
    known = [control.name for control in obeyed]
    asked = [f"{name}={value:g}" for name, value in targets.items()
             if value is not None and name not in known]
    if asked and known:
        raise ControlError(f"this model obeys {', '.join(known)} alone. "
                           f"Received: {', '.join(asked)}")
    if asked:
        trained = ", ".join(f"{name}={value:g}" for name, value in fixed.items())
        raise ControlError(
            f"this model {f'was trained for {trained} alone' if trained else 'knows no targets'}: "
            "train one with --conditional, whose generator sees them, to choose them when it "
            f"colors. Received: {', '.join(asked)}")


def contradiction(targets: Mapping[str, float | None]) -> str | None:
    """Says what cannot be had together, if anything: a gray picture has no hue."""
    gray = [name for name in ("saturation", "colorfulness") if targets.get(name) == 0.0]
    colored = targets.get("hue") is not None or bool(targets.get("saturation")) or bool(
        targets.get("colorfulness"))
    if not gray or not colored:
        return None
    listed = ", ".join(f"{name}={value:g}" for name, value in targets.items() if value is not None)
    return f"{gray[0]}=0 makes a gray picture, which contradicts the other targets: {listed}"
