"""A scrape requests from AWS only what is due and can have changed."""

from concurrent.futures import ThreadPoolExecutor

from tests.support.exporter_server import Simulation, serve_simulation
from tests.support.exposition_rows import Scrape

IDS = 'accounts: [{account_id: "111122223333", watch: [{kind: thing_registration_task, ids: [short, long]}]}]'
DISCOVER = 'accounts: [{account_id: "111122223333", watch: [{kind: thing_registration_task, discover: %s}]}]'
SCENARIO = """
accounts: ["111122223333"]
quotas: false
operations:
  - &task
    kind: thing_registration_task
    id: short
    region: eu-west-1
    items: 1000
    timeline: [{at: 0s, status: InProgress}, {at: 100s, status: Completed, done: 1.0, failed: 0.1}]
  - {<<: *task, id: long, timeline: [{at: 0s, status: InProgress}, {at: 7d, done: 1.0}]}
"""
SHORT, LONG = "/thing-registration-tasks/short", "/thing-registration-tasks/long"
LIST = "/thing-registration-tasks?maxResults=250&status={}"
ACTIVE_LISTS = [LIST.format("Cancelling"), LIST.format("InProgress")]
FAILED = "aws_iot_thing_registration_task_failed_things"


def scrape(simulation: Simulation, after: float = 60.0) -> list[str]:
    """Return the requests of one scrape."""
    return simulation.requests_of(lambda: simulation.exporter.scrape(after))


def ids(exposed: str) -> set[str]:
    """Return the ids of the operations that have series."""
    return set(Scrape(exposed).by("id", FAILED))


def test_data_younger_than_min_age_is_not_read_again() -> None:
    with serve_simulation(IDS, SCENARIO) as simulation:
        assert scrape(simulation) == [LONG, SHORT]
        assert scrape(simulation, after=9.9) == []
        assert scrape(simulation, after=0.2) == [LONG, SHORT]


def test_concurrent_scrapes_share_one_refresh() -> None:
    with serve_simulation(IDS, SCENARIO.replace("quotas: false", "quotas: false\nlatency: 200ms")) as simulation:
        with ThreadPoolExecutor(6) as pool:
            responses = list(pool.map(lambda _: simulation.exporter.scrape(after=0.0), range(6)))
        assert sorted(simulation.requests) == [LONG, SHORT]
        assert all(ids(response) == {"long", "short"} for response in responses)


def test_a_final_operation_is_described_once_and_keeps_its_counts() -> None:
    with serve_simulation(IDS, SCENARIO) as simulation:
        scrape(simulation)
        assert scrape(simulation) == [LONG, SHORT]
        for _ in range(20):
            assert scrape(simulation) == [LONG]
        assert Scrape(simulation.exporter.scrape()).value(FAILED, id="short") == 100


def test_discovery_reads_lists_of_active_statuses_each_time_and_others_every_five_minutes() -> None:
    all_lists = [LIST.format(status) for status in ("Cancelled", "Cancelling", "Completed", "Failed", "InProgress")]
    unfiltered = LIST.removesuffix("&status={}")
    with serve_simulation(DISCOVER % "true", SCENARIO) as simulation:
        assert scrape(simulation) == sorted([*all_lists, LONG, SHORT])
        assert scrape(simulation) == sorted([*ACTIVE_LISTS, unfiltered, LONG, SHORT])
        for _ in range(3):
            assert scrape(simulation) == sorted([*ACTIVE_LISTS, LONG])
        assert scrape(simulation) == sorted([*all_lists, LONG])
        assert scrape(simulation) == sorted([*ACTIVE_LISTS, unfiltered, LONG])


def test_an_operation_that_was_found_while_active_is_read_until_it_is_final() -> None:
    in_progress = LIST.format("InProgress")
    with serve_simulation(DISCOVER % "{statuses: [InProgress]}", SCENARIO) as simulation:
        assert scrape(simulation) == sorted([in_progress, LONG, SHORT])
        assert scrape(simulation) == sorted([in_progress, LONG, SHORT])
        assert scrape(simulation) == sorted([in_progress, LIST.format("Completed"), LONG])
        assert ids(simulation.exporter.scrape(after=700)) == {"long", "short"}


def test_an_operation_that_ended_before_it_was_found_is_not_found_by_active_statuses() -> None:
    with serve_simulation(DISCOVER % "{statuses: [InProgress]}", SCENARIO) as simulation:
        assert ids(simulation.exporter.scrape(after=200)) == {"long"}


def test_an_operation_that_is_missing_from_two_lists_in_a_row_is_removed() -> None:
    hidden = "\nfaults: [{api: ListThingRegistrationTasks, from: 300s, body: '{\"taskIds\": []}'}]"
    with serve_simulation(DISCOVER % "true", SCENARIO + hidden) as simulation:
        simulation.exporter.scrape()
        assert ids(simulation.exporter.scrape()) == {"long", "short"}
        assert ids(simulation.exporter.scrape(after=400)) == {"long", "short"}
        assert ids(simulation.exporter.scrape(after=300)) == set()


def test_a_failed_list_keeps_its_last_content() -> None:
    refused = "\nfaults: [{api: ListThingRegistrationTasks, from: 100s, body: '{}'}]"
    with serve_simulation(DISCOVER % "true", SCENARIO + refused) as simulation:
        simulation.exporter.scrape()
        exposed = simulation.exporter.scrape(after=400)
        assert ids(exposed) == {"long", "short"}
        assert Scrape(exposed).value("aws_iot_bulk_exporter_up") == 0
        assert Scrape(exposed).reasons() == {("thing_registration_task", "malformed")}


def test_active_and_then_newest_operations_are_kept_and_the_rest_is_counted() -> None:
    older = "\n  - {<<: *task, id: older, created: -1h}\n  - {<<: *task, id: oldest, created: -2h}\n"
    with serve_simulation(DISCOVER % "{max_operations: 3}", SCENARIO + older) as simulation:
        exposed = simulation.exporter.scrape(after=150)
        assert ids(exposed) == {"long", "short", "older"}
        assert Scrape(exposed).value("aws_iot_bulk_exporter_operations_omitted") == 1
        assert Scrape(exposed).value("aws_iot_bulk_exporter_operations") == 3


def test_too_old_operations_and_other_ids_are_not_counted_as_omitted() -> None:
    older = "\n  - {<<: *task, id: older, created: -2d}\n  - {<<: *task, id: shorty}\n"
    rules = '{max_age: 1d, id_pattern: "(short|long|older)$"}'
    with serve_simulation(DISCOVER % rules, SCENARIO + older) as simulation:
        exposed = simulation.exporter.scrape()
        assert ids(exposed) == {"long", "short"}
        assert Scrape(exposed).value("aws_iot_bulk_exporter_operations_omitted") == 0


def test_a_second_account_is_read_through_its_role_with_the_external_id() -> None:
    config = """
accounts:
  - {name: factory, watch: [{kind: thing_registration_task, ids: [short]}]}
  - name: field
    role_arn: arn:aws:iam::444455556666:role/iot-bulk-exporter
    external_id: the-right-one
    watch: [{kind: thing_registration_task, ids: [far]}]
  - name: denied
    role_arn: arn:aws:iam::444455556666:role/iot-bulk-exporter
    external_id: the-wrong-one
    regions: [us-east-1]
    watch: [{kind: thing_registration_task, ids: [far]}]
"""
    scenario = SCENARIO.replace('["111122223333"]', '["111122223333", "444455556666"]')
    scenario += '  - {<<: *task, id: far, account: "444455556666"}\n'
    scenario += 'roles: [{arn: "arn:aws:iam::444455556666:role/iot-bulk-exporter", external_id: the-right-one}]\n'
    with serve_simulation(config, scenario) as simulation:
        exposed = simulation.exporter.scrape()
    assert f'{FAILED}{{aws_account_id="111122223333",aws_region="eu-west-1",id="short"' in exposed
    assert f'{FAILED}{{aws_account_id="444455556666",aws_region="eu-west-1",id="far"' in exposed
    assert 'cell_error{account="denied",aws_account_id="444455556666",aws_region="us-east-1"' in exposed
    assert exposed.count('reason="access_denied"') == 2


def test_sts_is_called_for_an_account_id_at_most_once_in_each_region() -> None:
    config = """
accounts:
  - regions: [eu-west-1, us-east-1]
    watch:
      - {kind: thing_registration_task, ids: [short]}
      - {kind: greengrass_bulk_deployment, discover: true}
"""
    with serve_simulation(config, SCENARIO) as simulation:
        scrape(simulation)
        assert 1 <= simulation.requests.count("/") <= 2
        assert "/" not in scrape(simulation)


def test_a_clock_change_neither_causes_nor_prevents_a_refresh_and_keeps_the_series() -> None:
    with serve_simulation(IDS, SCENARIO) as simulation:
        scrape(simulation)
        for seconds in (-3600.0, 7200.0):
            simulation.exporter.clock.jump(seconds)
            assert scrape(simulation, after=1.0) == []
            assert scrape(simulation, after=10.0) == [LONG, SHORT]
            assert ids(simulation.exporter.scrape(after=0.0)) == {"long", "short"}
