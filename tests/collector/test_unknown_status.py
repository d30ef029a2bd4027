"""An operation whose first status is unknown is found by a list without a status, and followed to its end."""

from collections.abc import Collection, Mapping

import pytest

from tests.support.exporter_server import ServedExporter, added_requests, serve_exporter
from tests.support.exposition_rows import Scrape
from tests.support.scripted_endpoint import HttpResponse, ScriptedAws, error_response, json_response
from tests.support.servers import serve_app

CONFIG = 'accounts: [{account_id: "111122223333", watch: [{kind: %s, discover: %s}]}]'
TASKS, JOBS = "/thing-registration-tasks", "/jobs"
TASK_STATUSES = ("InProgress", "Completed", "Failed", "Cancelled", "Cancelling")
JOB_STATUSES = ("IN_PROGRESS", "CANCELED", "COMPLETED", "DELETION_IN_PROGRESS", "SCHEDULED")


def task(status: str) -> HttpResponse:
    return json_response({"status": status, "successCount": 1, "failureCount": 0})


def job(status: str) -> HttpResponse:
    return json_response({"job": {"jobId": "new", "status": status, "jobProcessDetails": {}}})


def list_of(path: str, status: str = "") -> str:
    return f"{path}?maxResults=250" + (f"&status={status}" if status else "")


def tasks_aws(unfiltered: HttpResponse, **statuses: str) -> ScriptedAws:
    """Return an AWS with tasks of these statuses. Lists by status contain those that AWS documents."""
    lists = {
        list_of(TASKS, status): json_response({"taskIds": [id for id, found in statuses.items() if found == status]})
        for status in TASK_STATUSES
    }
    descriptions = {f"{TASKS}/{id}": task(status) for id, status in statuses.items()}
    return ScriptedAws({list_of(TASKS): unfiltered, **lists, **descriptions})


def jobs_aws(entries: list[Mapping[str, str]]) -> ScriptedAws:
    lists = {list_of(JOBS, status): json_response({"jobs": []}) for status in JOB_STATUSES}
    return ScriptedAws({list_of(JOBS): json_response({"jobs": entries}), **lists, f"{JOBS}/new": job("PAUSED")})


def shown_status(exporter: ServedExporter) -> str:
    return Scrape(exporter.scrape()).status("new")


def ids(*ids: str) -> HttpResponse:
    return json_response({"taskIds": ids})


def test_a_task_of_an_unknown_status_is_found_and_followed_to_its_end() -> None:
    aws = tasks_aws(ids("new", "old"), new="Paused", old="Completed")
    with (
        serve_app(aws.app()) as endpoint,
        serve_exporter(CONFIG % ("thing_registration_task", "true"), endpoint) as exporter,
    ):
        exporter.scrape()
        assert list_of(TASKS) not in aws.requests
        assert shown_status(exporter) == "Unknown"
        assert aws.requests.count(f"{TASKS}/old") == 1
        aws.responses[f"{TASKS}/new"] = task("InProgress")
        aws.responses[list_of(TASKS, "InProgress")] = ids("new")
        assert shown_status(exporter) == "InProgress"
        aws.responses[f"{TASKS}/new"] = task("Completed")
        aws.responses[list_of(TASKS, "InProgress")] = ids()
        aws.responses[list_of(TASKS, "Completed")] = ids("new", "old")
        assert shown_status(exporter) == "Completed"
        exposed = exporter.scrape(after=400.0)
        assert (Scrape(exposed).ids(), Scrape(exposed).reasons()) == ({"new", "old"}, set())
        assert aws.requests.count(f"{TASKS}/new") == 3
        assert aws.requests.count(list_of(TASKS)) == 2


def test_a_job_of_an_unknown_status_is_found_and_the_other_entries_are_ignored() -> None:
    ignored = {"jobId": "ignored", "status": "COMPLETED"}
    aws = jobs_aws([{"jobId": "new", "status": "PAUSED"}, ignored])
    with serve_app(aws.app()) as endpoint, serve_exporter(CONFIG % ("iot_job", "true"), endpoint) as exporter:
        exporter.scrape()
        assert shown_status(exporter) == "Unknown"
        aws.responses[f"{JOBS}/new"] = job("COMPLETED")
        aws.responses[list_of(JOBS, "COMPLETED")] = json_response({"jobs": [{"jobId": "new", "status": "COMPLETED"}]})
        assert shown_status(exporter) == "COMPLETED"
        assert Scrape(exporter.scrape(after=400.0)).ids() == {"new"}
    assert f"{JOBS}/ignored" not in aws.requests


@pytest.mark.parametrize("described", [task("Completed"), error_response("ResourceNotFoundException", 404)])
def test_an_id_that_only_the_list_without_a_status_has_is_described_once(described: HttpResponse) -> None:
    aws = tasks_aws(ids("new"), new="Completed")
    aws.responses |= {list_of(TASKS, "Completed"): ids(), f"{TASKS}/new": described}
    with (
        serve_app(aws.app()) as endpoint,
        serve_exporter(CONFIG % ("thing_registration_task", "true"), endpoint) as exporter,
    ):
        for _ in range(5):
            exporter.scrape(after=200.0)
    assert aws.requests.count(f"{TASKS}/new") == 1


def test_a_failed_description_is_tried_again() -> None:
    aws = tasks_aws(ids("new"), new="Paused")
    aws.responses[f"{TASKS}/new"] = error_response("ThrottlingException", 400)
    with (
        serve_app(aws.app()) as endpoint,
        serve_exporter(CONFIG % ("thing_registration_task", "true"), endpoint) as exporter,
    ):
        exporter.scrape()
        assert Scrape(exporter.scrape()).ids() == set()
        assert f"{TASKS}/new" in aws.requests
        aws.responses[f"{TASKS}/new"] = task("Paused")
        assert shown_status(exporter) == "Unknown"


def test_the_list_without_a_status_is_not_read_if_the_configuration_names_statuses() -> None:
    aws = tasks_aws(ids("new"), new="Paused")
    config = CONFIG % ("thing_registration_task", "{statuses: [InProgress, Completed]}")
    with serve_app(aws.app()) as endpoint, serve_exporter(config, endpoint) as exporter:
        added = added_requests(exporter.scrape, aws.requests)
    assert added == [list_of(TASKS, "Completed"), list_of(TASKS, "InProgress")]


DEFAULT = 'accounts: [{account_id: "111122223333"}]'
DEPLOYMENTS = "/greengrass/v2/deployments?historyFilter=LATEST_ONLY&maxResults=100"


def default_aws(tasks: Mapping[str, str], jobs: Mapping[str, str]) -> ScriptedAws:
    """Return an AWS with tasks and jobs of these statuses, for a configuration without a watch section."""
    entries = [{"jobId": id, "status": status} for id, status in jobs.items()]
    lists = {
        list_of(JOBS, status): json_response({"jobs": [entry for entry in entries if entry["status"] == status]})
        for status in JOB_STATUSES
    }
    unfiltered = {list_of(JOBS): json_response({"jobs": entries}), DEPLOYMENTS: json_response({"deployments": []})}
    descriptions = {f"{JOBS}/{id}": job(status) for id, status in jobs.items()}
    return ScriptedAws({**tasks_aws(ids(*tasks), **tasks).responses, **lists, **unfiltered, **descriptions})


def test_the_default_configuration_finds_unknown_statuses_and_describes_no_ended_operation() -> None:
    ended = {f"old{number}": "Completed" for number in range(9)}
    aws = default_aws({"task": "Paused", **ended}, {"job": "PAUSED", "done": "COMPLETED"})
    with serve_app(aws.app()) as endpoint, serve_exporter(DEFAULT, endpoint) as exporter:
        first = added_requests(exporter.scrape, aws.requests)
        second = added_requests(exporter.scrape, aws.requests)
        assert Scrape(exporter.scrape()).ids() == {"task", "job"}
        added = [added_requests(exporter.scrape, aws.requests) for _ in range(3)]
    tasks = [list_of(TASKS, "Cancelling"), list_of(TASKS, "InProgress")]
    jobs = [list_of(JOBS, status) for status in ("DELETION_IN_PROGRESS", "IN_PROGRESS", "SCHEDULED")]
    active = [*tasks, *jobs]
    assert first == sorted([*active, DEPLOYMENTS])
    # The list of tasks has no statuses. Beside the lists of all statuses it shows which tasks have an unknown one.
    compared = [list_of(TASKS, status) for status in ("Cancelled", "Completed", "Failed")]
    unknown = [f"{TASKS}/task", f"{JOBS}/job"]
    # The list of jobs has statuses. While no job is active, it replaces the lists of active statuses.
    assert second == sorted([*tasks, DEPLOYMENTS, *compared, list_of(TASKS), list_of(JOBS), *unknown])
    assert added == [sorted([*active, DEPLOYMENTS, *unknown])] * 3


def test_an_operation_of_an_unknown_status_is_kept_by_the_default_configuration_to_its_end() -> None:
    aws = default_aws({"task": "Paused"}, {})
    with serve_app(aws.app()) as endpoint, serve_exporter(DEFAULT, endpoint) as exporter:
        exporter.scrape()
        assert Scrape(exporter.scrape()).status("task") == "Unknown"
        aws.responses[f"{TASKS}/task"] = task("Completed")
        aws.responses[list_of(TASKS, "Completed")] = ids("task")
        assert Scrape(exporter.scrape()).status("task") == "Completed"
        assert Scrape(exporter.scrape(after=400.0)).status("task") == "Completed"
        assert added_requests(exporter.scrape, aws.requests).count(f"{TASKS}/task") == 0


class LargeAws(ScriptedAws):
    """An AWS with more tasks than the maximum of some lists: those of ``long``, empty for the one without a status."""

    long: Collection[str] = ("",)

    def find(self, target: str, path: str) -> HttpResponse:
        """Return the response for a path."""
        if path == TASKS and target.partition("status=")[2].partition("&")[0] in self.long:
            return json_response({"taskIds": ["new"], "nextToken": str(len(self.requests))})
        return super().find(target, path)


def test_too_many_operations_for_one_list_are_no_failure() -> None:
    aws = LargeAws(tasks_aws(ids(), new="Paused").responses)
    with (
        serve_app(aws.app()) as endpoint,
        serve_exporter(CONFIG % ("thing_registration_task", "true"), endpoint) as exporter,
    ):
        exporter.scrape()
        # The list without a status has a thousand pages.
        assert Scrape(exporter.scrape(within="300")).status("new") == "Unknown"
        exposed = exporter.scrape(after=400.0)
        assert (Scrape(exposed).ids(), Scrape(exposed).reasons()) == ({"new"}, set())
    assert sum(target.startswith(list_of(TASKS)) and "status=" not in target for target in aws.requests) == 1000


@pytest.mark.parametrize("long", [("Completed",), ("Completed", "")], ids=["ended tasks", "all tasks together"])
def test_too_many_ended_tasks_are_no_failure_of_the_default_configuration(long: tuple[str, ...]) -> None:
    aws = LargeAws(default_aws({"new": "Paused"}, {}).responses)
    aws.long = long
    with serve_app(aws.app()) as endpoint, serve_exporter(DEFAULT, endpoint) as exporter:
        exporter.scrape()
        for seconds in (30.0, 400.0, 400.0):
            assert Scrape(exporter.scrape(after=seconds, within="300")).reasons() == set()
    assert sum("status=Completed" in target for target in aws.requests) == 1000


def test_a_task_that_ends_among_too_many_ended_ones_is_kept() -> None:
    aws = LargeAws(default_aws({"task": "InProgress"}, {}).responses)
    aws.long = ("Completed",)
    with serve_app(aws.app()) as endpoint, serve_exporter(DEFAULT, endpoint) as exporter:
        for _ in range(2):
            exporter.scrape(within="300")
        aws.responses |= {f"{TASKS}/task": task("Completed"), list_of(TASKS, "InProgress"): ids()}
        for _ in range(4):
            exposed = Scrape(exporter.scrape(after=400.0, within="300"))
            assert (exposed.status("task"), exposed.reasons()) == ("Completed", set())
    assert sum("status=Completed" in target for target in aws.requests) == 1000
