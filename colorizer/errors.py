"""The one kind of error that a user can mend, and how it shows names and what was received."""

MAX_SHOWN = 100  # characters


class UserError(ValueError):
    """Wrong settings, data or files. The message is one line: the rule, then what was received.

    Attributes:
        status: the exit status of a program that ends with it.
    """

    status = 2


def printable(text: object) -> str:
    """A name or a message as one line that is safe to print.

    Newlines, terminal escapes and bytes that are not UTF-8, which any file's name may hold, are
    written as in a Python string.

    Example:
        >>> print(printable(Path("two\nlines")))
        two\\nlines
    """
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in str(text))


def brief(text: str) -> str:
    """Text of unknown origin for a message: `printable`, and short."""
    shown = printable(text[:MAX_SHOWN + 1])
    return shown if len(shown) <= MAX_SHOWN else f"{shown[:MAX_SHOWN]}..."
