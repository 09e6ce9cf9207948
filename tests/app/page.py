"""The page as a user handles it, in selenium."""

import base64
import io
import json
from pathlib import Path
import time

from PIL import Image
import numpy as np

WAIT = 20.0  # seconds

PASTE = """
const bytes = Uint8Array.from(atob(arguments[0]), one => one.charCodeAt(0));
const data = new DataTransfer();
data.items.add(new File([bytes], "pasted.png", {type: "image/png"}));
document.dispatchEvent(new ClipboardEvent("paste", {clipboardData: data}));"""
MOVE = """
const range = document.querySelector(arguments[0] + " input[type=range]");
range.value = arguments[1];
range.dispatchEvent(new Event("input", {bubbles: true}));"""

RELEASE = """
document.querySelector(arguments[0] + " input[type=range]").dispatchEvent(
    new PointerEvent("pointerup", {bubbles: true}));"""


class Page:
    """An open tab. Methods that change the picture wait until it has changed."""

    def __init__(self, driver, url, downloads: Path | None = None):
        self.driver = driver
        if downloads:
            driver.execute_cdp_cmd("Page.setDownloadBehavior", {
                "behavior": "allow", "downloadPath": str(downloads)})
            self.downloads = downloads
        driver.get(url)
        self.wait(lambda: self.all("#upload input[type=file]"))

    def wait(self, condition):
        deadline = time.monotonic() + WAIT
        while time.monotonic() < deadline:
            if value := condition():
                return value
            time.sleep(0.05)
        raise AssertionError(f"not within {WAIT} s: {self.text()[:2000]}")

    def all(self, selector):
        return self.driver.find_elements("css selector", selector)

    def text(self):
        return self.driver.execute_script("return document.body.innerText")

    def source(self, kind="color"):
        return self.driver.execute_script(
            "return document.querySelector(arguments[0])?.src || ''", f"#viewer .{kind}")

    def picture(self, kind="color"):
        """The preview: uint8 [h, w, 3]."""
        content = base64.b64decode(self.source(kind).partition(",")[2])
        return np.asarray(Image.open(io.BytesIO(content)).convert("RGB"))

    def change(self, action):
        """The preview after an action that changes it."""
        before = self.source()
        action()
        self.wait(lambda: self.source() != before)
        return self.picture()

    def send(self, *paths):
        """Gives files to the page, once those before are taken over."""
        self.wait(lambda: "Drop File Here" in self.all("#upload")[0].text)
        self.wait(lambda: not self.all(".progress-text, .generating, .translucent"))
        self.all("#upload input[type=file]")[0].send_keys("\n".join(map(str, paths)))

    def upload(self, *paths):
        return self.change(lambda: self.send(*paths))

    def paste(self, png: bytes):
        return self.change(lambda: self.driver.execute_script(
            PASTE, base64.b64encode(png).decode()))

    def move(self, slider, value):
        """Moves a slider and lets it go: the last preview."""
        self.change(lambda: self.driver.execute_script(MOVE, f"#{slider}", value))
        self.wait(lambda: not self.is_natural(slider))
        return self.change(lambda: self.driver.execute_script(RELEASE, f"#{slider}"))

    def is_natural(self, slider):
        return self.all(f"#natural-{slider} input")[0].is_selected()

    def set_natural(self, slider):
        return self.change(self.all(f"#natural-{slider} input")[0].click)

    def point(self, x, y):
        """Clicks the picture at shares of its width and height."""
        from selenium.webdriver.common.action_chains import ActionChains

        image = self.all("#viewer .color")[0]
        size = image.size
        return self.change(ActionChains(self.driver).move_to_element_with_offset(
            image, round((x - 0.5) * size["width"]), round((y - 0.5) * size["height"])
        ).click().perform)

    def click(self, selector):
        self.all(selector)[0].click()

    def close_messages(self):
        self.wait(lambda: not self.driver.execute_script("""
            document.querySelectorAll(".toast-close").forEach(one => one.click());
            return document.querySelector(".toast-body")"""))

    def tab(self, name):
        next(one for one in self.all("button[role=tab]") if one.text == name).click()

    def download(self, button):
        """Clicks and waits for the file."""
        before = set(self.downloads.iterdir())
        self.click(button)

        def finished():
            new = set(self.downloads.iterdir()) - before
            return [path for path in new if path.suffix not in (".crdownload", ".tmp")
                    and not path.name.startswith(".")]
        return self.wait(finished)[0]

    def hosts(self):
        """The hosts that were asked for anything."""
        urls = [json.loads(entry["message"])["message"] for entry in
                self.driver.get_log("performance")]
        urls = [one["params"]["request"]["url"] for one in urls
                if one["method"] == "Network.requestWillBeSent"]
        return {url.split("/")[2].partition(":")[0] for url in urls if url.startswith("http")}
