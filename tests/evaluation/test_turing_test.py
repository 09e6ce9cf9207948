"""The visual Turing test: its interval, its order, its page, its answers over HTTP."""

from __future__ import annotations

import base64
import contextlib
import io
import json
import re
import socket
import threading
import time
import urllib.error
import urllib.request

from PIL import Image
import numpy as np
import pytest

from colorizer.evaluation import turing_test

IMAGES = np.random.default_rng(0).integers(0, 256, (6, 8, 8, 3), dtype=np.uint8)


def make_test(path, count=6, **settings):
    """A test of colors that nobody mistakes for the truth."""
    return turing_test.TuringTest(IMAGES[:count], 255 - IMAGES[:count], path / "turing.json",
                                  **{"seconds": 0.0, "seed": 3, **settings})


def session(page):
    return json.loads(re.search("seconds, answered} = (.*);", page)[1])


def decode(uri):
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2]))))


def real_sides(page):
    """What a viewer who knows the originals answers."""
    return [1 if any(np.array_equal(decode(left), image) for image in IMAGES) else 2
            for left, _ in session(page)["pairs"]]


# ------------------------------------------------------------------------------------------ score

@pytest.mark.parametrize("count, total, low, high", [
    # Newcombe 1998, table I, method 3: the Wilson score interval at 95 %.
    (81, 263, 25.53, 36.62), (15, 148, 6.24, 16.05), (0, 20, 0.0, 16.11), (1, 29, 0.61, 17.18),
])
def test_the_interval_is_the_published_one(count, total, low, high):
    assert turing_test.Score(count, total).percent() == pytest.approx(
        (100 * count / total, low, high), abs=5e-3)


@pytest.mark.parametrize("fooled, figure, meaning", [
    (39, "39.0 % (95 % Wilson interval 30.0 to 48.8 %)", "the colors can be told"),
    (41, "41.0 % (95 % Wilson interval 31.9 to 50.8 %)", "these trials do not tell"),
    (70, "70.0 % (95 % Wilson interval 60.4 to 78.1 %)", "more often than real ones")])
def test_colors_are_told_apart_where_the_interval_lies_below_confusion(fooled, figure, meaning):
    text = turing_test.Score(fooled, 100).text()
    assert text.startswith(f"fooled in {fooled} of 100 trials") and figure in text
    assert meaning in text.partition("50 % is perfect confusion: ")[2]


# ------------------------------------------------------------------------------------------ order

@pytest.mark.parametrize("count", [1, 2, 7, 100])
def test_every_image_comes_once_and_the_real_one_is_on_either_side_equally_often(count):
    for seed in range(20):
        order, sides = turing_test.plan(count, seed)
        assert sorted(order) == list(range(count))
        assert set(sides) <= {turing_test.LEFT, turing_test.RIGHT}
        assert abs(sides.count(turing_test.LEFT) - count / 2) <= 0.5
    assert {turing_test.plan(1, seed)[1][0] for seed in range(20)} == {1, 2}  # the odd trial


def test_the_seed_alone_decides_the_order_and_the_sides():
    first, other = turing_test.plan(100, 5), turing_test.plan(100, 6)
    assert turing_test.plan(100, 5) == first
    assert other[0] != first[0] and other[1] != first[1]


def test_a_side_says_nothing_about_the_next():
    sides = np.array(turing_test.plan(10_000, 0)[1])
    assert np.mean(sides[1:] == sides[:-1]) == pytest.approx(0.5, abs=0.02)  # 4 standard errors


# ----------------------------------------------------------------------------------------- answers

def test_the_page_shows_each_real_image_beside_its_colorized_one(tmp_path):
    test = make_test(tmp_path, seconds=2.5)
    found = session(test.page())
    assert found["seconds"] == 2.5 and found["answered"] == 0
    for pair, index, side in zip(found["pairs"], test.order, test.sides, strict=True):
        real, colorized = map(decode, pair if side == turing_test.LEFT else pair[::-1])
        np.testing.assert_array_equal(real, IMAGES[index])
        np.testing.assert_array_equal(colorized, 255 - IMAGES[index])


def test_a_viewer_is_fooled_where_the_colorized_image_is_taken_for_real(tmp_path):
    for wrong, expected in ((0, 0), (2, 2), (6, 6)):
        test = make_test(tmp_path)
        for number, side in enumerate(real_sides(test.page())):
            reply = test.answer(number, 3 - side if number < wrong else side, 1.0)
            assert (reply["score"] is None) == (number < 5)  # nothing is said before the end
        assert test.finished and test.score == turing_test.Score(expected, 6)
        assert reply == {"answered": 6, "score": test.score.text()}


def test_every_answer_is_kept_at_once_with_what_was_tested(tmp_path):
    test = make_test(tmp_path, seed=7, about={"dataset": "sample"})
    assert test.score is None and not list(tmp_path.iterdir())
    test.answer(0, 3 - test.sides[0], 1.25)
    test.answer(1, test.sides[1], 0.5)
    assert session(test.page())["answered"] == 2  # a reloaded page goes on there
    written = json.loads((tmp_path / "turing.json").read_text())
    assert written.pop("low_percent") == pytest.approx(9.453, abs=1e-3)  # 1 of 2, by scipy
    assert written.pop("high_percent") == pytest.approx(90.547, abs=1e-3)
    assert written == {
        "dataset": "sample", "seed": 7, "seconds": 0.0, "trials": 6, "answered": 2, "fooled": 1,
        "fooled_percent": 50.0, "confidence": 0.95, "answers": [
            {"image": test.order[0], "real": test.sides[0], "answer": 3 - test.sides[0],
             "seconds": 1.25, "fooled": True},
            {"image": test.order[1], "real": test.sides[1], "answer": test.sides[1],
             "seconds": 0.5, "fooled": False}]}


@pytest.mark.parametrize("number, side", [(0, 1), (2, 1), (1, 0), (1, 3), (1, "1")])
def test_an_answer_to_another_pair_or_to_neither_side_is_refused(tmp_path, number, side):
    test = make_test(tmp_path)
    test.answer(0, 1, 1.0)
    with pytest.raises(ValueError, match=f"to pair 1. Received: number={number}, side={side}"):
        test.answer(number, side, 1.0)
    assert test.score.answered == 1


# ------------------------------------------------------------------------------------------ server

@contextlib.contextmanager
def browser(capsys, use):
    """Calls `use` with the printed address, in another thread."""
    def browse():
        printed = ""
        while not (address := re.search(r"http://\S+", printed)):
            printed += capsys.readouterr().out
            time.sleep(0.01)
        use(address[0])

    thread = threading.Thread(target=browse, daemon=True)
    thread.start()
    yield
    thread.join(timeout=10)
    assert not thread.is_alive()


def post(url, body):
    with urllib.request.urlopen(url, body if isinstance(body, bytes) else json.dumps(
            body).encode(), timeout=10) as reply:
        return json.load(reply)


def read(url):
    with urllib.request.urlopen(url, timeout=10) as reply:
        return reply.read().decode()


def test_a_browser_gets_the_page_answers_every_pair_and_is_told_the_score(tmp_path, capsys):
    replies = []

    def use(url):
        for number, side in enumerate(real_sides(read(url))):
            replies.append(post(url, {"number": number, "side": side, "seconds": 0.5}))

    with browser(capsys, use):
        score = turing_test.serve(make_test(tmp_path))
    assert score == turing_test.Score(0, 6)
    assert [reply["answered"] for reply in replies] == [1, 2, 3, 4, 5, 6]
    assert "fooled in 0 of 6 trials" in replies[-1]["score"]


def test_wrong_requests_and_idle_connections_do_not_end_the_test(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(turing_test._Handler, "timeout", 0.1)

    def use(url):
        port = int(url.rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port)):  # opened ahead, nothing sent
            for body in (b"?", {}, [], {"number": 5, "side": 1, "seconds": 1}):
                with pytest.raises(urllib.error.HTTPError, match="400"):
                    post(url, body)
        post(url, {"number": 0, "side": 1, "seconds": 1})

    with browser(capsys, use):
        assert turing_test.serve(make_test(tmp_path, count=1)).answered == 1


def test_a_taken_port_is_replaced_by_a_free_one(tmp_path, capsys, monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        monkeypatch.setattr(turing_test, "PORT", taken.getsockname()[1])
        with browser(capsys, lambda url: post(url, {"number": 0, "side": 1, "seconds": 1})):
            assert turing_test.serve(make_test(tmp_path, count=1)).answered == 1


@pytest.mark.parametrize("answered", [0, 2])
def test_ctrl_c_keeps_what_was_answered(tmp_path, monkeypatch, answered):
    test = make_test(tmp_path)
    for number in range(answered):
        test.answer(number, 1, 1.0)

    def interrupt(server):
        raise KeyboardInterrupt

    monkeypatch.setattr(turing_test.HTTPServer, "handle_request", interrupt)
    score = turing_test.serve(test)
    assert (score.answered if score else 0) == answered
