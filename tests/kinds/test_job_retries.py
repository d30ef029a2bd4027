"""Jobs with retries: AWS counts executions, and the exporter derives what they say about things."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.kinds import iot_job
from exporter.kinds.job_counts import MEMBERS
from tests.support import http_requests
from tests.support.exporter_server import serve_exporter
from tests.support.scripted_endpoint import ScriptedAws, json_response
from tests.support.servers import serve_app

GROUP = "arn:aws:iot:eu-west-1:111122223333:thinggroup/edge"
THING = "arn:aws:iot:eu-west-1:111122223333:thing/"
Criteria = Mapping[str, int]
FAILED_3: Criteria = {"FAILED": 3}


def job(
    status: str, criteria: Criteria, counts: Mapping[str, int], targets: Sequence[str] = (GROUP,), **members: Any
) -> dict[str, Any]:
    """Return a job in a response of DescribeJob. Omitted counts are 0."""
    entries = [{"failureType": failure_type, "numberOfRetries": limit} for failure_type, limit in criteria.items()]
    return {
        "jobId": "a",
        "status": status,
        "targets": list(targets),
        "targetSelection": "SNAPSHOT",
        "jobProcessDetails": {member: counts.get(state, 0) for state, member in MEMBERS.items()},
        **({"jobExecutionsRetryConfig": {"criteriaList": entries}} if criteria else {}),
        **members,
    }


@dataclass(frozen=True)
class Case:
    job: dict[str, Any]
    certain: int
    possible: int
    progress: float


DONE, RUNNING = "COMPLETED", "IN_PROGRESS"
CASES = {
    "one thing waits for its third attempt": Case(job(RUNNING, FAILED_3, {"failed": 2, "queued": 1}), 0, 0, 0),
    "one thing succeeded at its third attempt": Case(job(DONE, FAILED_3, {"failed": 2, "succeeded": 1}), 0, 0, 1),
    "one thing used all retries": Case(job(DONE, FAILED_3, {"failed": 4}), 1, 0, 1),
    "one thing failed as often as it may be retried": Case(job(DONE, FAILED_3, {"failed": 3}), 1, 0, 1),
    "a group succeeded or failed": Case(job(DONE, FAILED_3, {"failed": 20, "succeeded": 980}), 0, 6, 1),
    "a few retries cannot explain all failures": Case(job(DONE, FAILED_3, {"failed": 43, "succeeded": 1}), 10, 4, 1),
    "half of a group": Case(job(RUNNING, FAILED_3, {"failed": 7, "succeeded": 5, "in_progress": 5}), 0, 2, 0.5),
    "time-outs are not retried": Case(job(DONE, FAILED_3, {"failed": 2, "timed_out": 4, "succeeded": 9}), 4, 0, 1),
    "only time-outs are retried": Case(
        job(DONE, {"TIMED_OUT": 2}, {"failed": 3, "timed_out": 1, "succeeded": 9}), 3, 0, 1
    ),
    "every failure is retried": Case(job(DONE, {"ALL": 2}, {"failed": 1, "timed_out": 1, "succeeded": 9}), 0, 1, 1),
    "each failure has its own retries": Case(
        job(DONE, {"FAILED": 5, "TIMED_OUT": 2}, {"failed": 5, "timed_out": 0, "succeeded": 9}), 0, 2, 1
    ),
    "rejected things are not retried": Case(job(DONE, {"ALL": 3}, {"rejected": 2, "failed": 1, "removed": 1}), 2, 0, 1),
    "removed and cancelled things were retried": Case(
        job(DONE, FAILED_3, {"failed": 2, "removed": 1, "canceled": 1}), 0, 0, 1
    ),
    "retries of a new type": Case(job(DONE, {"NEW": 1}, {"failed": 1, "rejected": 1, "succeeded": 3}), 0, 2, 1),
    "no retries are allowed": Case(job(RUNNING, {"FAILED": 0}, {"failed": 2, "succeeded": 1}), 2, 0, 1),
    "a cancelled job makes no further retries": Case(job("CANCELED", FAILED_3, {"failed": 2, "succeeded": 1}), 0, 2, 1),
    "a schedule may end the retries": Case(
        job(DONE, FAILED_3, {"failed": 2, "succeeded": 1}, schedulingConfig={"endTime": "2027-01-01T00:00:00Z"}),
        0,
        2,
        1,
    ),
    "a continuous job may retry without limit": Case(
        job(RUNNING, FAILED_3, {"failed": 50, "succeeded": 1}, targetSelection="CONTINUOUS"), 0, 50, 1
    ),
    "all named things succeeded": Case(
        job(DONE, {"FAILED": 1}, {"failed": 2, "succeeded": 2}, [THING + "a", THING + "b"]), 0, 0, 1
    ),
    "one of two named things failed": Case(
        job(DONE, FAILED_3, {"failed": 6, "succeeded": 1}, [THING + "a", THING + "b", THING + "b"]), 1, 0, 1
    ),
    "a thing beside a group names no number": Case(
        job(DONE, {"FAILED": 1}, {"failed": 1, "succeeded": 2}, [THING + "a", GROUP]), 0, 1, 1
    ),
    "counts contradict each other": Case(
        job(DONE, {"FAILED": 1}, {"failed": 3, "succeeded": 2}, [THING + "a"]), 0, 3, 1
    ),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_a_job_with_retries_exposes_what_its_counts_say_about_things(case: Case) -> None:
    aws = ScriptedAws({"/jobs/a": json_response({"job": case.job})})
    config = 'accounts: [{account_id: "111122223333", watch: [{kind: iot_job, ids: [a]}]}]'
    with serve_app(aws.app()) as endpoint, serve_exporter(config, endpoint) as exporter:
        rows = exporter.operations().splitlines()
    values = {row.partition("{")[0]: float(row.rpartition(" ")[2]) for row in rows}
    assert aws.requests == ["/jobs/a"]
    assert values["aws_iot_job_certainly_failed_things"] == case.certain
    assert values["aws_iot_job_possibly_failed_things"] == case.possible
    assert values["aws_iot_bulk_operation_progress_ratio"] == case.progress
    criteria = case.job["jobExecutionsRetryConfig"]["criteriaList"]
    limits = [f'failure_type="{entry["failureType"]}"' for entry in criteria]
    allowed = [row for row in rows if row.startswith("aws_iot_job_allowed_retries{")]
    assert [limit in row for limit, row in zip(limits, allowed, strict=True)] == [True] * len(limits)


def test_a_job_without_retries_has_none_of_the_metrics() -> None:
    parsed = iot_job.parse("a", {"job": job(DONE, {}, {"failed": 2, "succeeded": 2})})
    assert (parsed.retries, parsed.failed, parsed.progress) == ((), (2, 2), 1)


def test_a_missing_count_leaves_the_smallest_number_unknown() -> None:
    described = job(DONE, FAILED_3, {"failed": 43, "succeeded": 1})
    del described["jobProcessDetails"]["numberOfRemovedThings"]
    assert iot_job.parse("a", {"job": described}).failed == (0, 14)
    described["jobProcessDetails"] = {"numberOfSucceededThings": 1}
    assert iot_job.parse("a", {"job": described}).failed is None


def test_a_deployment_has_the_retries_of_its_job() -> None:
    described = job(RUNNING, {"ALL": 1}, {"failed": 5, "succeeded": 3, "queued": 3})
    deployment = {"deploymentId": "d", "deploymentStatus": "ACTIVE", "iotJobId": "a"}
    aws = ScriptedAws(
        {
            "/greengrass/v2/deployments/d": json_response(deployment),
            "/jobs/a": json_response({"job": described}),
        }
    )
    config = 'accounts: [{account_id: "111122223333", watch: [{kind: greengrass_deployment, ids: [d]}]}]'
    with serve_app(aws.app()) as endpoint, serve_exporter(config, endpoint) as exporter:
        rows = exporter.operations()
    assert "aws_greengrass_deployment_allowed_retries{" in rows
    assert [row.rpartition(" ")[2] for row in rows.splitlines() if "ly_failed_things" in row] == ["0.0", "5.0"]
    assert [row.rpartition(" ")[2] for row in rows.splitlines() if "progress_ratio" in row] == ["0.5"]


@pytest.mark.parametrize(
    ("criteria", "failed"), [([{}], (2, 2)), ([{"failureType": "FAILED"}], (2, 2)), ([{"numberOfRetries": 1}], (0, 2))]
)
def test_an_incomplete_retry_configuration_is_used_as_far_as_it_goes(
    criteria: list[dict[str, Any]], failed: tuple[int, int]
) -> None:
    described = job(DONE, {}, {"failed": 2, "succeeded": 2})
    described["jobExecutionsRetryConfig"] = {"criteriaList": criteria}
    assert iot_job.parse("a", {"job": described}).failed == failed


@st.composite
def histories(draw: st.DrawFn) -> tuple[Criteria, Mapping[str, int], int]:
    """Draw the executions of some things. Return the retries, the counts, and the number of failed things.

    ``needed`` is how often AWS runs a thing before it failed: as its documentation says, or as users report.
    """
    criteria = draw(
        st.sampled_from([{"FAILED": 1}, {"TIMED_OUT": 3}, {"ALL": 2}, {"FAILED": 2, "TIMED_OUT": 4}, {"ALL": 10}])
    )
    extra = draw(st.sampled_from([0, 1]))
    counts: Counter[str] = Counter()
    failed_things = 0
    for _ in range(draw(st.integers(1, 12))):
        executions, failed = draw(thing(criteria, extra))
        counts.update(executions)
        failed_things += failed
    return criteria, counts, failed_things


@st.composite
def thing(draw: st.DrawFn, criteria: Criteria, extra: int) -> tuple[list[str], bool]:
    """Draw the executions of a thing, and whether it failed."""
    failures: Counter[str] = Counter()
    executions: list[str] = []
    while True:
        state = draw(st.sampled_from(["failed", "failed", "timed_out", "succeeded", "rejected", "removed", "queued"]))
        executions.append(state)
        failure_type = "ALL" if "ALL" in criteria else state.upper()
        if state not in ("failed", "timed_out") or failure_type not in criteria:
            return executions, state in ("failed", "timed_out", "rejected")
        failures[failure_type] += 1
        if failures[failure_type] >= criteria[failure_type] + extra:
            return executions, True


@given(histories())
def test_the_number_of_failed_things_is_within_the_limits(history: tuple[Criteria, Mapping[str, int], int]) -> None:
    criteria, counts, failed_things = history
    for status in (RUNNING, DONE):
        low, high = iot_job.parse("a", {"job": job(status, criteria, counts)}).failed or (0, -1)
        assert low <= failed_things <= high, counts


def test_the_page_and_the_api_show_the_range_of_uncertain_failures() -> None:
    aws = ScriptedAws({"/jobs/a": json_response({"job": CASES["a group succeeded or failed"].job})})
    config = 'accounts: [{account_id: "111122223333", watch: [{kind: iot_job, ids: [a]}]}]'
    with serve_app(aws.app()) as endpoint, serve_exporter(config, endpoint) as exporter:
        exporter.scrape()
        page = http_requests.get(f"{exporter.url}/").text
        (line,) = http_requests.get(f"{exporter.url}/api/v1/operations").json()["operations"]
    (cell,) = re.findall(r'data-label="Failed"[^>]*>(.*?)</td>', page, re.DOTALL)
    assert " ".join(re.sub("<[^>]*>", "", cell).split()) == "0 to 6"
    assert (line["failed"], line["possibly_failed"], line["needs_attention"]) == (0, 6, False)
