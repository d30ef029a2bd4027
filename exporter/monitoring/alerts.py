"""The alerts, once: every format that is shipped is printed from this table, so that they cannot drift apart."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

GROUP = "aws-iot-bulk-operations"

Operator = Literal[">", "<"]
Severity = Literal["critical", "warning", "info"]
NoData = Literal["OK", "Alerting"]
QueryError = Literal["KeepLast", "Error"]


@dataclass(frozen=True, slots=True)
class Alert:
    """One alert: a query, and the comparison apart from it, because Grafana compares in a node of its own.

    Texts refer to the labels of the query as `{label}` and to its value as `{value}`. `no_data` and `query_error`
    are for Grafana, which asks what an empty answer and a failed query mean; in Prometheus neither ever fires.
    """

    name: str
    query: str
    operator: Operator
    threshold: float
    severity: Severity
    summary: str
    description: str
    for_: str = "0s"
    # A restart of the exporter interrupts the rows; without this each one would resolve the alert and page again.
    keep_firing_for: str = "15m"
    no_data: NoData = "OK"
    # A query that fails says nothing about an operation, so it may neither page for one nor resolve it.
    query_error: QueryError = "KeepLast"

    def annotations(self, value: str) -> dict[str, str]:
        """Give the texts as Go templates, as both formats want them; `value` is how the format calls the value."""
        return {"summary": _template(self.summary, value), "description": _template(self.description, value)}


def _template(text: str, value: str) -> str:
    def reference(match: re.Match[str]) -> str:
        name = match[1]
        return f"{{{{ {value} }}}}" if name == "value" else f"{{{{ $labels.{name} }}}}"

    return re.sub(r"\{(\w+)\}", reference, text)


def _per_operation(rows: str) -> str:
    """Give one value for each operation, however many exporters report it, so that a pair does not page twice."""
    return f"max by (aws_account_id, aws_region, kind, id) ({rows})"


ALERTS: tuple[Alert, ...] = (
    # The status of an operation never leaves these values again, so there is nothing to wait for.
    Alert(
        name="AwsIotBulkOperationFailed",
        query=_per_operation('aws_iot_bulk_operation_status{status="Failed"}'),
        operator=">",
        threshold=0,
        severity="critical",
        summary="A bulk operation failed",
        description="The {kind} {id} in account {aws_account_id}, Region {aws_region} ended with the status Failed.",
    ),
    Alert(
        name="AwsIotBulkOperationStopped",
        query=_per_operation('aws_iot_bulk_operation_status{status=~"Cancelled|Stopped"}'),
        operator=">",
        threshold=0,
        severity="info",
        summary="A bulk operation was stopped before its end",
        description="The {kind} {id} in account {aws_account_id}, Region {aws_region} was cancelled or stopped. "
        "What it had done by then stays done; the rest of its input may be unprocessed.",
    ),
    # Completed does not mean success: these two read the counts, whatever the status is.
    Alert(
        name="AwsIotBulkThingsFailed",
        query=_per_operation("aws_iot_thing_registration_task_failed_things"),
        operator=">",
        threshold=0,
        severity="warning",
        summary="Things of a registration task failed",
        description="Things that the {kind} {id} in account {aws_account_id}, Region {aws_region} "
        "could not register: {value}. The status Completed does not change that.",
    ),
    Alert(
        name="AwsIotBulkInvalidInputRecords",
        query=_per_operation("aws_greengrass_bulk_deployment_invalid_input_records"),
        operator=">",
        threshold=0,
        severity="warning",
        summary="Records of a bulk deployment failed",
        description="Records of the {kind} {id} in account {aws_account_id}, Region {aws_region} "
        "with an error that is not retried: {value}. The status Completed does not change that.",
    ),
    Alert(
        name="AwsIotBulkExporterCellDown",
        # The lowest of a pair: when one of the two cannot read AWS, the spare is gone, and nobody would know.
        # A service that AWS has switched off is nobody's emergency.
        query="min by (account, aws_account_id, aws_region, kind) (aws_iot_bulk_exporter_up"
        ' unless ignoring (reason) aws_iot_bulk_exporter_cell_error{reason="end_of_support"})',
        operator="<",
        threshold=1,
        severity="warning",
        summary="The exporter cannot read operations from AWS",
        description="An exporter has not been able to read the operations of kind {kind} in account {account} "
        "({aws_account_id}), Region {aws_region}. Its figures for them are old or absent. "
        "The reason is in aws_iot_bulk_exporter_cell_error.",
        for_="10m",
        # Every configuration has a cell, so that no row at all means no exporter at all.
        no_data="Alerting",
        # One rule has to say that Prometheus itself does not answer; the others keep quiet about it.
        query_error="Error",
    ),
)
