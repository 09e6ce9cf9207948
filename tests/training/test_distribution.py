"""Devices and workers of a run, as one process sees them."""

import pytest
import tensorflow as tf

from colorizer.errors import UserError
from colorizer.training.distribution import WorkerLost, Workers, choose_strategy, describe


@pytest.mark.parametrize("text", [
    "text", "[]", '{"cluster": {}}', '{"cluster": {"worker": ["a:1"]}, "task": {"type": "worker"}}',
    '{"cluster": {"worker": ["a:1"]}, "task": {"type": "worker", "index": 1}}'])
def test_a_wrong_tf_config_is_refused_in_one_line(monkeypatch, text):
    monkeypatch.setenv("TF_CONFIG", text)
    with pytest.raises(UserError, match="TF_CONFIG must be JSON.*Received: TF_CONFIG=") as caught:
        choose_strategy()
    assert "\n" not in str(caught.value)


def test_all_devices_of_one_process_make_one_chief(two_replicas, monkeypatch):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    assert isinstance(choose_strategy(), tf.distribute.MirroredStrategy)
    workers = Workers(two_replicas)
    assert workers.count == 1 and workers.chief and describe(two_replicas).startswith("2 x ")
    assert workers.any(True) and not workers.any(False)
    workers.check_equal(3, "the step")
    with pytest.raises(tf.errors.InternalError), workers.watched(1):
        raise tf.errors.InternalError(None, None, "a fault of this process alone")


def test_workers_that_disagree_or_are_lost_end_in_one_line(two_replicas, monkeypatch):
    workers = Workers(two_replicas)
    monkeypatch.setattr(workers, "count", 2)
    monkeypatch.setattr(workers, "_sum", lambda value: value + 5.0)  # the other one says 5
    with pytest.raises(UserError, match="agree on the step.*Received: 3 here, 4 on average"):
        workers.check_equal(3, "the step")
    with pytest.raises(WorkerLost, match="step 7: another worker is gone.*Received: no answer$"):
        with workers.watched(7):
            raise tf.errors.UnavailableError(None, None, "no answer\nand more")
