"""The picture of Prometheus during a drill, its alerts firing."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from playwright.sync_api import Page

from tests.support.browser import run_chromium
from tests.support.repository import ROOT

PICTURE = "alerts-firing.png"
PAGES = ("/alerts", "/classic/alerts")
"""Where Prometheus shows its alerts; Debian's package has the old page alone."""
SHOWN = "AwsIotBulkOperationFinishedWithFailures"
"""The alert that is opened."""
NOT_FOUND = 404


def _take(url: str, picture: Path) -> None:
    """Open the page of alerts, and write a picture of the whole of it."""
    with run_chromium() as browser:
        page = browser.new_page(viewport={"width": 1200, "height": 900})
        _open(page, url)
        page.get_by_text(SHOWN).first.click()
        page.get_by_text("alert: " + SHOWN).first.wait_for()
        page.screenshot(path=picture, full_page=True, animations="disabled")


def _open(page: Page, url: str) -> None:
    for path in PAGES:
        answer = page.goto(url + path)
        if answer is not None and answer.status != NOT_FOUND:
            return


def _prometheus_of(lines: Iterable[str]) -> str:
    """Return the URL of Prometheus that a drill prints, as soon as it holds."""
    url = ""
    for line in lines:
        print(line, end="")
        word, *rest = line.split()
        if word == "Prometheus":
            (url,) = rest
        if word == "held":
            break
    return url


def take_drill(folder: Path) -> None:
    """Hold a drill while every alert fires, write the picture into a folder, and end the drill."""
    command = [sys.executable, "-m", "exporter", "drill", "--hold"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as drill:
        assert drill.stdout is not None
        try:
            _take(_prometheus_of(drill.stdout), folder / PICTURE)
        finally:
            drill.terminate()
