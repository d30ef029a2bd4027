"""Read the failed items of an operation as the command ``failures`` does, without its process."""

import asyncio
from collections.abc import Sequence
from typing import Any

from exporter.app.exporter import new_process_context
from exporter.app.runtime import first_runtime
from exporter.collector.cells import target_cell
from exporter.collector.failures import Failures, read_failures
from exporter.config.loader import parse_config
from exporter.core.log import new_log
from exporter.core.model import Shard
from exporter.kinds.kind import Kind
from exporter.kinds.registry import KINDS
from tests.support.clocks import ManualClock
from tests.support.exporter_server import aws_environment

CONFIG = "accounts: [{regions: [eu-west-1]}]\naws: {max_attempts: 1, api_budget: 1.0}"


def failures_at(
    endpoint: str,
    kind: str,
    id: str,
    states: Sequence[str] = (),
    limit: int = 100,
    kinds: Sequence[Kind[Any]] = KINDS,
    clock: ManualClock | None = None,
) -> Failures:
    """Return the failed items of an operation of the AWS at this URL. Raises ApiError."""

    async def read() -> Failures:
        with aws_environment(endpoint):
            process = new_process_context(kinds, new_log("error"), Shard(), (clock or ManualClock()).clock())
            runtime = first_runtime(
                process,
                parse_config(CONFIG, kinds),
                lambda cells: (target_cell(cells, kinds, kind, (id,), "", ""),),
            )
            (cell,) = runtime.cells
            api = await runtime.gateway.connect(cell.account, cell.region, kind)
            return await read_failures(api, cell, states, limit)

    return asyncio.run(read())
