"""The page served as a user serves it, and a real browser."""

import os
from pathlib import Path
import shutil
import signal
import socket
import subprocess
import sys
import time

import pytest

from tests.references import ROOT

MEGABYTES, MEGAPIXELS = 2, 20  # limits of an upload
BROWSERS, DRIVERS = ("chromium", "google-chrome", "chromium-browser"), ("chromedriver",)
OPTIONS = ("--headless=new", "--no-sandbox", "--disable-background-networking",
           "--disable-component-update", "--disable-sync", "--no-first-run", "--disable-gpu")


class Server:
    """`python -m colorizer.app` as a process."""

    def __init__(self, folder: Path, runs: Path):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.url, self.temporary = f"http://127.0.0.1:{self.port}", folder / "temporary"
        self.temporary.mkdir()
        (folder / "start").mkdir()
        self.log = folder / "log.txt"
        with open(self.log, "w") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "colorizer.app", f"--port={self.port}", f"--runs={runs}",
                 f"--max_megabytes={MEGABYTES}", f"--max_megapixels={MEGAPIXELS}"],
                cwd=folder / "start", stdout=log, stderr=log,
                env={**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(self.temporary)})
        deadline = time.monotonic() + 120
        while "Running on" not in self.log.read_text():
            assert self.process.poll() is None and time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.2)

    def files(self) -> list[str]:
        """The names of the files that the server holds on disk."""
        return sorted(path.name for path in self.temporary.rglob("*") if path.is_file())

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(30)


@pytest.fixture(scope="module")
def server(tmp_path_factory, tiny_run):
    pytest.importorskip("gradio", reason='the page needs pip install -e ".[app]"')
    server = Server(tmp_path_factory.mktemp("server"), tiny_run.parent)
    yield server
    if server.process.poll() is None:
        server.stop()


@pytest.fixture(scope="module")
def open_browser(tmp_path_factory):
    """A function that opens a browser: (width, height) -> selenium's driver."""
    webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
    browser, driver = (next(filter(None, map(shutil.which, names)), None)
                       for names in (BROWSERS, DRIVERS))
    if not (browser and driver):
        pytest.skip("no Chromium with its chromedriver: apt install chromium chromium-driver")
    opened = []

    def open_one(width=1400, height=1100):
        options = webdriver.ChromeOptions()
        options.binary_location = browser
        for option in (*OPTIONS, f"--window-size={width},{height}"):
            options.add_argument(option)
        options.set_capability("goog:loggingPrefs", {"performance": "ALL"})
        opened.append(webdriver.Chrome(
            options=options, service=webdriver.ChromeService(driver)))
        return opened[-1]

    yield open_one
    for one in opened:
        one.quit()
