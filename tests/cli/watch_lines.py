"""Lines of operations and cells for the tests of the output of a watch."""

from dataclasses import replace

from exporter.kinds.phase import Phase
from exporter.metrics.attention import Severity
from exporter.metrics.summary import CellLine, OperationLine

NOW = 1_700_000_000.0
RUNNING = OperationLine(
    account="factory",
    account_id="111122223333",
    region="eu-west-1",
    kind="iot_job",
    title="job",
    id="firmware-7",
    name="",
    target="",
    input="",
    status="IN_PROGRESS",
    known_status="IN_PROGRESS",
    phase=Phase.RUNNING,
    active=True,
    continuous=False,
    needs_attention=True,
    severity=Severity.MEDIUM,
    reason="failed: 12 of 100",
    rank=(2, -0.12),
    progress=0.999,
    succeeded=4810,
    failed=12,
    possibly_failed=0,
    reason_code="",
    aborted=False,
    created=None,
    updated=None,
    completed=None,
    read=NOW - 7,
    rate=0.001,
    estimated_end=NOW + 60,
)
ENDED = replace(
    RUNNING,
    id="old",
    status="COMPLETED",
    phase=Phase.COMPLETED,
    active=False,
    progress=1.0,
    rate=None,
    estimated_end=None,
)
CELL = CellLine(
    account="factory",
    account_id="111122223333",
    region="eu-west-1",
    kind="iot_job",
    title="job",
    up=True,
    complete=True,
    pending=False,
    expired=False,
    reasons=(),
    causes=(),
    last_success=NOW,
    duration=0.1,
    operations=1,
    omitted=0,
    active_omitted=0,
    unknown_ids=(),
    budgets=(),
)
FAILING = replace(CELL, up=False, reasons=("throttled",), causes=("throttled: AWS returned SlowDown",))
INCOMPLETE = replace(CELL, unknown_ids=("a", "b\x1b"), active_omitted=3)
