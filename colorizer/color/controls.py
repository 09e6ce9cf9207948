"""The color controls, one table entry each (no TensorFlow here).

The flags (`--desired_hue`, `colorize.py --hue`), the losses, the control vector of a conditional
model and the calibration are all derived from `CONTROLS`. The statistic of a control is the
function of the same name in `statistics.py`.

A real image is moved towards a target by an *edit* of four numbers: rotate its ab by half-turns,
shift its ab, and make it more or less vivid (`transforms.apply_edit`). An entry says which edit
raises its statistic. The edits of several controls add up.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
import itertools
import math
from numbers import Real

from colorizer.errors import UserError

SHIFT = 50.0  # a*, b* units at amount 1
Edit = tuple[float, float, float, float]  # half-turns, shift of a*, shift of b*, vividness


@dataclass(frozen=True)
class Control:
    """One statistic of an image's colors that can be given a target.

    Attributes:
        name: of its flags, of the `Colorizer`'s argument and of its function in `statistics.py`.
        help: what the targets 0 and 1 mean.
        edit: what amount 1 does to a real image. The statistic rises with the amount, or rotates
            if it is circular.
        per_pixel: the statistic is a mean over pixels, so its achievable range is known at each L*.
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


ROTATE: Edit = (1.0, 0.0, 0.0, 0.0)
VIVID: Edit = (0.0, 0.0, 0.0, 1.0)

# Lab hue angles near those of the sRGB primaries (40, 136, 306 degrees) and of b* (90). For green,
# 150 degrees moves CIFAR-10 further than 136.
CONTROLS: tuple[Control, ...] = (
    Control("saturation", "mean HSV saturation: 0 gray, 1 as vivid as the lightness allows", VIVID),
    Control("hue", "mean hue, weighted by chroma: 0 and 1 red, 0.33 green, 0.67 blue", ROTATE,
            per_pixel=False, circular=True),
    Control("red", "mean of the red channel", _towards(40.0)),
    Control("green", "mean of the green channel", _towards(150.0)),
    Control("blue", "mean of the blue channel", _towards(306.0)),
    Control("colorfulness", "colorfulness after Hasler and Suesstrunk, of 100: 0 gray, 0.33 "
            "moderate, 0.82 high", VIVID, per_pixel=False),
    Control("warmth", "mean b*, -50 to 50: 0 blue, 0.5 neutral, 1 yellow", _towards(90.0)),
)
CONTROL_NAMES = tuple(control.name for control in CONTROLS)


class ControlError(UserError):
    """A target is out of range, or the model cannot be given one."""


def select(names: Sequence[str]) -> tuple[Control, ...]:
    """The controls of these names, in this order; raises ControlError for an unknown name."""
    table = {control.name: control for control in CONTROLS}
    for name in names:
        if name not in table:
            raise ControlError(f"a control must be one of {', '.join(CONTROL_NAMES)}. "
                               f"Received: {name}")
    return tuple(table[name] for name in names)


def parse_targets(texts: Mapping[str, str | None]) -> list[dict[str, float]]:
    """Reads targets as typed: one number each, or several with commas for a contact sheet.

    `texts` is control -> "0.6" or "0,0.25,0.5"; None for no target. Returns every combination,
    control -> target; a single empty one where there is no target. Raises ControlError if a text
    is no number; `check_targets` refuses those outside [0, 1].

    Example:
        >>> parse_targets({"saturation": "0,0.5", "hue": None})
        [{'saturation': 0.0}, {'saturation': 0.5}]
    """
    given = {name: text for name, text in texts.items() if text is not None}
    values = [_parse_values(name, text) for name, text in given.items()]
    return [dict(zip(given, combination)) for combination in itertools.product(*values)]


def _parse_values(name: str, text: str) -> list[float]:
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        raise ControlError(f"`{name}` must be a number in [0, 1]. Received: {name}={text}")


def check_targets(
    targets: Mapping[str, float | None], supported: Sequence[Control], fixed: Mapping[str, float]
) -> None:
    """Refuses targets that a model cannot be given.

    `targets` is control -> target; None for no target. `supported` are the controls of a
    conditional model, none if it is not conditional. `fixed` is control -> target that the model
    was trained for. Raises ControlError for an unknown control, a target outside [0, 1], or a
    control that the model does not support.
    """
    for name, value in targets.items():
        select([name])
        if value is not None and not (isinstance(value, Real) and 0.0 <= value <= 1.0):
            raise ControlError(f"`{name}` must be a number in [0, 1]. Received: {name}={value}")
    known = [control.name for control in supported]
    desired = [f"{name}={value:g}" for name, value in targets.items()
               if value is not None and name not in known]
    if not desired:
        return
    trained = ", ".join(f"{name}={value:g}" for name, value in fixed.items())
    raise ControlError(
        f"this model {f'was trained for {trained} only' if trained else 'takes no targets'}: a "
        "model trained with --conditional takes them at inference. "
        f"Received: {', '.join(desired)}")


def contradiction(targets: Mapping[str, float | None]) -> str | None:
    """Says which targets cannot be met together, if any: a gray image has no hue."""
    gray = [name for name in ("saturation", "colorfulness") if targets.get(name) == 0.0]
    colored = targets.get("hue") is not None or bool(targets.get("saturation")) or bool(
        targets.get("colorfulness"))
    if not gray or not colored:
        return None
    listed = ", ".join(f"{name}={value:g}" for name, value in targets.items() if value is not None)
    return f"{gray[0]}=0 makes a gray image, which contradicts the other targets: {listed}"
