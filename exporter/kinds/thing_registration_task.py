"""Bulk registration of things, which StartThingRegistrationTask starts.

    aws_iot_thing_registration_task_succeeded_things{...,id="a1b2"} 198204
    aws_iot_thing_registration_task_failed_things{...,id="a1b2"} 1796

AWS: https://docs.aws.amazon.com/iot/latest/apireference/API_DescribeThingRegistrationTask.html
"""

from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from exporter.core.model import ItemCounts, Operation
from exporter.kinds import registration_reports, response
from exporter.kinds.kind import (
    Api,
    ApiCall,
    Discovery,
    FailedItem,
    FailureApi,
    FailureSource,
    FetchRequest,
    ItemSeries,
    Kind,
    ListEntry,
    SeriesSelector,
    Simulation,
)
from exporter.kinds.metric import gauge
from exporter.kinds.response import Response
from exporter.kinds.simulated_operation import SimulatedOperation

DESCRIBE = ApiCall("iot", "DescribeThingRegistrationTask", quota=10)
LIST = ApiCall("iot", "ListThingRegistrationTasks", quota=10)

ACTIVE = frozenset({"InProgress", "Cancelling"})
SUCCEEDED = "aws_iot_thing_registration_task_succeeded_things"
FAILED = "aws_iot_thing_registration_task_failed_things"


@dataclass(frozen=True, slots=True, kw_only=True)
class ThingRegistrationTask(Operation):
    """A task with its counts, None if AWS did not send them."""

    succeeded: int | None
    failed: int | None


async def fetch(api: Api, request: FetchRequest[ThingRegistrationTask]) -> ThingRegistrationTask:
    """Return the requested task."""
    return parse(request.id, await api.call(DESCRIBE, taskId=request.id))


def parse(id: str, description: Response) -> ThingRegistrationTask:
    """Return the task in a response of DescribeThingRegistrationTask.

    ``templateBody``, ``message`` and ``roleArn`` are left out: they are long, free text or sensitive.
    """
    return ThingRegistrationTask(
        id=id,
        status=response.required_text(description, "status"),
        progress=response.ratio(description, "percentageProgress"),
        created=response.timestamp(description, "creationDate"),
        updated=response.timestamp(description, "lastModifiedDate"),
        input=_input(description),
        succeeded=response.count(description, "successCount"),
        failed=response.count(description, "failureCount"),
    )


def _input(description: Response) -> str:
    bucket, key = response.text(description, "inputFileBucket"), response.text(description, "inputFileKey")
    return f"s3://{bucket}/{key}" if bucket else ""


def entries(page: Response) -> Iterable[ListEntry]:
    """Return the tasks on a page of the list, which contains only ids."""
    return (ListEntry(id) for id in response.texts(page, "taskIds"))


def failed_things(
    api: FailureApi, task: ThingRegistrationTask, state: str, limit: int
) -> AsyncIterator[Sequence[FailedItem]]:
    """Yield the failed things in the error reports of a task. ``state`` is the type of the reports."""
    return registration_reports.failed_lines(api, task.id, task.failed, limit)


def _simulated_task(task: SimulatedOperation) -> dict[str, Any]:
    bucket, _, key = task.input.removeprefix("s3://").partition("/")
    return {
        "taskId": task.id,
        "creationDate": task.created,
        "lastModifiedDate": task.updated,
        "templateBody": '{"Parameters":{"SerialNumber":{"Type":"String"}},"Resources":{}}',
        "inputFileBucket": bucket or "bulk-registration",
        "inputFileKey": key or f"{task.id}.jsonl",
        "roleArn": f"arn:aws:iam::{task.account}:role/bulk-registration",
        "status": task.status,
        "successCount": task.succeeded,
        "failureCount": task.failed,
        "percentageProgress": 100 * task.processed // task.items if task.items else 0,
        **({"message": task.message} if task.message else {}),
    }


KIND: Kind[ThingRegistrationTask] = Kind(
    name="thing_registration_task",
    title="bulk registration of things",
    reference="https://docs.aws.amazon.com/iot/latest/developerguide/bulk-provisioning.html",
    operation=ThingRegistrationTask,
    statuses=("InProgress", "Completed", "Failed", "Cancelled", "Cancelling"),
    active=ACTIVE,
    completed=frozenset({"Completed"}),
    id_parameter="taskId",
    id_length=40,
    describe_calls=(DESCRIBE,),
    discovery=Discovery(LIST, entries, status_parameter="status", parameters={"maxResults": 250}),
    fetch=fetch,
    is_final=lambda task, options: not KIND.is_active(task.status),
    item_counts=lambda task: ItemCounts(task.succeeded, task.failed),
    metrics=(
        gauge(
            SUCCEEDED, "Number of things that the task has registered (AWS: successCount).", lambda task: task.succeeded
        ),
        gauge(
            FAILED, "Number of things that the task could not register (AWS: failureCount).", lambda task: task.failed
        ),
    ),
    simulation=Simulation(
        responses={DESCRIBE: _simulated_task},
        entry=lambda task: task.id,
        item_responses={registration_reports.LIST: registration_reports.simulated_reports},
        file=registration_reports.simulated_report,
    ),
    items=ItemSeries(succeeded=(SeriesSelector(SUCCEEDED),), failed=(SeriesSelector(FAILED),)),
    failed=frozenset({"Failed"}),
    stopped=frozenset({"Cancelled"}),
    ending=frozenset({"Cancelling"}),
    failures=FailureSource(
        calls=(registration_reports.LIST,), states=(registration_reports.ERRORS,), find=failed_things
    ),
)
