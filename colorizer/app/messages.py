"""What a user can mend, as a message on the page and not as a traceback in the terminal."""

import html

import gradio as gr

from colorizer.errors import printable

SECONDS = 20  # that a warning stays


def mendable(error: Exception) -> gr.Error:
    """The error to raise in a handler."""
    return gr.Error(html.escape(printable(error)), print_exception=False)


def warn(text: str) -> None:
    """Shows a line beside the result of a handler."""
    gr.Warning(html.escape(printable(text)), duration=SECONDS)
