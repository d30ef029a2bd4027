"""Takes the pictures that the documentation shows: ``python -m tests.support.screenshots``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from exporter.cli.commands.demo import demo_config
from exporter.simulator.scenario import scenario_text
from tests.support.browser import run_chromium
from tests.support.drill_picture import take_drill
from tests.support.exporter_server import serve_simulation
from tests.support.repository import ROOT

IMAGES = ROOT / "docs" / "images"
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


def take_page(folder: Path) -> None:
    """Write the pictures of the status page into a folder: of the demo, as it is after a while."""
    with serve_simulation(demo_config(), scenario_text()) as simulation, run_chromium() as browser:
        for _ in range(SCRAPES):
            simulation.exporter.scrape(after=EVERY)
        for name, options in PICTURES.items():
            page = browser.new_page(**options)
            page.goto(simulation.exporter.url)
            page.screenshot(path=folder / f"{name}.png")


if __name__ == "__main__":
    take_page(IMAGES)
    take_drill(IMAGES)
