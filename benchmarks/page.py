"""How long the page takes from the move of a slider to the new picture, in headless Chromium.

    python -m colorizer.app                              in another terminal
    python benchmarks/page.py [--url=http://127.0.0.1:7860] [--moves=9]

The browser runs on the same machine. A line for vividness and for one, two and four targets: the
median, from the slider's event until the browser has decoded another picture. Needs selenium,
and Chromium with its chromedriver.
"""

from __future__ import annotations

import shutil
import statistics
import time

from absl import flags
from selenium import webdriver

from colorizer import cli

# A slider, and those that already have a target.
CASES = (("vividness", ()), ("saturation", ()), ("saturation", ("hue",)),
         ("saturation", ("hue", "colorfulness", "warmth")))
MOVE = """
const [name, share, done] = arguments;
const color = document.querySelector("#viewer .color");
const range = document.querySelector(`#${name} input[type=range]`);
const started = performance.now();
color.addEventListener("load", () => color.decode().then(
    () => done(performance.now() - started)), {once: true});
range.value = share * range.max;
range.dispatchEvent(new Event("input", {bubbles: true}));"""


def click(driver, selector: str, wait: float = 2.0) -> None:
    """Clicks, and lets the page answer."""
    driver.find_element("css selector", selector).click()
    time.sleep(wait)


def measure(driver, name: str, moves: int) -> float:
    """Milliseconds, the median of so many moves of a slider, each to another place."""
    times = []
    for move in range(moves + 1):
        times.append(driver.execute_async_script(MOVE, name, 0.3 + 0.4 * move / moves))
        time.sleep(0.3)
    return statistics.median(times[1:])  # the first one finds the slider at "natural"


def main(argv: list[str]) -> None:
    values = flags.FlagValues()
    cli.define(values, "url", "http://127.0.0.1:7860", "str", "the page", "Page")
    cli.define(values, "moves", 9, "int", "moves of each slider", "Page")
    cli.parse(argv, values, __doc__ or "")
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium") or shutil.which("google-chrome") or ""
    for option in ("--headless=new", "--no-sandbox", "--disable-gpu", "--window-size=1400,1100"):
        options.add_argument(option)
    service = webdriver.ChromeService(shutil.which("chromedriver"))
    with webdriver.Chrome(options=options, service=service) as driver:
        driver.set_script_timeout(30)
        for name, others in CASES:
            driver.get(values.url)
            time.sleep(3.0)
            click(driver, "#examples button")
            for other in others:
                click(driver, f"#natural-{other} input")
            milliseconds = measure(driver, name, values.moves)
            print(f"{', '.join((name, *others))}: {milliseconds:.0f} ms", flush=True)


if __name__ == "__main__":
    cli.run(main)
