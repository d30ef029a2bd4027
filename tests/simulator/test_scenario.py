import pytest

from exporter.core.errors import ConfigError
from exporter.kinds.registry import KINDS
from exporter.simulator.scenario import Scenario, parse_scenario
from exporter.simulator.timeline import Stage, stages_of
from tests.simulator.served_scenario import ACCOUNT, ACCOUNTS, OTHER_ACCOUNT


def scenario_of(text: str) -> Scenario:
    return parse_scenario(text, KINDS)


def ids_of(scenario: Scenario) -> list[str]:
    return [id for position, operation in enumerate(scenario.operations) for id in operation.ids(position)]


def problems(text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        scenario_of(text)
    return list(caught.value.problems)


def operations(*lines: str) -> str:
    entries = "".join(f"\n  - {{region: eu-west-1, {line}}}" for line in lines)
    return f"{ACCOUNTS}operations:{entries}"


INVALID = """
accounts: ["111122223333"]
quota: true
latency: soon
operations:
  - kind: nothing
    region: eu-west-1
    timeline: [{at: 0s, status: Whatever}]
  - kind: thing_registration_task
    region: here
    account: "999999999999"
    id: a-name-that-is-longer-than-forty-characters
    timeline:
      - {at: 1s, status: Runing}
      - {at: 1s, done: 0.5, failed: 0.6}
      - {at: 5s, done: 0.4, failed: 0.2}
  - kind: thing_registration_task
    timeline: [{at: 0s, done: 2.0}]
    colour: red
  - {kind: thing_registration_task, region: eu-west-1, timeline: []}
faults:
  - {}
  - {account: "999999999999", service: sqs, api: DescribeTask, error: E, body: ""}
"""


def test_all_problems_are_reported_at_once_each_with_its_path() -> None:
    assert problems(INVALID) == [
        "latency: expected a duration such as 10s, 5m or 7d",
        'operations[0].kind: unknown kind "nothing"; expected one of ' + ", ".join(kind.name for kind in KINDS),
        "operations[1].region: expected a Region such as eu-west-1",
        "operations[1].account: is not in accounts or organizations",
        "operations[1].id: longer than 40 characters",
        (
            'operations[1].timeline[0].status: unknown status "Runing"; '
            "expected one of InProgress, Completed, Failed, Cancelled, Cancelling, Unknown"
        ),
        "operations[1].timeline[0].at: the first point must be at 0s",
        "operations[1].timeline[1].at: must be later than the point before",
        "operations[1].timeline[1].failed: must be at most done, which includes failed",
        "operations[1].timeline[2].done: must not decrease",
        "operations[2].region: is missing",
        "operations[2].timeline[0].done: must be at most 1",
        "operations[2].colour: unknown key",
        "operations[3].timeline: is empty; set a value or remove the key",
        (
            "faults[0]: has no effect; add one of error, body, replace, remove, double, pages, skew, "
            "cut, drip, hang, headers, delay"
        ),
        "faults[1].account: is not in accounts or organizations",
        (
            'faults[1].service: unknown service "sqs"; '
            "expected one of account, greengrass, greengrassv2, iot, organizations, s3, sts"
        ),
        *[line for line in problems(INVALID) if line.startswith("faults[1].api: ")],
        "quota: unknown key; did you mean quotas?",
    ]


@pytest.mark.parametrize(
    ("fault", "problem"),
    [
        ("error: E, body: x", ": error, body cannot be combined; keep one"),
        ("error: E, remove: [a], skew: 1h", ": error, remove, skew cannot be combined; keep one"),
        ("cut: 3, hang: body", ": cut, hang cannot be combined; keep one"),
        ("hang: head, error: E", ".hang: head sends no response, so remove error"),
        ("hang: tail", ".hang: expected one of 'head' or 'body'"),
        ("drip: 0", ".drip: must be at least 1"),
        ("skew: 5m", ".skew: must be more than 5m or less than -5m, because AWS accepts a smaller difference"),
        ("service: sts, pages: endless", ".pages: responses of sts are XML and cannot be edited"),
        ("api: AssumeRole, replace: {a: 1}", ".replace: responses of sts are XML and cannot be edited"),
        ("replace: {}", ".replace: is empty; set a value or remove the key"),
        ('headers: {Retry-After: "1\\n"}', ".headers: expected header names with values in printable ASCII"),
        (
            'headers: {Content-Length: "1"}',
            ".headers: Content-Length is set by the server; use cut, drip or hang to break a response",
        ),
        ("cut: 3, status: 500", ".status: requires error or body"),
        ("delay: 1s, from: 5s, until: 5s", ".until: must be later than from"),
        ("delay: 1s, share: 1.5", ".share: must be at most 1"),
        ('error: "a b"', ".error: must match the regular expression ^[A-Za-z][A-Za-z0-9.]*$"),
        ('body: "", content_type: "\\u20ac"', ".content_type: must match the regular expression ^[!-~]+/[ -~]+$"),
        ("delay: 1s, form: 5s", ".form: unknown key; did you mean from?"),
    ],
)
def test_an_invalid_fault_is_refused(fault: str, problem: str) -> None:
    assert problems(f"{ACCOUNTS}faults: [{{{fault}}}]") == [f"faults[0]{problem}"]


@pytest.mark.parametrize(
    ("points", "problem"),
    [
        ("{at: 0s}", "[0].status: is missing"),
        ("{at: 0s, status: Failed, done: 0.5, failed: 0.4}, {at: 1s, failed: 0.3}", "[1].failed: must not decrease"),
        (
            "{at: 0s, status: Failed, done: 0.5, failed: 0.1}, {at: 1s, done: 0.55, failed: 0.3}",
            "[1].failed: must not grow faster than done, or the number of successes decreases",
        ),
    ],
)
def test_counts_that_decrease_are_refused(points: str, problem: str) -> None:
    text = operations(f"kind: thing_registration_task, timeline: [{points}]")
    assert problems(text) == [f"operations[0].timeline{problem}"]


TASK = "kind: thing_registration_task, timeline: [{at: 0s, status: InProgress}]"
NO_TARGET = "target: expected an ARN such as arn:aws:iot:eu-west-1:111122223333:thinggroup/NAME"


def test_a_duplicate_id_in_one_account_and_region_is_refused() -> None:
    accounts = ("", f', account: "{OTHER_ACCOUNT}"', f', account: "{ACCOUNT}"')
    text = operations(*(f"{TASK}, id: a{account}" for account in accounts))
    assert problems(text) == ["operations[2].id: duplicate id"]


def test_several_operations_have_numbered_ids_that_must_be_valid_for_the_kind() -> None:
    scenario = scenario_of(operations(f"{TASK}, id: t, count: 3"))
    assert ids_of(scenario) == ["t-0001", "t-0002", "t-0003"]
    assert problems(operations(f"{TASK}, count: 2, id: {'x' * 36}")) == ["operations[0].id: longer than 40 characters"]


@pytest.mark.parametrize("id", ["firmware 7", "firmware/7", "firmware.7", "..", "größer"])
@pytest.mark.parametrize("count", [1, 2])
def test_an_id_that_is_invalid_for_its_kind_is_refused_at_any_length(id: str, count: int) -> None:
    text = operations(f"kind: iot_job, timeline: [{{at: 0s, status: SCHEDULED}}], id: '{id}', count: {count}")
    assert problems(text) == ["operations[0].id: expected an id that matches [a-zA-Z0-9_-]+"]


@pytest.mark.parametrize("id", ["'a b'", "..", '"a\\nb"'])
def test_an_id_that_selects_another_path_is_refused_for_every_kind(id: str) -> None:
    problem = "operations[0].id: expected an id without white space, control characters or only dots"
    assert problems(operations(f"{TASK}, id: {id}")) == [problem]


def test_an_operation_has_a_name_a_target_and_a_continuous_flag() -> None:
    target = "arn:aws:iot:eu-west-1:111122223333:thinggroup/all"
    (full,) = scenario_of(operations(f"{TASK}, name: pilot, target: {target}, continuous: true")).operations
    assert (full.name, full.target, full.continuous) == ("pilot", target, True)
    (short,) = scenario_of(operations(TASK)).operations
    assert (short.name, short.target, short.continuous) == ("", "", False)


@pytest.mark.parametrize(
    ("entry", "problem"),
    [
        ("name: 7", "name: expected text; put it in quotes"),
        ("target: 7", "target: expected text; put it in quotes"),
        ("continuous: 1", "continuous: expected true or false"),
        ('continuous: "true"', "continuous: expected true or false"),
        ("continous: true", "continous: unknown key; did you mean continuous?"),
        ("abort_percentage: 101", "abort_percentage: must be at most 100"),
        ("reason_code: wrong", "reason_code: must match the regular expression ^[A-Z0-9_]{0,128}$"),
        ("target: sensors", NO_TARGET),
        ("target: 'arn:aws:iot:eu-west-1:111122223333:job/a'", NO_TARGET),
        ("target: 'arn:aws:iot:x:1:thinggroup/a'", NO_TARGET),
        ("target: ' '", NO_TARGET),
    ],
)
def test_an_invalid_name_target_or_switch_is_refused(entry: str, problem: str) -> None:
    assert problems(operations(f"{TASK}, {entry}")) == [f"operations[0].{problem}"]


def test_omitted_ids_are_distinct_and_the_same_in_every_run() -> None:
    text = operations(f"{TASK}, count: 2", TASK)
    ids, ids_of_next_run = (ids_of(scenario_of(text)) for _ in range(2))
    assert ids == ids_of_next_run
    assert (len(set(ids)), {len(id) for id in ids}) == (3, {36})


def test_a_point_keeps_the_values_that_it_omits() -> None:
    text = operations(
        "kind: thing_registration_task, timeline: [{at: 0s, status: InProgress}, {at: 1m, done: 0.5, failed: 0.1},"
        " {at: 1h30m, status: Cancelled}]"
    )
    assert stages_of(scenario_of(text).operations[0].timeline, items=10) == (
        Stage(0, "InProgress", 0, 0),
        Stage(60, "InProgress", 4, 1),
        Stage(5400, "Cancelled", 4, 1),
    )


@pytest.mark.parametrize("entry", [TASK, f"{TASK}, account: null, id: null"])
def test_an_operation_without_an_account_belongs_to_the_first_account(entry: str) -> None:
    scenario = scenario_of(operations(entry))
    (id,) = ids_of(scenario)
    assert (scenario.operations[0].account, len(id)) == (ACCOUNT, 36)


@pytest.mark.parametrize("text", ["", "- 1", "text", "accounts: []", "accounts: 7", "accounts: [a, {}]"])
def test_a_file_without_a_scenario_is_refused(text: str) -> None:
    assert problems(text)
