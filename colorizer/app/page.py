"""The page: a picture in gray and in color, a Turing test, and the folders of runs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import gradio as gr

from colorizer.app import colorize, runs, turing
from colorizer.app.sessions import Sessions

DELETE_CACHE = (600, 3600)  # seconds: how often, and from which age on, for what Gradio keeps
CSS = """
.gradio-container { max-width: 1400px !important; }
.gradio-container > .main { padding: 16px clamp(8px, 2.3vw, 32px) !important; }
.control, .control > .form { flex-wrap: nowrap !important; }
.natural { flex: none !important; width: 112px !important; }
#viewer { overflow: visible; }
"""
THEME = gr.themes.Default(primary_hue="teal", font=["system-ui", "sans-serif"],
                          font_mono=["ui-monospace", "monospace"])


def build_page(sessions: Sessions, test_images: Callable, run_folder: Path) -> gr.Blocks:
    """Makes the page.

    Args:
        sessions: what is kept of each user.
        test_images: the photographs of the Turing test, if a user has uploaded none: a function
            that gives uint8 [n, side, side, 3].
        run_folder: the folder whose runs are shown.
    """
    def close(request: gr.Request) -> None:
        sessions.close(request.session_hash or "")

    with gr.Blocks(title="colorizer", analytics_enabled=False, delete_cache=DELETE_CACHE) as page:
        gr.Markdown("# colorizer\nGrayscale pictures in, believable colors out.")
        with gr.Tab("Colorize"):
            colorize.build_tab(sessions)
        with gr.Tab("Which is real?"):
            turing.build_tab(sessions, test_images)
        with gr.Tab("Runs"):
            runs.build_tab(run_folder)
        page.unload(close)
        for javascript in (colorize.PASTE, turing.KEYS):
            page.load(None, js=javascript)
    return page
