"""A request for failed items makes at most ``limit`` calls for their reasons, whatever its offset is."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from math import ceil

import pytest

from benchmarks.failures import MANY, OPERATION
from exporter.kinds.registry import KINDS
from tests.support import http_requests
from tests.support.exporter_server import Simulation, serve_simulation
from tests.support.scripted_endpoint import ACCOUNT_ID

FAILED = 1100
LISTS = r"/jobs/[^/]+/things\?.*|.*/detailed-reports.*|/thing-registration-tasks/[^/]+/reports.*|/simulated-files/.*"
REASONS = r"/things/[^/]+/jobs/.*|.*/effectiveDeployments.*"
# The number of lists, and the items on a page of each. A registration task has one page with a link to one file.
PAGES = {
    "iot_job": (3, 250),
    "greengrass_deployment": (3, 250),
    "greengrass_bulk_deployment": (1, 50),
    "thing_registration_task": (2, 10_000),
}
WATCH = ", ".join(f"{{kind: {kind.name}, ids: [{MANY}]}}" for kind in KINDS)
CONFIG = f"""
accounts: [{{account_id: "{ACCOUNT_ID}", regions: [eu-west-1], watch: [{WATCH}]}}]
aws: {{max_attempts: 1, api_budget: 1.0}}
refresh: {{deadline: 60s}}
failures: true
"""


def scenario() -> str:
    """Return a scenario with an operation of each kind, whose items have all failed."""
    operations = (
        OPERATION.format(kind=kind.name, id=MANY, items=FAILED, reason="disk {number}", status=min(kind.completed))
        for kind in KINDS
    )
    return f'accounts: ["{ACCOUNT_ID}"]\nquotas: false\noperations:' + "".join(operations)


@pytest.fixture(scope="module")
def simulation() -> Iterator[Simulation]:
    with serve_simulation(CONFIG, scenario()) as simulation:
        simulation.exporter.scrape()
        yield simulation


def counted(requests: Sequence[str]) -> Counter[str]:
    """Return the number of pages of lists, and of calls for the reason of one item."""
    patterns = {"pages": LISTS, "reasons": REASONS}
    return Counter(name for target in requests for name, pattern in patterns.items() if re.fullmatch(pattern, target))


@pytest.mark.parametrize(("limit", "offset"), [(1, 0), (100, 0), (1, 999), (100, 900), (300, 999), (1000, 0)])
@pytest.mark.parametrize("kind", PAGES)
def test_the_limit_is_that_of_the_calls(simulation: Simulation, kind: str, limit: int, offset: int) -> None:
    # A reload drops the items of earlier requests.
    simulation.exporter.reload(CONFIG)
    before = len(simulation.requests)
    url = f"{simulation.exporter.url}/api/v1/operations/{kind}/{MANY}/failures"
    content = http_requests.get(url, params={"limit": str(limit), "offset": str(offset)}).json()
    calls = counted(simulation.requests[before:])
    lists, page_size = PAGES[kind]
    assert calls["reasons"] <= limit
    assert 1 <= calls["pages"] <= lists * ceil((offset + limit + 1) / page_size)
    assert len(content["items"]) == min(limit, FAILED - offset)
    assert all("disk" in item["reason"] for item in content["items"])
    assert (content["omitted"], content["problems"]) == (max(0, FAILED - offset - limit), [])


def test_every_kind_with_failed_items_has_a_limit() -> None:
    assert set(PAGES) == {kind.name for kind in KINDS if kind.failures}
