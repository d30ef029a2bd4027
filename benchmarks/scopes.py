"""Memory and start-up of many scopes: clients that share one loader, against a boto3 Session for each scope."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable

from benchmarks import harness
from exporter.aws.clients import Clients
from exporter.aws.instrumentation import Recorder
from exporter.aws.models import Models
from exporter.config.sections import Account, Aws
from exporter.core.clock import Clock
from exporter.core.errors import Reason
from exporter.kinds.kind import ApiCall

NUMBERS = (1, 10, 100)
SERVICES = {"iot": "DescribeJob", "greengrass": "GetBulkDeploymentStatus", "greengrassv2": "GetDeployment"}
"""Three services, each with a call."""


class _Silent:
    """A recorder that nobody reads."""

    def sent(self, service: str, api: str, retry: bool) -> None: ...
    def answered(self, service: str, api: str, seconds: float, reason: Reason | None, code: str) -> None: ...


def report() -> str:
    """Return resident MiB and seconds for each number of scopes, each in a process of its own."""
    lines = [_line(number) for number in NUMBERS]
    return harness.rows(
        ("scopes x 3 services", "a Session each", "one loader", "ratio", "a Session each", "one loader", "ratio"), lines
    )


def _line(number: int) -> tuple[str, ...]:
    naive, ours = _in_a_process("naive", number), _in_a_process("ours", number)
    return (
        str(number),
        f"{naive['resident']:.0f} MiB",
        f"{ours['resident']:.0f} MiB",
        f"{ours['resident'] / naive['resident']:.2f}",
        f"{naive['seconds']:.2f} s",
        f"{ours['seconds']:.2f} s",
        f"{ours['seconds'] / naive['seconds']:.2f}",
    )


def _in_a_process(way: str, number: int) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.scopes", way, str(number)]
    done = subprocess.run(command, env=harness.environment("http://127.0.0.1:1"), capture_output=True, check=True)
    figures: dict[str, float] = json.loads(done.stdout)
    return figures


def _naive(number: int) -> list[object]:
    import boto3

    sessions = [boto3.Session() for _ in range(number)]
    return [session.client(service, region_name="eu-west-1") for session in sessions for service in SERVICES]


def _ours(number: int) -> list[object]:
    calls = [ApiCall(service, name, quota=10) for service, name in SERVICES.items()]
    clients = Clients(Models(only=calls), Aws(), 8, _recorder, Clock())
    role = "arn:aws:iam::{:012d}:role/reader"
    accounts = [Account(name=str(one), regions=("eu-west-1",), role_arn=role.format(one)) for one in range(number)]
    made = [clients.of(account) for account in accounts]
    return [one.client(service, "eu-west-1", "111122223333") for one in made for service in SERVICES]


def _recorder(account_id: str, region: str) -> Recorder:
    return _Silent()


def _measure(way: Callable[[int], list[object]], number: int) -> None:
    began = time.perf_counter()
    kept = way(number)
    seconds = time.perf_counter() - began
    print(json.dumps({"seconds": seconds, "resident": harness.resident(), "clients": len(kept)}))


if __name__ == "__main__":
    _measure({"naive": _naive, "ours": _ours}[sys.argv[1]], int(sys.argv[2]))
