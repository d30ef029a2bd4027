"""A small simulated fleet and helpers for tests of the status page in a browser."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.support.repository import program
from tests.support.waiting import TIMEOUT_SECONDS

CONFIG = """
accounts:
  - name: factory
    account_id: "111122223333"
    regions: [eu-west-1]
    watch: [{kind: thing_registration_task, discover: true}, {kind: greengrass_bulk_deployment, discover: true}]
  - name: field
    role_arn: arn:aws:iam::444455556666:role/iot-bulk-exporter
    regions: [us-east-1]
    watch: [{kind: thing_registration_task, discover: true}]
"""
SCENARIO = """
accounts: ["111122223333", "444455556666"]
operations:
  - kind: thing_registration_task
    region: eu-west-1
    id: running
    created: -10m
    items: 1000
    input: s3://things/sensors.jsonl
    timeline: [{at: 0s, status: InProgress}, {at: 20m, status: Completed, done: 1.0}]
  - kind: thing_registration_task
    region: eu-west-1
    id: clean
    created: -2h
    items: 200000
    input: s3://things/meters.jsonl
    timeline: [{at: 0s, status: InProgress}, {at: 1h, status: Completed, done: 1.0}]
  - kind: thing_registration_task
    account: "444455556666"
    region: us-east-1
    id: partly
    created: -3h5m
    items: 100
    input: s3://plant/lamps.jsonl
    timeline: [{at: 0s, status: InProgress}, {at: 1h, status: Completed, done: 1.0, failed: 0.25}]
  - kind: greengrass_bulk_deployment
    region: eu-west-1
    id: broken
    created: -1h
    items: 20
    timeline: [{at: 0s, status: Initializing}, {at: 30s, status: Failed}]
"""
# Milliseconds between two updates of an open page.
EVERY = 5_000


@contextmanager
def run_chromium() -> Iterator[Browser]:
    """Run Chromium without a window. Checks of its pages wait as long as all tests do.

    The headless shell is Chromium without the parts for windows, and needs less than half the time of the processors.
    Chromium's own sandbox does not work in a container.
    """
    path = shutil.which("chromium-headless-shell") or program("chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        expect.set_options(timeout=TIMEOUT_SECONDS * 1000)
        yield browser
        browser.close()


def wait_for_update(page: Page, milliseconds: int = EVERY) -> None:
    """Move the page's clock. Wait until the page has loaded new data."""
    with page.expect_response(lambda response: response.request.resource_type == "fetch"):
        page.clock.fast_forward(milliseconds)


def operation_names(page: Page) -> list[str]:
    """Return the names of the operations on a loaded page, from top to bottom."""
    page.wait_for_load_state()
    return page.locator(".operations tbody .name").all_inner_texts()
