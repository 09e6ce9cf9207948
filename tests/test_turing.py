"""The visual Turing test: its interval, its order, its session with viewers of known ability."""

from __future__ import annotations

import io
import json
import time

from PIL import Image
import numpy as np
import pytest
from scipy import stats

from colorizer.data import grids
from colorizer.evaluation import turing_test as turing
from colorizer.evaluation.display import Display

PICTURES = np.random.default_rng(0).integers(0, 256, (6, 8, 8, 3), dtype=np.uint8)


def negative(rgb8):
    """A colorizer that nobody mistakes for the truth."""
    return 255 - rgb8


class Viewer:
    """Answers by looking at the picture file, as somebody at the keyboard does."""

    def __init__(self, path, answer):
        self.path, self.answer = path, answer

    def isatty(self):
        return False

    def readline(self):
        with Image.open(self.path) as picture:
            shown = np.asarray(picture)[grids.GRID_HEADER:]
        left = shown[:256:32, grids.GRID_GAP:][:, :256:32]
        right = shown[:256:32, 256 + 2 * grids.GRID_GAP:][:, :256:32]
        return self.answer(left, right) + "\n"


def knowing(left, right):
    (number,) = [side for side, picture in (("1", left), ("2", right))
                 if any(np.array_equal(picture, original) for original in PICTURES)]
    return number


def conduct(tmp_path, answers, **settings):
    saved = []
    score = turing.conduct(
        negative, PICTURES, Display(tmp_path / "pair.png", None, False),
        io.StringIO(answers) if isinstance(answers, str) else answers,
        **{"seconds": 0.0, "seed": 3, "save": saved.append, **settings})
    assert list(tmp_path.iterdir()) == []
    return score, saved


# --------------------------------------------------------------------------------------- interval

@pytest.mark.parametrize("count, total, low, high", [
    # Newcombe 1998, table I, method 3: the Wilson score interval at 95 %.
    (81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611),
    (1, 29, 0.0061, 0.1718),
])
def test_the_interval_is_the_published_one(count, total, low, high):
    assert turing.wilson_interval(count, total) == pytest.approx((low, high), abs=5e-5)


@pytest.mark.parametrize("confidence", [0.8, 0.95, 0.99])
def test_the_interval_is_the_one_of_scipy_for_every_share(confidence):
    for total in (1, 2, 7, 100):
        for count in range(total + 1):
            expected = stats.binomtest(count, total).proportion_ci(confidence, "wilson")
            assert turing.wilson_interval(count, total, confidence) == pytest.approx(
                tuple(expected), abs=1e-12)


def test_the_interval_by_hand():
    # 8 of 16 with z = 1.96: 0.5 -+ 1.96 / (2 sqrt(16 + 1.96^2)).
    reach = 1.96 / (2 * (16 + 1.96**2) ** 0.5)
    assert turing.wilson_interval(8, 16) == pytest.approx((0.5 - reach, 0.5 + reach), abs=1e-5)


# ------------------------------------------------------------------------------------------ order

@pytest.mark.parametrize("count", [1, 2, 7, 100])
def test_every_picture_comes_once_and_the_real_one_is_on_either_side_equally_often(count):
    for seed in range(20):
        order, sides = turing.plan(count, seed)
        assert sorted(order) == list(range(count))
        assert set(sides) <= {turing.LEFT, turing.RIGHT}
        assert abs(np.sum(sides == turing.LEFT) - count / 2) <= 0.5


def test_the_odd_trial_falls_on_either_side():
    assert {int(turing.plan(1, seed)[1][0]) for seed in range(20)} == {turing.LEFT, turing.RIGHT}


def test_the_seed_alone_decides_the_order_and_the_sides():
    for first, second in zip(turing.plan(100, 5), turing.plan(100, 5)):
        np.testing.assert_array_equal(first, second)
    for first, second in zip(turing.plan(100, 5), turing.plan(100, 6)):
        assert np.any(first != second)


def test_a_side_says_nothing_about_the_next():
    sides = turing.plan(10_000, 0)[1]
    assert np.mean(sides[1:] == sides[:-1]) == pytest.approx(0.5, abs=0.02)  # 4 standard errors


# ---------------------------------------------------------------------------------------- session

def test_a_viewer_who_knows_the_originals_is_never_fooled(tmp_path):
    score, _ = conduct(tmp_path, Viewer(tmp_path / "pair.png", knowing))
    assert score.fooled == 0 and len(score.trials) == 6
    assert sorted(trial.picture for trial in score.trials) == list(range(6))


def test_a_viewer_who_takes_every_colorized_picture_for_real_is_always_fooled(tmp_path):
    wrong = Viewer(tmp_path / "pair.png", lambda *pair: "21"[int(knowing(*pair)) - 1])
    score, _ = conduct(tmp_path, wrong)
    assert score.fooled == 6
    assert "100.0 %" in score.text() and "more often than real ones" in score.text()


@pytest.mark.parametrize("word", ["1", "2", "l", "R", " left ", "Right"])
def test_a_viewer_who_always_gives_one_side_is_at_perfect_confusion(tmp_path, word):
    score, _ = conduct(tmp_path, f"{word}\n" * 6)
    assert score.percent()[0] == 50.0
    assert "do not tell" in score.text()


@pytest.mark.parametrize("end", ["q\n", "Q\n1\n", "quit\n", ""])
def test_q_and_the_end_of_the_input_keep_what_was_answered(tmp_path, end):
    score, saved = conduct(tmp_path, "1\n2\n" + end)
    assert [trial.answer for trial in score.trials] == [1, 2]
    assert [len(part.trials) for part in saved] == [1, 2]


def test_ctrl_c_keeps_what_was_answered(tmp_path):
    answers = iter(["1\n", "2\n"])

    class Impatient(io.StringIO):
        def readline(self, size=-1):
            try:
                return next(answers)
            except StopIteration:
                raise KeyboardInterrupt

    assert len(conduct(tmp_path, Impatient(), seconds=60)[0].trials) == 2


def test_without_an_answer_there_is_no_score(tmp_path):
    assert conduct(tmp_path, "q\n") == (None, [])


def test_anything_else_is_asked_again(tmp_path, capsys):
    score, _ = conduct(tmp_path, "\n3\nboth\n2\n")
    assert [trial.answer for trial in score.trials] == [2]
    assert capsys.readouterr().out.count("1 of 6: which is real") == 4


def test_nothing_is_said_about_right_and_wrong_before_the_end(tmp_path, capsys):
    conduct(tmp_path, "1\n" * 6)
    questions = capsys.readouterr().out.splitlines()
    assert questions == [f"{number} of 6: which is real, 1 (left) or 2 (right)? q ends: "
                         for number in range(1, 7)]


def test_a_pair_goes_blank_after_its_seconds_and_waits_for_the_answer(tmp_path):
    seen = []

    def slow(left, right):
        """Looks at once, then again when its time is over."""
        seen.append(len(np.unique(left)) > 1)
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            with Image.open(tmp_path / "pair.png") as picture:
                if len(np.unique(np.asarray(picture)[grids.GRID_HEADER:256])) == 2:  # and white
                    return "1"
        raise AssertionError("the pictures stay")

    score, _ = conduct(tmp_path, Viewer(tmp_path / "pair.png", slow), seconds=0.3)
    assert seen == [True] * 6
    assert all(0.3 <= trial.seconds < 10 for trial in score.trials)


def test_with_no_limit_a_pair_stays_until_it_is_answered(tmp_path):
    def slow(left, right):
        time.sleep(0.3)
        with Image.open(tmp_path / "pair.png") as picture:
            assert len(np.unique(np.asarray(picture)[grids.GRID_HEADER:256])) > 2
        return "1"

    assert len(conduct(tmp_path, Viewer(tmp_path / "pair.png", slow))[0].trials) == 6


# ------------------------------------------------------------------------------------------ score

def test_the_file_holds_the_figure_and_every_trial(tmp_path):
    trials = [turing.Trial(4, turing.LEFT, turing.RIGHT, 1.5),
              turing.Trial(2, turing.RIGHT, turing.RIGHT, 0.5)]
    turing.Score(trials).write(tmp_path / "new" / "turing.json", {"seed": 7})
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["turing.json"]
    written = json.loads((tmp_path / "new" / "turing.json").read_text())
    assert written.pop("low_percent") == pytest.approx(9.453, abs=1e-3)  # 1 of 2, by scipy
    assert written.pop("high_percent") == pytest.approx(90.547, abs=1e-3)
    assert written == {
        "seed": 7, "answered": 2, "fooled": 1, "fooled_percent": 50.0, "confidence": 0.95,
        "confusion_percent": 50.0, "trials": [
            {"picture": 4, "real": 1, "answer": 2, "seconds": 1.5, "fooled": True},
            {"picture": 2, "real": 2, "answer": 2, "seconds": 0.5, "fooled": False}]}


@pytest.mark.parametrize("fooled, figure, meaning", [
    (39, "39.0 % (95 % Wilson interval 30.0 to 48.8 %)", "the colors can be told"),
    (41, "41.0 % (95 % Wilson interval 31.9 to 50.8 %)", "these trials do not tell")])
def test_colors_count_as_told_apart_where_the_interval_lies_below_confusion(
        fooled, figure, meaning):
    trials = [turing.Trial(i, turing.LEFT, turing.RIGHT if i < fooled else turing.LEFT, 1.0)
              for i in range(100)]
    text = turing.Score(trials).text()
    assert figure in text and f"50 % is perfect confusion: {meaning}" in text
