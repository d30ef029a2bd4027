"""A watch ends at once only for a failure that the next refresh would repeat."""

import pytest

from exporter.cli.commands.watch import Filter
from exporter.cli.exit_status import ExitStatus
from exporter.cli.watch_result import ResultTracker
from exporter.core.errors import CONNECT_TIMEOUT, Reason
from exporter.core.model import Failure, Scope, Snapshot
from tests.cli.test_watch import new_runtime
from tests.support.clocks import ManualClock
from tests.support.exporter_server import aws_environment

CONFIG = "accounts: [{account_id: '111122223333', watch: [{kind: iot_job, ids: [x]}]}]"


@pytest.mark.parametrize(
    ("code", "exit_status"),
    [
        ("credentials", ExitStatus.UNREACHABLE),
        ("InvalidIdentityToken", ExitStatus.UNREACHABLE),
        ("connection", None),
        ("timeout", None),
        (CONNECT_TIMEOUT, None),
    ],
)
def test_a_source_of_credentials_that_does_not_respond_is_tried_again(code: str, exit_status: int | None) -> None:
    clock = ManualClock()
    with aws_environment("http://127.0.0.1:9"):
        (cell,) = new_runtime(Filter(), CONFIG, clock).cells
    failures = (Failure(Reason.CREDENTIALS, code, "no response"),)
    scope, reasons = Scope("default", "111122223333", "eu-west-1"), frozenset({Reason.CREDENTIALS})
    snapshot = Snapshot(cell.key, scope, reasons=reasons, failures=failures, duration=1.0)
    assert ResultTracker([cell], clock.clock(), 60.0).update([snapshot]).exit_status == exit_status
