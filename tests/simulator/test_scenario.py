from __future__ import annotations

import pytest

from exporter.core.errors import ConfigError
from exporter.kinds.registry import KINDS
from exporter.simulator.scenario import Point, Scenario, parse_scenario
from tests.simulator.served_scenario import ACCOUNT, ACCOUNTS, OTHER_ACCOUNT


def parsed(text: str) -> Scenario:
    return parse_scenario(text, KINDS)


def problems(text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        parsed(text)
    return list(caught.value.problems)


WRONG = """
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
  - {account: "999999999999", service: s3, api: DescribeTask, error: E, body: ""}
"""


def test_all_problems_are_told_at_once_each_with_its_path() -> None:
    assert problems(WRONG) == [
        "latency: expected a duration such as 10s, 5m or 7d",
        'operations[0].kind: "nothing" is none of ' + ", ".join(kind.name for kind in KINDS),
        "operations[1].region: expected a Region such as eu-west-1",
        "operations[1].account: is none of accounts",
        "operations[1].id: longer than 40 characters",
        (
            'operations[1].timeline[0].status: "Runing" is no status of thing_registration_task; '
            "one of InProgress, Completed, Failed, Cancelled, Cancelling"
        ),
        "operations[1].timeline[0].at: the first point must be at 0s",
        "operations[1].timeline[1].at: must be later than the point before",
        "operations[1].timeline[1].failed: is more than done, which includes it",
        "operations[1].timeline[2].done: goes backwards",
        "operations[2].region: is missing",
        "operations[2].timeline[0].done: must be at most 1",
        "operations[2].colour: unknown key",
        "operations[3].timeline: is empty",
        "faults[0]: needs one of error, body, replace, remove, double, pages, skew, cut, drip, hang, headers and delay",
        "faults[1].account: is none of accounts",
        'faults[1].service: "s3" is none of greengrass, greengrassv2, iot, sts',
        *[line for line in problems(WRONG) if line.startswith("faults[1].api: ")],
        "quota: unknown key; did you mean quotas?",
    ]


@pytest.mark.parametrize(
    ("fault", "problem"),
    [
        ("{error: E, body: x}", "faults[0]: error and body exclude each other"),
        ("{error: E, remove: [a], skew: 1h}", "faults[0]: error and remove and skew exclude each other"),
        ("{cut: 3, hang: body}", "faults[0]: cut and hang exclude each other"),
        ("{hang: head, error: E}", "faults[0].hang: head means that no answer comes at all"),
        ("{hang: tail}", "faults[0].hang: expected one of 'head' or 'body'"),
        ("{drip: 0}", "faults[0].drip: must be at least 1"),
        ("{skew: 5m}", "faults[0].skew: AWS tolerates five minutes either way"),
        ("{service: sts, pages: endless}", "faults[0].pages: sts answers XML, which is not edited"),
        ("{api: AssumeRole, replace: {a: 1}}", "faults[0].replace: sts answers XML, which is not edited"),
        ("{replace: {}}", "faults[0].replace: is empty"),
        ('{headers: {Retry-After: "1\\n"}}', "faults[0].headers: expected names of headers, and printable ASCII text"),
        (
            '{headers: {Content-Length: "1"}}',
            "faults[0].headers: Content-Length is the server's own; cut, drip and hang break an answer",
        ),
        ("{cut: 3, status: 500}", "faults[0].status: needs error or body"),
        ("{delay: 1s, from: 5s, until: 5s}", "faults[0].until: must be later than from"),
        ("{delay: 1s, share: 1.5}", "faults[0].share: must be at most 1"),
        ('{error: "a b"}', "faults[0].error: String should match pattern '^[A-Za-z][A-Za-z0-9.]*$'"),
        (
            '{body: "", content_type: "\\u20ac"}',
            "faults[0].content_type: String should match pattern '^[!-~]+/[ -~]+$'",
        ),
        ("{delay: 1s, form: 5s}", "faults[0].form: unknown key; did you mean from?"),
    ],
)
def test_a_fault_that_makes_no_sense_is_refused(fault: str, problem: str) -> None:
    assert problems(f"{ACCOUNTS}faults: [{fault}]") == [problem]


@pytest.mark.parametrize(
    ("points", "problem"),
    [
        ("{at: 0s}", "[0].status: is missing"),
        ("{at: 0s, status: Failed, done: 0.5, failed: 0.4}, {at: 1s, failed: 0.3}", "[1].failed: goes backwards"),
        (
            "{at: 0s, status: Failed, done: 0.5, failed: 0.1}, {at: 1s, done: 0.55, failed: 0.3}",
            "[1].failed: grows faster than done, so that successes go backwards",
        ),
    ],
)
def test_counts_that_go_backwards_are_refused(points: str, problem: str) -> None:
    text = f"{ACCOUNTS}operations: [{{kind: thing_registration_task, region: eu-west-1, timeline: [{points}]}}]"
    assert problems(text) == [f"operations[0].timeline{problem}"]


def operations(*lines: str) -> str:
    entries = "".join(f"\n  - {{region: eu-west-1, {line}}}" for line in lines)
    return f"{ACCOUNTS}operations:{entries}"


TASK = "kind: thing_registration_task, timeline: [{at: 0s, status: InProgress}]"


def test_an_id_that_stands_twice_in_one_place_is_refused() -> None:
    accounts = ("", f', account: "{OTHER_ACCOUNT}"', f', account: "{ACCOUNT}"')
    twice = operations(*(f"{TASK}, id: a{account}" for account in accounts))
    assert problems(twice) == ["operations[2].id: stands twice"]


def test_many_operations_have_numbered_ids_that_must_fit_the_kind() -> None:
    scenario = parsed(operations(f"{TASK}, id: t, count: 3"))
    assert [one.id for one in scenario.operations] == ["t-0001", "t-0002", "t-0003"]
    assert problems(operations(f"{TASK}, count: 2, id: {'x' * 36}")) == ["operations[0].id: longer than 40 characters"]


@pytest.mark.parametrize("id", ["firmware 7", "firmware/7", "firmware.7", "..", "größer"])
def test_an_id_that_its_kind_cannot_have_is_refused_whatever_its_length(id: str) -> None:
    for number in ("", ", count: 2"):
        text = operations(f"kind: iot_job, timeline: [{{at: 0s, status: SCHEDULED}}], id: '{id}'{number}")
        assert problems(text) == ["operations[0].id: expected an id of the form [a-zA-Z0-9_-]+"]


def test_an_id_that_would_name_another_path_is_refused_for_every_kind() -> None:
    for id in ("'a b'", "..", '"a\\nb"'):
        (problem,) = problems(operations(f"{TASK}, id: {id}"))
        assert problem == "operations[0].id: expected an id without white space, control characters or only dots"


def test_a_name_a_target_and_whether_it_is_continuous_belong_to_the_operation() -> None:
    target = "arn:aws:iot:eu-west-1:111122223333:thinggroup/all"
    (told,) = parsed(operations(f"{TASK}, name: pilot, target: {target}, continuous: true")).operations
    assert (told.name, told.target, told.continuous) == ("pilot", target, True)
    (silent,) = parsed(operations(TASK)).operations
    assert (silent.name, silent.target, silent.continuous) == ("", "", False)


@pytest.mark.parametrize(
    ("wrong", "problem"),
    [
        ("name: 7", "name: expected text; put it in quotes"),
        ("target: 7", "target: expected text; put it in quotes"),
        ("continuous: 1", "continuous: expected true or false"),
        ('continuous: "true"', "continuous: expected true or false"),
        ("continous: true", "continous: unknown key; did you mean continuous?"),
        *(
            (
                f"target: '{target}'",
                "target: expected an ARN such as arn:aws:iot:eu-west-1:111122223333:thinggroup/NAME",
            )
            for target in ("sensors", "arn:aws:iot:eu-west-1:111122223333:job/a", "arn:aws:iot:x:1:thinggroup/a", " ")
        ),
    ],
)
def test_a_name_a_target_and_a_switch_of_another_form_are_refused(wrong: str, problem: str) -> None:
    assert problems(operations(f"{TASK}, {wrong}")) == [f"operations[0].{problem}"]


def test_ids_that_are_left_out_are_the_same_in_every_run_and_differ_from_each_other() -> None:
    text = operations(f"{TASK}, count: 2", TASK)
    ids = [one.id for one in parsed(text).operations]
    assert ids == [one.id for one in parsed(text).operations]
    assert (len(set(ids)), {len(id) for id in ids}) == (3, {36})


def test_a_point_keeps_what_it_leaves_out() -> None:
    text = operations(
        "kind: thing_registration_task, timeline: [{at: 0s, status: InProgress}, {at: 1m, done: 0.5, failed: 0.1},"
        " {at: 1h30m, status: Cancelled}]"
    )
    assert parsed(text).operations[0].timeline == (
        Point(0, "InProgress", 0, 0),
        Point(60, "InProgress", 0.5, 0.1),
        Point(5400, "Cancelled", 0.5, 0.1),
    )


def test_an_operation_belongs_to_the_first_account_unless_it_says_otherwise() -> None:
    assert parsed(operations(TASK)).operations[0].account == ACCOUNT


@pytest.mark.parametrize("text", ["", "- 1", "text", "accounts: []", "accounts: 7", "accounts: [a, {}]"])
def test_a_file_that_is_no_scenario_is_refused(text: str) -> None:
    assert problems(text)
