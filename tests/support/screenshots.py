"""Takes the screenshots of the documentation: ``python -m tests.support.screenshots``."""

import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from playwright.sync_api import Page

from exporter.cli.commands.demo import demo_config
from exporter.simulator.scenario import scenario_text
from tests.support.exporter_server import serve_simulation
from tests.support.page_checks import run_chromium
from tests.support.repository import ROOT

PICTURE = "alerts-firing.png"
# The pages of alerts in Prometheus. Debian's package has the classic page only.
PAGES = ("/alerts", "/classic/alerts")
# The alert that the screenshot shows in full.
SHOWN = "AwsIotBulkOperationFinishedWithFailures"
NOT_FOUND = 404


def _take(url: str, picture: Path) -> None:
    with run_chromium() as browser:
        page = browser.new_page(viewport={"width": 1200, "height": 900})
        _open(page, url)
        page.get_by_text(SHOWN, exact=True).first.click()
        page.get_by_text("alert: " + SHOWN).first.wait_for()
        page.screenshot(path=picture, full_page=True, animations="disabled")


def _open(page: Page, url: str) -> None:
    for path in PAGES:
        response = page.goto(url + path)
        if response is not None and response.status != NOT_FOUND:
            return


def _prometheus_of(lines: Iterable[str]) -> str:
    """Return the URL of Prometheus from a drill's output, as soon as all its alerts fire."""
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
    """Run a drill until every alert fires, write the screenshot of Prometheus into a folder, and end the drill."""
    command = [sys.executable, "-m", "exporter", "drill", "--hold"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as drill:
        assert drill.stdout is not None
        try:
            _take(_prometheus_of(drill.stdout), folder / PICTURE)
        finally:
            drill.terminate()


IMAGES = ROOT / "docs" / "images"
SCRAPES = 17
# Seconds between two scrapes. After these scrapes the page shows most statuses, and some operations are active.
EVERY = 5.0
DESKTOP = {"width": 1280, "height": 800}
PHONE = {"width": 375, "height": 812}
PICTURES: Mapping[str, Mapping[str, Any]] = {
    "status-page": {"viewport": DESKTOP, "color_scheme": "light"},
    "status-page-dark": {"viewport": DESKTOP, "color_scheme": "dark"},
    "status-page-phone": {"viewport": PHONE, "color_scheme": "light", "is_mobile": True, "has_touch": True},
}

# An operation of the demo with failed things, and the pictures of its page.
OPERATION = "firmware-2-4-wrong-image"
OPERATION_PICTURES: Mapping[str, Mapping[str, Any]] = {
    "operation-page": PICTURES["status-page"],
    "operation-page-phone": PICTURES["status-page-phone"],
}


def take_page(folder: Path) -> None:
    """Write the screenshots of the status page of the demo into a folder."""
    with serve_simulation(demo_config(), scenario_text()) as simulation, run_chromium() as browser:
        for _ in range(SCRAPES):
            simulation.exporter.scrape(after=EVERY)
        for name, options in PICTURES.items():
            page = browser.new_page(**options)
            page.goto(simulation.exporter.url)
            page.screenshot(path=folder / f"{name}.png")
        for name, options in OPERATION_PICTURES.items():
            page = browser.new_page(**options)
            page.goto(simulation.exporter.url)
            page.locator(".operations tbody a", has_text=OPERATION).first.click()
            page.locator(".reasons").wait_for()
            page.screenshot(path=folder / f"{name}.png")


if __name__ == "__main__":
    take_page(IMAGES)
    take_drill(IMAGES)
