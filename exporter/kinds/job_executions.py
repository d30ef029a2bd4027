"""The failed executions of an AWS IoT job, for every kind that AWS rolls out as a job.

AWS: https://docs.aws.amazon.com/iot/latest/apireference/API_ListJobExecutionsForJob.html
With retries, each attempt of a thing is an execution of its own.
The resources are those of the service authorization reference:
https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsiot.html (DescribeJobExecution: thing, job)
Service Quotas lists each API with 10 calls per second by default: "ListJobExecutionsForJob throttle limit" (L-9CCB5F90)
and "DescribeJobExecution throttle limit" (L-B731A266). The quotas of AWS IoT Device Management:
https://docs.aws.amazon.com/general/latest/gr/iot_device_management.html#iot_device_management_quotas
"""

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from exporter.kinds import job_counts, response
from exporter.kinds.failure_reason import reason_text
from exporter.kinds.kind import Api, ApiCall, FailedItem
from exporter.kinds.response import Response
from exporter.kinds.simulated_operation import SimulatedOperation

LIST = ApiCall("iot", "ListJobExecutionsForJob", quota=10, resource=job_counts.RESOURCE)
DESCRIBE = ApiCall("iot", "DescribeJobExecution", quota=10, resource="arn:*:iot:*:*:thing/*")
# AWS allows no larger page.
PAGE_SIZE = 250

# Removed and cancelled executions are no failures: they were taken out of the job.
STATES = ("FAILED", "TIMED_OUT", "REJECTED")
MORE_STATES = ("REMOVED", "CANCELED")


async def pages(api: Api, job_id: str, state: str) -> AsyncIterator[Sequence[FailedItem]]:
    """Yield the pages of a job's executions in one state."""
    async for page in api.pages(LIST, jobId=job_id, status=state, maxResults=PAGE_SIZE):
        yield [_item(entry, state) for entry in response.structures(page, "executionSummaries")]


def _item(entry: Response, state: str) -> FailedItem:
    execution = response.structure(entry, "jobExecutionSummary")
    return FailedItem(
        item=thing_name(response.required_text(entry, "thingArn")),
        state=response.text(execution, "status") or state,
        at=response.timestamp(execution, "lastUpdatedAt"),
        attempt=response.count(execution, "executionNumber"),
    )


def thing_name(arn: str) -> str:
    """Return the name of a thing. It contains no slash."""
    return arn.rpartition("/")[2]


async def explain(api: Api, job_id: str, item: FailedItem) -> FailedItem:
    """Return an execution with what the device itself said: its ``statusDetails``."""
    number = {} if item.attempt is None else {"executionNumber": item.attempt}
    description = await api.call(DESCRIBE, jobId=job_id, thingName=item.item, **number)
    execution = response.structure(description, "execution")
    details = response.structure(response.structure(execution, "statusDetails"), "detailsMap")
    # A device sends the details in any order. Equal details must be equal reasons.
    reason = reason_text(f"{name}: {value}" for name, value in sorted(details.items()))
    return replace(item, reason=reason, at=response.timestamp(execution, "lastUpdatedAt") or item.at)


def simulated_executions(job: SimulatedOperation, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return the failed executions of a simulated job in the requested state, without pages."""
    return {"executionSummaries": _simulated_summaries(job, parameters.get("status"))}


def simulated_execution(job: SimulatedOperation, parameters: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return a failed execution of a simulated job, None if the thing has not failed."""
    number = job.number_of_item(str(parameters.get("thingName")))
    if number is None:
        return None
    reason = job.failure_reason(number)
    return {
        "execution": {
            "jobId": job.id,
            "thingArn": _simulated_thing_arn(job, number),
            **_simulated_summary(job, _simulated_state(job, number)),
            "statusDetails": {"detailsMap": {"reason": reason} if reason else {}},
            "versionNumber": 2,
        }
    }


def _simulated_state(job: SimulatedOperation, number: int) -> str:
    for state, count in job_counts.simulated_failures(job):
        if number < count:
            return state.upper()
        number -= count
    return STATES[0]


def _simulated_summaries(job: SimulatedOperation, status: str | None) -> Iterator[dict[str, Any]]:
    # A generator, because a job can have 200,000 failed things and a response contains one page of them.
    for number in range(job.failed):
        state = _simulated_state(job, number)
        if status in (None, state):
            summary = _simulated_summary(job, state)
            yield {"thingArn": _simulated_thing_arn(job, number), "jobExecutionSummary": summary}


def _simulated_summary(job: SimulatedOperation, state: str) -> dict[str, Any]:
    times = dict.fromkeys(("queuedAt", "startedAt"), job.created)
    # The last execution of a thing, after all of its retries.
    number = job_counts.simulated_executions(replace(job, retries=0), state.lower(), 1)
    return {"status": state, **times, "lastUpdatedAt": job.updated, "executionNumber": number}


def _simulated_thing_arn(job: SimulatedOperation, number: int) -> str:
    return f"arn:aws:iot:{job.region}:{job.account}:thing/{job.item_name(number)}"
