"""The settings of a job that decide how it rolls out and ends, in words.

AWS: https://docs.aws.amazon.com/iot/latest/developerguide/jobs-configurations-details.html
"""

from collections.abc import Iterator

from exporter.kinds import job_counts, response
from exporter.kinds.job_retries import Retries
from exporter.kinds.response import Response

Settings = tuple[tuple[str, str], ...]


def settings(job: Response, retries: Retries) -> Settings:
    """Return the names and values of the settings that the job has."""
    return tuple(_settings(job, retries))


def _settings(job: Response, retries: Retries) -> Iterator[tuple[str, str]]:
    if response.text(job, "targetSelection"):
        later = "also those that join the target later"
        yield "Things", later if job_counts.is_continuous(job) else "those in the target at the start"
    if rate := _roll_out(response.structure(job, "jobExecutionsRolloutConfig")):
        yield "Roll-out rate", rate
    for criterion in response.structures(response.structure(job, "abortConfig"), "criteriaList"):
        yield "Abort", _abort(criterion)
    for failure_type, number in retries:
        yield "Retries", f"{number:,} after {failure_type}"
    timeout = response.count(response.structure(job, "timeoutConfig"), "inProgressTimeoutInMinutes")
    if timeout is not None:
        yield "Time-out of a thing", f"{timeout:,} min"
    end = response.text(response.structure(job, "schedulingConfig"), "endTime")
    if end:
        yield "End of the schedule", end


def _roll_out(config: Response) -> str:
    most = response.count(config, "maximumPerMinute")
    growing = response.structure(config, "exponentialRate")
    if base := response.count(growing, "baseRatePerMinute"):
        limit = "" if most is None else f", at most {most:,} a minute"
        return f"{base:,} things a minute, growing by the factor {growing.get('incrementFactor', 1):g}{limit}"
    return "" if most is None else f"at most {most:,} things a minute"


def _abort(criterion: Response) -> str:
    """Return a criterion in words: ``cancel if 10 % of the things are FAILED, once 100 have run it``."""
    share = f"{criterion.get('thresholdPercentage', 0):g} %"
    after = response.count(criterion, "minNumberOfExecutedThings") or 0
    state = response.text(criterion, "failureType")
    states = "fail in any way" if state == "ALL" else f"are {state}"
    least = f", once {after:,} have run it" if after > 1 else ""
    return f"cancel if {share} of the things {states}{least}"
