"""Pairs of pictures in a file, on a terminal and in a browser."""

from __future__ import annotations

import io
import os
import re
import sys
import webbrowser

from PIL import Image
import numpy as np
import pytest

from colorizer.evaluation import display

RNG = np.random.default_rng(0)
LEFT, RIGHT = RNG.integers(0, 256, (2, 32, 32, 3), dtype=np.uint8)
CELL = re.compile("\033\\[38;2;(\\d+);(\\d+);(\\d+);48;2;(\\d+);(\\d+);(\\d+)m\u2580")


def drawn(lines):
    """The two pictures that lines of half blocks show, as a terminal would: foreground above."""
    pairs = []
    for line in lines:
        for part in line.split(" " * display.GAP):
            assert CELL.sub("", part) == "\033[0m"
            cells = np.array(CELL.findall(part), np.uint8)
            pairs.append(np.stack([cells[:, :3], cells[:, 3:]]))
    return np.concatenate(pairs[::2]), np.concatenate(pairs[1::2])


@pytest.mark.parametrize("columns, lines, factor", [
    (80, 24, 1), (68, 21, 1), (131, 200, 1), (132, 37, 2), (500, 37, 2), (500, 100, 5)])
def test_small_pictures_are_drawn_enlarged_by_the_whole_factor_that_fits(columns, lines, factor):
    text = display.draw(LEFT, RIGHT, os.terminal_size((columns, lines)))
    assert text[0].split() == ["1", "2"] and text[0].index("2") == 32 * factor + display.GAP
    for picture, shown in zip((LEFT, RIGHT), drawn(text[1:])):
        np.testing.assert_array_equal(
            shown, picture.repeat(factor, axis=0).repeat(factor, axis=1))


@pytest.mark.parametrize("columns, lines, side", [(80, 24, 38), (40, 24, 18), (80, 12, 14)])
def test_large_pictures_are_reduced_to_fit(columns, lines, side):
    plain = np.full((256, 256, 3), (200, 100, 50), np.uint8)
    for shown in drawn(display.draw(plain, plain, os.terminal_size((columns, lines)))[1:]):
        np.testing.assert_array_equal(shown, plain[:side, :side])


def test_a_tiny_terminal_is_no_error():
    assert len(display.draw(LEFT, RIGHT, os.terminal_size((1, 1)))) == 2


def test_the_file_shows_both_pictures_under_their_numbers_and_then_neither(tmp_path):
    shown = display.Display(tmp_path / "new" / "pair.png", None, False)
    shown.show(LEFT, RIGHT)
    with Image.open(tmp_path / "new" / "pair.png") as picture:
        before = np.asarray(picture)
    np.testing.assert_array_equal(before[22:278:8, 4:260:8], LEFT)
    np.testing.assert_array_equal(before[22:278:8, 264:520:8], RIGHT)
    assert before[:22, :100].min() < 128 and before[:22, 264:].min() < 128
    shown.blank()
    with Image.open(tmp_path / "new" / "pair.png") as picture:
        after = np.asarray(picture)
    assert after.shape == before.shape
    assert set(np.unique(after[22:278])) == {128, 255}
    shown.close()
    assert list((tmp_path / "new").iterdir()) == []


def test_the_terminal_is_drawn_on_and_exactly_those_lines_are_erased(tmp_path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("LINES", "24")
    terminal = io.StringIO()
    shown = display.Display(tmp_path / "pair.png", terminal, False)
    shown.show(LEFT, RIGHT)
    first, *lines, path, end = terminal.getvalue().split("\n")
    assert first == "\033[2J\033[H1" + " " * 35 + "2" and end == ""
    assert str(tmp_path / "pair.png") in path
    np.testing.assert_array_equal(drawn(lines)[0], LEFT)
    terminal.seek(0)
    terminal.truncate()
    shown.blank()  # the cursor goes back to where the answer is typed
    assert terminal.getvalue() == "\0337\033[H" + "\033[2K\n" * 17 + "\0338"


def test_the_page_opens_once_and_loads_the_file(tmp_path, monkeypatch):
    opened = []
    monkeypatch.setattr(webbrowser, "open", opened.append)
    shown = display.Display(tmp_path / "pair.png", None, True)
    shown.show(LEFT, RIGHT)
    shown.show(RIGHT, LEFT)
    assert opened == [(tmp_path / "pair.html").as_uri()]
    assert 'next.src = "pair.png?"' in (tmp_path / "pair.html").read_text()
    shown.close()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pseudo terminals")
@pytest.mark.parametrize("term, encoding, expected", [
    ("xterm-256color", "utf-8", True), ("dumb", "utf-8", False), ("linux", "utf-8", False),
    ("xterm-256color", "latin-1", False)])
def test_half_blocks_go_to_terminals_that_can_show_them(monkeypatch, term, encoding, expected):
    monkeypatch.setenv("TERM", term)
    main, other = os.openpty()
    with open(main, "rb"), open(other, "w", encoding=encoding) as stream:
        assert display.can_draw(stream) is expected


def test_nothing_is_drawn_into_a_file(tmp_path):
    with open(tmp_path / "log", "w", encoding="utf-8") as stream:
        assert not display.can_draw(stream)


@pytest.mark.skipif(sys.platform in ("darwin", "win32"), reason="these always have a display")
@pytest.mark.parametrize("variables, expected", [
    ({}, False), ({"DISPLAY": ":0"}, True), ({"WAYLAND_DISPLAY": "wayland-0"}, True),
    ({"DISPLAY": "localhost:10.0", "SSH_CONNECTION": "::1 1 ::1 22"}, False)])
def test_a_browser_is_opened_only_where_there_is_a_display(monkeypatch, variables, expected):
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "SSH_CONNECTION"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert display.can_browse() is expected
