"""The JSON: what it says, how it is filtered, and that it keeps to its OpenAPI document."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any, get_args

import pytest
import schemathesis
from hypothesis import given, settings
from hypothesis.strategies import SearchStrategy
from schemathesis import GenerationMode
from schemathesis.core.result import Ok

from exporter.kinds.registry import KINDS
from exporter.web.api.filtering import SORTS, VIEWS
from exporter.web.api.openapi import openapi
from exporter.web.api.query import Sort, View
from tests.support import http_requests
from tests.support.exporter_server import Exporter, simulating
from tests.support.page_checks import CONFIG, SCENARIO
from tests.support.repository import ROOT
from tests.support.status_page import filled, tasks

COMMITTED = ROOT / "docs" / "openapi.json"


@pytest.fixture(scope="module")
def exporter() -> Iterator[Exporter]:
    """An exporter that has read a small fleet."""
    with simulating(CONFIG, SCENARIO) as simulation:
        simulation.exporter.scrape(after=0.0)
        yield simulation.exporter


def operations(exporter: Exporter, **parameters: str) -> Any:
    """Return what the JSON of operations says."""
    response = http_requests.get(f"{exporter.url}/api/v1/operations", params=parameters)
    assert response.status_code == 200, response.text
    return response.json()


def ids(exporter: Exporter, **parameters: str) -> list[str]:
    """Return the ids that a request gets, in order."""
    return [operation["id"] for operation in operations(exporter, **parameters)["operations"]]


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=["right", "wrong"])
def test_every_request_is_answered_as_the_document_says(mode: GenerationMode) -> None:
    with filled(tasks(3)) as page:
        document = schemathesis.openapi.from_url(f"{page.url}/api/v1/openapi.json")
        found = [result.ok() for result in document.get_all_operations() if isinstance(result, Ok)]
        for one in found:
            _try(one.as_strategy(generation_mode=mode))
    # Where the document is found is no part of what is tried.
    assert [one.label for one in found] == ["GET /api/v1/operations", "GET /api/v1/cells"]


def _try(cases: SearchStrategy[Any]) -> None:
    @given(cases)
    @settings(max_examples=100, deadline=None)
    def validate(case: Any) -> None:
        case.call_and_validate()

    validate()


def test_the_committed_document_is_the_code_s() -> None:
    assert json.loads(COMMITTED.read_text(encoding="utf-8")) == openapi(KINDS)


def test_every_order_and_view_that_can_be_asked_for_is_known() -> None:
    assert set(SORTS) == set(get_args(Sort))
    assert set(VIEWS) == set(get_args(View))


def test_an_operation_is_told_with_what_aws_told_and_null_for_the_rest(exporter: Exporter) -> None:
    (partly,) = operations(exporter, q="partly")["operations"]
    assert {key: value for key, value in partly.items() if key not in ("created", "updated", "read")} == {
        "account": "field",
        "aws_account_id": "444455556666",
        "aws_region": "us-east-1",
        "kind": "thing_registration_task",
        "id": "partly",
        "name": None,
        "target": None,
        "input": "s3://plant/lamps.jsonl",
        "status": "Completed",
        "active": False,
        "continuous": False,
        "needs_attention": True,
        "progress": 1.0,
        "succeeded": 75,
        "failed": 25,
        "rate": None,
        "estimated_end": None,
    }
    created, read = (datetime.fromisoformat(partly[key]) for key in ("created", "read"))
    assert partly["created"].endswith("Z")
    assert round((read - created).total_seconds()) == 3 * 3600 + 5 * 60


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({}, ["running", "broken", "clean", "partly"]),
        ({"status": "Failed"}, ["broken"]),
        ({"status": "failed"}, []),
        ({"kind": "greengrass_bulk_deployment"}, ["broken"]),
        ({"kind": ""}, ["running", "broken", "clean", "partly"]),
        ({"account": "field"}, ["partly"]),
        ({"account": "111122223333"}, ["running", "broken", "clean"]),
        ({"q": "LAMPS us-east-1"}, ["partly"]),
        ({"q": "lamps eu-west-1"}, []),
        ({"view": "active"}, ["running"]),
        ({"view": "ended"}, ["broken", "clean", "partly"]),
        ({"view": "attention"}, ["broken", "partly"]),
        ({"sort": "id"}, ["broken", "clean", "partly", "running"]),
        ({"sort": "id", "order": "desc", "limit": "2"}, ["running", "partly"]),
        ({"sort": "created"}, ["partly", "clean", "broken", "running"]),
        ({"sort": "progress"}, ["running", "clean", "partly", "broken"]),
        ({"sort": "progress", "order": "desc"}, ["clean", "partly", "running", "broken"]),
        ({"limit": "0"}, ["running", "broken", "clean", "partly"]),
    ],
)
def test_operations_are_filtered_and_sorted(
    exporter: Exporter, parameters: dict[str, str], expected: list[str]
) -> None:
    assert ids(exporter, **parameters) == expected


def test_counts_cover_what_a_limit_leaves_out(exporter: Exporter) -> None:
    told = operations(exporter, view="ended", limit="1")
    assert (len(told["operations"]), told["matching"], told["total"]) == (1, 3, 4)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("sort=size", {"sort": "expected one of"}),
        ("order=up&view=none", {"order": "expected one of", "view": "expected one of"}),
        ("limit=-1", {"limit": "expected a whole number"}),
        ("limit=", {"limit": "expected a whole number"}),
        ("limit=%D9%A3", {"limit": "expected a whole number"}),
        ("limit=1000000", {"limit": "must be at most"}),
        ("kind=lamps", {"kind": "expected one of"}),
        ("stauts=Failed", {"stauts": "unknown key; did you mean status?"}),
        ("q=a&q=b", {"q": "given more than once"}),
        ("q=" + 257 * "a", {"q": "longer than 256 characters"}),
        ("%3Cscript%3E=1", {"?": "unknown key, not shown because it is no plain word"}),
    ],
)
def test_a_parameter_that_cannot_be_used_is_named(exporter: Exporter, query: str, expected: dict[str, str]) -> None:
    response = http_requests.get(f"{exporter.url}/api/v1/operations?{query}")
    assert (response.status_code, response.headers["content-type"]) == (400, "application/problem+json")
    problem = response.json()
    assert (problem["status"], problem["title"]) == (400, "Bad Request")
    told = {fault["parameter"]: fault["detail"] for fault in problem["errors"]}
    assert told.keys() == expected.keys()
    for parameter, detail in expected.items():
        assert told[parameter].startswith(detail)
    assert http_requests.get(f"{exporter.url}/?{query}").status_code == 400


def test_a_page_that_refuses_a_parameter_shows_no_markup_of_it(exporter: Exporter) -> None:
    text = http_requests.get(f"{exporter.url}/?<script>=<script>&sort=<script>").text
    assert "These filters cannot be used" in text
    assert "<script>" not in text


def test_cells_are_told_with_their_budgets(exporter: Exporter) -> None:
    told = http_requests.get(f"{exporter.url}/api/v1/cells", params={"account": "field"}).json()
    (cell,) = told["cells"]
    assert (told["total"], cell["up"], cell["reasons"], cell["operations"]) == (3, True, [], 1)
    assert cell["last_success"].endswith("Z")
    assert {(budget["api"], budget["ratio"]) for budget in cell["budgets"]} == {
        ("DescribeThingRegistrationTask", 0.5),
        ("ListThingRegistrationTasks", 0.5),
    }


@pytest.mark.parametrize("parameter", ["status", "view", "sort", "limit"])
def test_cells_refuse_what_only_operations_have(exporter: Exporter, parameter: str) -> None:
    assert http_requests.get(f"{exporter.url}/api/v1/cells?{parameter}=1").status_code == 400


def test_an_answer_may_not_be_kept_and_is_compressed_for_who_reads_that(exporter: Exporter) -> None:
    url = f"{exporter.url}/api/v1/operations"
    plain = http_requests.get(url, headers={"Accept-Encoding": "identity"})
    packed = http_requests.get(url, headers={"Accept-Encoding": "gzip"})
    assert plain.json()["operations"] == packed.json()["operations"]
    assert (plain.headers.get("content-encoding"), packed.headers["content-encoding"]) == (None, "gzip")
    for response in (plain, packed):
        assert response.headers["cache-control"] == "no-store"
        assert response.headers["vary"] == "Accept-Encoding"
        assert response.headers["x-content-type-options"] == "nosniff"


def test_an_operation_of_two_accounts_that_turn_out_to_be_one_is_told_once() -> None:
    role = "arn:aws:iam::111122223333:role/reader"
    watch = "watch: [{kind: thing_registration_task, ids: [once]}]"
    config = f"accounts: [{{name: one, {watch}}}, {{name: two, role_arn: '{role}', {watch}}}]"
    task = "{kind: thing_registration_task, id: once, region: eu-west-1, timeline: [{at: 0s, status: InProgress}]}"
    with simulating(config, f'accounts: ["111122223333"]\noperations: [{task}]') as simulation:
        simulation.exporter.scrape()
        assert [one["id"] for one in operations(simulation.exporter)["operations"]] == ["once"]
        cells = http_requests.get(f"{simulation.exporter.url}/api/v1/cells").json()["cells"]
    assert [(cell["account"], cell["operations"]) for cell in cells] == [("one", 1), ("two", 1)]
