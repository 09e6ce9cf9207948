"""The one kind of error that a user can mend."""


class UserError(ValueError):
    """Wrong settings, data or files. The message is one line: the rule, then what was received.

    Attributes:
        status: the exit status of a program that ends with it.
    """

    status = 2
