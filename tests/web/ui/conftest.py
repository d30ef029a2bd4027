"""One browser for each module, and pages that may not complain."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from tests.support.browser import chromium

Open = Callable[..., Page]
"""Opens a URL in a window of its own; takes what playwright's new_context takes."""

DESKTOP = {"width": 1440, "height": 900}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A real Chromium; for a module only, because playwright's event loop keeps others from running."""
    with chromium() as running:
        yield running


@pytest.fixture
def complaints() -> list[str]:
    """What the console of a test's pages says, and errors of their scripts."""
    return []


@pytest.fixture
def open_page(browser: Browser, complaints: list[str]) -> Iterator[Open]:
    """Open pages with a clock that a test can move; a complaint that a test does not clear fails it."""
    contexts = []

    def open_page(url: str, **options: Any) -> Page:
        context = browser.new_context(**{"viewport": DESKTOP, **options})
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: complaints.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        if options.get("java_script_enabled", True):
            page.clock.install()
        page.goto(url)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert complaints == []
