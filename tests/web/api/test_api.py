"""The JSON API: its content and filters, and that it follows its OpenAPI document."""

import json
from datetime import datetime
from typing import Any, get_args

import pytest
import schemathesis
from hypothesis import given, settings
from schemathesis import GenerationMode
from schemathesis.core.result import Ok

from exporter.kinds.registry import KINDS
from exporter.web.api.filtering import SORTS, VIEWS
from exporter.web.api.openapi import openapi
from exporter.web.api.query import Sort, View
from tests.support import http_requests
from tests.support.exporter_server import ServedExporter, serve_simulation
from tests.support.repository import ROOT
from tests.support.status_page import serve_page, tasks


def operations(exporter: ServedExporter, **parameters: str) -> Any:
    """Return the JSON of the operations."""
    response = http_requests.get(f"{exporter.url}/api/v1/operations", params=parameters)
    assert response.status_code == 200, response.text
    return response.json()


def ids(exporter: ServedExporter, **parameters: str) -> list[str]:
    """Return the ids in the response to a request, in order."""
    return [operation["id"] for operation in operations(exporter, **parameters)["operations"]]


@settings(max_examples=100, deadline=None)
def validate(case: Any) -> None:
    """Check the response to a generated request."""
    case.call_and_validate()


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=["valid", "invalid"])
def test_every_response_follows_the_document(mode: GenerationMode) -> None:
    with serve_page(tasks(3)) as page:
        document = schemathesis.openapi.from_url(f"{page.url}/api/v1/openapi.json")
        endpoints = [result.ok() for result in document.get_all_operations() if isinstance(result, Ok)]
        for endpoint in endpoints:
            given(endpoint.as_strategy(generation_mode=mode))(validate)()
    # schemathesis leaves out the path of the document itself.
    assert [endpoint.label for endpoint in endpoints] == [
        "GET /api/v1/operations",
        "GET /api/v1/cells",
        "GET /api/v1/operations/{kind}/{id}/failures",
    ]


def test_the_committed_document_is_current() -> None:
    assert json.loads((ROOT / "docs" / "openapi.json").read_text(encoding="utf-8")) == openapi(KINDS)


def test_clients_can_send_a_password_but_need_none() -> None:
    document = openapi(KINDS)
    (scheme,) = document["components"]["securitySchemes"]
    assert document["components"]["securitySchemes"][scheme].items() >= {"type": "http", "scheme": "basic"}.items()
    assert document["security"] == [{}, {scheme: []}]


def test_every_sort_key_and_view_is_implemented() -> None:
    assert set(SORTS) == set(get_args(Sort))
    assert set(VIEWS) == set(get_args(View))


def test_values_that_aws_has_not_supplied_are_null(exporter: ServedExporter) -> None:
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
        "severity": "medium",
        "reason": "failed: 25 of 100",
        "progress": 1.0,
        "succeeded": 75,
        "failed": 25,
        "reason_code": None,
        "aborted": False,
        "completed": None,
        "possibly_failed": 0,
        "rate": None,
        "estimated_end": None,
    }
    created, read = (datetime.fromisoformat(partly[key]) for key in ("created", "read"))
    assert partly["created"].endswith("Z")
    assert round((read - created).total_seconds()) == 3 * 3600 + 5 * 60


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({}, ["broken", "partly", "running", "clean"]),
        ({"status": "Failed"}, ["broken"]),
        ({"status": "failed"}, []),
        ({"kind": "greengrass_bulk_deployment"}, ["broken"]),
        ({"kind": ""}, ["broken", "partly", "running", "clean"]),
        ({"account": "field"}, ["partly"]),
        ({"account": "111122223333"}, ["broken", "running", "clean"]),
        ({"q": "LAMPS us-east-1"}, ["partly"]),
        ({"q": "lamps eu-west-1"}, []),
        ({"view": "active"}, ["running"]),
        ({"view": "ended"}, ["broken", "partly", "clean"]),
        ({"view": "attention"}, ["broken", "partly"]),
        ({"sort": "id"}, ["broken", "clean", "partly", "running"]),
        ({"sort": "id", "order": "desc", "limit": "2"}, ["running", "partly"]),
        ({"sort": "created"}, ["partly", "clean", "broken", "running"]),
        ({"sort": "severity"}, ["broken", "partly", "running", "clean"]),
        ({"sort": "severity", "order": "desc"}, ["running", "clean", "partly", "broken"]),
        ({"sort": "progress"}, ["running", "partly", "clean", "broken"]),
        ({"sort": "progress", "order": "desc"}, ["partly", "clean", "running", "broken"]),
        ({"limit": "0"}, ["broken", "partly", "running", "clean"]),
    ],
)
def test_operations_are_filtered_and_sorted(
    exporter: ServedExporter, parameters: dict[str, str], expected: list[str]
) -> None:
    assert ids(exporter, **parameters) == expected


def test_the_counts_ignore_the_limit(exporter: ServedExporter) -> None:
    response = operations(exporter, view="ended", limit="1")
    assert (len(response["operations"]), response["matching"], response["total"]) == (1, 3, 4)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("sort=size", {"sort": "expected one of 'severity', 'name'"}),
        ("order=up&view=none", {"order": "expected one of", "view": "expected one of"}),
        ("limit=-1", {"limit": "expected a whole number"}),
        ("limit=", {"limit": "expected a whole number"}),
        ("limit=%D9%A3", {"limit": "expected a whole number"}),
        ("limit=1000000", {"limit": "must be at most"}),
        ("kind=lamps", {"kind": f"expected one of '{KINDS[0].name}'"}),
        ("stauts=Failed", {"stauts": "unknown key; did you mean status?"}),
        ("q=a&q=b", {"q": "given more than once"}),
        ("q=" + 257 * "a", {"q": "longer than 256 characters"}),
        ("%3Cscript%3E=1", {"?": "unknown key, hidden because it may be a value"}),
    ],
)
def test_an_invalid_parameter_is_named(exporter: ServedExporter, query: str, expected: dict[str, str]) -> None:
    response = http_requests.get(f"{exporter.url}/api/v1/operations?{query}")
    assert (response.status_code, response.headers["content-type"]) == (400, "application/problem+json")
    problem = response.json()
    assert (problem["status"], problem["title"]) == (400, "Bad Request")
    details = {fault["parameter"]: fault["detail"] for fault in problem["errors"]}
    assert details.keys() == expected.keys()
    for parameter, detail in expected.items():
        assert details[parameter].startswith(detail)
    assert http_requests.get(f"{exporter.url}/?{query}").status_code == 400


def test_the_page_for_an_invalid_parameter_shows_no_markup_of_it(exporter: ServedExporter) -> None:
    text = http_requests.get(f"{exporter.url}/?<script>=<script>&sort=<script>").text
    assert "Invalid filters" in text
    assert "<script>" not in text


def test_cells_have_their_budgets(exporter: ServedExporter) -> None:
    response = http_requests.get(f"{exporter.url}/api/v1/cells", params={"account": "field"}).json()
    (cell,) = response["cells"]
    assert (response["total"], cell["up"], cell["reasons"], cell["operations"]) == (3, True, [], 1)
    assert cell["last_success"].endswith("Z")
    assert {(budget["api"], budget["ratio"]) for budget in cell["budgets"]} == {
        ("DescribeThingRegistrationTask", 0.5),
        ("ListThingRegistrationTasks", 0.5),
    }


@pytest.mark.parametrize("parameter", ["status", "view", "sort", "order"])
def test_cells_reject_the_parameters_of_operations(exporter: ServedExporter, parameter: str) -> None:
    assert http_requests.get(f"{exporter.url}/api/v1/cells?{parameter}=1").status_code == 400


def test_a_response_is_not_cached_and_is_compressed_on_request(exporter: ServedExporter) -> None:
    url = f"{exporter.url}/api/v1/operations"
    plain = http_requests.get(url, headers={"Accept-Encoding": "identity"})
    packed = http_requests.get(url, headers={"Accept-Encoding": "gzip"})
    assert plain.json()["operations"] == packed.json()["operations"]
    assert (plain.headers.get("content-encoding"), packed.headers["content-encoding"]) == (None, "gzip")
    for response in (plain, packed):
        assert response.headers["cache-control"] == "no-store"
        assert response.headers["vary"] == "Accept-Encoding"
        assert response.headers["x-content-type-options"] == "nosniff"


def test_two_configured_accounts_that_are_the_same_share_an_operation() -> None:
    role = "arn:aws:iam::111122223333:role/reader"
    watch = "watch: [{kind: thing_registration_task, ids: [once]}]"
    config = f"accounts: [{{name: one, {watch}}}, {{name: two, role_arn: '{role}', {watch}}}]"
    task = "{kind: thing_registration_task, id: once, region: eu-west-1, timeline: [{at: 0s, status: InProgress}]}"
    with serve_simulation(config, f'accounts: ["111122223333"]\noperations: [{task}]') as simulation:
        simulation.exporter.scrape()
        assert ids(simulation.exporter) == ["once"]
        cells = http_requests.get(f"{simulation.exporter.url}/api/v1/cells").json()["cells"]
    assert [(cell["account"], cell["operations"]) for cell in cells] == [("one", 1), ("two", 1)]
