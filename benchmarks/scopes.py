"""Memory and start time of many scopes: clients that accounts share, compared to a boto3 Session for each scope."""

import json
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial

from prometheus_client import CollectorRegistry

from benchmarks import harness
from exporter.aws.budget import Budgets
from exporter.aws.call_context import Recorder
from exporter.aws.clients import ClientPool
from exporter.aws.models import Models
from exporter.config.sections import Account, Aws
from exporter.core.clock import Clock
from exporter.kinds.kind import ApiCall
from exporter.metrics.self_metrics import ApiMetrics

NUMBERS = (1, 10, 100)
# Each service with one call.
SERVICES = {"iot": "DescribeJob", "greengrass": "GetBulkDeploymentStatus", "greengrassv2": "GetDeployment"}


def report() -> str:
    """Return the resident MiB and the seconds for each number of scopes, measured in separate processes."""
    lines = [_line(number) for number in NUMBERS]
    compared = ("a Session each", "shared clients", "ratio")
    return harness.table(("scopes x 3 services", *compared, *compared), lines)


def _line(number: int) -> tuple[str, ...]:
    sessions, shared = _run_process("sessions", number), _run_process("shared", number)
    return (
        str(number),
        f"{sessions['resident']:.0f} MiB",
        f"{shared['resident']:.0f} MiB",
        f"{shared['resident'] / sessions['resident']:.2f}",
        f"{sessions['seconds']:.2f} s",
        f"{shared['seconds']:.2f} s",
        f"{shared['seconds'] / sessions['seconds']:.2f}",
    )


def _run_process(variant: str, number: int) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.scopes", variant, str(number)]
    done = subprocess.run(command, env=harness.environment("http://127.0.0.1:1"), capture_output=True, check=True)
    figures: dict[str, float] = json.loads(done.stdout)
    return figures


def _separate_sessions(number: int) -> list[object]:
    import boto3

    sessions = [boto3.Session() for _ in range(number)]
    return [session.client(service, region_name="eu-west-1") for session in sessions for service in SERVICES]


def _shared_clients(number: int) -> list[object]:
    calls = [ApiCall(service, name, quota=10) for service, name in SERVICES.items()]
    new_recorder = partial(Recorder, Budgets(1.0, Clock()), ApiMetrics(CollectorRegistry()))
    clients = ClientPool(Models(only=calls), Aws(), 8, new_recorder, Clock())
    role = "arn:aws:iam::{:012d}:role/reader"
    accounts = [
        Account(name=str(index), regions=("eu-west-1",), role_arn=role.format(index)) for index in range(number)
    ]
    shared = [clients.client(service, "eu-west-1") for service in SERVICES]
    return [*shared, *(clients.account_clients(account) for account in accounts)]


def _measure(new_clients: Callable[[int], list[object]], number: int) -> None:
    began = time.perf_counter()
    clients = new_clients(number)
    seconds = time.perf_counter() - began
    print(json.dumps({"seconds": seconds, "resident": harness.resident(), "clients": len(clients)}))


if __name__ == "__main__":
    _measure({"sessions": _separate_sessions, "shared": _shared_clients}[sys.argv[1]], int(sys.argv[2]))
