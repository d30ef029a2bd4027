"""A fifth kind, defined only here, works everywhere: a kind is one module and one line in the registry."""

import inspect
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from exporter.aws.iam_policy import policy
from exporter.aws.models import Models
from exporter.config.loader import config_schema, parse_config
from exporter.core.errors import ConfigError
from exporter.core.model import CellKey, ItemCounts, Operation, Reading, Scope, Snapshot
from exporter.core.store import Store
from exporter.kinds import response, thing_registration_task
from exporter.kinds.failure_reason import reason_text
from exporter.kinds.kind import (
    Api,
    ApiCall,
    Discovery,
    FailedItem,
    FailureSource,
    FetchRequest,
    ItemSeries,
    Kind,
    ListEntry,
    SeriesSelector,
    Simulation,
)
from exporter.kinds.metric import gauge
from exporter.kinds.registry import KINDS
from exporter.kinds.response import Response
from exporter.kinds.simulated_operation import SimulatedOperation
from exporter.kinds.thing_registration_task import ThingRegistrationTask
from exporter.metrics.eta import Estimates
from exporter.metrics.reference import kinds_table, metrics_document, metrics_table
from exporter.metrics.summary import Overview
from exporter.monitoring.prometheus import prometheus_rules
from exporter.monitoring.records import ACTIVE, FAILED, PROCESSED_ITEMS, ROLLOUT_JOB, RUNNING, STALLED_SECONDS
from exporter.monitoring.rules import rules
from tests.kinds import test_kind
from tests.support import http_requests
from tests.support.clocks import ManualClock
from tests.support.exporter_server import restartable_exporter, serve_simulated_aws, serve_simulation
from tests.support.failed_items import failures_at
from tests.support.promql import Promtool

GET = ApiCall("iot", "GetOTAUpdate", quota=10, resource="arn:*:iot:*:*:otaupdate/*")
LIST = ApiCall("iot", "ListOTAUpdates", quota=10)


@dataclass(frozen=True, slots=True, kw_only=True)
class OtaUpdate(Operation):
    """A firmware update over the air."""

    files: int


async def fetch(api: Api, request: FetchRequest[OtaUpdate]) -> OtaUpdate:
    update = response.structure(await api.call(GET, otaUpdateId=request.id), "otaUpdateInfo")
    return OtaUpdate(
        id=request.id,
        status=response.required_text(update, "otaUpdateStatus"),
        created=response.timestamp(update, "creationDate"),
        updated=response.timestamp(update, "lastModifiedDate"),
        files=len(response.structures(update, "otaUpdateFiles")),
    )


def entries(page: Response) -> Iterable[ListEntry]:
    return (
        ListEntry(response.required_text(entry, "otaUpdateId")) for entry in response.structures(page, "otaUpdates")
    )


async def failed_update(api: Api, update: OtaUpdate, state: str, limit: int) -> AsyncIterator[Sequence[FailedItem]]:
    description = response.structure(await api.call(GET, otaUpdateId=update.id), "otaUpdateInfo")
    error = response.structure(description, "errorInfo")
    reason = reason_text([response.text(error, "code"), response.text(error, "message")])
    yield [FailedItem(update.id, state, reason)] if update.status == state else []


def simulated_update(update: SimulatedOperation) -> dict[str, Any]:
    error = {"code": "IO", "message": update.failure_reason(0)} if update.status == "CREATE_FAILED" else None
    files = [{"fileName": f"{number}.bin"} for number in range(update.items)]
    members = {"otaUpdateStatus": update.status, "creationDate": update.created, "lastModifiedDate": update.updated}
    return {"otaUpdateInfo": {"otaUpdateId": update.id, "otaUpdateFiles": files, "errorInfo": error, **members}}


KIND: Kind[OtaUpdate] = Kind(
    name="ota_update",
    title="over-the-air update",
    reference="https://docs.aws.amazon.com/freertos/latest/userguide/freertos-ota-dev.html",
    operation=OtaUpdate,
    statuses=(
        "CREATE_PENDING",
        "CREATE_IN_PROGRESS",
        "CREATE_COMPLETE",
        "CREATE_FAILED",
        "DELETE_IN_PROGRESS",
        "DELETE_FAILED",
    ),
    active=frozenset({"CREATE_PENDING", "CREATE_IN_PROGRESS", "DELETE_IN_PROGRESS"}),
    completed=frozenset({"CREATE_COMPLETE"}),
    id_parameter="otaUpdateId",
    id_length=128,
    id_pattern="[a-zA-Z0-9_-]+",
    describe_calls=(GET,),
    discovery=Discovery(LIST, entries, status_parameter="otaUpdateStatus"),
    fetch=fetch,
    is_final=lambda update, options: not KIND.is_active(update.status),
    item_counts=lambda update: ItemCounts(None, None, update.files),
    metrics=(gauge("aws_iot_ota_update_files", "Number of files of the update.", lambda update: update.files),),
    simulation=Simulation({GET: simulated_update}, entry=lambda update: {"otaUpdateId": update.id}),
    items=ItemSeries(processed=(SeriesSelector("aws_iot_ota_update_files"),)),
    failed=frozenset({"CREATE_FAILED", "DELETE_FAILED"}),
    waiting=frozenset({"CREATE_PENDING"}),
    ending=frozenset({"DELETE_IN_PROGRESS"}),
    failures=FailureSource((GET,), ("CREATE_FAILED", "DELETE_FAILED"), failed_update),
)
FIVE_KINDS = (*KINDS, KIND)
CONFIG = """
accounts:
  - account_id: "111122223333"
    watch: [{kind: ota_update, discover: {statuses: [CREATE_IN_PROGRESS, CREATE_COMPLETE]}}]
"""
SCENARIO = """
accounts: ["111122223333"]
operations:
  - {kind: ota_update, id: bootloader, region: eu-west-1, items: 3,
     timeline: [{at: 0s, status: CREATE_IN_PROGRESS}, {at: 90s, status: CREATE_COMPLETE}]}
"""
CONTRACT = [
    test
    for name, test in vars(test_kind).items()
    if name.startswith("test_") and "kind" in inspect.signature(test).parameters
]


@pytest.mark.parametrize("test", CONTRACT, ids=lambda test: test.__name__)
def test_it_fulfils_the_contract_of_every_kind(test: Callable[..., None]) -> None:
    assert CONTRACT
    if "switched_on" in inspect.signature(test).parameters:
        test(KIND, switched_on=True)
    else:
        test(KIND)


def test_its_configuration_accepts_only_its_statuses_and_ids() -> None:
    (account,) = parse_config(CONFIG, FIVE_KINDS).accounts
    assert [watch.kind for watch in account.watch] == ["ota_update"]
    with pytest.raises(ConfigError) as refused:
        parse_config(CONFIG.replace("CREATE_COMPLETE]}", 'InProgress]}, ids: ["a/b"]'), FIVE_KINDS)
    assert [problem.partition(": ")[0] for problem in refused.value.problems] == [
        "accounts[0].watch[0].ids[0]",
        "accounts[0].watch[0].discover.statuses[1]",
    ]
    validator = Draft202012Validator(config_schema(FIVE_KINDS))
    watch = {"kind": "ota_update", "ids": ["bootloader"]}
    assert list(validator.iter_errors({"accounts": [{"watch": [watch]}]})) == []
    assert list(validator.iter_errors({"accounts": [{"watch": [{**watch, "ids": ["a/b"]}]}]})) != []


def test_it_is_watched_by_default() -> None:
    (account,) = parse_config("", FIVE_KINDS).accounts
    assert "ota_update" in [watch.kind for watch in account.watch]


def test_it_is_simulated_and_scraped_until_its_end() -> None:
    with serve_simulation(CONFIG, SCENARIO, FIVE_KINDS) as simulation:
        exposed = [simulation.exporter.operations() for _ in range(3)]
        assert simulation.requests_of(simulation.exporter.scrape) == ["/otaUpdates?otaUpdateStatus=CREATE_IN_PROGRESS"]
    labels = 'aws_account_id="111122223333",aws_region="eu-west-1",id="bootloader",kind="ota_update"'
    assert f"aws_iot_ota_update_files{{{labels}}} 3.0" in exposed[0]
    assert f'aws_iot_bulk_operation_status{{{labels},status="CREATE_IN_PROGRESS"}} 1.0' in exposed[0]
    assert f'aws_iot_bulk_operation_status{{{labels},status="CREATE_COMPLETE"}} 1.0' in exposed[-1]


def test_its_failure_has_a_reason() -> None:
    scenario = SCENARIO.replace(
        "timeline: [{at: 0s, status: CREATE_IN_PROGRESS}, {at: 90s, status: CREATE_COMPLETE}]",
        "failures: [{reason: no bucket}], timeline: [{at: 0s, status: CREATE_FAILED}]",
    )
    with serve_simulated_aws(scenario, ManualClock(), FIVE_KINDS) as (endpoint, _):
        failures = failures_at(endpoint, "ota_update", "bootloader", kinds=FIVE_KINDS)
    assert failures.items == (FailedItem("bootloader", "CREATE_FAILED", "IO; no bucket"),)
    assert failures.complete


def test_it_is_restored_after_a_restart(tmp_path: Path) -> None:
    scenario = SCENARIO.replace("[{at: 0s, status: CREATE_IN_PROGRESS}, {at: 90s,", "[{at: 0s,")
    with restartable_exporter(scenario, tmp_path / "state.db", FIVE_KINDS) as aws:
        with aws.exporter(CONFIG) as exporter:
            before = exporter.operations()
            assert "/otaUpdates/bootloader" in aws.requests
            before_restart = len(aws.requests)
        with aws.exporter(CONFIG) as exporter:
            assert exporter.operations() == before
    assert "/otaUpdates/bootloader" not in aws.requests[before_restart:]


def test_it_is_on_the_status_page_and_in_the_json() -> None:
    with serve_simulation(CONFIG, SCENARIO.replace("CREATE_COMPLETE}", "CREATE_FAILED}"), FIVE_KINDS) as simulation:
        for _ in range(3):
            simulation.exporter.scrape()
        url, query = simulation.exporter.url, {"kind": "ota_update", "view": "attention"}
        page = http_requests.get(f"{url}/", params=query).text
        (operation,) = http_requests.get(f"{url}/api/v1/operations", params=query).json()["operations"]
        (cell,) = http_requests.get(f"{url}/api/v1/cells", params={"kind": "ota_update"}).json()["cells"]
        described = http_requests.get(f"{url}/api/v1/openapi.json").json()["paths"]["/api/v1/operations"]["get"]
    assert '<option value="ota_update" selected>over-the-air update</option>' in page
    assert '<span class="badge bad">CREATE_FAILED</span>' in page
    assert "1 operation needs attention" in page
    assert (operation["id"], operation["status"], operation["needs_attention"]) == ("bootloader", "CREATE_FAILED", True)
    assert (cell["kind"], cell["operations"]) == ("ota_update", 1)
    (names,) = [entry["schema"]["enum"] for entry in described["parameters"] if entry["name"] == "kind"]
    assert names == ["", *(kind.name for kind in FIVE_KINDS)]


def test_the_operation_that_rolls_it_out_has_no_problem_and_no_alert_of_its_own() -> None:
    kind = replace(KIND, rollout_kind=thing_registration_task.KIND.name)
    kinds = (*KINDS, kind)
    update = OtaUpdate(id="bootloader", status="CREATE_FAILED", files=1, job_id="copy")
    tasks = [task(id) for id in ("copy", "alone")]
    store = Store([snapshot(kind.name, update), snapshot(kind.rollout_kind, *tasks)])
    lines = Overview(kinds, store, Estimates(), lambda: 0.0).operations()
    assert {line.id: line.severity for line in lines} == {"bootloader": "high", "copy": "none", "alone": "high"}
    (rollout_jobs,) = (record.query for record in rules(kinds).resolve().records if record.name == ROLLOUT_JOB)
    assert 'aws_iot_bulk_operation_info{kind="ota_update", job_id!=""}' in rollout_jobs
    assert '"kind", "thing_registration_task", "", "")' in rollout_jobs


def snapshot(kind: str, *operations: Operation) -> Snapshot:
    """Return the snapshot of a cell of a kind in one scope."""
    readings = tuple(Reading(operation, 0.0) for operation in operations)
    scope = Scope("default", "111122223333", "eu-west-1")
    return Snapshot(CellKey(scope.account, scope.region, kind), scope, readings, up=True)


def task(id: str) -> ThingRegistrationTask:
    """Return a registration task that failed."""
    return ThingRegistrationTask(id=id, status="Failed", succeeded=0, failed=1)


def test_it_is_documented() -> None:
    for text in (metrics_document(FIVE_KINDS), metrics_table(FIVE_KINDS)):
        assert "| `aws_iot_ota_update_files` |  | Number of files of the update. |" in text
    assert "- `ota_update`: `CREATE_PENDING`," in metrics_document(FIVE_KINDS)
    assert f"| `ota_update` | [over-the-air update]({KIND.reference}) | ListOTAUpdates, GetOTAUpdate |" in kinds_table(
        FIVE_KINDS
    )


def test_it_is_in_the_iam_policy() -> None:
    statements = {statement["Sid"]: statement for statement in policy(FIVE_KINDS, Models(), True)["Statement"]}
    assert statements["OtaUpdateFailures"]["Action"] == ["iot:GetOTAUpdate"]
    assert statements["OtaUpdateDiscover"]["Action"] == ["iot:ListOTAUpdates"]
    assert statements["OtaUpdateDescribe"] == {
        "Sid": "OtaUpdateDescribe",
        "Effect": "Allow",
        "Action": ["iot:GetOTAUpdate"],
        "Resource": ["arn:*:iot:*:*:otaupdate/*"],
    }


def test_it_has_alerts(tmp_path: Path, promtool: Promtool) -> None:
    file = tmp_path / "rules.yaml"
    file.write_text(prometheus_rules(rules(FIVE_KINDS)))
    promtool("check", "rules", "--lint-fatal", file)
    queries = {record.name: record.query for record in rules(FIVE_KINDS).resolve().records}
    status = 'aws_iot_bulk_operation_status{kind="ota_update", status'
    assert f'{status}=~"CREATE_IN_PROGRESS|CREATE_PENDING|DELETE_IN_PROGRESS|Unknown"}}' in queries[ACTIVE]
    assert f'{status}="CREATE_PENDING"}}' in queries[RUNNING]
    assert f'{status}=~"CREATE_FAILED|DELETE_FAILED"}}' in queries[FAILED]
    assert "(aws_iot_ota_update_files)" in queries[PROCESSED_ITEMS]
    assert "changes(aws_iot_ota_update_files[1800s]) > 0" in queries[STALLED_SECONDS]
