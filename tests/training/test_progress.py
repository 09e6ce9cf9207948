"""What a run prints while it trains, where that is a terminal, a file, or nowhere at all."""

import fcntl
import os
import pty
import struct
import subprocess
import sys
import termios

import pytest

from tests.references import ROOT

PROGRAM = """
from colorizer.training import progress
progress.LINE_SECONDS = 0.0
bar = progress.Progress(1000, 0)
for _ in range(3):
    bar.update(100, {"loss": "1.5", "saturation": "0.81 of 1, limit 0.96"})
    bar._bar.refresh()
bar.say("step 3: fine")
bar.close()
print("ended", end="")
"""


def run(**streams):
    return subprocess.run([sys.executable, "-c", PROGRAM], cwd=ROOT, stdout=subprocess.PIPE,
                          timeout=60, check=False, **streams)


@pytest.mark.parametrize("columns", [0, 80, 200])
def test_a_terminal_of_any_width_shows_a_bar_with_the_target(columns):
    leader, follower = pty.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    result = run(stderr=follower, stdin=follower)
    os.close(follower)
    shown = b""
    try:
        while part := os.read(leader, 4096):
            shown += part
    except OSError:  # the end, on Linux
        pass
    text = shown.decode()
    assert result.stdout == b"ended" and "30%|" in text and "step 3: fine" in text
    assert "left, " in text and "loss=1.5, saturation=0.81 of 1, limit 0.96" in text
    assert max(map(len, text.replace("\r", "\n").splitlines())) <= (columns or 80)


def test_a_file_gets_lines():
    result = run(stderr=subprocess.PIPE)
    lines = result.stderr.decode().splitlines()
    assert lines[0].startswith("100 of 1000 images, ") and lines[-1] == "step 3: fine"
    assert "loss 1.5, saturation 0.81 of 1, limit 0.96" in lines[0] and "\r" not in lines[0]


@pytest.mark.parametrize("redirection", ["2>&-", "2>/dev/full"])
def test_a_stream_that_is_closed_or_full_does_not_end_the_run(redirection):
    result = subprocess.run(
        f"{sys.executable} -c '{PROGRAM}' {redirection}", shell=True, cwd=ROOT,
        stdout=subprocess.PIPE, timeout=60, check=False)
    assert result.stdout == b"ended" and result.returncode == 0
