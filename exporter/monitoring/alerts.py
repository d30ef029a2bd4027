"""The alerts. Every file format is printed from this table, so that all formats contain the same alerts."""

import re
from dataclasses import dataclass
from functools import partial
from typing import Final, Literal

from exporter.kinds.thresholds import DEFAULT
from exporter.metrics.families import UNKNOWN
from exporter.metrics.self_metrics import PREFIX
from exporter.monitoring import records as recorded
from exporter.monitoring.promql import (
    ABORTED,
    ACCOUNT_ACCESSIBLE,
    ACCOUNT_LABELS,
    API_LABELS,
    BUILD_INFO,
    BY_RELEASE,
    BY_TARGET,
    CELL_ERROR,
    CELL_LABELS,
    CREATED,
    LAST_READ,
    ON_ACCOUNT,
    ON_TARGET,
    OPERATION_LABELS,
    SAME_OPERATION,
    SCHEDULED_START,
    SHARD_ORDINAL,
    SHARDS,
    START_TIME,
    STATUS,
    TARGET_LABELS,
    UP,
    by,
    matcher,
    on,
    per_cell,
    per_operation,
    per_shard,
    selector,
    shard_count,
)
from exporter.monitoring.selection import GROUPING, TARGETS_UP
from exporter.monitoring.texts import TextFormat, Unit, template

Operator = Literal[">", "<"]

# Labels that are variables of the dashboards, with the names of the variables.
VARIABLES = {"aws_account_id": "account", "aws_region": "region", "kind": "kind", "id": "id", "instance": "instance"}
# The page of the operation. Several accounts and Regions can have an operation with the same id. Templates have no
# function for paths, in which the plus sign of ``urlquery`` is no space.
OPERATION_LINK: Final = (
    '${operations}/operations/{{ $labels.kind | urlquery }}/{{ $labels.id | urlquery | reReplaceAll "[+]" "%20" }}'
    "?account={{ $labels.aws_account_id | urlquery }}&region={{ $labels.aws_region | urlquery }}"
)
# Its threshold is also one of the status page.
FAILURE_RATIO_HIGH: Final = "AwsIotBulkFailureRatioHigh"
_NAME = re.compile(r"[\w:]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """An alert: a query and its comparison with a threshold.

    Both are separate, because users may set another threshold. ``labels`` are the labels of the query's result.
    ``exporter.monitoring.texts`` describes the references in texts. A threshold with the unit ``seconds`` is a
    duration. ``panel`` is the title of the panel to which Grafana links. Only Grafana uses ``query_error``, the state
    of a rule whose query fails. In Prometheus such a rule never fires.
    """

    name: str
    group: Literal["aws-iot-bulk-operations", "aws-iot-bulk-exporter"]
    query: str
    labels: tuple[str, ...]
    severity: str
    summary: str
    description: str
    dashboard: str
    panel: str
    operator: Operator = ">"
    threshold: float = 0
    unit: Unit = ""
    for_: str = "0s"
    # A restart of the exporter interrupts its series. Without this time every restart would resolve the alert and
    # then notify again.
    keep_firing_for: str = "15m"
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

    def texts(self, target: TextFormat) -> dict[str, str]:
        """Return the texts as templates of a file format."""
        return {"summary": self.summary, "description": template(self.description, self.unit, target)}

    @property
    def links(self) -> dict[str, str]:
        """The links by the parameters with their hosts. Without the parameter, a link would lead nowhere."""
        known = ((VARIABLES[label], label) for label in self.labels if label in VARIABLES)
        variables = "&".join(f"var-{variable}={{{{ $labels.{label} | urlquery }}}}" for variable, label in known)
        return {
            "runbooks": f"${{runbooks}}/{self.name}${{runbook_suffix}}",
            **({"operations": OPERATION_LINK} if "id" in self.labels else {}),
            "dashboards": f"${{dashboards}}/d/{self.dashboard}{'?' if variables else ''}{variables}",
        }


KIND_LABELS = ("aws_account_id", "aws_region", "kind")
# Parts of the descriptions.
OPERATION_TEXT: Final = (
    "Operation {id}[ ({name})] of kind {kind} (account {aws_account_id}, Region {aws_region}[, target {target}]"
    "[, input {input}])"
)
FAILED_TEXT: Final = "[ Failed items: {failed} of {processed} processed items.]"
LEFT_TEXT: Final = "[ Items left: {unfinished}.][ Processed items: {processed}.]"
PLACE_TEXT: Final = "in account {account} ({aws_account_id}), Region {aws_region}"
CELL_TEXT: Final = f"operations of kind {{kind}} {PLACE_TEXT}"
IS_RECENT = f"and {SAME_OPERATION} {recorded.RECENT}"
# A continuous operation has its failures for years. Only new ones are news.
OLD_FAILURES = (
    f"({recorded.CONTINUOUS_FAILED_ITEMS} <= min_over_time({recorded.CONTINUOUS_FAILED_ITEMS}[${{ended_seconds}}s]))"
)
IS_RUNNING = f"and {SAME_OPERATION} {recorded.RUNNING}"
READ_AGE = (
    f"min {by(OPERATION_LABELS)} (timestamp({LAST_READ}) - {LAST_READ}) and {SAME_OPERATION} {recorded.UNFINISHED}"
)

# A restart or a scrape that fails interrupts a series, and ``for`` would begin again. Ranges bridge these gaps.
RECENT_ACCESS = f"max_over_time({ACCOUNT_ACCESSIBLE}[${{gap}}])"
# The cells of an account share its credentials. Without them, the account has an alert instead of its cells.
UNLESS_INACCESSIBLE = f"unless {ON_ACCOUNT} {RECENT_ACCESS} == 0"
# 1 if an exporter has read nothing completely within the range. A pair of exporters has no spare then.
CELL_DOWN = f"1 - {per_cell('min', f'max_over_time({UP}[${{gap}}]) {UNLESS_INACCESSIBLE}')}"
OWN_ALERT = "access_denied|end_of_support"
# Cells with a reason that has an alert of its own, and cells with another reason.
EXPLAINED = per_cell("max", f'max_over_time({CELL_ERROR}{{reason=~"{OWN_ALERT}"}}[${{rate}}])')
UNEXPLAINED = per_cell("max", f'max_over_time({CELL_ERROR}{{reason!~"{OWN_ALERT}"}}[${{rate}}])')
# The found cells of each shard that AWS denies. Several exporters with the same shard have the same cells.
DENIED_CELLS = per_shard(f"{PREFIX}denied_cells", "aws_region", "kind", applied="max_over_time({}[${gap}])")
RECENT_SHARDS = f"max_over_time({SHARDS}[${{gap}}])"

_operation_alert = partial(
    Alert, group="aws-iot-bulk-operations", labels=OPERATION_LABELS, dashboard="aws-iot-bulk-operation"
)
_exporter_alert = partial(Alert, group="aws-iot-bulk-exporter", dashboard="aws-iot-bulk-exporter")

OPERATION_ALERTS: tuple[Alert, ...] = (
    _operation_alert(
        name="AwsIotBulkOperationFailed",
        query=f"{recorded.FAILED} {IS_RECENT}",
        severity="warning",
        summary="A bulk operation failed",
        description=f"{OPERATION_TEXT} ended with a failed status.{FAILED_TEXT} It makes no further changes, and AWS "
        "cannot resume it. Devices that it did not reach keep their previous state.",
        panel="Status over time",
        for_="5m",
    ),
    # Completed does not mean success. This alert reads the counts and ignores the status.
    _operation_alert(
        name="AwsIotBulkOperationFinishedWithFailures",
        query=f"({recorded.FAILED_ITEMS} unless {SAME_OPERATION} {recorded.UNFINISHED}) {IS_RECENT}"
        f" unless {SAME_OPERATION} ({recorded.FAILED_ITEMS} < ${{failed_items}}"
        f" and {SAME_OPERATION} {recorded.FAILURE_RATIO} <= ${{failed_ratio}})",
        unit="count",
        severity="warning",
        summary="A bulk operation finished, but some of its items failed",
        description=f"{OPERATION_TEXT} has no items left to process. "
        "Failed items: {value}[ of {processed} processed items]. "
        "AWS may show the status Completed for it: that status does not mean that all items succeeded.",
        panel="Counts",
        for_="5m",
    ),
    # The counts of AWS include retried failures. They do not always show how many things failed after their last retry.
    _operation_alert(
        name="AwsIotBulkOperationOutcomeUnknown",
        query=f"({recorded.POSSIBLY_FAILED_ITEMS} unless {SAME_OPERATION} {recorded.UNFINISHED}"
        f" unless {SAME_OPERATION} {recorded.STOPPED}) {IS_RECENT}",
        unit="count",
        severity="info",
        summary="A bulk operation with retries finished, and some of its items may have failed",
        description=f"{OPERATION_TEXT} has no items left to process. Items that may have failed: up to {{value}}, in "
        "addition to those that certainly failed. AWS also counts failures that were retried with success, so that its "
        "counts do not decide this. The list of the job's executions in AWS shows the failed things.",
        panel="Counts",
        for_="5m",
    ),
    _operation_alert(
        name=FAILURE_RATIO_HIGH,
        query=f"({recorded.FAILURE_RATIO} and {SAME_OPERATION} {recorded.PROCESSED_ITEMS} >= ${{items}}) {IS_RUNNING}"
        f" unless {SAME_OPERATION} {OLD_FAILURES}",
        threshold=DEFAULT.failure_ratio,
        unit="ratio",
        severity="warning",
        summary="Many items of a running bulk operation fail",
        description=f"{OPERATION_TEXT} is still running, and {{value}} of its processed items failed.{FAILED_TEXT} "
        "More items may fail until it ends or is stopped.",
        panel="Counts",
        for_="5m",
    ),
    _operation_alert(
        name="AwsIotBulkOperationStalled",
        query=recorded.STALLED_SECONDS,
        unit="seconds",
        severity="warning",
        summary="A running bulk operation makes no progress",
        description=f"{OPERATION_TEXT} has items left to process, but none of its counts has changed for {{value}}."
        f"{LEFT_TEXT}",
        panel="Progress over time",
    ),
    _operation_alert(
        name="AwsIotBulkOperationRunningLong",
        query=f"time() - ({per_operation(SCHEDULED_START)} or {per_operation(CREATED)}) {IS_RUNNING}"
        f" {recorded.UNLESS_CONTINUOUS}",
        threshold=86400,
        unit="seconds",
        severity="info",
        summary="A bulk operation has been running for a long time",
        description=f"{OPERATION_TEXT} started {{value}} ago and still has items left to process.{LEFT_TEXT}",
        panel="Progress over time",
    ),
    _operation_alert(
        name="AwsIotBulkOperationAborted",
        query=f"{per_operation(ABORTED)} {IS_RECENT}",
        severity="warning",
        summary="A bulk operation was cancelled by its own abort criteria",
        description=f"AWS cancelled the operation {{id}}[ ({{name}})] of kind {{kind}} (account {{aws_account_id}}, "
        "Region {aws_region}[, target {target}]), because its failures met its abort criteria."
        f"{FAILED_TEXT}[ Reason code: {{reason_code}}.] The other devices keep their previous state.",
        panel="Counts",
        for_="5m",
    ),
    _operation_alert(
        name="AwsIotBulkOperationStopped",
        query=f"({recorded.STOPPED} unless {SAME_OPERATION} {per_operation(ABORTED)}) {IS_RECENT}",
        severity="info",
        summary="A bulk operation was cancelled or stopped",
        description=f"{OPERATION_TEXT} was cancelled or stopped before all items were processed.{FAILED_TEXT}"
        "[ Reason code: {reason_code}.] Processed items keep their new state. The other items may be unchanged.",
        panel="Status over time",
        for_="5m",
    ),
    _operation_alert(
        name="AwsIotBulkInvalidInputRecords",
        query=f"{recorded.INVALID_ITEMS} {IS_RECENT}",
        unit="count",
        severity="warning",
        summary="The input of a bulk operation contains invalid records",
        description=f"{OPERATION_TEXT} has invalid records in its input. "
        "Invalid records: {value}[ of {processed} processed records]. "
        "AWS cannot process them, and a retry does not help.",
        panel="Counts",
        for_="5m",
    ),
    _operation_alert(
        name="AwsIotBulkRetryStorm",
        query=f"(delta({recorded.RETRIES}[${{rate}}]) > ${{retries}})"
        f" / clamp_min(delta({recorded.PROCESSED_ITEMS}[${{rate}}]), 1) {IS_RUNNING}",
        threshold=1,
        severity="warning",
        summary="A bulk operation makes more retries than it processes items",
        description=f"{OPERATION_TEXT} made {{value}} retries for each item that it processed in the last ${{rate}}.",
        panel="Counts",
        for_="5m",
    ),
    # An alert for each operation would be a flood on the day on which AWS adds a status.
    Alert(
        name="AwsIotBulkOperationStatusUnknown",
        group="aws-iot-bulk-operations",
        query=f"sum {by(KIND_LABELS)} ({per_operation(selector(STATUS, matcher('status', (UNKNOWN,))))} == 1)",
        labels=KIND_LABELS,
        unit="count",
        severity="info",
        summary="Bulk operations have a status that the exporter does not know",
        description="AWS has added a status after this release of the exporter. Operations of kind {kind} in account "
        "{aws_account_id}, Region {aws_region} with such a status: {value}. All alerts treat them as active.",
        dashboard="aws-iot-bulk-fleet",
        panel="Operations by status",
        for_="15m",
    ),
)

EXPORTER_ALERTS: tuple[Alert, ...] = (
    _exporter_alert(
        name="AwsIotBulkExporterDown",
        panel="Exporters",
        query=f"min {BY_TARGET} ({TARGETS_UP})",
        labels=TARGET_LABELS,
        operator="<",
        threshold=1,
        severity="critical",
        summary="Prometheus cannot scrape an exporter",
        description="Prometheus cannot scrape the exporter {instance}${group}. Alerts on its operations cannot fire.",
        for_="5m",
    ),
    _exporter_alert(
        name="AwsIotBulkExporterMissing",
        panel="Exporters",
        # A target that service discovery does not know has no series. Only the number of exporters reveals it. A target
        # that is down has an alert of its own. An exporter that is up counts even if its job has another name.
        query=f"${{exporters}} - (count(count {BY_TARGET} ({BUILD_INFO} or {TARGETS_UP} == 0)) or vector(0))",
        labels=(),
        severity="critical",
        summary="Prometheus scrapes fewer exporters than expected",
        description="Prometheus does not scrape {value} of ${exporters} expected exporters. "
        "Alerts on their operations cannot fire.",
        for_="5m",
        # Only this rule reports that Prometheus itself does not respond.
        query_error="Error",
    ),
    _exporter_alert(
        name="AwsIotBulkExporterRestarting",
        panel="Uptime",
        query=f"max {BY_TARGET} (changes({START_TIME}[${{restart_window}}]))"
        # Other programs have the same metric. Right after a start, the exporter has not been scraped yet.
        f" and {ON_TARGET} last_over_time({BUILD_INFO}[${{restart_window}}])",
        labels=TARGET_LABELS,
        threshold=3,
        severity="warning",
        summary="An exporter restarts repeatedly",
        description="An exporter restarted {value} times within ${restart_window}: {instance}${group}. "
        "After each restart its data is incomplete until it has read everything from AWS.",
    ),
    _exporter_alert(
        name="AwsIotBulkExporterAccountInaccessible",
        panel="Inaccessible accounts",
        query=f"1 - min {by(ACCOUNT_LABELS)} ({RECENT_ACCESS})",
        labels=ACCOUNT_LABELS,
        severity="warning",
        summary="The exporter has no access to an account",
        description="An exporter gets no credentials for account {account} ({aws_account_id}), so it reads none of its "
        "operations. Usually the role does not exist in the account, or its trust policy does not allow the exporter.",
        for_="5m",
    ),
    _exporter_alert(
        name="AwsIotBulkExporterCellDown",
        panel="Cells over time",
        query=f"{CELL_DOWN} unless {on(CELL_LABELS)} ({EXPLAINED} unless {on(CELL_LABELS)} {UNEXPLAINED})",
        labels=CELL_LABELS,
        severity="warning",
        summary="The exporter cannot read operations from AWS",
        description=f"An exporter cannot read all {CELL_TEXT}. [The reason is {{reason}}. ]"
        "New operations may be missing, and the data of known operations becomes stale.",
        for_="5m",
    ),
    _exporter_alert(
        name="AwsIotBulkExporterAccessDenied",
        panel="Cells down by reason",
        query=per_cell("max", f'max_over_time({CELL_ERROR}{{reason="access_denied"}}[${{gap}}])')
        + f" and {on(CELL_LABELS)} {CELL_DOWN} == 1",
        labels=CELL_LABELS,
        severity="warning",
        summary="AWS denies the exporter access",
        description=f"AWS denies a request that an exporter needs to read {CELL_TEXT}. "
        "An IAM permission is missing, or a policy of the organization forbids the request.",
        for_="5m",
    ),
    # One alert for all of them: a policy of an organization that forbids a Region denies it in every account.
    _exporter_alert(
        name="AwsIotBulkExporterFoundCellsDenied",
        panel="Denied cells",
        query=f"sum {BY_RELEASE} ({DENIED_CELLS})",
        labels=GROUPING,
        unit="count",
        severity="warning",
        summary="AWS denies the exporter access to found accounts or Regions",
        description="AWS denies access to {value} cells of accounts or Regions that the exporter found${group}. No "
        "operation of these cells is known. A policy of the organization forbids a Region, or an IAM permission is "
        "missing.",
        # A cell is tried again after at most a quarter of an hour. AWS may deny the first calls with a new role.
        for_="30m",
    ),
    _exporter_alert(
        name="AwsIotBulkExporterDataStale",
        panel="Oldest success",
        # The value 0 means that no refresh has succeeded yet. CellDown covers that case.
        query=f"time() - {per_cell('max', f'{PREFIX}last_success_timestamp_seconds > 0 {UNLESS_INACCESSIBLE}')}"
        f' unless {on(CELL_LABELS)} {CELL_ERROR}{{reason="end_of_support"}}',
        labels=CELL_LABELS,
        threshold=1800,
        unit="seconds",
        severity="warning",
        summary="The exporter's data is stale",
        description=f"No exporter has completely read the {CELL_TEXT} for {{value}}.",
    ),
    _exporter_alert(
        name="AwsIotBulkExporterThrottled",
        panel="Errors",
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
        panel="Budget",
        # The age is measured at the scrape, so that it does not depend on the scrape interval. A failing request is
        # a different cause and has an alert of its own.
        query=f"max {by(KIND_LABELS)} ({READ_AGE}) unless {on(KIND_LABELS)} {CELL_ERROR}",
        labels=KIND_LABELS,
        # With the longest scrape interval of 5 minutes, the data of a scrape may be as old as that.
        threshold=450,
        unit="seconds",
        severity="warning",
        summary="The exporter's request budget is too small for the number of operations",
        description="No request fails, but Prometheus scraped data that was {value} old for an unfinished operation of "
        "kind {kind} in account {aws_account_id}, Region {aws_region}.",
        for_="10m",
    ),
    _exporter_alert(
        name="AwsIotBulkExporterConfigReloadFailed",
        panel="Configuration",
        query=f"min {BY_TARGET} ({PREFIX}config_last_reload_successful)",
        labels=TARGET_LABELS,
        operator="<",
        threshold=1,
        severity="warning",
        summary="The exporter rejected its new configuration",
        description="An exporter rejected its new configuration as invalid: {instance}${group}. "
        "It still uses the previous configuration and cannot start with the new one.",
        for_="1m",
    ),
    _exporter_alert(
        name="AwsIotBulkExporterStateFileUnusable",
        panel="State file",
        query=f"min {BY_TARGET} (max_over_time({PREFIX}state_file_usable[${{gap}}]))",
        labels=TARGET_LABELS,
        operator="<",
        threshold=1,
        severity="warning",
        summary="An exporter cannot use its state file",
        description="An exporter cannot read or write its state file: {instance}${group}. "
        "After a restart it has to read all ended operations from AWS again.",
        for_="10m",
    ),
    _exporter_alert(
        name="AwsIotBulkExporterOrganizationUnreadable",
        panel="Accounts of organizations",
        # The exporter repeats a failed reading after a minute, so that a single failure is over long before.
        query=f"min by (${{grouping}}, organization)"
        f" (max_over_time({PREFIX}organization_last_read_successful[${{gap}}]))",
        labels=(*GROUPING, "organization"),
        operator="<",
        threshold=1,
        severity="warning",
        summary="The exporter cannot read the accounts of an organization",
        description="An exporter cannot read the accounts of {organization} in its configuration${group}. "
        "It watches the accounts of the last list that it has read, or none if it has never read one.",
        for_="10m",
    ),
    _exporter_alert(
        name="AwsIotBulkExporterShardMismatch",
        panel="Shards missing",
        query=f"abs(max {BY_RELEASE} ({RECENT_SHARDS}) - {shard_count(f'max_over_time({SHARD_ORDINAL}[${{gap}}])')})"
        f" + (max {BY_RELEASE} ({RECENT_SHARDS}) - min {BY_RELEASE} ({RECENT_SHARDS}))",
        labels=GROUPING,
        severity="critical",
        summary="Shards of the exporter are missing or disagree",
        description="Shards are missing or use different totals in the release with these labels${group}. "
        "No exporter watches the accounts and Regions of a missing shard.",
        for_="15m",
    ),
    _exporter_alert(
        name="AwsIotBulkExporterActiveOmitted",
        panel="Cells",
        query=per_cell("max", f"{PREFIX}active_operations_omitted"),
        labels=CELL_LABELS,
        severity="warning",
        summary="The exporter does not watch all active operations",
        description=f"Active {CELL_TEXT} are beyond the limit max_operations: {{value}}. "
        "They have no metrics, so alerts on these operations cannot fire.",
        for_="10m",
    ),
    _exporter_alert(
        name="AwsIotBulkExporterUnknownIds",
        panel="Cells",
        query=per_cell("max", f"{PREFIX}unknown_ids"),
        labels=CELL_LABELS,
        severity="info",
        summary="The configuration contains ids that AWS does not know",
        description=f"AWS does not know some configured ids of {CELL_TEXT}: {{value}}. "
        "The field unknown_ids of /api/v1/cells and the status page of the exporter contain these ids.",
        for_="15m",
    ),
    _exporter_alert(
        name="AwsIotGreengrassV1EndOfSupport",
        panel="Cells",
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
