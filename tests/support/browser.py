"""Runs Chromium, if it is installed."""

from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, expect, sync_playwright

from tests.support.required_programs import program
from tests.support.waiting import TIMEOUT_SECONDS


@contextmanager
def run_chromium() -> Iterator[Browser]:
    """Run Chromium without a window. Checks of its pages wait as long as all tests do.

    Chromium's own sandbox does not work in a container.
    """
    path = program("chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        expect.set_options(timeout=TIMEOUT_SECONDS * 1000)
        yield browser
        browser.close()
