"""A source of credentials that hangs delays only the cells that need it."""

import asyncio
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tests.aws.test_credentials import KEYS, NO_KEYS, role_credentials
from tests.support.exporter_server import ServedExporter, aws_environment, serve_exporter
from tests.support.exposition_rows import Scrape
from tests.support.servers import serve_app
from tests.support.waiting import wait_for_calls, wait_until

WATCH = "watch: [{kind: thing_registration_task, ids: [x]}]"
FACTORY, FIELD = "111122223333", "444455556666"
CONFIG = f"""
accounts:
  - {{name: factory, account_id: "{FACTORY}", {WATCH}}}
  - {{name: field, role_arn: "arn:aws:iam::{FIELD}:role/reader", {WATCH}}}
aws: {{max_attempts: 1, connect_timeout: 2s, read_timeout: 2s}}
"""
COUNT = "aws_iot_thing_registration_task_succeeded_things"
UP = "aws_iot_bulk_exporter_up"
CONTAINER = {"AWS_CONTAINER_CREDENTIALS_FULL_URI": "ENDPOINT/keys", **NO_KEYS}


def short_lived() -> dict[str, str]:
    """Return keys that every call renews, because they expire in a minute."""
    return {**KEYS, "Expiration": (datetime.now(UTC) + timedelta(minutes=1)).isoformat()}


@dataclass(slots=True)
class HangingAws:
    """AWS, in which the source of the chosen path hangs from the time that ``hangs`` is set until the test ends."""

    path: str
    hangs: bool = False
    waiting: list[str] = field(default_factory=list)

    async def handle(self, request: Request) -> Response:
        """Return a task, keys, or the session of a role."""
        path = request.url.path
        if self.hangs and path == self.path:
            self.waiting.append(path)
            await asyncio.sleep(3600)
        if path == "/keys":
            return JSONResponse(short_lived())
        if path == "/":
            response = role_credentials("AssumeRole")
            return Response(response.body, headers=dict(response.headers))
        return JSONResponse({"status": "InProgress", "successCount": 1})

    def app(self) -> Starlette:
        """Return the ASGI application."""
        return Starlette(routes=[Route("/{path:path}", self.handle, methods=["GET", "POST"])])


@pytest.fixture(autouse=True)
def no_thread_left() -> Iterator[None]:
    """Wait for the calls that hang: later tests must find no thread of an earlier one."""
    yield
    wait_for_calls()


@contextmanager
def served(aws: HangingAws, environment: dict[str, str]) -> Iterator[ServedExporter]:
    with serve_app(aws.app()) as endpoint, serve_exporter(CONFIG, endpoint) as exporter:
        variables = {name: value.replace("ENDPOINT", endpoint) for name, value in environment.items()}
        with aws_environment(endpoint, **variables):
            yield exporter


def accounts(exposed: str) -> set[str]:
    """Return the accounts whose task was read."""
    return set(Scrape(exposed).by("aws_account_id", COUNT))


def test_a_role_that_cannot_be_assumed_in_time_delays_no_other_account() -> None:
    aws = HangingAws("/", hangs=True)
    with served(aws, {}) as exporter:
        wait_until(lambda: accounts(exporter.scrape(after=0.0, within="1")) or None, "rows")
        for _ in range(2):
            exposed = exporter.scrape(within="1")
            assert accounts(exposed) == {FACTORY}
            assert Scrape(exposed).by("account", UP) == {"factory": 1.0, "field": 0.0}
        assert aws.waiting


def program(folder: Path) -> dict[str, str]:
    """Return the environment of a ``credential_process`` that hangs once a file exists."""
    keys = {"Version": 1, **{name: value for name, value in short_lived().items() if name != "Token"}}
    script, config = folder / "program", folder / "config"
    script.write_text(f"[ -e {folder}/hangs ] && exec sleep 10\necho '{json.dumps(keys)}'\n")
    config.write_text(f"[default]\ncredential_process = /bin/sh {script}\n")
    return {"AWS_CONFIG_FILE": str(config), **NO_KEYS}


@pytest.mark.parametrize("source", ["container", "program"])
def test_a_source_that_hangs_later_delays_no_account_with_a_valid_session(source: str, tmp_path: Path) -> None:
    aws = HangingAws("/keys")
    environment = CONTAINER if source == "container" else program(tmp_path)
    with served(aws, environment) as exporter:
        assert accounts(exporter.scrape(after=0.0)) == {FACTORY, FIELD}
        aws.hangs = True
        (tmp_path / "hangs").touch()
        for _ in range(2):
            exposed = exporter.scrape(within="1")
            assert Scrape(exposed).by("account", UP)["field"] == 1.0
        assert FIELD in accounts(exposed)
        wait_until(lambda: "no credentials from" in exporter.log.getvalue() or None, "the cause")
        assert Scrape(exporter.scrape(after=0.0)).by("account", UP) == {"factory": 0.0, "field": 1.0}
