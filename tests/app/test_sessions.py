"""What is kept of all users together."""

import os
import time

from colorizer import data
from colorizer.app import sessions
from colorizer.inference import Colorizer
from tests.tiny_runs import write_run


def test_pictures_of_all_users_have_a_limit(tmp_path, monkeypatch):
    path = data.sample_paths()[0]
    content = path.read_bytes()
    monkeypatch.setattr(sessions, "MAX_ALL_BYTES", 2 * len(content))
    everybody = sessions.Sessions({"tiny": Colorizer.load(write_run(tmp_path))}, tmp_path)
    users = {name: everybody.get(name) for name in ("first", "second", "third")}
    for user in users.values():
        user.take(path.name, content)
    assert everybody.get("first") is users["first"]  # "second" is now the one not used for longest
    assert not users["second"].files and not users["second"].folder.exists()
    assert all(everybody.get(name).files for name in ("first", "third"))
    assert everybody.get("second") is not users["second"]


def test_only_uploads_that_stand_still_are_deleted(tmp_path):
    (tmp_path / "session").mkdir()
    paths = [tmp_path / name for name in ("session/result.jpg", "tmpcutoff", "tmpwritten")]
    for path, age in zip(paths, (900, 90, 0)):
        path.write_bytes(b"content")
        os.utime(path, (time.time() - age,) * 2)
    sessions.delete_cut_off(tmp_path, 60)
    assert [path.exists() for path in paths] == [True, False, True]
