"""What a user may ask of the colours: one table entry a control (no TensorFlow here).

The flags (`--desired_hue`, `--hue_weight`, `colorize.py --hue`), the losses, the control vector of
a conditional model and the calibration are all derived from `CONTROLS`. The statistic of an entry
is the function of the same name in `statistics.py`.

A real picture is moved towards a target by an *edit* of four numbers: turn its ab by half-turns,
shift its ab, and make it more or less vivid (`statistics.apply_edit`). An entry says which edit
raises its statistic; edits of several controls add up.
"""

from __future__ import annotations

from dataclasses import dataclass
import math

SHIFT_RANGE = 100.0  # a*, b* units at amount 1
Edit = tuple[float, float, float, float]  # half-turns, a*, b*, vividness


@dataclass(frozen=True)
class Control:
    """One thing that can be asked for.

    Attributes:
        name: of its flags, of the `Colorizer`'s argument and of its function in `statistics.py`.
        help: what the targets 0 and 1 mean.
        edit: what amount 1 does to a real picture; the statistic does not fall with the amount in
            [-1, 1], or turns with it for a circular control.
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
    return (0.0, SHIFT_RANGE * math.cos(angle), SHIFT_RANGE * math.sin(angle), 0.0)


TURN: Edit = (1.0, 0.0, 0.0, 0.0)
VIVID: Edit = (0.0, 0.0, 0.0, 1.0)

# Lab hue angles of the sRGB primaries: red 40, green 136, blue 306 degrees; yellow (b*) 90.
CONTROLS: tuple[Control, ...] = (
    Control("saturation", "mean HSV saturation: 0 gray, 1 as vivid as the lightness allows", VIVID),
    Control("hue", "mean hue, weighted by chroma: 0 and 1 red, 0.33 green, 0.67 blue", TURN,
            per_pixel=False, circular=True),
    Control("red", "mean of the red channel", _towards(40.0)),
    Control("green", "mean of the green channel", _towards(136.0)),
    Control("blue", "mean of the blue channel", _towards(306.0)),
    Control("colorfulness", "colourfulness after Hasler and Suesstrunk, of 100: 0 gray, 0.33 "
            "moderate, 0.82 high", VIVID, per_pixel=False),
    Control("warmth", "mean b*, -50 to 50: 0 blue, 0.5 neutral, 1 yellow", _towards(90.0)),
)
NAMES = tuple(control.name for control in CONTROLS)
