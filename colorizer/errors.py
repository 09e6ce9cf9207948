"""The one kind of error that a user can mend, and how it shows what was received."""

MAX_SHOWN = 100  # characters


class UserError(ValueError):
    """Wrong settings, data or files. The message is one line: the rule, then what was received.

    Attributes:
        status: the exit status of a program that ends with it.
    """

    status = 2


def brief(text: str) -> str:
    """Text of unknown origin for a message: short, on one line, without control characters."""
    shown = "".join(one if one.isprintable() else ascii(one)[1:-1] for one in text[:MAX_SHOWN + 1])
    return shown if len(shown) <= MAX_SHOWN else f"{shown[:MAX_SHOWN]}..."
