"""Machines that are taken away: a signal to stop is answered between two steps."""

from __future__ import annotations

import signal
import threading
from typing import Any

# EX_TEMPFAIL of sysexits.h: nothing is wrong, and the same command again goes on.
STOPPED_STATUS = 75


class StopSignals:
    """Notes SIGTERM and SIGINT instead of dying of them, while it is entered.

    A second SIGINT takes its usual course, in the middle of whatever is going on. Outside the
    main thread, where Python takes no signals, it notes none.

    Attributes:
        received: the name of the signal that came, or None.
    """

    def __init__(self) -> None:
        self.received: str | None = None
        self._previous: dict[int, Any] = {}

    def __enter__(self) -> "StopSignals":
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGTERM, signal.SIGINT):
                self._previous[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, *_: Any) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def _note(self, number: int, _: Any) -> None:
        self.received = signal.Signals(number).name
        if number == signal.SIGINT:
            signal.signal(number, signal.SIG_DFL)
