"""A headless Chromium for the tests, without a network."""

import os
import shutil
from contextlib import contextmanager

from needs import missing
from playwright.sync_api import sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")


def chromium():
    """Return the path of the browser; skip the test if there is none."""
    path = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
    if not path:
        missing("browser", f"none of {', '.join(NAMES)} is on the PATH")
    return path


@contextmanager
def browser():
    path = chromium()
    with sync_playwright() as playwright:
        chrome = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        try:
            yield chrome
        finally:
            chrome.close()


def drag(page, *places):
    """Put a finger down at the first of some places, drag it over the others, and lift it."""
    session = page.context.new_cdp_session(page)
    for index, (x, y) in enumerate(places):
        kind = "touchMove" if index else "touchStart"
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [{"x": x, "y": y}]})
        page.wait_for_timeout(30)
    session.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    page.wait_for_timeout(300)


class Visit:
    """A page of a report, opened from disk; `complaints` are console errors, exceptions and failed requests."""

    def __init__(self, browser, path, *, width=1280, dark=False, anchor=""):
        scheme = "dark" if dark else "light"
        self.context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme, offline=True)
        self.page = self.context.new_page()
        self.complaints, self.requests = [], []
        self.page.on("console", self._record)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("requestfailed", lambda request: self.complaints.append(f"failed: {request.url}"))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.goto(path.as_uri() + anchor)

    def _record(self, message):
        if message.type == "error":
            self.complaints.append(message.text)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.context.close()
