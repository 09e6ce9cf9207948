"""What is kept of all users together."""

import os
import time

import pytest

from colorizer import data
from colorizer.app import sessions
from colorizer.inference import Colorizer
from tests.tiny_runs import write_run


@pytest.fixture
def everybody(tmp_path):
    return sessions.Sessions({"tiny": Colorizer.load(write_run(tmp_path / "run"))}, tmp_path)


def fill(everybody, *names):
    path = data.sample_paths()[0]
    content = path.read_bytes()
    users = [everybody.get(name) for name in names]
    for user in users:
        user.take(path.name, content)
    return users, len(content)


def test_pictures_of_all_users_have_a_limit(everybody, monkeypatch):
    empty = everybody.get("without a picture")
    (busy, idle, other), size = fill(everybody, "busy", "idle", "other")
    monkeypatch.setattr(sessions, "MAX_ALL_BYTES", 2 * size)
    with busy.lock:  # as during an action
        assert everybody.get("other") is other
    assert not idle.files and not idle.folder.exists()
    assert busy.files and other.files and not empty.closed
    assert everybody.get("idle").notice and not everybody.get("without a picture").notice


def test_the_session_used_least_recently_makes_room(everybody, monkeypatch):
    monkeypatch.setattr(sessions, "MAX_SESSIONS", 2)
    (first, second), _ = fill(everybody, "first", "second")
    everybody.get("first")
    everybody.get("third")
    assert second.closed and not first.closed


@pytest.mark.parametrize("ages, left", [
    ((700, 700), 0), ((700, 5), 2), ((4000, 5), 1), ((500, 400), 2)])
def test_only_uploads_that_stand_still_are_deleted(tmp_path, ages, left):
    (tmp_path / "session").mkdir()
    result, *uploads = [tmp_path / name for name in ("session/result.jpg", "tmpone", "tmptwo")]
    for path, age in zip((result, *uploads), (9000, *ages)):
        path.write_bytes(b"content")
        os.utime(path, (time.time() - age,) * 2)
    sessions.delete_cut_off(tmp_path)
    assert result.exists() and sum(path.exists() for path in uploads) == left
