import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry
from prometheus_client import generate_latest as generate_text
from prometheus_client.metrics_core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.openmetrics.exposition import generate_latest as _generate_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text
from prometheus_client.registry import Collector

from exporter.core.model import CellKey, Operation, Reading, Scope, Snapshot
from exporter.kinds.metric import IDENTITY, Metric, Row, breakdown, gauge
from exporter.metrics.exposition import Exposition
from exporter.metrics.families import Table, shared_metrics
from tests.support import http_requests
from tests.support.exporter_server import serve_exporter
from tests.support.exposition_rows import parse_openmetrics
from tests.support.scripted_endpoint import HttpResponse, ScriptedAws
from tests.support.servers import serve_app


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted(Operation):
    figure: float | None = None
    parts: tuple[tuple[str, float], ...] = ()


def table_of(kind: str) -> Table:
    """Return the shared metrics and two own ones, whose help text needs escaping."""
    return (
        *shared_metrics(
            ("InProgress", "Completed"), ("team", "cost center"), lambda operation: operation.name == "continuous"
        ),
        gauge(f"aws_{kind}_figure", 'A "figure"\nof C:\\new.', lambda operation: operation.figure),
        breakdown(f"aws_{kind}_parts", "Parts.", "part", lambda operation: operation.parts),
    )


END = b"# EOF\n"
# prometheus_client has no type annotations for this function.
generate_openmetrics: Callable[[CollectorRegistry], bytes] = _generate_openmetrics
few_examples = settings(max_examples=40, deadline=None)
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
    """Return the snapshot of a cell. By default every account has the same id."""
    return Snapshot(CellKey(account, "eu-west-1", kind), Scope(account, account_id, "eu-west-1"), readings)


def task(id: str, at: float = 1.0, input: str = "") -> Reading[Operation]:
    return Reading(Counted(id=id, status="InProgress", figure=1.0, input=input), at)


def recording_table(reads: list[str]) -> dict[str, Table]:
    """Return a table that adds the id of each operation that it reads."""

    def read(reading: Reading[Operation]) -> Iterable[Row]:
        reads.append(reading.operation.id)
        return (((), reading.at),)

    return {"task": (Metric("aws_task", "A task.", read),)}


def samples(families: Iterable[Family]) -> list[tuple[str, tuple[tuple[str, str], ...], str]]:
    """Return name, labels and value of each sample, with the value as text, because NaN does not equal itself."""
    found = (sample for family in families for sample in family.samples)
    return [(sample.name, tuple(sorted(sample.labels.items())), repr(float(sample.value))) for sample in found]


class Reference(Collector):
    """The families of all operations that have series, for prometheus_client."""

    def __init__(self, cells: Sequence[Snapshot]) -> None:
        self._cells = cells

    def collect(self) -> Iterable[Family]:
        families = {
            metric.name: GaugeMetricFamily(metric.name, metric.help, labels=(*IDENTITY, *metric.labels))
            for table in TABLES.values()
            for metric in table
        }
        seen: set[tuple[str, ...]] = set()
        for snapshot in self._cells:
            kind = snapshot.key.kind
            for reading in snapshot.readings:
                known = (snapshot.scope.account_id, snapshot.scope.region, kind, reading.operation.id)
                if known not in seen:
                    seen.add(known)
                    for metric in TABLES[kind]:
                        for extra, value in metric.read(reading):
                            families[metric.name].add_metric((*known, *extra), value)
        return [family for family in families.values() if family.samples]


def reference_exposition(cells: Sequence[Snapshot], is_openmetrics: bool) -> bytes:
    """Return prometheus_client's exposition of snapshots, without an end mark."""
    registry = CollectorRegistry()
    registry.register(Reference(cells))
    return generate_openmetrics(registry).removesuffix(END) if is_openmetrics else generate_text(registry)


@few_examples
@given(snapshots, st.booleans())
def test_the_text_equals_that_of_prometheus_client(cells: list[Snapshot], openmetrics: bool) -> None:
    assert Exposition(TABLES).render(cells, openmetrics) == reference_exposition(cells, openmetrics)


@few_examples
@given(snapshots)
def test_prometheus_client_parses_the_same_samples_from_both_formats(cells: list[Snapshot]) -> None:
    exposition = Exposition(TABLES)
    expected = samples(Reference(cells).collect())
    assert samples(parse_text(exposition.render(cells).decode())) == expected
    assert samples(parse_openmetrics((exposition.render(cells, openmetrics=True) + END).decode())) == expected


@few_examples
@given(st.lists(snapshots, min_size=2, max_size=4))
def test_old_content_is_not_in_a_later_scrape(scrapes: list[list[Snapshot]]) -> None:
    exposition = Exposition(TABLES)
    for cells in scrapes:
        assert exposition.render(cells) == reference_exposition(cells, is_openmetrics=False)


def test_a_family_without_samples_is_left_out() -> None:
    only_shared = cell("task", Reading(Counted(id="a", status="Completed"), 1.0))
    text = Exposition(TABLES).render([only_shared, cell("job")]).decode()
    assert "progress_ratio" not in text
    assert "aws_task_figure" not in text
    assert "aws_iot_bulk_operation_status" in text
    assert Exposition(TABLES).render([cell("task"), cell("job")]) == b""


def test_an_operation_is_rendered_once_per_reading() -> None:
    reads: list[str] = []
    exposition = Exposition(recording_table(reads))
    first, second = task("a"), task("b")
    exposition.render([cell("task", first, second)])
    exposition.render([cell("task", first, second)], openmetrics=True)
    assert reads == ["a", "b"]
    assert b'id="b",kind="task"} 2.0' in exposition.render([cell("task", first, replace(second, at=2.0))])
    assert reads == ["a", "b", "b"]


def test_a_new_account_id_is_in_every_series() -> None:
    exposition = Exposition(TABLES)
    reading = task("a")
    assert b'aws_account_id=""' in exposition.render([cell("task", reading, account_id="")])
    assert b'aws_account_id=""' not in exposition.render([cell("task", reading)])


@pytest.mark.parametrize("without", [[], [cell("task")]], ids=["cell", "operation"])
def test_lines_are_removed_with_their_cell_or_operation(without: list[Snapshot]) -> None:
    reads: list[str] = []
    exposition, found = Exposition(recording_table(reads)), [cell("task", task("a"))]
    exposition.render(found)
    assert exposition.render(without) == b""
    exposition.render(found)
    assert reads == ["a", "a"]


@pytest.mark.parametrize("second_account", ["first", "second"])
def test_an_operation_of_two_accounts_with_the_same_id_is_exposed_once(second_account: str) -> None:
    first = cell("task", task("a"), task("b"), account="factory")
    second = cell("task", task("b", at=9.0), task("c"), account="plant")
    cells: Sequence[Snapshot] = [first, second] if second_account == "second" else [second, first]
    exposition = Exposition(TABLES)
    for _ in range(2):
        rows = [row for row in exposition.render(cells).splitlines() if row.startswith(b"aws_task_figure{")]
        assert len(rows) == 3
        assert len({row.rpartition(b" ")[0] for row in rows}) == 3


def test_text_that_utf_8_cannot_encode_is_replaced() -> None:
    valid = "s3://a/\U0001f600\0"
    text = Exposition(TABLES).render([cell("task", task("a", input="half \ud83d"), task("b", input=valid))]).decode()
    assert 'input="half ?"' in text
    assert f'input="{valid}"' in text


def test_a_task_with_invalid_text_is_exposed() -> None:
    body = rb'{"status": "Failed", "inputFileBucket": "b\u0000", "inputFileKey": "\ud800\n\"", "successCount": 7}'
    aws = ScriptedAws({"/thing-registration-tasks/a": HttpResponse(body)})
    config = 'accounts: [{account_id: "111122223333", watch: [{kind: thing_registration_task, ids: [a]}]}]'
    with serve_app(aws.app()) as endpoint, serve_exporter(config, endpoint) as exporter:
        scraped = http_requests.get(f"{exporter.url}/metrics").content.decode()
    assert 'input="s3://b\0/?\\n\\""' in scraped
    assert [value for name, _, value in samples(parse_text(scraped)) if "_succeeded_" in name] == ["7.0"]


def test_scrapes_share_the_rendered_text() -> None:
    exposition, found = Exposition(TABLES), [cell("task", task("a"), task("b"))]
    text, openmetrics = (exposition.parts(found, is_openmetrics) for is_openmetrics in (False, True))
    assert b"".join(text) == exposition.render(found)
    assert [part for part in text if part.startswith(b"aws_")]
    assert all(part is same for part, same in zip(text, openmetrics, strict=True) if part.startswith(b"aws_"))
