"""A browser for each module, and pages whose console must stay empty."""

import socket
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page

from tests.support.page_checks import run_chromium

# Opens a URL in a window of its own. Takes the options of playwright's new_context.
Open = Callable[..., Page]

DESKTOP = {"width": 1440, "height": 900}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A real Chromium. It lives for one module only, because playwright's event loop blocks others."""
    with run_chromium() as browser:
        yield browser


def complaints_in(message: ConsoleMessage, page: Page) -> list[str]:
    """Return the text of a console message, nothing if the page wanted data of its own server, which has ended."""
    wanted, own = httpx.URL(message.location["url"]), httpx.URL(page.url)
    is_refused = "net::ERR_CONNECTION_REFUSED" in message.text
    if is_refused and wanted.netloc == own.netloc and has_ended(own):
        return []
    return [f"{message.type}: {message.text}"]


def has_ended(server: httpx.URL) -> bool:
    """Return whether a server accepts no connection any more."""
    try:
        socket.create_connection((server.host, server.port or 80)).close()
    except ConnectionRefusedError:
        return True
    return False


@pytest.fixture
def complaints() -> list[str]:
    """The console messages and script errors of the pages of a test."""
    return []


@pytest.fixture
def open_page(browser: Browser, complaints: list[str]) -> Iterator[Open]:
    """Open pages with a clock that the test can move. A complaint that remains fails the test."""
    contexts = []

    def open_page(url: str, **options: Any) -> Page:
        context = browser.new_context(**{"viewport": DESKTOP, **options})
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: complaints.extend(complaints_in(message, page)))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        if options.get("java_script_enabled", True):
            page.clock.install()
        page.goto(url)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert complaints == []
