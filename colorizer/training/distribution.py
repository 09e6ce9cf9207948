"""The processes of a run: its devices, its workers on several machines (`TF_CONFIG`), and the
signals that stop it between two steps.
"""

from __future__ import annotations

from collections.abc import Iterator
import contextlib
import functools
import os
import signal
import threading
from typing import Any

import tensorflow as tf

from colorizer.errors import UserError
from colorizer.files import parse_json

# EX_TEMPFAIL of sysexits.h: nothing is wrong, and the same command again goes on.
STOPPED_STATUS = 75


class WorkerLost(UserError):
    """Another worker of the run is gone."""

    status = STOPPED_STATUS


def choose_strategy() -> tf.distribute.Strategy:
    """All local devices or, with `TF_CONFIG` set, those of all workers that it names.

    Call it before anything else uses TensorFlow.

    Raises:
        UserError: `TF_CONFIG` does not describe this worker of a cluster.
    """
    text = os.environ.get("TF_CONFIG")
    if text:
        try:
            described = parse_json(text, "TF_CONFIG")
            described["cluster"][described["task"]["type"]][described["task"]["index"]]
        except (ValueError, KeyError, TypeError, IndexError) as error:
            raise UserError(
                "TF_CONFIG must be JSON with a `cluster` of workers and this worker's `task` in it "
                f"({error!r}). Received: TF_CONFIG={text}")
    for gpu in tf.config.list_physical_devices("GPU"):
        tf.config.experimental.set_memory_growth(gpu, True)
    if text:
        return tf.distribute.MultiWorkerMirroredStrategy()
    return tf.distribute.MirroredStrategy()


def describe(strategy: tf.distribute.Strategy) -> str:
    """What trains, such as "2 x NVIDIA T4" or "1 x CPU"."""
    names = [tf.config.experimental.get_device_details(gpu).get("device_name", "GPU")
             for gpu in tf.config.list_physical_devices("GPU")] or ["CPU"]
    return f"{strategy.num_replicas_in_sync} x {' and '.join(sorted(set(names)))}"


class StopSignals:
    """Notes SIGTERM, SIGINT and SIGHUP instead of dying of them, while it is entered.

    A SIGHUP that is ignored, as under `nohup`, stays so. A second SIGINT takes its usual course, in
    the middle of whatever is going on. Outside the main thread, where Python takes no signals, it
    notes none.

    Attributes:
        received: the name of the signal that came, or None.
    """

    def __init__(self) -> None:
        self.received: str | None = None
        self._previous: dict[int, Any] = {}

    def __enter__(self) -> "StopSignals":
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
                if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:
                    self._previous[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, *_: Any) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def _note(self, number: int, _: Any) -> None:
        self.received = signal.Signals(number).name
        if number == signal.SIGINT:
            signal.signal(number, signal.SIG_DFL)


class Workers:
    """The processes that train together, as one of them sees it.

    Args:
        strategy: over their devices.

    Attributes:
        count: how many there are.
        chief: whether this one writes the files.
    """

    def __init__(self, strategy: tf.distribute.Strategy):
        self._strategy = strategy
        resolver = strategy.cluster_resolver if isinstance(
            strategy, tf.distribute.MultiWorkerMirroredStrategy) else None
        cluster = resolver.cluster_spec() if resolver else tf.train.ClusterSpec({})
        self.count = max(1, sum(
            cluster.num_tasks(job) for job in cluster.jobs if job in ("chief", "worker")))
        self.chief = resolver is None or resolver.task_type == "chief" or (
            resolver.task_id == 0 and "chief" not in cluster.jobs)

    def any(self, flag: bool) -> bool:
        """Whether it holds for any worker; all must call it."""
        if self.count == 1:
            return flag
        return self._sum(float(flag)) > 0.0

    def check_equal(self, value: int, what: str) -> None:
        """Raises a UserError unless all workers have the same value."""
        if self.count == 1:
            return
        mean = self._sum(float(value)) / self._strategy.num_replicas_in_sync
        if self.any(mean != value):
            raise UserError(
                f"all workers must agree on {what}: give them the same --workdir, on a file system "
                f"that they share. Received: {value} here, {mean:g} on average")

    @contextlib.contextmanager
    def watched(self, step: int) -> Iterator[None]:
        """Raises WorkerLost, in one line, when a step fails because another worker is gone."""
        try:
            yield
        except tf.errors.OpError as error:
            if self.count == 1:
                raise
            reason = str(error.message).splitlines()[0]
            raise WorkerLost(
                f"step {step}: another worker is gone; start all workers again with the same "
                f"commands, they go on from the newest checkpoint. Received: {reason}")

    @functools.partial(tf.function, autograph=False)
    def _reduced(self, value: tf.Tensor) -> tf.Tensor:
        return self._strategy.reduce("SUM", self._strategy.run(tf.identity, (value,)), axis=None)

    def _sum(self, value: float) -> float:
        return float(self._reduced(tf.constant(value, tf.float64)))
