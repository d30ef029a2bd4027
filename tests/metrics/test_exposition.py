from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.parser import text_string_to_metric_families as parse_text

from exporter.core.model import CellKey, Operation, Reading, Scope, Snapshot
from exporter.kinds.metric import Metric, Row, breakdown, gauge
from exporter.metrics.exposition import Exposition
from exporter.metrics.families import Table, shared_metrics
from tests.support import http_requests
from tests.support.exporter_server import serve_exporter
from tests.support.exposition_rows import parse_openmetrics
from tests.support.reference_exposition import END, Operations, reference_exposition
from tests.support.scripted_endpoint import HttpResponse, ScriptedAws
from tests.support.servers import serve_app


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted(Operation):
    """An operation with figures of any sort."""

    figure: float | None = None
    parts: tuple[tuple[str, float], ...] = ()


def table_of(kind: str) -> Table:
    """Return the shared rows and two of a kind's own, whose help needs escaping."""
    return (
        *shared_metrics(("InProgress", "Completed"), ("team", "cost center")),
        gauge(f"aws_{kind}_figure", 'A "figure"\nof C:\\new.', lambda one: one.figure),
        breakdown(f"aws_{kind}_parts", "Parts.", "part", lambda one: one.parts),
    )


some = settings(max_examples=40, deadline=None)
TABLES = {kind: table_of(kind) for kind in ("task", "job")}

texts = st.text(st.characters(codec="utf-8"), max_size=8) | st.sampled_from(
    ["", '"', "\n", "\\", "\\n", '\\"', "é\0\r"]
)
numbers = (
    st.floats(allow_nan=True, allow_infinity=True)
    | st.integers(-(2**53), 2**53)
    | st.sampled_from([math.nan, math.inf, -math.inf, -0.0, 10**21, 123456789.5])
)
FIRST, LAST = datetime(1970, 1, 2, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)
moments = st.none() | st.timedeltas(timedelta(0), LAST - FIRST).map(FIRST.__add__)
operations = st.builds(
    Counted,
    id=texts,
    status=st.sampled_from(["InProgress", "Completed", "Paused"]),
    progress=st.none() | st.floats(0, 1),
    created=moments,
    updated=moments,
    name=texts,
    target=texts,
    input=texts,
    tags=st.just(()) | st.tuples(st.tuples(st.just("team"), texts)),
    figure=st.none() | numbers,
    parts=st.lists(st.tuples(texts, numbers), max_size=3, unique_by=lambda part: part[0]).map(tuple),
)
readings = st.lists(
    st.builds(Reading, operations, st.floats(0, 4e9)), max_size=3, unique_by=lambda reading: reading.operation.id
)
snapshots = st.lists(
    st.builds(
        lambda account, kind, own: cell(kind, *own, account=account),
        st.sampled_from("ab"),
        st.sampled_from(sorted(TABLES)),
        readings,
    ),
    max_size=4,
    unique_by=lambda snapshot: snapshot.key,
)


def cell(
    kind: str, *readings: Reading[Operation], account: str = "factory", account_id: str = "111122223333"
) -> Snapshot:
    """Return the snapshot of a cell; every account has the same number unless another one is named."""
    return Snapshot(CellKey(account, "eu-west-1", kind), Scope(account, account_id, "eu-west-1"), readings)


def task(id: str, at: float = 1.0, input: str = "") -> Reading[Operation]:
    """Return a reading of an operation under way."""
    return Reading(Counted(id=id, status="InProgress", figure=1.0, input=input), at)


def counting(reads: list[str]) -> dict[str, Table]:
    """Return a table that writes down whom it reads."""

    def read(reading: Reading[Operation]) -> Iterable[Row]:
        reads.append(reading.operation.id)
        return (((), reading.at),)

    return {"task": (Metric("aws_task", "A task.", read),)}


def samples(families: Iterable[Family]) -> list[tuple[str, tuple[tuple[str, str], ...], str]]:
    """Return name, labels and value of each sample; the value as text, so that NaN equals itself."""
    return [
        (one.name, tuple(sorted(one.labels.items())), repr(float(one.value))) for f in families for one in f.samples
    ]


@some
@given(snapshots, st.booleans())
def test_the_text_is_to_the_byte_what_prometheus_client_renders(found: list[Snapshot], openmetrics: bool) -> None:
    assert Exposition(TABLES).render(found, openmetrics) == reference_exposition(found, TABLES, openmetrics)


@some
@given(snapshots)
def test_the_parsers_of_prometheus_client_read_the_same_from_both_formats(found: list[Snapshot]) -> None:
    exposition = Exposition(TABLES)
    given_samples = samples(Operations(found, TABLES).collect())
    assert samples(parse_text(exposition.render(found).decode())) == given_samples
    assert samples(parse_openmetrics((exposition.render(found, openmetrics=True) + END).decode())) == given_samples


@some
@given(st.lists(snapshots, min_size=2, max_size=4))
def test_what_was_rendered_before_never_shows_in_a_later_scrape(scrapes: list[list[Snapshot]]) -> None:
    exposition = Exposition(TABLES)
    for found in scrapes:
        assert exposition.render(found) == reference_exposition(found, TABLES, openmetrics=False)


def test_a_family_without_rows_is_left_out() -> None:
    only_shared = cell("task", Reading(Counted(id="a", status="Completed"), 1.0))
    text = Exposition(TABLES).render([only_shared, cell("job")]).decode()
    assert "progress_ratio" not in text
    assert "aws_task_figure" not in text
    assert "aws_iot_bulk_operation_status" in text
    assert Exposition(TABLES).render([cell("task"), cell("job")]) == b""


def test_an_operation_is_read_once_for_as_long_as_its_reading_stays() -> None:
    reads: list[str] = []
    exposition = Exposition(counting(reads))
    first, second = task("a"), task("b")
    exposition.render([cell("task", first, second)])
    exposition.render([cell("task", first, second)], openmetrics=True)
    assert reads == ["a", "b"]
    assert b'id="b",kind="task"} 2.0' in exposition.render([cell("task", first, replace(second, at=2.0))])
    assert reads == ["a", "b", "b"]


def test_an_account_number_that_becomes_known_is_in_every_row() -> None:
    exposition = Exposition(TABLES)
    reading = task("a")
    assert b'aws_account_id=""' in exposition.render([cell("task", reading, account_id="")])
    assert b'aws_account_id=""' not in exposition.render([cell("task", reading)])


def test_an_operation_that_left_is_forgotten_with_its_lines() -> None:
    reads: list[str] = []
    exposition = Exposition(counting(reads))
    reading = task("a")
    exposition.render([cell("task", reading)])
    assert exposition.render([cell("task")]) == b""
    exposition.render([cell("task", reading)])
    assert reads == ["a", "a"]


@pytest.mark.parametrize("second_account", ["first", "second"])
def test_two_configured_accounts_that_are_one_give_each_operation_one_row(second_account: str) -> None:
    one = cell("task", task("a"), task("b"), account="factory")
    two = cell("task", task("b", at=9.0), task("c"), account="plant")
    cells: Sequence[Snapshot] = [one, two] if second_account == "second" else [two, one]
    exposition = Exposition(TABLES)
    for _ in range(2):
        rows = [row for row in exposition.render(cells).splitlines() if row.startswith(b"aws_task_figure{")]
        assert len(rows) == 3
        assert len({row.rpartition(b" ")[0] for row in rows}) == 3


def test_text_that_utf_8_cannot_hold_does_not_break_the_scrape() -> None:
    whole = "s3://a/\U0001f600\0"
    text = Exposition(TABLES).render([cell("task", task("a", input="half \ud83d"), task("b", input=whole))]).decode()
    assert 'input="half ?"' in text
    assert f'input="{whole}"' in text


def test_a_task_whose_text_is_broken_is_scraped_all_the_same() -> None:
    body = rb'{"status": "Failed", "inputFileBucket": "b\u0000", "inputFileKey": "\ud800\n\"", "successCount": 7}'
    aws = ScriptedAws({"/thing-registration-tasks/a": HttpResponse(body)})
    config = 'accounts: [{account_id: "111122223333", watch: [{kind: thing_registration_task, ids: [a]}]}]'
    with serve_app(aws.app()) as endpoint, serve_exporter(config, endpoint) as exporter:
        scraped = http_requests.get(f"{exporter.url}/metrics").content.decode()
    assert 'input="s3://b\0/?\\n\\""' in scraped
    assert [one.value for f in parse_text(scraped) for one in f.samples if "_succeeded_" in one.name] == [7]


def test_scrapes_hold_the_same_text_and_no_copy_of_it() -> None:
    exposition, found = Exposition(TABLES), [cell("task", task("a"), task("b"))]
    one, other = (exposition.parts(found, openmetrics) for openmetrics in (False, True))
    assert b"".join(one) == exposition.render(found)
    assert [part for part in one if part.startswith(b"aws_")]
    assert all(part is same for part, same in zip(one, other, strict=True) if part.startswith(b"aws_"))


def test_a_cell_that_is_gone_is_forgotten_with_its_lines() -> None:
    reads: list[str] = []
    exposition, found = Exposition(counting(reads)), [cell("task", task("a"))]
    for snapshots in (found, [], found):
        exposition.render(snapshots)
    assert reads == ["a", "a"]
