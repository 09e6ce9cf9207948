"""The visual Turing test: its interval, its order, its pages, its answers over HTTP."""

import base64
import io
import json
import re
import socket
import threading
import time
from unittest import mock
import urllib.parse
import urllib.request

from PIL import Image
import numpy as np
import pytest

from colorizer.evaluation import turing_test

IMAGES = np.random.default_rng(0).integers(0, 256, (6, 8, 8, 3), dtype=np.uint8)


def make_test(path, count=6, **settings):
    return turing_test.TuringTest(IMAGES[:count], 255 - IMAGES[:count], path / "turing.json",
                                  **{"seconds": 0.0, "seed": 3, **settings})


def shown(page):
    """The left and the right image of a page."""
    return [np.asarray(Image.open(io.BytesIO(base64.b64decode(png))))
            for png in re.findall('src="data:image/png;base64,(.*?)"', page)]


def test_the_interval_is_the_published_one():
    for count, total, low, high in [  # Newcombe 1998, table I, method 3: Wilson's at 95 %
            (81, 263, 25.53, 36.62), (15, 148, 6.24, 16.05), (0, 20, 0.0, 16.11)]:
        score = turing_test.score(count, total)
        assert score["fooled_percent"] == 100 * count / total
        assert (score["low_percent"], score["high_percent"]) == pytest.approx((low, high), abs=5e-3)
    assert score["summary"] == ("fooled in 0 of 20 trials: 0.0 % (95 % Wilson interval 0.0 to "
                                "16.1 %). 50 % is perfect confusion.")


def test_the_seed_decides_the_order_and_the_sides_which_are_equally_often_the_real_one(tmp_path):
    for count in (1, 2, 5):
        tests = [make_test(tmp_path, count, seed=seed) for seed in range(20)]
        for test in tests:
            assert sorted(test.order) == list(range(count))
            assert abs(test.sides.count(1) - count / 2) <= 0.5 and set(test.sides) <= {1, 2}
        assert {test.sides[0] for test in tests} == {1, 2}
    again, other = make_test(tmp_path, 5, seed=19), make_test(tmp_path, 5, seed=18)
    assert (again.order, again.sides) == (test.order, test.sides) != (other.order, other.sides)


def test_each_page_shows_a_real_image_beside_its_colorized_one_for_the_seconds(tmp_path):
    test = make_test(tmp_path, seconds=2.5)
    for number, (index, side) in enumerate(zip(test.order, test.sides), 1):
        assert f"{number} of 6" in test.page() and "2.5s" in test.page()
        real, colorized = shown(test.page())[::1 if side == 1 else -1]
        np.testing.assert_array_equal(real, IMAGES[index])
        np.testing.assert_array_equal(colorized, 255 - IMAGES[index])
        test.answer(number, 1)
    assert "animation" not in make_test(tmp_path, seconds=0).page()


def test_every_answer_to_the_shown_pair_is_kept_at_once_with_what_was_tested(tmp_path):
    test = make_test(tmp_path, seed=7, dataset="sample")
    assert not list(tmp_path.iterdir())
    test.answer(1, 3 - test.sides[0])
    for number, side in [(1, 1), (3, 1), (2, test.sides[1])]:  # late, early, and one that counts
        test.answer(number, side)
    assert json.loads((tmp_path / "turing.json").read_text()) == {
        "dataset": "sample", "seed": 7, "seconds": 0.0, "trials": 6, **turing_test.score(1, 2),
        "answers": [
            {"image": image, "real": real, "answer": 3 - real if fooled else real, "fooled": fooled}
            for image, real, fooled in zip(test.order, test.sides, (True, False))]}


def serve(test, capsys, use):
    """Serves a test, and calls `use` with the printed address in another thread."""
    def browse():
        printed = ""
        while not (address := re.search(r"http://\S+", printed)):
            printed += capsys.readouterr().out
            time.sleep(0.01)
        use(address[0])

    thread = threading.Thread(target=browse, daemon=True)
    thread.start()
    turing_test.serve(test)
    thread.join(timeout=10)
    assert not thread.is_alive()


def read(url, **form):
    body = urllib.parse.urlencode(form).encode() if form else None
    with urllib.request.urlopen(url, body, timeout=10) as reply:
        return reply.read().decode()


def test_a_browser_answers_every_pair_and_is_told_how_often_its_user_was_fooled(tmp_path, capsys):
    test, pages = make_test(tmp_path), []

    def use(url):
        pages.append(read(url))
        for number, side in enumerate(test.sides, 1):
            pages.append(read(url, number=number, side=3 - side if number <= 2 else side))

    serve(test, capsys, use)
    assert ["fooled in 2 of 6 trials" in page for page in pages] == [*6 * [False], True]


def test_idle_connections_late_answers_and_a_taken_port_do_not_end_the_test(
        tmp_path, capsys, monkeypatch):
    def use(url):
        with socket.create_connection(("127.0.0.1", int(url.rpartition(":")[2]))):  # sends nothing
            for _ in range(2):  # pressed twice
                assert "2 of 2" in read(url, number=1, side=1)
        read(url, number=2, side=1)

    with socket.create_server(("127.0.0.1", 0)) as taken:
        monkeypatch.setattr(turing_test, "PORT", taken.getsockname()[1])
        serve(make_test(tmp_path, count=2), capsys, use)


def test_ctrl_c_keeps_what_was_answered(tmp_path, monkeypatch):
    monkeypatch.setattr(turing_test.HTTPServer, "handle_request",
                        mock.Mock(side_effect=KeyboardInterrupt))
    test = make_test(tmp_path)
    test.answer(1, 1)
    turing_test.serve(test)
    assert test.result["answered"] == 1
