"""The alerts. Every file format is printed from this table, so that all formats contain the same alerts."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Final, Literal

from exporter.kinds.thresholds import DEFAULT
from exporter.metrics.self_metrics import PREFIX
from exporter.monitoring import records as recorded
from exporter.monitoring.promql import (
    API_LABELS,
    BUILD_INFO,
    CELL_ERROR,
    CELL_LABELS,
    CREATED,
    LAST_READ,
    OPERATION_LABELS,
    SAME_OPERATION,
    SHARD_COUNT,
    SHARDS,
    TARGET_LABELS,
    by,
    on,
    per_cell,
    per_operation,
)

Operator = Literal[">", "<"]
Unit = Literal["", "ratio", "seconds"]

# Labels that are variables of the dashboards, with the names of the variables.
VARIABLES = {"aws_account_id": "account", "aws_region": "region", "kind": "kind", "id": "id", "instance": "instance"}
_HUMANIZERS: Mapping[Unit, str] = {"": "humanize", "ratio": "humanizePercentage", "seconds": "humanizeDuration"}
_REFERENCE = re.compile(r"(?<!\$)\{(\w+)\}")
_NAME = re.compile(r"[\w:]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """An alert: a query and its comparison with a threshold.

    Both are separate, because Grafana compares in a node of its own. ``labels`` are the labels of the query's result.
    Texts refer to them as ``{label}`` and to the value as ``{value}``, formatted by its ``unit``. A threshold with the
    unit ``seconds`` is a duration. Only Grafana uses ``no_data`` and ``query_error``. They set the state of a rule
    whose query returns nothing or fails. In Prometheus such a rule never fires.
    """

    name: str
    group: Literal["aws-iot-bulk-operations", "aws-iot-bulk-exporter"]
    query: str
    labels: tuple[str, ...]
    severity: str
    summary: str
    description: str
    dashboard: str
    operator: Operator = ">"
    threshold: float = 0
    unit: Unit = ""
    for_: str = "0s"
    # A restart of the exporter interrupts its series. Without this time every restart would resolve the alert and
    # then notify again.
    keep_firing_for: str = "15m"
    no_data: Literal["OK", "Alerting"] = "OK"
    # A failed query gives no information about an operation. It must neither fire nor resolve an alert.
    query_error: Literal["KeepLast", "Error"] = "KeepLast"

    @property
    def expression(self) -> str:
        """The complete condition in PromQL."""
        return f"{self.operand} {self.operator} {self.threshold:.15g}"

    @property
    def operand(self) -> str:
        """The query as the left side of a comparison."""
        return self.query if _NAME.fullmatch(self.query) else f"({self.query})"

    def texts(self, value: str) -> dict[str, str]:
        """Return the texts as Go templates. ``value`` is the file format's expression for the value."""
        description = _REFERENCE.sub(lambda match: self._reference(match[1], value), self.description)
        return {"summary": self.summary, "description": description}

    @property
    def links(self) -> dict[str, str]:
        """The links by the parameters with their hosts. Without the parameter, a link would lead nowhere."""
        known = ((VARIABLES[label], label) for label in self.labels if label in VARIABLES)
        variables = "&".join(f"var-{variable}={{{{ $labels.{label} | urlquery }}}}" for variable, label in known)
        return {
            "runbooks": f"${{runbooks}}/{self.name}.md",
            "dashboards": f"${{dashboards}}/d/{self.dashboard}{'?' if variables else ''}{variables}",
        }

    def _reference(self, name: str, value: str) -> str:
        expression = f"{value} | {_HUMANIZERS[self.unit]}" if name == "value" else f"$labels.{name}"
        return f"{{{{ {expression} }}}}"


KIND_LABELS = ("aws_account_id", "aws_region", "kind")
# Parts of the descriptions.
OPERATION_TEXT: Final = "Operation {id} of kind {kind} (account {aws_account_id}, Region {aws_region})"
PLACE_TEXT: Final = "in account {account} ({aws_account_id}), Region {aws_region}"
CELL_TEXT: Final = f"operations of kind {{kind}} {PLACE_TEXT}"
IS_RECENT = f"and {SAME_OPERATION} {recorded.RECENT}"
IS_RUNNING = f"and {SAME_OPERATION} {recorded.RUNNING}"
READ_AGE = (
    f"min {by(OPERATION_LABELS)} (timestamp({LAST_READ}) - {LAST_READ}) and {SAME_OPERATION} {recorded.UNFINISHED}"
)

_operation_alert = partial(
    Alert, group="aws-iot-bulk-operations", labels=OPERATION_LABELS, dashboard="aws-iot-bulk-operation"
)
_exporter_alert = partial(Alert, group="aws-iot-bulk-exporter", dashboard="aws-iot-bulk-exporter")

OPERATION_ALERTS: tuple[Alert, ...] = (
    _operation_alert(
        name="AwsIotBulkOperationFailed",
        query=f"{recorded.FAILED} {IS_RECENT}",
        severity="critical",
        summary="A bulk operation failed",
        description=f"{OPERATION_TEXT} ended with a failed status. It makes no further changes, and AWS cannot resume "
        "it. Devices that it did not reach keep their previous state.",
    ),
    # Completed does not mean success. This alert reads the counts and ignores the status.
    _operation_alert(
        name="AwsIotBulkOperationFinishedWithFailures",
        query=f"({recorded.FAILED_ITEMS} unless {SAME_OPERATION} {recorded.UNFINISHED}) {IS_RECENT}",
        severity="warning",
        summary="A bulk operation finished, but some of its items failed",
        description=f"{OPERATION_TEXT} has no items left to process. Failed items: {{value}}. "
        "AWS may show the status Completed for it: that status does not mean that all items succeeded.",
    ),
    _operation_alert(
        name="AwsIotBulkFailureRatioHigh",
        query=f"({recorded.FAILURE_RATIO} and {SAME_OPERATION} {recorded.PROCESSED_ITEMS} >= ${{items}}) {IS_RUNNING}",
        threshold=DEFAULT.failure_ratio,
        unit="ratio",
        severity="warning",
        summary="Many items of a running bulk operation fail",
        description=f"{OPERATION_TEXT} is still running, and {{value}} of its processed items failed. "
        "More items may fail until it ends or is stopped.",
        for_="5m",
    ),
    _operation_alert(
        name="AwsIotBulkOperationStalled",
        query=recorded.UNMOVED,
        severity="warning",
        summary="A running bulk operation makes no progress",
        description=f"{OPERATION_TEXT} has items left to process, but none of its counts has changed for ${{stalled}}.",
    ),
    _operation_alert(
        name="AwsIotBulkOperationRunningLong",
        query=f"time() - {per_operation(CREATED)} {IS_RUNNING}",
        threshold=86400,
        unit="seconds",
        severity="info",
        summary="A bulk operation has been running for a long time",
        description=f"{OPERATION_TEXT} was created {{value}} ago and still has items left to process.",
    ),
    _operation_alert(
        name="AwsIotBulkOperationStopped",
        query=f"{recorded.STOPPED} {IS_RECENT}",
        severity="info",
        summary="A bulk operation was cancelled or stopped",
        description=f"{OPERATION_TEXT} was cancelled or stopped before all items were processed. "
        "Processed items keep their new state. The other items may be unchanged.",
    ),
    _operation_alert(
        name="AwsIotBulkInvalidInputRecords",
        query=f"{recorded.INVALID_ITEMS} {IS_RECENT}",
        severity="warning",
        summary="The input of a bulk operation contains invalid records",
        description=f"{OPERATION_TEXT} has invalid records in its input: {{value}}. "
        "AWS cannot process them, and a retry does not help.",
    ),
    _operation_alert(
        name="AwsIotBulkRetryStorm",
        query=f"(delta({recorded.RETRIES}[${{rate}}]) > ${{retries}})"
        f" / clamp_min(delta({recorded.PROCESSED_ITEMS}[${{rate}}]), 1) {IS_RUNNING}",
        threshold=1,
        severity="warning",
        summary="A bulk operation makes more retries than it processes items",
        description=f"{OPERATION_TEXT} made {{value}} retries for each item that it processed in the last ${{rate}}.",
        for_="5m",
    ),
)

EXPORTER_ALERTS: tuple[Alert, ...] = (
    _exporter_alert(
        name="AwsIotBulkExporterDown",
        # The job may have any name. A target is an exporter if it returned the exporter's metrics within a day.
        query=f"min {by(TARGET_LABELS)} (up and {on(TARGET_LABELS)} last_over_time({BUILD_INFO}[1d]))"
        f" or on () absent({BUILD_INFO}) - 1",
        labels=TARGET_LABELS,
        operator="<",
        threshold=1,
        severity="critical",
        summary="Prometheus cannot scrape the exporter",
        description='Prometheus cannot scrape an exporter (job "{job}", instance "{instance}"). '
        "Alerts on its operations cannot fire. If the instance is empty, no target of Prometheus has been an exporter "
        "within the last day.",
        for_="5m",
        # The query always returns a series. An empty result therefore means that Prometheus has no data.
        no_data="Alerting",
        # Only this rule reports that Prometheus itself does not respond.
        query_error="Error",
    ),
    _exporter_alert(
        name="AwsIotBulkExporterCellDown",
        # max: the alert fires even if only one of a pair of exporters cannot read AWS. The pair has no spare then.
        query=f'max {by((*CELL_LABELS, "reason"))} ({CELL_ERROR}{{reason!~"access_denied|end_of_support"}})',
        labels=(*CELL_LABELS, "reason"),
        severity="warning",
        summary="The exporter cannot read operations from AWS",
        description=f"An exporter cannot read all {CELL_TEXT}. The reason is {{reason}}. "
        "New operations may be missing, and the data of known operations becomes stale.",
        for_="10m",
    ),
    _exporter_alert(
        name="AwsIotBulkExporterAccessDenied",
        query=per_cell("max", f'{CELL_ERROR}{{reason="access_denied"}}'),
        labels=CELL_LABELS,
        severity="warning",
        summary="AWS denies the exporter access",
        description=f"AWS denies a request that an exporter needs to read {CELL_TEXT}. "
        "An IAM permission is missing, or a policy of the organization forbids the request.",
        for_="10m",
    ),
    _exporter_alert(
        name="AwsIotBulkExporterDataStale",
        # The value 0 means that no refresh has succeeded yet. CellDown covers that case.
        query=f"time() - {per_cell('max', f'{PREFIX}last_success_timestamp_seconds > 0')}"
        f' unless {on(CELL_LABELS)} {CELL_ERROR}{{reason=~"end_of_support|not_found"}}',
        labels=CELL_LABELS,
        threshold=1800,
        unit="seconds",
        severity="warning",
        summary="The exporter's data is stale",
        description=f"No exporter has completely read the {CELL_TEXT} for {{value}}.",
    ),
    _exporter_alert(
        name="AwsIotBulkExporterThrottled",
        query=recorded.THROTTLED,
        labels=API_LABELS,
        threshold=0.05,
        unit="ratio",
        severity="warning",
        summary="AWS throttles the exporter",
        description="AWS throttled {value} of the requests to {aws_service} {api} in account {aws_account_id}, "
        "Region {aws_region}. Another client probably uses the same quota.",
        for_="10m",
    ),
    _exporter_alert(
        name="AwsIotBulkExporterBudgetTooSmall",
        # The age is measured at the scrape, so that it does not depend on the scrape interval. A failing request is
        # a different cause and has an alert of its own.
        query=f'max {by(KIND_LABELS)} ({READ_AGE}) unless {on(KIND_LABELS)} {CELL_ERROR}{{reason!="not_found"}}',
        labels=KIND_LABELS,
        threshold=300,
        unit="seconds",
        severity="warning",
        summary="The exporter's request budget is too small for the number of operations",
        description="No request fails, but Prometheus scraped data that was {value} old for an unfinished operation of "
        "kind {kind} in account {aws_account_id}, Region {aws_region}.",
        for_="10m",
    ),
    _exporter_alert(
        name="AwsIotBulkExporterConfigReloadFailed",
        query=f"min {by(TARGET_LABELS)} ({PREFIX}config_last_reload_successful)",
        labels=TARGET_LABELS,
        operator="<",
        threshold=1,
        severity="warning",
        summary="The exporter rejected its new configuration",
        description="The exporter {instance} of the job {job} rejected its new configuration as invalid. "
        "It still uses the previous configuration and cannot start with the new one.",
        for_="1m",
    ),
    _exporter_alert(
        name="AwsIotBulkExporterShardMismatch",
        query=f"abs(max by (job) ({SHARDS}) - {SHARD_COUNT}) + (max by (job) ({SHARDS}) - min by (job) ({SHARDS}))",
        labels=("job",),
        severity="critical",
        summary="Shards of the exporter are missing or disagree",
        description="Shards of the job {job} are missing, or they use different totals. "
        "No exporter watches the accounts and Regions of a missing shard.",
        for_="15m",
    ),
    _exporter_alert(
        name="AwsIotGreengrassV1EndOfSupport",
        query=recorded.SUPPORT_ENDED,
        labels=CELL_LABELS,
        unit="seconds",
        severity="info",
        summary="The exporter watches a service that AWS no longer supports",
        description=f"AWS ended its support for operations of kind {{kind}} {{value}} ago. "
        f"The exporter still watches them {PLACE_TEXT}.",
        for_="1h",
    ),
)

ALERTS = OPERATION_ALERTS + EXPORTER_ALERTS
