"""Files of unknown origin: what is no regular file, and JSON of any content."""

import os

import pytest

from colorizer.errors import UserError
from colorizer.files import read_json, sha256

DEEP = 100_000


def refused(path, words, **options):
    """Whether a file is refused in these words, in one short line that names it."""
    with pytest.raises(UserError, match=words) as caught:
        read_json(path, **options)
    message = str(caught.value)
    return message.isprintable() and str(path) in message and len(message) < len(str(path)) + 250


def test_json_is_read_with_its_fields_checked(tmp_path):
    path = tmp_path / "a.json"
    for text in ('{"name": "ü\\u00fc", "size": 3, "more": [[1e-3, null]]}', '\ufeff{"size": 3}'):
        path.write_text(text, encoding="utf-8")
        assert read_json(path, {"size": int})["size"] == 3
    for fields in ({"size": str}, {"name": str}, {"size": bool}, {"size": float}):
        assert refused(path, f"`{[*fields][0]}` is of type", fields=fields)
    path.write_text("true")
    assert read_json(path) is True and refused(path, "`size` is of type int", fields={"size": int})


@pytest.mark.parametrize("text, words", [
    ("", "JSON"), ("{", "JSON"), ("[1] 2", "JSON"), ("\x00", "JSON"), (b"\xff\xff", "JSON"),
    ("[" * DEEP, "JSON"), ('{"a":' * DEEP, "JSON"), ("[" * 50 + "]" * 50, "more than 20"),
    ("9" * 400, "400 digits"), ("9" * 5000, "JSON"), (f"[{'1,' * 2**20}1]", "at most 1048576"),
    ('{"size": "%s"}' % ("\\n\\u001b[31m" * 9999), "Received: '"),
], ids=lambda value: repr(value[:12]))
def test_json_of_any_content_is_refused_in_one_short_line(tmp_path, text, words):
    path = tmp_path / "a.json"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    assert refused(path, words, fields={"size": int})


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_what_is_no_regular_file_is_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "zero").symlink_to("/dev/zero")
    (tmp_path / "folder").mkdir()
    for name, words in (("pipe", "not a regular file"), ("zero", "not a regular file"),
                        ("folder", "directory"), ("missing", "No such file")):
        assert refused(tmp_path / name, f"cannot be read: .*{words}")
        with pytest.raises(OSError, match=words):
            sha256(tmp_path / name)
