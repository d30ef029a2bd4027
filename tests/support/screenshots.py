"""Take the pictures of the status page that the documentation shows, of the demo as it is after a while."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from playwright.sync_api import sync_playwright

from exporter.commands.demo import demo_config
from exporter.simulator.scenario import scenario_text
from tests.support.exporting import simulating
from tests.support.programs import program

SCRAPES = 17
EVERY = 5.0
"""Seconds between two scrapes: after these most statuses are there, and something still moves."""
DESKTOP = {"width": 1280, "height": 800}
PHONE = {"width": 375, "height": 812}
PICTURES: Mapping[str, Mapping[str, Any]] = {
    "status-page": {"viewport": DESKTOP, "color_scheme": "light"},
    "status-page-dark": {"viewport": DESKTOP, "color_scheme": "dark"},
    "status-page-phone": {"viewport": PHONE, "color_scheme": "light", "is_mobile": True, "has_touch": True},
}


def take(folder: Path) -> None:
    """Write every picture into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    with simulating(demo_config(), scenario_text()) as simulation, sync_playwright() as playwright:
        for _ in range(SCRAPES):
            simulation.exporter.scrape(after=EVERY)
        browser = playwright.chromium.launch(executable_path=program("chromium"), args=["--no-sandbox"])
        for name, options in PICTURES.items():
            page = browser.new_page(**options)
            page.goto(simulation.exporter.url)
            page.screenshot(path=folder / f"{name}.png")
        browser.close()


if __name__ == "__main__":
    take(Path(sys.argv[1]))
