"""Cells that the exporter found: sums while they are idle, rows while they have operations or fail."""

from dataclasses import replace
from typing import TypedDict, Unpack

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from exporter.core.errors import Reason
from exporter.core.model import CellKey, Failure, Operation, Reading, Scope, Snapshot
from exporter.core.store import Store
from exporter.metrics.self_metrics import ApiMetrics, FamilyCollector, budget_families, cell_families
from tests.support.exposition_rows import Scrape

PREFIX = "aws_iot_bulk_exporter_"
REGION, KIND = "eu-west-1", "iot_job"
READING = Reading(Operation(id="x", status="IN_PROGRESS"), 0.0)


class Content(TypedDict, total=False):
    """The fields of a snapshot in which the cells of these tests differ."""

    up: bool
    duration: float | None
    last_success: float
    readings: tuple[Reading[Operation], ...]
    reasons: frozenset[Reason]
    expired: bool
    missing: int
    omitted: int
    listed: int
    account_failures: tuple[Failure, ...]


def snapshot(account: str, /, found: bool = True, **content: Unpack[Content]) -> Snapshot:
    values: Content = {"up": True, "duration": 1.0, "last_success": 100.0, **content}
    return Snapshot(CellKey(account, REGION, KIND), Scope(account, account, REGION), found=found, **values)


def exposed(*snapshots: Snapshot) -> Scrape:
    registry, store = CollectorRegistry(), Store(snapshots)
    registry.register(FamilyCollector(lambda: cell_families(store)))
    ratios = {(snapshot.scope.account_id, REGION, "iot", "ListJobs"): 0.5 for snapshot in snapshots}
    registry.register(FamilyCollector(lambda: budget_families(store, ratios, ratios.get)))
    return Scrape(generate_latest(registry).decode())


def accounts(scrape: Scrape, metric: str, label: str = "account") -> set[str]:
    return set(scrape.by(label, PREFIX + metric))


def test_found_idle_cells_are_counted_and_have_no_rows() -> None:
    scrape = exposed(*(snapshot(str(number), last_success=100.0 + number) for number in range(1000)))
    rows = [row for row in scrape.text.splitlines() if not row.startswith("#")]
    assert rows == [
        f'{PREFIX}idle_cells{{kind="iot_job"}} 1000.0',
        f'{PREFIX}idle_cells_oldest_success_timestamp_seconds{{kind="iot_job"}} 100.0',
    ]


@pytest.mark.parametrize(
    "shown",
    [
        snapshot("a", found=False),
        snapshot("a", readings=(READING,)),
        snapshot("a", up=False, reasons=frozenset({Reason.TIMEOUT})),
        snapshot("a", expired=True),
        snapshot("a", missing=1),
    ],
    ids=["named", "active", "failing", "expired", "not completely read"],
)
def test_a_cell_that_is_named_or_has_operations_or_fails_has_rows(shown: Snapshot) -> None:
    scrape = exposed(shown, snapshot("b"))
    assert accounts(scrape, "up") == accounts(scrape, "last_success_timestamp_seconds") == {"a"}
    assert scrape.value(f"{PREFIX}idle_cells") == 1


def test_found_cells_that_were_not_read_yet_are_counted() -> None:
    scrape = exposed(snapshot("a", up=False, duration=None, last_success=0.0))
    assert accounts(scrape, "up") == set()
    assert scrape.value(f"{PREFIX}waiting_cells") == 1


def refused(account: str, /, found: bool = True, **content: Unpack[Content]) -> Snapshot:
    reason = Reason.ACCESS_DENIED
    cause: Content = {"reasons": frozenset({reason}), "account_failures": (Failure(reason),)}
    values: Content = {"up": False, "last_success": 0.0, **cause, **content}
    return snapshot(account, found, **values)


def test_500_inaccessible_accounts_with_51_found_cells_have_two_rows_each() -> None:
    kinds = ("iot_job", "thing_registration_task", "greengrass_deployment")
    cells = [
        replace(refused(str(account)), key=CellKey(str(account), f"region-{region}", kind))
        for account in range(500)
        for region in range(17)
        for kind in kinds
    ]
    scrape = exposed(*cells)
    assert len([row for row in scrape.text.splitlines() if not row.startswith("#")]) == 2 * 500 + 3
    assert scrape.by("kind", f"{PREFIX}inaccessible_cells") == dict.fromkeys(kinds, 8500)
    assert scrape.by("account", f"{PREFIX}account_accessible") == dict.fromkeys(map(str, range(500)), 0)
    assert len(scrape.rows(f"{PREFIX}account_error", reason="access_denied")) == 500


@pytest.mark.parametrize(
    "shown",
    [
        refused("a", found=False),
        refused("a", readings=(READING,)),
        refused("a", missing=1, last_success=100.0),
        refused("a", omitted=1),
    ],
    ids=["named", "with an operation", "with an operation that has expired", "with omitted operations"],
)
def test_a_cell_of_an_inaccessible_account_that_is_named_or_has_operations_has_rows(shown: Snapshot) -> None:
    scrape = exposed(shown, refused("b"))
    assert accounts(scrape, "up") == accounts(scrape, "cell_error") == {"a"}
    assert accounts(scrape, "account_accessible") == accounts(scrape, "account_error") == {"a", "b"}
    assert scrape.value(f"{PREFIX}inaccessible_cells") == 1


def test_a_cell_with_an_id_has_no_rows_before_it_was_read_while_its_account_is_inaccessible() -> None:
    assert accounts(exposed(refused("a", missing=1)), "up") == set()


DENIED = frozenset({Reason.ACCESS_DENIED})


def denied(account: str, /, found: bool = True, **content: Unpack[Content]) -> Snapshot:
    values: Content = {"up": False, "last_success": 0.0, "reasons": DENIED, **content}
    return snapshot(account, found, **values)


def test_12_denied_regions_of_1000_accounts_have_a_row_for_each_region_and_kind() -> None:
    kinds = ("iot_job", "thing_registration_task", "greengrass_deployment")
    cells = [
        replace(
            denied(str(account)),
            key=CellKey(str(account), f"region-{region}", kind),
            scope=Scope(str(account), str(account), f"region-{region}"),
        )
        for account in range(1000)
        for region in range(12)
        for kind in kinds
    ]
    scrape = exposed(*cells)
    rows = [row for row in scrape.text.splitlines() if not row.startswith("#")]
    assert len(rows) == 12 * 3
    assert {value for _, value in scrape.rows(f"{PREFIX}denied_cells")} == {1000}
    assert set(scrape.by("aws_region", f"{PREFIX}denied_cells", kind="iot_job")) == {f"region-{n}" for n in range(12)}


@pytest.mark.parametrize(
    "shown",
    [
        denied("a", found=False),
        denied("a", readings=(READING,)),
        denied("a", missing=1, last_success=100.0),
        denied("a", missing=1, listed=1),
        denied("a", omitted=1),
        denied("a", reasons=DENIED | {Reason.TIMEOUT}),
    ],
    ids=["named", "with an operation", "expired operation", "listed operation", "omitted operations", "further reason"],
)
def test_a_denied_cell_that_is_named_or_has_operations_or_a_further_failure_has_rows(shown: Snapshot) -> None:
    scrape = exposed(shown, denied("b"))
    assert accounts(scrape, "up") == accounts(scrape, "account_accessible") == {"a"}
    assert {labels["account"] for labels, _ in scrape.rows(f"{PREFIX}cell_error")} == {"a"}
    assert scrape.value(f"{PREFIX}denied_cells", aws_region=REGION, kind=KIND) == 1


def test_a_denied_cell_with_an_id_has_no_rows_before_it_was_read() -> None:
    assert accounts(exposed(denied("a", missing=1)), "up") == set()


def test_a_denied_cell_of_an_inaccessible_account_is_counted_once() -> None:
    scrape = exposed(refused("a"), denied("b"))
    assert scrape.value(f"{PREFIX}inaccessible_cells") == scrape.value(f"{PREFIX}denied_cells") == 1


def test_an_account_that_has_credentials_has_no_reason() -> None:
    assert exposed(snapshot("a", found=False)).rows(f"{PREFIX}account_error") == []


def test_budgets_are_those_of_named_scopes_and_of_scopes_with_operations() -> None:
    scrape = exposed(snapshot("named", found=False), snapshot("active", readings=(READING,)), snapshot("idle"))
    assert accounts(scrape, "api_budget_ratio", "aws_account_id") == {"named", "active"}


def test_without_found_cells_there_are_no_sums() -> None:
    assert "idle_cells{" not in exposed(snapshot("a", found=False)).text


def test_requests_of_found_scopes_are_summed_until_they_have_an_operation() -> None:
    registry = CollectorRegistry()
    metrics = ApiMetrics(registry)
    found = [snapshot(account) for account in ("1", "2")]
    metrics.set_found_scopes(snapshot.scope for snapshot in found)

    def requests() -> dict[str, float]:
        for account in ("1", "2", "named"):
            metrics.count_request(account, REGION, "iot", "ListJobs")
        scrape = Scrape(generate_latest(registry).decode())
        return scrape.by("aws_account_id", f"{PREFIX}api_requests_total")

    assert requests() == {"": 2.0, "named": 1.0}
    metrics.note(snapshot("1", readings=(READING,)))
    assert requests() == {"": 3.0, "1": 1.0, "named": 2.0}
    metrics.note(snapshot("1"))
    assert requests() == {"": 4.0, "1": 2.0, "named": 3.0}


def test_errors_of_found_scopes_are_summed_too() -> None:
    registry = CollectorRegistry()
    metrics = ApiMetrics(registry)
    metrics.set_found_scopes([snapshot("1").scope])
    metrics.count_error("1", REGION, "iot", "ListJobs", "AccessDenied")
    scrape = Scrape(generate_latest(registry).decode())
    assert scrape.by("aws_account_id", f"{PREFIX}api_request_errors_total") == {"": 1.0}
