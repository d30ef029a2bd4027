"""Calls to AWS: a token is spent only when the call is made, every list ends, and readers share responses."""

import asyncio
import threading
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import botocore.session
import pytest
from prometheus_client import CollectorRegistry

from exporter.aws.gateway import Gateway, ScopeApi, SharedResponses
from exporter.aws.models import Models
from exporter.config.sections import Account, Aws
from exporter.core.errors import ApiError, Reason
from exporter.kinds.kind import ApiCall
from exporter.kinds.registry import KINDS
from exporter.kinds.response import Response
from exporter.kinds.thing_registration_task import DESCRIBE, LIST
from exporter.metrics.self_metrics import ApiMetrics
from tests.support.clocks import ManualClock
from tests.support.exporter_server import aws_environment
from tests.support.scripted_endpoint import HttpResponse, ScriptedAws, json_response
from tests.support.servers import serve_app

ACCOUNT = Account(account_id="111122223333")
REGION = "eu-west-1"


def run_with_api(aws: ScriptedAws, function: Callable[[ScopeApi], Coroutine[Any, Any, Any]]) -> Any:
    """Return the result of a function that gets the API of a scope of this AWS."""

    async def run() -> Any:
        gateway = Gateway(Models(), Aws(), ApiMetrics(CollectorRegistry()), ManualClock().clock())
        return await function(await gateway.connect(ACCOUNT, REGION, "test"))

    with serve_app(aws.app()) as endpoint, aws_environment(endpoint):
        return asyncio.run(run())


async def list_ids(api: ScopeApi) -> list[str]:
    return [id async for page in api.pages(LIST) for id in page["taskIds"]]


def test_no_token_is_spent_while_every_slot_is_in_use() -> None:
    async def wait_for_slot(api: ScopeApi) -> Any:
        release = threading.Event()
        hanging = [asyncio.create_task(api.workers.run(release.wait, 600)) for _ in range(8)]
        call = asyncio.create_task(api.call(DESCRIBE, taskId="x"))
        for _ in range(20):
            await asyncio.sleep(0)
        bucket = api.gateway.budgets.budget(ACCOUNT.known_id, REGION, DESCRIBE).bucket
        assert [bucket.take() for _ in range(5)] == [0.0] * 5
        assert bucket.take() > 0
        for _ in range(5):
            bucket.refund()
        release.set()
        await asyncio.gather(*hanging)
        return await call

    aws = ScriptedAws({"/thing-registration-tasks/x": json_response({"status": "Failed"})})
    assert run_with_api(aws, wait_for_slot)["status"] == "Failed"


def test_an_empty_page_does_not_end_a_list() -> None:
    aws = ScriptedAws(
        {
            "/thing-registration-tasks": json_response({"taskIds": ["a"], "nextToken": "2"}),
            "/thing-registration-tasks?nextToken=2": json_response({"taskIds": [], "nextToken": "3"}),
            "/thing-registration-tasks?nextToken=3": json_response({"taskIds": ["b"]}),
        }
    )
    assert run_with_api(aws, list_ids) == ["a", "b"]


@pytest.mark.parametrize(
    "page",
    [json_response({"taskIds": ["a"], "nextToken": "same"}), json_response({"nextToken": "2"})],
    ids=["repeated token", "no list"],
)
def test_a_page_without_a_list_or_with_a_repeated_token_is_malformed(page: HttpResponse) -> None:
    with pytest.raises(ApiError) as caught:
        run_with_api(ScriptedAws({"/thing-registration-tasks": page}), list_ids)
    assert caught.value.reason is Reason.MALFORMED


class EndlessList(ScriptedAws):
    """An AWS in which every page of a list has a token for the next page."""

    def find(self, target: str, path: str) -> HttpResponse:
        return json_response({"taskIds": ["a"], "nextToken": str(len(self.requests))})


def test_a_list_without_an_end_is_malformed() -> None:
    endless = EndlessList()
    with pytest.raises(ApiError, match="more than 1000 pages"):
        run_with_api(endless, list_ids)
    assert len(endless.requests) == 1000


def test_only_apis_with_the_same_quota_share_a_budget() -> None:
    gateway = Gateway(Models(), Aws(), ApiMetrics(CollectorRegistry()), ManualClock().clock())

    def budget(account_id: str, region: str, name: str, bucket: str) -> object:
        return gateway.budgets.budget(account_id, region, ApiCall("greengrassv2", name, 30, bucket))

    shared = budget("111122223333", "eu-west-1", "GetDeployment", "control-plane")
    assert budget("111122223333", "eu-west-1", "ListDeployments", "control-plane") is shared
    assert budget("111122223333", "eu-west-1", "ListDeployments", "") is not shared
    assert budget("444455556666", "eu-west-1", "GetDeployment", "control-plane") is not shared
    assert budget("111122223333", "us-east-1", "GetDeployment", "control-plane") is not shared


@pytest.mark.parametrize("service", sorted({call.service for kind in KINDS for call in kind.calls} | {"sts"}))
def test_reduced_endpoint_data_gives_the_same_endpoints(service: str) -> None:
    regions = ("eu-west-1", "us-east-1", "cn-north-1", "us-gov-west-1", "eusc-de-east-1", "us-iso-east-1", "xx-new-9")
    with aws_environment(""):
        reduced = endpoints(service, regions, Models(call for kind in KINDS for call in kind.calls))
        assert reduced == endpoints(service, regions, Models())


def endpoints(service: str, regions: Sequence[str], models: Models) -> list[tuple[str, str]]:
    """Return the endpoint of a service in each Region, and the Region of its signatures."""
    session = botocore.session.Session()
    session.register_component("data_loader", models.loader)
    clients = [session.create_client(service, region_name=region) for region in regions]
    return [(client.meta.endpoint_url, client.meta.region_name) for client in clients]


class Calls:
    """Calls without a response. Counts those that started and those that are still running."""

    def __init__(self) -> None:
        self.started = 0
        self.running = 0

    async def call(self) -> Response:
        self.started += 1
        self.running += 1
        try:
            return await asyncio.Future[Response]()
        finally:
            self.running -= 1


async def settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


@pytest.mark.anyio
async def test_a_call_is_cancelled_with_its_last_reader() -> None:
    calls, shared = Calls(), SharedResponses(10.0, ManualClock().clock())
    readers = [asyncio.create_task(shared.get("job", name, calls.call)) for name in ("a", "b")]
    for reader, running in zip(readers, (1, 0), strict=True):
        await settle()
        reader.cancel()
        await settle()
        assert (calls.started, calls.running) == (1, running)


@pytest.mark.anyio
async def test_a_reader_starts_a_new_call_while_the_last_one_is_cancelled() -> None:
    calls, shared = Calls(), SharedResponses(10.0, ManualClock().clock())
    first = asyncio.create_task(shared.get("job", "a", calls.call))
    await settle()
    first.cancel()
    await asyncio.sleep(0)
    second = asyncio.create_task(shared.get("job", "b", calls.call))
    await settle()
    assert (calls.started, calls.running, second.done()) == (2, 1, False)
    second.cancel()
    await settle()
