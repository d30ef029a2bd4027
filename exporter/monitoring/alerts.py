"""The alerts, once: every format that is shipped is printed from this table, so that they cannot drift apart."""

from __future__ import annotations

from functools import partial
from typing import Final

from exporter.monitoring import records as recorded
from exporter.monitoring.records import READ, SAME
from exporter.monitoring.rule import OF_API, OF_CELL, OF_OPERATION, OF_TARGET, Alert, by, on

OPERATIONS: Final = "aws-iot-bulk-operations"
EXPORTER: Final = "aws-iot-bulk-exporter"

THE_OPERATION = "The {kind} {id} in account {aws_account_id}, Region {aws_region}"
THE_CELL = "operations of kind {kind} in account {account} ({aws_account_id}), Region {aws_region}"
IS_RECENT = f"and {SAME} {recorded.RECENT}"
IS_RUNNING = f"and {SAME} {recorded.RUNNING}"
OF_KIND = ("aws_account_id", "aws_region", "kind")
READ_AGE = f"min {by(OF_OPERATION)} (timestamp({READ}) - {READ}) and {SAME} {recorded.UNFINISHED}"
ERROR = "aws_iot_bulk_exporter_cell_error"
SEEN = "last_over_time(aws_iot_bulk_exporter_build_info[1d])"
SHARDS = "aws_iot_bulk_exporter_shard_total"
ORDINALS = 'count by (job) (count_values by (job) ("ordinal", aws_iot_bulk_exporter_shard_ordinal))'

_of_operation = partial(Alert, group=OPERATIONS, labels=OF_OPERATION, dashboard="aws-iot-bulk-operation")
_of_exporter = partial(Alert, group=EXPORTER, dashboard="aws-iot-bulk-exporter")

ON_OPERATIONS: tuple[Alert, ...] = (
    _of_operation(
        name="AwsIotBulkOperationFailed",
        query=f"{recorded.FAILED} {IS_RECENT}",
        severity="critical",
        summary="A bulk operation failed",
        description=f"{THE_OPERATION} ended with a status that says it failed.",
    ),
    # Completed does not mean success: this one reads the counts, whatever the status is.
    _of_operation(
        name="AwsIotBulkOperationFinishedWithFailures",
        query=f"({recorded.FAILED_ITEMS} unless {SAME} {recorded.UNFINISHED}) {IS_RECENT}",
        severity="warning",
        summary="A bulk operation came to its end, and items of it failed",
        description=f"{THE_OPERATION} has nothing left to do. Items that failed: {{value}}. "
        "A status such as Completed does not change that.",
    ),
    _of_operation(
        name="AwsIotBulkFailureRatioHigh",
        query=f"({recorded.FAILURE_RATIO} and {SAME} {recorded.PROCESSED_ITEMS} >= ${{items}}) {IS_RUNNING}",
        threshold=0.05,
        unit="ratio",
        severity="warning",
        summary="Many items of a running bulk operation fail",
        description=f"{THE_OPERATION} goes on, and {{value}} of what it has processed so far failed.",
        for_="5m",
    ),
    _of_operation(
        name="AwsIotBulkOperationStalled",
        query=recorded.UNMOVED,
        severity="warning",
        summary="A bulk operation stands still",
        description=f"{THE_OPERATION} has items left, and no count of it has changed for ${{stalled}}.",
    ),
    _of_operation(
        name="AwsIotBulkOperationRunningLong",
        query=f"time() - {recorded.CREATED} {IS_RUNNING}",
        threshold=86400,
        unit="seconds",
        severity="info",
        summary="A bulk operation has been running for long",
        description=f"{THE_OPERATION} was created {{value}} ago and still has items left.",
    ),
    _of_operation(
        name="AwsIotBulkOperationStopped",
        query=f"{recorded.STOPPED} {IS_RECENT}",
        severity="info",
        summary="A bulk operation was stopped before its end",
        description=f"{THE_OPERATION} was cancelled or stopped. "
        "What it had done by then stays done; the rest of its items may be untouched.",
    ),
    _of_operation(
        name="AwsIotBulkInvalidInputRecords",
        query=f"{recorded.INVALID_ITEMS} {IS_RECENT}",
        severity="warning",
        summary="Records in the input of a bulk operation are invalid",
        description=f"{THE_OPERATION} met records with an error that no retry cures: {{value}}.",
    ),
    _of_operation(
        name="AwsIotBulkRetryStorm",
        query=f"(delta({recorded.RETRIES}[${{rate}}]) > ${{retries}})"
        f" / clamp_min(delta({recorded.PROCESSED_ITEMS}[${{rate}}]), 1) {IS_RUNNING}",
        threshold=1,
        severity="warning",
        summary="A bulk operation retries more than it gets done",
        description=f"{THE_OPERATION} has made {{value}} retries for each item it processed in the last ${{rate}}.",
        for_="5m",
    ),
)

ON_EXPORTER: tuple[Alert, ...] = (
    _of_exporter(
        name="AwsIotBulkExporterDown",
        # The job may have any name: a target is an exporter if it has said so within a day.
        query=f"min {by(OF_TARGET)} (up and {on(OF_TARGET)} {SEEN})"
        " or on () absent(aws_iot_bulk_exporter_build_info) - 1",
        labels=OF_TARGET,
        operator="<",
        threshold=1,
        severity="critical",
        summary="Prometheus cannot scrape the exporter",
        description="The exporter {instance} of the job {job} does not answer Prometheus. "
        "Where no instance is named, there has been no exporter for a day.",
        for_="5m",
        # The query always has an answer, so that none at all means that Prometheus has nothing.
        no_data="Alerting",
        # One rule has to say that Prometheus itself does not answer; the others keep quiet about it.
        query_error="Error",
    ),
    _of_exporter(
        name="AwsIotBulkExporterCellDown",
        # The highest of a pair: when one of the two cannot read AWS, the spare is gone, and nobody would know.
        query=f'max {by((*OF_CELL, "reason"))} ({ERROR}{{reason!~"access_denied|end_of_support"}})',
        labels=(*OF_CELL, "reason"),
        severity="warning",
        summary="The exporter cannot read operations from AWS",
        description=f"An exporter cannot read all {THE_CELL}. The reason is {{reason}}.",
        for_="10m",
    ),
    _of_exporter(
        name="AwsIotBulkExporterAccessDenied",
        query=f'max {by(OF_CELL)} ({ERROR}{{reason="access_denied"}})',
        labels=OF_CELL,
        severity="warning",
        summary="AWS denies the exporter access",
        description=f"AWS refuses a call that an exporter needs to read {THE_CELL}: a permission is missing.",
        for_="10m",
    ),
    _of_exporter(
        name="AwsIotBulkExporterDataStale",
        # Zero stands for never: then the cell's error tells why.
        query=f"time() - max {by(OF_CELL)} (aws_iot_bulk_exporter_last_success_timestamp_seconds > 0)"
        f' unless {on(OF_CELL)} {ERROR}{{reason=~"end_of_support|not_found"}}',
        labels=OF_CELL,
        threshold=1800,
        unit="seconds",
        severity="warning",
        summary="The exporter's figures are old",
        description=f"No exporter has read all {THE_CELL} for {{value}}.",
    ),
    _of_exporter(
        name="AwsIotBulkExporterThrottled",
        query=recorded.THROTTLED,
        labels=OF_API,
        threshold=0.05,
        unit="ratio",
        severity="warning",
        summary="AWS throttles the exporter",
        description="AWS throttled {value} of the calls to {service} {api} in account {aws_account_id}, "
        "Region {aws_region}: others use the same quota.",
        for_="10m",
    ),
    _of_exporter(
        name="AwsIotBulkExporterBudgetTooSmall",
        # The age at the scrape, whatever the scrape interval; where a call fails, that is the cause.
        query=f'max {by(OF_KIND)} ({READ_AGE}) unless {on(OF_KIND)} {ERROR}{{reason!="not_found"}}',
        labels=OF_KIND,
        threshold=300,
        unit="seconds",
        severity="warning",
        summary="The exporter's budget is too small for the number of operations",
        description="No call fails, and yet an unfinished operation of kind {kind} in account {aws_account_id}, "
        "Region {aws_region} was read {value} before it was scraped.",
        for_="10m",
    ),
    _of_exporter(
        name="AwsIotBulkExporterConfigReloadFailed",
        query=f"min {by(OF_TARGET)} (aws_iot_bulk_exporter_config_last_reload_successful)",
        labels=OF_TARGET,
        operator="<",
        threshold=1,
        severity="warning",
        summary="The exporter refused its new configuration",
        description="The exporter {instance} of the job {job} keeps its old configuration: the new one is wrong.",
        for_="1m",
    ),
    _of_exporter(
        name="AwsIotBulkExporterShardMismatch",
        query=f"abs(max by (job) ({SHARDS}) - {ORDINALS}) + (max by (job) ({SHARDS}) - min by (job) ({SHARDS}))",
        labels=("job",),
        severity="critical",
        summary="Shards of the exporter are missing",
        description="The shards of the job {job} do not agree on how many they are, or some are missing: "
        "nobody watches the accounts and Regions of those.",
        for_="15m",
    ),
    _of_exporter(
        name="AwsIotGreengrassV1EndOfSupport",
        query=recorded.SUPPORT_ENDED,
        labels=OF_CELL,
        unit="seconds",
        severity="info",
        summary="The exporter watches a service whose support has ended",
        description=f"AWS ended its support {{value}} ago: {THE_CELL}.",
        for_="1h",
    ),
)

ALERTS = ON_OPERATIONS + ON_EXPORTER
