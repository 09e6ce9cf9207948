"""The page in the browser: `python -m colorizer.app`. It needs Gradio, the extra `[app]`.

`page` is what is seen, `sessions` what is kept of each user.
"""
