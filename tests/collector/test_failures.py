"""The failed items of an operation are read on demand: the right items and reasons, with a bounded number of calls."""

import re
import tracemalloc
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pytest

from exporter.core.errors import ApiError, Reason
from exporter.kinds.kind import FailedItem
from exporter.metrics.reasons import ReasonGroup, grouped
from tests.support.clocks import ManualClock
from tests.support.exporter_server import serve_simulated_aws
from tests.support.failed_items import failures_at

SCENARIO = """
accounts: ["111122223333"]
quotas: false
operations:
  - kind: iot_job
    id: firmware
    region: eu-west-1
    items: 16
    failures: [{reason: "no space on /dev/sda{number}", items: 5}, {reason: "{item} refused token=s3cret"}]
    timeline: [{at: 0s, status: COMPLETED, done: 1.0, failed: 0.5}]
  - {kind: iot_job, id: well, region: eu-west-1, items: 9, timeline: [{at: 0s, status: COMPLETED, done: 1.0}]}
  - kind: iot_job
    id: huge
    region: eu-west-1
    items: 200000
    failures: [{reason: "disk {number} is full"}]
    timeline: [{at: 0s, status: COMPLETED, done: 1.0, failed: 1.0}]
  - kind: iot_job
    id: retried
    region: eu-west-1
    items: 16
    allowed_retries: {ALL: 2}
    timeline: [{at: 0s, status: COMPLETED, done: 1.0, failed: 0.5}]
  - kind: greengrass_deployment
    id: edge
    region: eu-west-1
    items: 8
    error_codes: [ARTIFACT_DOWNLOAD_ERROR]
    failures: [{reason: "FAILED_ROLLBACK_COMPLETE"}]
    timeline: [{at: 0s, status: COMPLETED, done: 1.0, failed: 0.25}]
  - {kind: greengrass_deployment, id: jobless, region: eu-west-1, items: 4, timeline: [{at: 0s, status: FAILED}]}
  - kind: greengrass_bulk_deployment
    id: bulk
    region: eu-west-1
    items: 150
    failures: [{reason: "The group version {number} does not exist."}]
    timeline: [{at: 0s, status: Completed, done: 1.0, failed: 0.02}]
"""


@contextmanager
def simulated(more: str = "") -> Iterator[tuple[str, list[str]]]:
    with serve_simulated_aws(SCENARIO + more, ManualClock()) as (endpoint, requests):
        yield endpoint, requests


def of_executions(requests: Sequence[str]) -> Counter[str]:
    """Return the number of lists of executions, and of descriptions of one."""
    kinds = (("lists", r"/jobs/[^/]+/things\?.*"), ("descriptions", r"/things/[^/]+/jobs/.*"))
    return Counter(name for target in requests for name, pattern in kinds if re.fullmatch(pattern, target))


def states(items: Sequence[FailedItem]) -> dict[str, int]:
    return dict(Counter(item.state for item in items))


def test_the_failed_things_of_a_job_have_what_their_devices_said() -> None:
    with simulated() as (endpoint, requests):
        failures = failures_at(endpoint, "iot_job", "firmware")
    assert states(failures.items) == {"FAILED": 5, "TIMED_OUT": 2, "REJECTED": 1}
    assert {item.item: item.reason for item in failures.items} == {
        **{f"firmware-{number:05}": f"reason: no space on /dev/sda{number}" for number in (1, 2, 3, 4, 5, 7, 8)},
        "firmware-00006": "reason: firmware-00006 refused token=[redacted]",
    }
    assert {item.attempt for item in failures.items} == {1}
    assert all(item.at for item in failures.items)
    assert (failures.complete, failures.omitted, failures.counts.failed) == (True, 0, 8)
    assert grouped(failures.items)[0].reason == "reason: no space on <path>"
    assert of_executions(requests) == {"lists": 3, "descriptions": 8}


def test_a_job_without_failures_has_no_items() -> None:
    with simulated() as (endpoint, requests):
        failures = failures_at(endpoint, "iot_job", "well")
    assert (failures.items, failures.complete, failures.problems) == ((), True, ())
    assert of_executions(requests) == {"lists": 3}


def test_the_limit_is_divided_between_the_states() -> None:
    with simulated() as (endpoint, _):
        failures = failures_at(endpoint, "iot_job", "firmware", limit=4)
    assert states(failures.items) == {"FAILED": 2, "TIMED_OUT": 1, "REJECTED": 1}
    assert (failures.complete, failures.omitted) == (False, 4)


def test_only_the_requested_states_are_read() -> None:
    with simulated() as (endpoint, requests):
        failures = failures_at(endpoint, "iot_job", "firmware", ["REJECTED", "REMOVED"])
    assert states(failures.items) == {"REJECTED": 1}
    assert failures.complete
    assert [target.partition("status=")[2].partition("&")[0] for target in requests if "status=" in target] == [
        "REJECTED",
        "REMOVED",
    ]


def test_of_200000_failed_things_at_most_the_limit_is_read() -> None:
    with simulated() as (endpoint, requests):
        tracemalloc.start()
        failures = failures_at(endpoint, "iot_job", "huge")
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert of_executions(requests) == {"lists": 3, "descriptions": 100}
    assert (len(failures.items), failures.omitted, failures.complete) == (100, 199_900, False)
    assert [group.count for group in grouped(failures.items)] == [100]
    assert peak < 40 * 1024 * 1024


def test_the_execution_of_a_retried_thing_is_its_last_one_and_both_counts_are_known() -> None:
    with simulated() as (endpoint, _):
        failures = failures_at(endpoint, "iot_job", "retried")
    assert {item.attempt for item in failures.items if item.state != "REJECTED"} == {3}
    assert len(failures.items) == 8
    assert failures.counts.failed is not None
    assert failures.counts.failed <= 8 <= failures.counts.failed + failures.counts.possibly_failed
    assert grouped(failures.items)[0].reason == "no reason, only the state FAILED"


def test_the_failed_core_devices_of_a_deployment_have_its_reason_and_its_errors() -> None:
    with simulated() as (endpoint, requests):
        failures = failures_at(endpoint, "greengrass_deployment", "edge")
    reason = "FAILED_ROLLBACK_COMPLETE; DEPLOYMENT_FAILURE > ARTIFACT_DOWNLOAD_ERROR"
    assert [(item.state, item.reason) for item in failures.items] == [("FAILED", reason)] * 2
    assert sum("/effectiveDeployments" in target for target in requests) == 2
    assert failures.complete


def test_a_deployment_without_a_job_has_no_items() -> None:
    with simulated() as (endpoint, _):
        assert failures_at(endpoint, "greengrass_deployment", "jobless").items == ()


def test_the_failed_groups_of_a_bulk_deployment_have_their_errors() -> None:
    with simulated() as (endpoint, requests):
        failures = failures_at(endpoint, "greengrass_bulk_deployment", "bulk")
    assert [item.item for item in failures.items] == [f"group-{number}/versions/1" for number in (147, 148, 149)]
    assert grouped(failures.items) == (
        ReasonGroup("The group version <number> does not exist.", 3, tuple(item.item for item in failures.items)),
    )
    assert sum("detailed-reports" in target for target in requests) == 3


@pytest.mark.parametrize(
    ("api", "items", "reasons"), [("ListJobExecutionsForJob", 0, 0), ("DescribeJobExecution", 8, 0)]
)
def test_a_refused_call_leaves_what_the_others_found(api: str, items: int, reasons: int) -> None:
    fault = f"faults: [{{api: {api}, error: AccessDeniedException, status: 403}}]\n"
    with simulated(fault) as (endpoint, requests):
        failures = failures_at(endpoint, "iot_job", "firmware")
    assert (len(failures.items), sum(bool(item.reason) for item in failures.items)) == (items, reasons)
    assert [(error.api, error.reason) for error in failures.problems] == [(api, Reason.ACCESS_DENIED)]
    assert not failures.complete
    assert of_executions(requests).total() <= 3 + 8


def test_an_execution_that_was_deleted_leaves_only_its_own_thing_without_a_reason() -> None:
    fault = "faults: [{api: DescribeJobExecution, share: 0.25, error: ResourceNotFoundException, status: 404}]\n"
    with simulated(fault) as (endpoint, requests):
        failures = failures_at(endpoint, "iot_job", "huge", limit=40)
    assert sum(bool(item.reason) for item in failures.items) == 30
    assert of_executions(requests)["descriptions"] == 40
    assert failures.problems == ()


def test_an_unknown_operation_is_an_error() -> None:
    with simulated() as (endpoint, _), pytest.raises(ApiError) as refused:
        failures_at(endpoint, "iot_job", "unknown")
    assert (refused.value.reason, refused.value.api) == (Reason.NOT_FOUND, "DescribeJob")
