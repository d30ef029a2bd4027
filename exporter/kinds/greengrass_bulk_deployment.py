"""Bulk deployments of AWS IoT Greengrass V1, which StartBulkDeployment starts.

    aws_greengrass_bulk_deployment_processed_records{...,id="4c0f"} 4980
    aws_greengrass_bulk_deployment_invalid_input_records{...,id="4c0f"} 20

AWS: https://docs.aws.amazon.com/greengrass/v1/apireference/getbulkdeploymentstatus-get.html
AWS ended the support of Greengrass V1 on 2026-10-07, so this kind is not watched by default.
"""

import re
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from exporter.core.clock import rfc3339
from exporter.core.model import ItemCounts, Operation
from exporter.kinds import response
from exporter.kinds.failure_reason import reason_text
from exporter.kinds.kind import (
    Api,
    ApiCall,
    Discovery,
    FailedItem,
    FailureSource,
    FetchRequest,
    ItemSeries,
    Kind,
    ListEntry,
    Option,
    Options,
    SeriesSelector,
    Simulation,
)
from exporter.kinds.metric import breakdown, gauge
from exporter.kinds.response import Response
from exporter.kinds.simulated_operation import SimulatedOperation

RESOURCE = "arn:*:greengrass:*:*:/greengrass/bulk/deployments/*"
# The quota of 30 calls per second applies to all APIs of Greengrass V1 together.
BUCKET = "greengrass"
STATUS = ApiCall("greengrass", "GetBulkDeploymentStatus", quota=30, bucket=BUCKET, resource=RESOURCE)
LIST = ApiCall("greengrass", "ListBulkDeployments", quota=30, bucket=BUCKET)
REPORTS = ApiCall("greengrass", "ListBulkDeploymentDetailedReports", quota=30, bucket=BUCKET, resource=RESOURCE)
DETAILS = Option("details", "Count the group deployments of each bulk deployment by status.", (REPORTS,))

PROCESSED = "aws_greengrass_bulk_deployment_processed_records"
INVALID = "aws_greengrass_bulk_deployment_invalid_input_records"
RETRIES = "aws_greengrass_bulk_deployment_retry_attempts"
GROUPS = "aws_greengrass_bulk_deployment_groups"

ACTIVE = frozenset({"Initializing", "Running", "Stopping"})
GROUP_STATUSES = ("Building", "InProgress", "Success", "Failure", "Unknown")
FAILED_GROUP = "Failure"
FINAL_GROUP_STATUSES = ("Success", FAILED_GROUP)
# AWS does not document the error codes. Long codes, and those above the limit, count as ``OTHER_CODE``.
CODE = re.compile(r"[A-Za-z0-9_.-]{1,64}")
MAX_CODES = 20
OTHER_CODE = "Other"

# The number of items by status or by code.
Counts = tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class GreengrassBulkDeployment(Operation):
    """A bulk deployment with its counts. They are None if AWS did not send them, or the option is off."""

    processed: int | None
    invalid: int | None
    retries: int | None
    errors: Counts
    groups: Counts | None = None


async def fetch(api: Api, request: FetchRequest[GreengrassBulkDeployment]) -> GreengrassBulkDeployment:
    """Return the requested bulk deployment, with its group deployments if the option is on."""
    description = await api.call(STATUS, BulkDeploymentId=request.id)
    groups = await _groups(api, request.id) if DETAILS.name in request.options else None
    return parse(request.id, description, groups)


async def _groups(api: Api, id: str) -> Counts:
    statuses: dict[str, str] = {}
    async for page in api.pages(REPORTS, BulkDeploymentId=id):
        for report in response.structures(page, "Deployments"):
            status = response.required_text(report, "DeploymentStatus")
            # A list that changes while it is read can contain a group twice.
            key = response.text(report, "DeploymentId") or f"{len(statuses)}"
            statuses[key] = status if status in GROUP_STATUSES else GROUP_STATUSES[-1]
    counts = Counter(statuses.values())
    return tuple((status, counts[status]) for status in GROUP_STATUSES)


def parse(id: str, description: Response, groups: Counts | None = None) -> GreengrassBulkDeployment:
    """Return the bulk deployment in a response of GetBulkDeploymentStatus."""
    metrics = response.structure(description, "BulkDeploymentMetrics")
    return GreengrassBulkDeployment(
        id=id,
        status=response.required_text(description, "BulkDeploymentStatus"),
        created=response.iso_timestamp(description, "CreatedAt"),
        tags=response.tags(description, "tags"),
        processed=response.count(metrics, "RecordsProcessed"),
        invalid=response.count(metrics, "InvalidInputRecords"),
        retries=response.count(metrics, "RetryAttempts"),
        errors=_errors(description),
        groups=groups,
    )


def _errors(description: Response) -> Counts:
    codes = (response.text(detail, "DetailedErrorCode") for detail in response.structures(description, "ErrorDetails"))
    counts = Counter(code if CODE.fullmatch(code) else OTHER_CODE for code in codes)
    kept = dict(sorted(counts.items())[:MAX_CODES])
    if rest := counts.total() - sum(kept.values()):
        kept[OTHER_CODE] = kept.get(OTHER_CODE, 0) + rest
    return tuple(sorted(kept.items()))


def is_final(deployment: GreengrassBulkDeployment, options: Options) -> bool:
    """Return whether nothing can change any more. Groups of a completed bulk deployment can still be in progress."""
    unfinished = any(count for status, count in deployment.groups or () if status not in FINAL_GROUP_STATUSES)
    return not KIND.is_active(deployment.status) and not unfinished


def item_counts(deployment: GreengrassBulkDeployment) -> ItemCounts:
    """Return the number of succeeded and failed group deployments. Without the option, only invalid records count.

    An invalid record may have no group deployment.
    """
    if deployment.groups is None:
        return ItemCounts(None, deployment.invalid, deployment.processed)
    groups = dict(deployment.groups)
    return ItemCounts(groups["Success"], max(groups["Failure"], deployment.invalid or 0), deployment.processed)


def entries(page: Response) -> Iterable[ListEntry]:
    """Return the bulk deployments on a page of the list, which has no statuses."""
    for entry in response.structures(page, "BulkDeployments"):
        id = response.required_text(entry, "BulkDeploymentId")
        yield ListEntry(id, response.iso_timestamp(entry, "CreatedAt"))


async def failed_groups(
    api: Api, deployment: GreengrassBulkDeployment, state: str, limit: int
) -> AsyncIterator[Sequence[FailedItem]]:
    """Yield the pages of group deployments in one state, with their errors. The list has no filter for it."""
    async for page in api.pages(REPORTS, BulkDeploymentId=deployment.id):
        reports = response.structures(page, "Deployments")
        yield [_failed_group(report) for report in reports if response.text(report, "DeploymentStatus") == state]


def _failed_group(report: Response) -> FailedItem:
    details = response.structures(report, "ErrorDetails")
    errors = (
        ": ".join(filter(None, (detail.get("DetailedErrorCode"), detail.get("DetailedErrorMessage"))))
        for detail in details
    )
    return FailedItem(
        item=group_name(response.text(report, "GroupArn")) or response.text(report, "DeploymentId"),
        state=response.required_text(report, "DeploymentStatus"),
        # The message is often that of one of the details.
        reason=reason_text(dict.fromkeys((report.get("ErrorMessage", ""), *errors))),
        at=response.iso_timestamp(report, "CreatedAt"),
    )


def group_name(arn: str) -> str:
    """Return the id of a group and its version, such as ``ID/versions/VERSION``."""
    return arn.partition(":/greengrass/groups/")[2]


def _simulated_status(deployment: SimulatedOperation) -> dict[str, Any]:
    return {
        "BulkDeploymentStatus": deployment.status,
        "BulkDeploymentMetrics": {
            "RecordsProcessed": deployment.processed,
            "InvalidInputRecords": deployment.failed,
            "RetryAttempts": deployment.retries,
        },
        "CreatedAt": _created_at(deployment),
        "tags": dict(deployment.tags),
        **({"ErrorMessage": deployment.message} if deployment.message else {}),
        "ErrorDetails": [
            {"DetailedErrorCode": code, "DetailedErrorMessage": deployment.message} for code in deployment.error_codes
        ],
    }


def _simulated_entry(deployment: SimulatedOperation) -> dict[str, Any]:
    return {
        "BulkDeploymentArn": f"arn:aws:greengrass:{deployment.region}:{deployment.account}"
        f":/greengrass/bulk/deployments/{deployment.id}",
        "BulkDeploymentId": deployment.id,
        "CreatedAt": _created_at(deployment),
    }


def _simulated_reports(deployment: SimulatedOperation) -> dict[str, Any]:
    running = min(1, deployment.items - deployment.processed) if deployment.status in ACTIVE else 0
    # A generator, because a deployment can have 200,000 groups and a response contains one page of them.
    return {"Deployments": (_simulated_report(deployment, number) for number in range(deployment.processed + running))}


def _simulated_report(deployment: SimulatedOperation, number: int) -> dict[str, Any]:
    """Return the report of one group: first the succeeded groups, then the failed ones, then the one in progress."""
    failure = number - deployment.succeeded
    status = "Success" if failure < 0 else FAILED_GROUP if failure < deployment.failed else "InProgress"
    return {
        "CreatedAt": _created_at(deployment),
        "DeploymentId": f"{deployment.id}-{number}",
        "DeploymentStatus": status,
        "DeploymentType": "NewDeployment",
        "GroupArn": f"arn:aws:greengrass:{deployment.region}:{deployment.account}"
        f":/greengrass/groups/group-{number}/versions/1",
        **(_simulated_errors(deployment, failure) if status == FAILED_GROUP else {}),
    }


def _simulated_errors(deployment: SimulatedOperation, number: int) -> dict[str, Any]:
    reason = deployment.failure_reason(number)
    return {"ErrorMessage": reason, "ErrorDetails": [{"DetailedErrorMessage": reason}]} if reason else {}


def _created_at(deployment: SimulatedOperation) -> str:
    return rfc3339(deployment.created, "milliseconds")


KIND: Kind[GreengrassBulkDeployment] = Kind(
    name="greengrass_bulk_deployment",
    title="bulk deployment of Greengrass V1 groups",
    reference="https://docs.aws.amazon.com/greengrass/v1/developerguide/bulk-deploy-cli.html",
    operation=GreengrassBulkDeployment,
    statuses=("Initializing", "Running", "Completed", "Stopping", "Stopped", "Failed"),
    active=ACTIVE,
    completed=frozenset({"Completed"}),
    id_parameter="BulkDeploymentId",
    id_length=40,
    describe_calls=(STATUS,),
    discovery=Discovery(LIST, entries),
    fetch=fetch,
    is_final=is_final,
    item_counts=item_counts,
    metrics=(
        gauge(
            PROCESSED,
            "Number of records of the input file that were attempted (AWS: RecordsProcessed).",
            lambda deployment: deployment.processed,
        ),
        gauge(
            INVALID,
            "Number of records that failed with an error that is not retryable (AWS: InvalidInputRecords).",
            lambda deployment: deployment.invalid,
        ),
        gauge(
            RETRIES,
            "Number of deployment attempts that failed with a retryable error (AWS: RetryAttempts).",
            lambda deployment: deployment.retries,
        ),
        breakdown(
            "aws_greengrass_bulk_deployment_errors",
            "Number of errors of the bulk deployment by error code (AWS: ErrorDetails).",
            "code",
            lambda deployment: deployment.errors,
        ),
        breakdown(
            GROUPS,
            "Number of group deployments by status, if the option details is on (AWS: DeploymentStatus).",
            "status",
            lambda deployment: deployment.groups,
        ),
    ),
    simulation=Simulation(responses={STATUS: _simulated_status, REPORTS: _simulated_reports}, entry=_simulated_entry),
    items=ItemSeries(
        succeeded=(SeriesSelector(GROUPS, "status", ("Success",)),),
        failed=(SeriesSelector(INVALID), SeriesSelector(GROUPS, "status", ("Failure",))),
        processed=(SeriesSelector(PROCESSED),),
        invalid=(SeriesSelector(INVALID),),
        retried=(SeriesSelector(RETRIES),),
    ),
    failed=frozenset({"Failed"}),
    stopped=frozenset({"Stopped"}),
    ending=frozenset({"Stopping"}),
    reports_update=False,
    options=(DETAILS,),
    failures=FailureSource(calls=(REPORTS,), states=(FAILED_GROUP,), find=failed_groups),
    support_ended=datetime(2026, 10, 7, tzinfo=UTC),
    by_default=False,
)
