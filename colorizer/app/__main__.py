"""Serves the page in the browser: `python -m colorizer.app`. See --help."""

from __future__ import annotations

from collections.abc import Callable
import functools
import os
from pathlib import Path
import signal
import sys
import tempfile
import threading
import time
from typing import Any, NoReturn

from absl import flags

from colorizer import cli, data
from colorizer.config import ConfigError
from colorizer.errors import UserError
from colorizer.models import pretrained

USAGE = """Serves a page that colorizes pictures in the browser.

  python -m colorizer.app
  python -m colorizer.app --model=runs/photos --runs=runs
  python -m colorizer.app --dataset=/path/to/images     the photographs of the Turing test

It listens on this machine alone, at http://127.0.0.1:7860. Over SSH, forward the port:
ssh -L 7860:127.0.0.1:7860 HOST. Uploaded pictures stay in memory until their tab is closed,
or until those of others need the room."""
CLEANING_SECONDS = 60


def main(argv: list[str]) -> None:
    values = flags.FlagValues()
    cli.define(values, "model", None, "list", "a further model: the folder of a run, or an "
               "exported model; can be repeated", "Models")
    cli.define(values, "dataset", "sample", "str", "a folder, or a set of TensorFlow Datasets, "
               "whose test images the Turing test shows (default: the built-in photographs)",
               "Data")
    cli.define(values, "data_dir", None, "str", "TensorFlow Datasets' folder", "Data")
    cli.define(values, "runs", "runs", "str", "the folder whose runs are shown", "Data")
    cli.define(values, "host", "127.0.0.1", "str", "address to listen on; 0.0.0.0 for all, which "
               "lets everybody in the network in", "Server")
    cli.define(values, "port", 7860, "int", "port to listen on", "Server")
    cli.define(values, "share", False, "bool", "also serve it at a public address of Gradio's, for "
               "72 hours: everybody who knows it can use this machine", "Server")
    cli.define(values, "max_megabytes", 50, "int", "of an uploaded file", "Server")
    cli.define(values, "max_megapixels", 50, "int", "of an uploaded picture", "Server")
    rest = cli.parse(argv, values, USAGE)
    if rest:
        raise ConfigError(f"colorizer.app takes flags only. Received: {' '.join(rest)}")
    for name, low, high in (
            ("port", 1, 65535), ("max_megabytes", 1, 400), ("max_megapixels", 1, 100)):
        if not low <= int(values[name].value or 0) <= high:
            raise ConfigError(f"`{name}` must be in [{low}, {high}]. "
                              f"Received: {name}={values[name].value}")
    data.find_folder(values.dataset)  # refuses what is none
    named = [*pretrained.names(), *cli.split_names("model", values.model or [])]
    named.sort(key=lambda name: name != pretrained.DEFAULT)
    folders = {name: pretrained.find_model(name) for name in dict.fromkeys(named)}
    for number in (signal.SIGTERM, getattr(signal, "SIGHUP", signal.SIGTERM)):
        signal.signal(number, lambda *_: sys.exit(0))  # so that the folder goes
    with tempfile.TemporaryDirectory(prefix="colorizer") as folder:
        # Gradio reads these when it is imported.
        os.environ.update(GRADIO_TEMP_DIR=folder, GRADIO_ANALYTICS_ENABLED="False")
        try:
            import gradio  # noqa: F401
        except ImportError as error:
            raise UserError('the page needs Gradio: pip install "gradio>=6,<7" (or pip install '
                            f'".[app]" in the clone). Received: {error}') from error
        _serve(folders, Path(folder), values)


def _repeat(function: Callable, *args: Any) -> NoReturn:
    while True:
        time.sleep(CLEANING_SECONDS)
        function(*args)


def _serve(folders: dict[str, Path], folder: Path, values: flags.FlagValues) -> None:
    from colorizer.app import colorize, page
    from colorizer.app.sessions import Limits, Sessions, delete_cut_off
    from colorizer.app.turing import load_test_images
    from colorizer.inference import Colorizer

    limits = Limits(values.max_megabytes * 2**20, values.max_megapixels * 10**6)
    models = {name: Colorizer.load(path) for name, path in folders.items()}
    for colorizer in models.values():
        colorize.warm_up(colorizer)
    sessions = Sessions(models, folder, limits)
    threading.Thread(target=_repeat, args=(delete_cut_off, folder), daemon=True).start()
    images = functools.partial(load_test_images, values.dataset, values.data_dir)
    blocks = page.build_page(sessions, images, Path(values.runs))
    options: dict[str, Any] = dict(theme=page.THEME, css=page.CSS)
    try:
        blocks.queue(default_concurrency_limit=2).launch(
            server_name=values.host, server_port=values.port, share=values.share, show_error=True,
            max_file_size=limits.max_bytes, run_history=False, footer_links=[], ssr_mode=False,
            **options)
    except OSError as error:
        reason = str(error).splitlines()[0]
        raise UserError(f"`host` and `port` must be free ones of this machine ({reason}). "
                        f"Received: host={values.host}, port={values.port}") from error


def run() -> NoReturn:
    """The command of an installed package."""
    cli.run(main)


if __name__ == "__main__":
    sys.exit(run())
