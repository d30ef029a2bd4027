"""Final operations survive a restart: they are served under the current rules and cause no call."""

from pathlib import Path

import pytest

from tests.support import http_requests
from tests.support.exporter_server import ServedExporter, restartable_exporter, serve_simulated_aws
from tests.support.exposition_rows import Scrape

WATCH = """
accounts: [{{name: factory, account_id: "{account}", regions: [eu-west-1], watch: [{watch}]}}]
labels: {{tags: [{tags}]}}
"""
TASKS = "{kind: thing_registration_task, discover: true}"
# For each kind a status in which an operation is final, and one in which it is active.
KINDS = {
    "thing_registration_task": ("Completed", "InProgress"),
    "greengrass_bulk_deployment": ("Completed", "Running"),
    "iot_job": ("COMPLETED", "IN_PROGRESS"),
    "greengrass_deployment": ("COMPLETED", "ACTIVE"),
}
# The requests for an active operation after a start, besides those of each refresh.
FIRST = {"iot_job": ["/tags"], "greengrass_deployment": ["/greengrass/v2/deployments/going"]}
OPERATION = """
    {{kind: {kind}, id: {id}, region: eu-west-1, items: 40, created: -1h, name: pilot, tags: {{team: red}},
     timeline: [{{at: 0s, status: {status}, done: 0.9, failed: 0.1}}]}}"""
HEAD = 'accounts: ["111122223333", "444455556666"]\nquotas: false\n{}operations: [{}]'
DOWN = "faults: [{error: InternalFailureException, status: 500}]\n"


def config(watch: str = TASKS, account: str = "111122223333", tags: str = "") -> str:
    """Return a configuration of one account."""
    return WATCH.format(watch=watch, account=account, tags=tags)


def operation(id: str, kind: str = "thing_registration_task", status: str = "Completed") -> str:
    """Return an operation of a scenario that never changes."""
    return OPERATION.format(kind=kind, id=id, status=status)


def scenario(*operations: str, more: str = "") -> str:
    """Return a scenario of operations."""
    return HEAD.format(more, ",".join(operations))


def ids(exporter: ServedExporter, after: float = 60.0) -> set[str]:
    """Return the ids of the operations that have series."""
    return Scrape(exporter.scrape(after=after)).ids()


def described(requests: list[str]) -> list[str]:
    """Return the paths of the requests, without lists and STS."""
    paths = [target.partition("?")[0] for target in requests]
    return [path for path in paths if not path.endswith(("/", "tasks", "jobs", "deployments"))]


@pytest.mark.parametrize("kind", KINDS)
def test_a_final_operation_is_served_unchanged_and_causes_no_call(kind: str, tmp_path: Path) -> None:
    over, under_way = KINDS[kind]
    both = scenario(operation("over", kind, over), operation("going", kind, under_way))
    watch = config(f"{{kind: {kind}, discover: true}}", tags="team")
    with restartable_exporter(both, tmp_path / "state.db") as aws:
        with aws.exporter(watch) as exporter:
            before = exporter.operations()
            again = described(aws.requests_of(exporter.scrape))
        with aws.exporter(watch) as exporter:
            assert described(aws.requests_of(exporter.scrape)) == sorted([*again, *FIRST.get(kind, ())])
            after = exporter.operations()
            assert "state_file_restored_operations_total 1.0" in exporter.scrape()
    assert sorted(after.splitlines()) == sorted(before.splitlines())
    assert 'id="over"' in after


def test_a_status_stays_known_although_it_is_unwanted_and_no_list_has_it(tmp_path: Path) -> None:
    kind = "greengrass_bulk_deployment"
    watch = config(f"{{kind: {kind}, discover: {{statuses: [Running]}}}}")
    with restartable_exporter(scenario(operation("over", kind)), tmp_path / "state.db") as aws:
        with aws.exporter(watch) as exporter:
            assert (ids(exporter), described(aws.requests)) == (set(), ["/greengrass/bulk/deployments/over/status"])
        with aws.exporter(watch) as exporter:
            assert (described(aws.requests_of(exporter.scrape)), ids(exporter)) == ([], set())
        with aws.exporter(config(f"{{kind: {kind}, discover: true}}")) as exporter:
            assert ids(exporter) == {"over"}


def read_times(exporter: ServedExporter) -> list[str]:
    """Return when each operation was read. A final operation has no series for it."""
    return [line["read"] for line in http_requests.get(f"{exporter.url}/api/v1/operations").json()["operations"]]


def test_cached_operations_are_served_until_they_are_stale_while_aws_is_down(tmp_path: Path) -> None:
    with restartable_exporter(scenario(operation("over")), tmp_path / "state.db") as aws:
        with aws.exporter(config()) as exporter:
            assert ids(exporter) == {"over"}
            read = read_times(exporter)
        with serve_simulated_aws(scenario(more=DOWN), aws.clock) as (down, _), aws.exporter(config(), down) as exporter:
            scrape = Scrape(exporter.scrape(after=3600.0))
            assert read_times(exporter) == read
            assert scrape.value("aws_iot_bulk_exporter_up") == 0.0
            assert ids(exporter, after=590.0) == {"over"}
            assert ids(exporter, after=11.0) == set()


@pytest.mark.parametrize(
    ("before", "after", "stays"),
    [
        (TASKS, TASKS, {"done", "lost"}),
        ("{kind: thing_registration_task, ids: [done, lost]}", TASKS, {"done", "lost"}),
        (TASKS, "{kind: thing_registration_task, ids: [done]}", {"done"}),
        (TASKS, "{kind: thing_registration_task, discover: {id_pattern: ^l}}", {"lost"}),
        (TASKS, "{kind: thing_registration_task, discover: {statuses: [Failed]}}", {"lost"}),
        (TASKS, "{kind: thing_registration_task, discover: {statuses: [InProgress]}}", set()),
        (TASKS, "{kind: thing_registration_task, discover: {max_operations: 1}}", {"done"}),
        (TASKS, "{kind: thing_registration_task, discover: {max_age: 30m}}", set()),
        ("{kind: thing_registration_task, discover: {statuses: [Failed]}}", TASKS, {"lost"}),
        ("{kind: thing_registration_task, ids: [done, lost]}", "{kind: thing_registration_task, ids: [other]}", set()),
        (TASKS, "{kind: iot_job, discover: true}", set()),
    ],
)
def test_the_current_rules_decide_which_operations_are_served(
    before: str, after: str, stays: set[str], tmp_path: Path
) -> None:
    both = scenario(operation("done"), operation("lost", status="Failed"))
    with restartable_exporter(both, tmp_path / "state.db") as aws:
        with aws.exporter(config(before)) as exporter:
            exporter.scrape()
        with (
            serve_simulated_aws(scenario(more=DOWN), aws.clock) as (down, _),
            aws.exporter(config(after), down) as exporter,
        ):
            assert ids(exporter) == stays


def test_the_rules_after_a_reload_are_compared_at_the_next_start(tmp_path: Path) -> None:
    narrow = "{kind: greengrass_bulk_deployment, discover: {statuses: [Running]}}"
    wide = narrow.replace("{statuses: [Running]}", "true")
    with restartable_exporter(scenario(operation("over", "greengrass_bulk_deployment")), tmp_path / "state.db") as aws:
        with aws.exporter(config(narrow)) as exporter:
            assert ids(exporter) == set()
            exporter.reload(config(wide))
            assert ids(exporter) == {"over"}
        with aws.exporter(config(wide)) as exporter:
            assert (described(aws.requests_of(exporter.scrape)), ids(exporter)) == ([], {"over"})


def test_each_set_of_options_has_its_own_records(tmp_path: Path) -> None:
    plain = "{kind: greengrass_bulk_deployment, discover: true}"
    detailed = plain.replace("discover", "details: true, discover")
    with restartable_exporter(scenario(operation("over", "greengrass_bulk_deployment")), tmp_path / "state.db") as aws:
        calls = []
        for watch in (plain, detailed, plain, detailed):
            with aws.exporter(config(watch)) as exporter:
                calls.append(len(described(aws.requests_of(exporter.scrape))))
                assert ("deployment_groups{" in exporter.scrape()) == (watch == detailed)
        assert calls == [1, 2, 0, 0]
        with aws.exporter(config(plain)) as exporter:
            exporter.scrape()
            exporter.reload(config(detailed))
            assert described(aws.requests_of(exporter.scrape)) == []
            assert "deployment_groups{" in exporter.scrape()


def test_another_account_has_no_cached_operations(tmp_path: Path) -> None:
    with restartable_exporter(scenario(operation("over")), tmp_path / "state.db") as aws:
        with aws.exporter(config()) as exporter:
            assert ids(exporter) == {"over"}
        with aws.exporter(config(account="444455556666")) as exporter:
            assert described(aws.requests_of(exporter.scrape)) == ["/thing-registration-tasks/over"]
        with aws.exporter(config()) as exporter:
            assert described(aws.requests_of(exporter.scrape)) == []


def test_an_operation_that_left_the_lists_is_removed_after_two_of_them_and_stays_removed(tmp_path: Path) -> None:
    with restartable_exporter(scenario(operation("over"), operation("stays")), tmp_path / "state.db") as aws:
        with aws.exporter(config()) as exporter:
            assert ids(exporter) == {"over", "stays"}
        with serve_simulated_aws(scenario(operation("stays")), aws.clock) as (later, requests):
            with aws.exporter(config(), later) as exporter:
                exporter.scrape()
                for _ in range(2):
                    assert ids(exporter, after=1.0) == {"over", "stays"}
                    exporter.scrape(after=301.0)
                assert ids(exporter) == {"stays"}
            with aws.exporter(config(), later) as exporter:
                assert ids(exporter) == {"stays"}
            assert described(requests) == []


def test_an_operation_that_is_being_deleted_is_read_again(tmp_path: Path) -> None:
    kind, deleting = "iot_job", "DELETION_IN_PROGRESS"
    watch = config(f"{{kind: {kind}, discover: true}}")
    with restartable_exporter(scenario(operation("over", kind, "COMPLETED")), tmp_path / "state.db") as aws:
        with aws.exporter(watch) as exporter:
            assert ids(exporter) == {"over"}
        with serve_simulated_aws(scenario(operation("over", kind, deleting)), aws.clock) as (later, requests):
            for _ in range(2):
                with aws.exporter(watch, later) as exporter:
                    assert f'status="{deleting}"}} 1.0' in exporter.scrape()
            assert described(requests) == ["/jobs/over", "/jobs/over"]


def test_tags_are_read_once_when_they_are_first_wanted(tmp_path: Path) -> None:
    watch = "{kind: iot_job, discover: true}"
    with restartable_exporter(scenario(operation("over", "iot_job", "COMPLETED")), tmp_path / "state.db") as aws:
        calls = []
        for tags in ("", "team", "team", "", "team"):
            with aws.exporter(config(watch, tags=tags)) as exporter:
                calls.append([path[:5] for path in described(aws.requests_of(exporter.scrape))])
                assert ('tag_team="red"' in exporter.scrape()) == bool(tags)
    assert calls == [["/jobs"], ["/tags"], [], [], []]


def test_two_accounts_with_the_same_id_have_separate_records(tmp_path: Path) -> None:
    account = "  - {{name: {}, regions: [eu-west-1], watch: [{}]{}}}\n"
    known = ', account_id: "111122223333"'
    both = "accounts:\n" + account.format("a", TASKS, "") + account.format("b", TASKS, known)
    second = "accounts:\n" + account.format("b", "{kind: thing_registration_task, ids: [over]}", known)
    with restartable_exporter(scenario(operation("over"), operation("more")), tmp_path / "state.db") as aws:
        for watch, cost in ((both, 4), (both, 0), (second, 0), (both, 1)):
            with aws.exporter(watch) as exporter:
                assert len(described(aws.requests_of(exporter.scrape))) == cost


def test_a_cell_that_continues_after_a_reload_gets_no_old_data(tmp_path: Path) -> None:
    with restartable_exporter(scenario(operation("over"), operation("more")), tmp_path / "state.db") as aws:
        with aws.exporter(config()) as exporter:
            exporter.scrape()
        with aws.exporter(config()) as exporter:
            exporter.scrape()
            for watch in ("{kind: thing_registration_task, ids: [over]}", TASKS, TASKS):
                exporter.reload(config(watch))
                exporter.scrape()
            assert "state_file_restored_operations_total 2.0" in exporter.scrape()
            exporter.reload(config("{kind: iot_job, discover: true}"))
            exporter.scrape()
            exporter.reload(config())
            assert (described(aws.requests_of(exporter.scrape)), ids(exporter)) == ([], {"over", "more"})
