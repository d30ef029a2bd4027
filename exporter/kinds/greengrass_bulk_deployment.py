"""Bulk deployments of AWS IoT Greengrass V1: StartBulkDeployment and what became of it.

    aws_greengrass_bulk_deployment_processed_records{...,id="4c0f"} 4980
    aws_greengrass_bulk_deployment_invalid_input_records{...,id="4c0f"} 20

AWS: https://docs.aws.amazon.com/greengrass/v1/apireference/getbulkdeploymentstatus-get.html
AWS ended the support of Greengrass V1 on 2026-10-07, so nobody watches this kind without asking for it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from exporter.core.model import ItemCounts, Operation
from exporter.kinds import response
from exporter.kinds.kind import (
    Api,
    ApiCall,
    Discovery,
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
from exporter.kinds.response import Answer
from exporter.kinds.simulated_operation import SimulatedOperation

RESOURCE = "arn:*:greengrass:*:*:/greengrass/bulk/deployments/*"
OVERALL = "greengrass"
"""AWS counts 30 calls a second for all APIs of Greengrass V1 together."""
STATUS = ApiCall("greengrass", "GetBulkDeploymentStatus", quota=30, bucket=OVERALL, resource=RESOURCE)
LIST = ApiCall("greengrass", "ListBulkDeployments", quota=30, bucket=OVERALL)
REPORTS = ApiCall("greengrass", "ListBulkDeploymentDetailedReports", quota=30, bucket=OVERALL, resource=RESOURCE)
DETAILS = Option("details", "Count the group deployments of each bulk deployment by status.", (REPORTS,))

PROCESSED = "aws_greengrass_bulk_deployment_processed_records"
INVALID = "aws_greengrass_bulk_deployment_invalid_input_records"
RETRIES = "aws_greengrass_bulk_deployment_retry_attempts"
GROUPS = "aws_greengrass_bulk_deployment_groups"

ACTIVE = frozenset({"Initializing", "Running", "Stopping"})
GROUP_STATUSES = ("Building", "InProgress", "Success", "Failure", "Unknown")
FINAL_GROUP_STATUSES = ("Success", "Failure")
CODE = re.compile(r"[A-Za-z0-9_.-]{1,64}")
MOST_CODES = 20
"""AWS does not document the codes: what is no short word, or one code too many, is counted as another."""
OTHER_CODES = "Other"

Counts = tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class GreengrassBulkDeployment(Operation):
    """A bulk deployment with its counts; None where AWS sent none, or was not asked."""

    processed: int | None
    invalid: int | None
    retries: int | None
    errors: Counts
    groups: Counts | None = None


async def fetch(api: Api, wanted: FetchRequest[GreengrassBulkDeployment]) -> GreengrassBulkDeployment:
    """Return the bulk deployment that is wanted, with its groups where the option asks for them."""
    described = await api.call(STATUS, BulkDeploymentId=wanted.id)
    groups = await _groups(api, wanted.id) if DETAILS.name in wanted.options else None
    return parse(wanted.id, described, groups)


async def _groups(api: Api, id: str) -> Counts:
    found: dict[str, str] = {}
    async for page in api.pages(REPORTS, BulkDeploymentId=id):
        for report in response.structures(page, "Deployments"):
            status = response.status(report, "DeploymentStatus")
            # A list that moves while it is read may tell of a group twice.
            key = response.text(report, "DeploymentId") or f"{len(found)}"
            found[key] = status if status in GROUP_STATUSES else GROUP_STATUSES[-1]
    counts = Counter(found.values())
    return tuple((status, counts[status]) for status in GROUP_STATUSES)


def parse(id: str, described: Answer, groups: Counts | None = None) -> GreengrassBulkDeployment:
    """Return the bulk deployment that an answer of GetBulkDeploymentStatus describes; it does not echo the id."""
    metrics = response.structure(described, "BulkDeploymentMetrics")
    return GreengrassBulkDeployment(
        id=id,
        status=response.status(described, "BulkDeploymentStatus"),
        created=response.iso_timestamp(described, "CreatedAt"),
        tags=response.tags(described, "tags"),
        processed=response.count(metrics, "RecordsProcessed"),
        invalid=response.count(metrics, "InvalidInputRecords"),
        retries=response.count(metrics, "RetryAttempts"),
        errors=_errors(described),
        groups=groups,
    )


def _errors(described: Answer) -> Counts:
    codes = (response.text(detail, "DetailedErrorCode") for detail in response.structures(described, "ErrorDetails"))
    found = Counter(code if CODE.fullmatch(code) else OTHER_CODES for code in codes)
    kept = dict(sorted(found.items())[:MOST_CODES])
    if rest := found.total() - sum(kept.values()):
        kept[OTHER_CODES] = kept.get(OTHER_CODES, 0) + rest
    return tuple(sorted(kept.items()))


def is_final(deployment: GreengrassBulkDeployment, options: Options) -> bool:
    """Tell whether nothing can change any more; groups may go on after the bulk deployment is completed."""
    under_way = any(number for status, number in deployment.groups or () if status not in FINAL_GROUP_STATUSES)
    return not KIND.is_active(deployment.status) and not under_way


def item_counts(deployment: GreengrassBulkDeployment) -> ItemCounts:
    """Return how many group deployments ended well and badly; without details only the invalid records are known.

    A record that is invalid may never have become a group deployment.
    """
    if deployment.groups is None:
        return ItemCounts(None, deployment.invalid)
    groups = dict(deployment.groups)
    return ItemCounts(groups["Success"], max(groups["Failure"], deployment.invalid or 0))


def entries(page: Answer) -> Iterable[ListEntry]:
    """Return the bulk deployments on a page of the list, which says when they were created, but not their status."""
    for entry in response.structures(page, "BulkDeployments"):
        id = response.status(entry, "BulkDeploymentId")
        yield ListEntry(id, response.iso_timestamp(entry, "CreatedAt"))


def simulated_status(deployment: SimulatedOperation) -> dict[str, Any]:
    """Return what GetBulkDeploymentStatus answers for a simulated bulk deployment."""
    return {
        "BulkDeploymentStatus": deployment.status,
        "BulkDeploymentMetrics": {
            "RecordsProcessed": deployment.processed,
            "InvalidInputRecords": deployment.failed,
            "RetryAttempts": deployment.retries,
        },
        "CreatedAt": _written(deployment),
        "tags": dict(deployment.tags),
        **({"ErrorMessage": deployment.message} if deployment.message else {}),
        "ErrorDetails": [
            {"DetailedErrorCode": code, "DetailedErrorMessage": deployment.message} for code in deployment.error_codes
        ],
    }


def simulated_entry(deployment: SimulatedOperation) -> dict[str, Any]:
    """Return what ListBulkDeployments says of a simulated bulk deployment."""
    return {
        "BulkDeploymentArn": f"arn:aws:greengrass:{deployment.region}:{deployment.account}"
        f":/greengrass/bulk/deployments/{deployment.id}",
        "BulkDeploymentId": deployment.id,
        "CreatedAt": _written(deployment),
    }


def simulated_reports(deployment: SimulatedOperation) -> dict[str, Any]:
    """Return what ListBulkDeploymentDetailedReports answers: a group for each record that is done or under way."""
    under_way = min(1, deployment.items - deployment.processed) if deployment.status in ACTIVE else 0
    counts = {"Success": deployment.succeeded, "Failure": deployment.failed, "InProgress": under_way}
    statuses = [status for status, number in counts.items() for _ in range(number)]
    return {
        "Deployments": [
            {
                "CreatedAt": _written(deployment),
                "DeploymentId": f"{deployment.id}-{number}",
                "DeploymentStatus": status,
                "DeploymentType": "NewDeployment",
                "GroupArn": f"arn:aws:greengrass:{deployment.region}:{deployment.account}"
                f":/greengrass/groups/group-{number}/versions/1",
            }
            for number, status in enumerate(statuses)
        ]
    }


def _written(deployment: SimulatedOperation) -> str:
    return deployment.created.isoformat(timespec="milliseconds").replace("+00:00", "Z")


KIND: Kind[GreengrassBulkDeployment] = Kind(
    name="greengrass_bulk_deployment",
    title="bulk deployment of Greengrass V1 groups",
    reference="https://docs.aws.amazon.com/greengrass/v1/developerguide/bulk-deploy-cli.html",
    operation=GreengrassBulkDeployment,
    statuses=("Initializing", "Running", "Completed", "Stopping", "Stopped", "Failed"),
    active=ACTIVE,
    completes=frozenset({"Completed"}),
    id_parameter="BulkDeploymentId",
    id_length=40,
    describes=(STATUS,),
    discovery=Discovery(LIST, entries),
    fetch=fetch,
    final=is_final,
    item_counts=item_counts,
    metrics=(
        gauge(
            PROCESSED,
            "Group records of the input file that were processed or attempted (AWS: RecordsProcessed).",
            lambda deployment: deployment.processed,
        ),
        gauge(
            INVALID,
            "Records that met an error which a retry cannot cure (AWS: InvalidInputRecords).",
            lambda deployment: deployment.invalid,
        ),
        gauge(
            RETRIES,
            "Deployment attempts that met an error which a retry may cure (AWS: RetryAttempts).",
            lambda deployment: deployment.retries,
        ),
        breakdown(
            "aws_greengrass_bulk_deployment_errors",
            "Errors of the bulk deployment by code (AWS: ErrorDetails, DetailedErrorCode).",
            "code",
            lambda deployment: deployment.errors,
        ),
        breakdown(
            GROUPS,
            "Group deployments by status, where the option details is on (AWS: DeploymentStatus).",
            "status",
            lambda deployment: deployment.groups,
        ),
    ),
    simulation=Simulation(
        answers={STATUS: simulated_status, REPORTS: simulated_reports},
        entry=simulated_entry,
    ),
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
    options=(DETAILS,),
    support_ended=datetime(2026, 10, 7, tzinfo=UTC),
    by_default=False,
)
