"""CPU time of an API call over TLS with kept connections, compared to a plain boto3 loop in the same process."""

import asyncio
import os
import statistics
import time

import boto3
from prometheus_client import CollectorRegistry

from benchmarks import harness
from benchmarks.tls_endpoint import tls_endpoint
from exporter.aws.gateway import Gateway
from exporter.aws.models import Models
from exporter.config.sections import Account, Aws
from exporter.core.clock import Clock
from exporter.kinds.kind import ApiCall
from exporter.metrics.self_metrics import ApiMetrics

CALLS = 100
PAIRS = 25
# With this quota no call waits for a token.
DESCRIBE = ApiCall("iot", "DescribeThingRegistrationTask", quota=1_000_000)


def report() -> str:
    """Return the milliseconds of CPU for each call: medians of alternating runs."""
    with tls_endpoint() as variables:
        os.environ.update({**harness.environment(variables["AWS_ENDPOINT_URL"]), **variables})
        pairs = asyncio.run(_pairs())
    boto3_time = statistics.median(boto3_time for boto3_time, _ in pairs)
    gateway_time = statistics.median(gateway_time for _, gateway_time in pairs)
    ratio = statistics.median(gateway_time / boto3_time for boto3_time, gateway_time in pairs)
    return harness.table(
        (f"CPU of a call (median of {PAIRS} x {CALLS})", "figure", "ratio"),
        [
            ("a plain boto3 loop", f"{boto3_time:.2f} ms", "1.00"),
            ("budget, deadline, response check and metrics", f"{gateway_time:.2f} ms", f"{ratio:.2f}"),
        ],
    )


async def _pairs() -> list[tuple[float, float]]:
    client = boto3.client("iot", region_name="eu-west-1")
    gateway = Gateway(Models(only=[DESCRIBE]), Aws(), ApiMetrics(CollectorRegistry()), Clock())
    api = await gateway.connect(Account(account_id="111122223333"), "eu-west-1", "bench")
    pairs = []
    for _ in range(PAIRS + 1):
        began = time.process_time()
        for _ in range(CALLS):
            client.describe_thing_registration_task(taskId="x")
        between = time.process_time()
        for _ in range(CALLS):
            await api.call(DESCRIBE, taskId="x")
        pairs.append((1e3 * (between - began) / CALLS, 1e3 * (time.process_time() - between) / CALLS))
    return pairs[1:]
