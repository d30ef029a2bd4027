"""An organization of 1,000 accounts in 17 Regions with three kinds: memory and CPU of one process in the steady state.

AWS is simulated over TLS in a process of its own. 50 accounts have 4 active registration tasks each.
"""

import asyncio
import json
import os
import ssl
import subprocess
import sys
import time
from dataclasses import replace
from urllib.request import Request, urlopen

from prometheus_client import generate_latest

from benchmarks import harness
from benchmarks.tls_endpoint import tls_endpoint
from exporter.app.exporter import Exporter, new_process_context
from exporter.app.runtime import Runtime, first_runtime
from exporter.config.loader import parse_config
from exporter.core.clock import Clock
from exporter.core.log import new_log
from exporter.core.model import Shard
from exporter.kinds.registry import KINDS

ACCOUNTS, ACTIVE_ACCOUNTS, TASKS = 1000, 50, 4
REGIONS = (
    *("us-east-1", "us-east-2", "us-west-1", "us-west-2", "ca-central-1", "sa-east-1", "ap-east-1", "ap-south-1"),
    *("ap-northeast-1", "ap-northeast-2", "ap-southeast-1", "ap-southeast-2"),
    *("eu-central-1", "eu-north-1", "eu-west-1", "eu-west-2", "eu-west-3"),
)
INTERVAL = 30.0
WINDOW = 4
# The rules of the default, with the kinds in every Region.
WATCH = ", ".join(
    f"{{kind: {kind}, discover: {{statuses: [{statuses}], unknown_statuses: true}}}}"
    for kind, statuses in (
        ("thing_registration_task", "InProgress, Cancelling"),
        ("iot_job", "IN_PROGRESS, SCHEDULED, DELETION_IN_PROGRESS"),
        ("greengrass_deployment", "ACTIVE"),
    )
)


def account_id(number: int) -> str:
    """Return the id of an account."""
    return f"{100000000000 + number}"


def report() -> str:
    """Return the figures of the steady state."""
    with tls_endpoint(lists=True) as variables:
        environment = {**harness.environment(variables["AWS_ENDPOINT_URL"]), **variables}
        command = [sys.executable, "-m", "benchmarks.organization"]
        done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True)
    figures: dict[str, str] = json.loads(done.stdout)
    header = (
        f"{ACCOUNTS:,} accounts x {len(REGIONS)} Regions x 3 kinds, {ACTIVE_ACCOUNTS * TASKS} active tasks",
        "figure",
    )
    return harness.table(header, [*figures.items()])


def _config() -> str:
    scopes = f"regions: [{', '.join(REGIONS)}], watch: [{WATCH}]"
    roles = (f"role_arn: 'arn:aws:iam::{account_id(number)}:role/reader'" for number in range(ACCOUNTS))
    accounts = "".join(f"  - {{name: a{number}, {role}, {scopes}}}\n" for number, role in enumerate(roles))
    return f"refresh: {{idle_max_age: 5m}}\naccounts:\n{accounts}"


async def _figures() -> dict[str, str]:
    clock, log = Clock(), new_log("error")
    process = new_process_context(KINDS, log, Shard(), clock)
    config = parse_config(_config(), KINDS)
    runtime = first_runtime(process, config, lambda cells: tuple(replace(cell, found=True) for cell in cells))
    exporter = Exporter(process, runtime, lambda: config, "/metrics")
    began, cpu = time.monotonic(), time.process_time()
    await exporter.refresh(0.0)
    await _first_refreshes(runtime)
    fill, fill_cpu = time.monotonic() - began, time.process_time() - cpu
    print(f"fill {fill:.0f} s, {fill_cpu:.0f} s CPU, {harness.resident():.0f} MiB", file=sys.stderr, flush=True)
    _requests()
    began, cpu = time.monotonic(), time.process_time()
    for number in range(WINDOW):
        await exporter.refresh(9.0)
        own = generate_latest(runtime.registry).decode()
        await asyncio.sleep(max(0.0, began + INTERVAL * (number + 1) - time.monotonic()))
        share = (time.process_time() - cpu) / (time.monotonic() - began)
        print(f"{share:.2f} of a core, {harness.resident():.0f} MiB", file=sys.stderr, flush=True)
    seconds = time.monotonic() - began
    share, calls = (time.process_time() - cpu) / seconds, _requests() / seconds
    rows = sum(not line.startswith("#") for line in own.splitlines())
    down = sum(bool(snapshot.reasons) for snapshot in runtime.store.snapshots())
    return {
        "the first refresh of all cells": f"{fill:.0f} s",
        "CPU of the first refresh": f"{fill_cpu:.0f} s",
        "resident memory": f"{harness.resident():.0f} MiB",
        f"CPU in {WINDOW} scrapes, one each {INTERVAL:.0f} s": f"{share:.2f} of a core",
        "calls to AWS": f"{calls:.0f} a second",
        "rows of the exporter's own metrics": f"{rows:,}",
        "active operations": str(sum(len(snapshot.readings) for snapshot in runtime.store.snapshots())),
        "cells that fail": str(down),
    }


async def _first_refreshes(runtime: Runtime) -> None:
    tasks = [refresher.task for refresher in runtime.scheduler.refreshers.values() if refresher.task]
    await asyncio.wait(tasks)


def _requests() -> int:
    """Return the number of requests since the last call of this function."""
    context = ssl.create_default_context(cafile=os.environ["AWS_CA_BUNDLE"])
    with urlopen(Request(os.environ["AWS_ENDPOINT_URL"] + "/requests"), context=context) as response:  # noqa: S310
        return int(response.read())


if __name__ == "__main__":
    figures = asyncio.run(_figures())
    print(json.dumps(figures), flush=True)
    os._exit(0)
