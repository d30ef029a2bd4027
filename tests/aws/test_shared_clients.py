"""All accounts share one client for each Region and service. What must not mix: keys, retries, records, and waiting."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from threading import Event, Thread
from urllib.parse import parse_qs

import pytest
from prometheus_client import CollectorRegistry
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from exporter.aws.budget import Budgets
from exporter.aws.call_context import Recorder
from exporter.aws.clients import ClientPool
from exporter.aws.errors import translate
from exporter.aws.models import Models
from exporter.config.sections import Account, Aws
from exporter.core.clock import Clock
from exporter.core.errors import Reason
from exporter.core.model import Scope
from exporter.kinds.thing_registration_task import DESCRIBE
from exporter.metrics.self_metrics import ApiMetrics
from tests.support.exporter_server import aws_environment
from tests.support.servers import serve_app

REGION = "eu-west-1"
FIRST, SECOND = "111122223333", "444455556666"
# botocore's quota of a client allows this many retries after server errors: 500 / 14.
RETRIES_OF_QUOTA = 35


def account(id: str) -> Account:
    return Account(name=id, regions=(REGION,), role_arn=f"arn:aws:iam::{id}:role/reader")


@dataclass(slots=True)
class TwoAccounts:
    """AWS with two accounts. It records the key and the client port of each request to IoT.

    Requests of ``failing`` accounts get status 500, those of ``hanging`` ones get no response before ``release``.
    """

    failing: set[str] = field(default_factory=set)
    hanging: set[str] = field(default_factory=set)
    release: Event = field(default_factory=Event)
    keys: list[str] = field(default_factory=list)
    ports: list[int] = field(default_factory=list)
    arrived: Event = field(default_factory=Event)

    async def respond(self, request: Request) -> Response:
        if request.url.path == "/":
            form = parse_qs((await request.body()).decode())
            return Response(_session(form["RoleArn"][0].split(":")[4]), media_type="text/xml")
        key = request.headers["authorization"].partition("Credential=KEY")[2][:12]
        self.keys.append(key)
        self.ports.append(request.client.port if request.client else 0)
        self.arrived.set()
        if key in self.hanging:
            await asyncio.to_thread(self.release.wait)
        return JSONResponse({"status": "InProgress"}, 500 if key in self.failing else 200)


def _session(account_id: str) -> str:
    return (
        '<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult>'
        f"<AssumedRoleUser><Arn>arn:aws:sts::{account_id}:assumed-role/reader/x</Arn>"
        f"<AssumedRoleId>AROA:x</AssumedRoleId></AssumedRoleUser><Credentials><AccessKeyId>KEY{account_id}</AccessKeyId>"
        "<SecretAccessKey>secret</SecretAccessKey><SessionToken>token</SessionToken>"
        "<Expiration>2099-01-01T00:00:00Z</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>"
    )


@dataclass(frozen=True, slots=True)
class Caller:
    pool: ClientPool
    metrics: ApiMetrics

    def describe(self, account_id: str) -> Reason | None:
        """Describe a task in an account. Return the reason of a failure."""
        clients = self.pool.account_clients(account(account_id))
        try:
            clients.send(DESCRIBE, Scope(account_id, account_id, REGION), {"taskId": "x"})
        except Exception as error:
            return translate(error).reason
        return None

    def requests(self, account_id: str) -> float:
        return float(self.metrics.requests.labels(account_id, REGION, "iot", DESCRIBE.name)._value.get())


@contextmanager
def calling(aws: TwoAccounts, connections: int = 8) -> Iterator[Caller]:
    app = Starlette(routes=[Route("/{path:path}", aws.respond, methods=["GET", "POST"])])
    metrics, clock = ApiMetrics(CollectorRegistry()), Clock()
    new_recorder = partial(Recorder, Budgets(1.0, clock), metrics)
    with serve_app(app) as endpoint, aws_environment(endpoint):
        yield Caller(ClientPool(Models(only=[DESCRIBE]), Aws(), connections, new_recorder, clock), metrics)
        aws.release.set()


def test_each_call_is_signed_with_the_key_of_its_account_and_they_share_a_connection() -> None:
    aws = TwoAccounts()
    with calling(aws) as caller:
        assert [caller.describe(id) for id in (FIRST, SECOND, FIRST)] == [None] * 3
    assert aws.keys == [FIRST, SECOND, FIRST]
    assert len(set(aws.ports)) == 1


def test_requests_are_counted_for_the_account_of_the_call() -> None:
    with calling(TwoAccounts(failing={SECOND})) as caller:
        caller.describe(FIRST)
        assert caller.describe(SECOND) is Reason.SERVER_ERROR
        assert (caller.requests(FIRST), caller.requests(SECOND)) == (1.0, 2.0)


def test_failures_of_an_account_leave_the_retries_of_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("botocore.endpoint.time.sleep", lambda seconds: None)
    with calling(TwoAccounts(failing={FIRST, SECOND})) as caller:
        for _ in range(RETRIES_OF_QUOTA + 1):
            caller.describe(FIRST)
        # The quota of the first account is used up: its last call was not retried.
        assert caller.requests(FIRST) == 2 * RETRIES_OF_QUOTA + 1
        caller.describe(SECOND)
        assert caller.requests(SECOND) == 2.0


def test_calls_that_hang_keep_no_connection_from_other_accounts() -> None:
    aws = TwoAccounts(hanging={FIRST})
    with calling(aws, connections=1) as caller:
        hanging = Thread(target=caller.describe, args=(FIRST,), daemon=True)
        hanging.start()
        assert aws.arrived.wait(10)
        assert caller.describe(SECOND) is None
        assert hanging.is_alive()


def test_new_credentials_need_no_new_connection() -> None:
    aws = TwoAccounts()
    with calling(aws) as caller:
        caller.describe(FIRST)
        clients = caller.pool.account_clients(account(FIRST))
        clients.created_at -= 3600
        caller.pool.replace(clients)
        assert caller.pool.account_clients(account(FIRST)) is not clients
        caller.describe(FIRST)
    assert len(set(aws.ports)) == 1
