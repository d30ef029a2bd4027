"""Takes the picture of Prometheus during a drill: ``python -m tests.support.screenshot``."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from tests.support.processes import ROOT
from tests.support.programs import program

PICTURE = ROOT / "docs" / "images" / "alerts-firing.png"
PAGES = ("/alerts", "/classic/alerts")
"""Where Prometheus shows its alerts; Debian's package has the old page alone."""
SHOWN = "AwsIotBulkOperationFinishedWithFailures"
"""The alert that is opened."""
NOT_FOUND = 404


def take(url: str, picture: Path) -> None:
    """Open the page of alerts in Chromium, and write a picture of the whole of it."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program("chromium"), args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1200, "height": 900})
        _open(page, url)
        page.get_by_text(SHOWN).first.click()
        page.get_by_text("alert: " + SHOWN).first.wait_for()
        picture.parent.mkdir(exist_ok=True)
        page.screenshot(path=picture, full_page=True, animations="disabled")
        browser.close()


def _open(page: Page, url: str) -> None:
    for path in PAGES:
        answer = page.goto(url + path)
        if answer is not None and answer.status != NOT_FOUND:
            return


def prometheus_of(lines: Iterable[str]) -> str:
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


def main() -> None:
    """Hold a drill while every alert fires, take the picture, and end the drill."""
    command = [sys.executable, "-m", "exporter", "drill", "--hold"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as drill:
        assert drill.stdout is not None
        try:
            take(prometheus_of(drill.stdout), PICTURE)
        finally:
            drill.terminate()
    print(PICTURE)


if __name__ == "__main__":
    main()
