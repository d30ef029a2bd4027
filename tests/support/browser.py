"""A real Chromium, where one is installed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, sync_playwright

from tests.support.programs import program


@contextmanager
def chromium() -> Iterator[Browser]:
    """Run Chromium without a window. In a container it has no sandbox of its own."""
    path = program("chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()
