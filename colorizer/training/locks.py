"""One run at a time in a folder."""

from __future__ import annotations

from datetime import datetime
import json
import os
from pathlib import Path
import socket
from typing import Any

from absl import logging
import filelock

from colorizer.errors import UserError

LOCK_FILE = "lock"
OWNER_FILE = "running.json"


class LockError(UserError):
    """Another process trains in the folder."""


class RunLock:
    """Holds a run's folder while it is entered.

    The operating system takes the lock back when the process ends, however it ends, so that no
    lock is ever left over. `running.json` says who holds it.

    Args:
        workdir: the run's folder, which exists.

    Raises:
        LockError: on entering, when another process holds it.
    """

    def __init__(self, workdir: Path):
        self._workdir = workdir
        self._owner = workdir / OWNER_FILE
        self._lock = filelock.FileLock(workdir / LOCK_FILE)

    def __enter__(self) -> "RunLock":
        try:
            self._lock.acquire(timeout=0)
        except filelock.Timeout:
            raise LockError(
                f"a folder takes one run at a time: give another --workdir, or wait. "
                f"Received: {self._workdir}, in which {self._read_owner()} trains")
        if self._owner.exists():
            logging.warning("%s: %s ended without a word; its lock is taken over",
                            self._workdir, self._read_owner())
        self._owner.write_text(json.dumps({
            "host": socket.gethostname(), "process": os.getpid(),
            "since": datetime.now().isoformat(timespec="seconds")}))
        return self

    def __exit__(self, *_: Any) -> None:
        self._owner.unlink(missing_ok=True)
        self._lock.release()

    def _read_owner(self) -> str:
        try:
            owner = json.loads(self._owner.read_text())
            return f"process {owner['process']} on {owner['host']} since {owner['since']}"
        except (OSError, ValueError, KeyError, TypeError):
            return "another process"
