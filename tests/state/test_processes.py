"""The state file with real processes: they restart, share it, stop, or are killed, and never show a wrong value.

``KILLS=300 python -m pytest -s tests/state/test_processes.py -k killed`` kills more often, and prints a summary.
"""

import os
import random
import signal
import sqlite3
import threading
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import httpx
import pytest

from exporter.config.loader import parse_config
from exporter.kinds.registry import KINDS
from exporter.simulator.scenario import parse_scenario
from tests.state.test_restarts import described
from tests.support import http_requests
from tests.support.clocks import ManualClock
from tests.support.exporter_server import serve_exporter, serve_simulated_aws
from tests.support.processes import (
    ExporterProcess,
    ended_operations,
    rows_by_operation,
    run_exporter_process,
    sample_sum,
)
from tests.support.state_files import LAST, finished_config, finished_scenario, write_finished
from tests.support.waiting import wait_until

KILLS = int(os.environ.get("KILLS", "6"))
SEED = 20261122
# A process is killed after at most this many calls to AWS, and up to this many seconds later.
MAX_CALLS = 80
LATER = 1.5
CONFIG = """
accounts:
  - account_id: "111122223333"
    regions: [eu-west-1]
    watch:
      - {kind: thing_registration_task, discover: true}
      - {kind: iot_job, discover: true}
      - {kind: greengrass_deployment, discover: true}
      - {kind: greengrass_bulk_deployment, discover: true, details: true}
labels: {tags: [team]}
refresh: {min_age: 100ms}
aws: {api_budget: 1.0}
"""
OPERATION = """
  - {{kind: {kind}, id: {kind}-{end}, count: {count}, region: eu-west-1, items: 100, created: -1h, tags: {{team: red}},
     timeline: [{{at: 0s, status: {first}}}, {{at: {end}s, status: {last}, done: 0.9, failed: 0.1}}]}}"""
STATUSES = {
    "thing_registration_task": ("InProgress", "Completed"),
    "iot_job": ("IN_PROGRESS", "COMPLETED"),
    "greengrass_deployment": ("ACTIVE", "COMPLETED"),
    "greengrass_bulk_deployment": ("Running", "Completed"),
}
# How many operations of each kind end so many seconds after their creation: some before the first start, some later.
ENDS = {60: 8, 3600 + KILLS // 2: 3}

SCENARIO = 'accounts: ["111122223333"]\nquotas: false\nlatency: 10ms\noperations:' + "".join(
    OPERATION.format(kind=kind, first=first, last=last, end=end, count=count)
    for kind, (first, last) in STATUSES.items()
    for end, count in ENDS.items()
)


@contextmanager
def load(exporter: ExporterProcess, seen: list[str]) -> Iterator[None]:
    """Scrape and reload a process while it responds, and add each response to ``seen``."""
    over = threading.Event()

    def work() -> None:
        turn = 0
        while not over.is_set():
            turn += 1
            with suppress(httpx.TransportError, AssertionError):
                url = exporter.url
                if url is None:
                    over.wait(0.02)
                    continue
                headers = {"X-Prometheus-Scrape-Timeout-Seconds": "0.7"}
                seen.append(http_requests.get(f"{url}/metrics", headers=headers, timeout=5).text)
                if turn % 2:
                    http_requests.post(f"{url}/-/reload", timeout=5)
                else:
                    exporter.process.send_signal(signal.SIGHUP)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def wait_for_length(requests: list[str], length: int) -> None:
    """Wait until there are so many requests."""
    wait_until(lambda: len(requests) >= length or None, f"{length} requests", pause=0.005)


def restored_operations(
    folder: Path, endpoint: str, flags: Sequence[str], truth: Mapping[str, frozenset[str]]
) -> float:
    """Run a process until it has full data and stop it; return how many operations it read from its file."""
    with run_exporter_process(folder, CONFIG, endpoint, *flags) as exporter:
        wait_until(lambda: rows_by_operation(exporter.scrape()) == truth or None, "full data")
        restored = sample_sum(exporter.scrape(), "aws_iot_bulk_exporter_state_file_restored")
        assert exporter.end() == 0
    return restored


@pytest.mark.parametrize(("with_file", "kills"), [(True, KILLS), (False, KILLS // 2)])
def test_an_exporter_that_is_killed_at_any_moment_starts_again_with_full_data(
    with_file: bool, kills: int, tmp_path: Path
) -> None:
    moments, clock, seen = random.Random(SEED), ManualClock(), list[str]()
    file, met = tmp_path / "state.db", Counter[str]()
    flags = [f"--state.file={file}"] if with_file else []
    with serve_simulated_aws(SCENARIO, clock) as (endpoint, requests):
        for _ in range(kills):
            with run_exporter_process(tmp_path, CONFIG, endpoint, *flags) as exporter, load(exporter, seen):
                calls = moments.choice((0, moments.randrange(MAX_CALLS), moments.randrange(MAX_CALLS)))
                wait_for_length(requests, len(requests) + calls)
                threading.Event().wait(moments.choice((0.0, moments.uniform(0.0, LATER))))
                met["killed while it started" if exporter.url is None else "killed at work"] += 1
                exporter.kill()
            met["killed while it wrote"] += file.with_name("state.db-journal").exists()
            assert "replaced by a new one" not in exporter.output.read_text()
            if file.exists():
                with closing(sqlite3.connect(file)) as connection:
                    assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            clock.advance(1.0)
        with serve_exporter(CONFIG, endpoint) as reference:
            wait_until(lambda: len(ended_operations(rows_by_operation(reference.scrape()))) == 55 or None, "the truth")
            truth = rows_by_operation(reference.scrape())
        restored = [restored_operations(tmp_path, endpoint, flags, truth) for _ in range(2)]
        assert restored[-1] == (55 if with_file else 0)
    shown = [known for text in seen for known in ended_operations(rows_by_operation(text)).items()]
    assert [id for id, rows in shown if rows != truth[id]] == []
    summary = f"with a file: {with_file}, scrapes: {len(seen)}, ended operations shown: {len(shown)}"
    print(f"\n{summary}, restored in the end: {restored}, {dict(met)}")


EACH = 2500
FEW = 5


def test_ten_thousand_operations_are_served_after_a_restart_without_a_description(tmp_path: Path) -> None:
    file, clock, config = tmp_path / "state.db", ManualClock(), finished_config(EACH)
    write_finished(file, parse_config(config, KINDS), parse_scenario(finished_scenario(EACH), KINDS), clock.at)
    with (
        serve_simulated_aws(finished_scenario(EACH), clock) as (endpoint, requests),
        run_exporter_process(tmp_path, config, endpoint, f"--state.file={file}") as exporter,
    ):
        known = rows_by_operation(exporter.scrape())
        rows = {row for rows in known.values() for row in rows}
        for kind, status in LAST.items():
            assert sum(f'kind="{kind}",status="{status}"}} 1.0' in row for row in rows) == EACH
        assert described(requests) == []
        assert requests != []


def test_operations_that_were_read_just_before_a_shutdown_are_written(tmp_path: Path) -> None:
    flag, clock = f"--state.file={tmp_path / 'state.db'}", ManualClock()
    with serve_simulated_aws(finished_scenario(FEW), clock) as (endpoint, requests):
        with run_exporter_process(tmp_path, finished_config(FEW), endpoint, flag) as exporter:
            before = rows_by_operation(exporter.scrape())
            assert exporter.end() == 0
        number = len(requests)
        with run_exporter_process(tmp_path, finished_config(FEW), endpoint, flag) as exporter:
            assert rows_by_operation(exporter.scrape()) == before
        assert len(described(requests[:number])) == FEW * len(LAST)
        assert described(requests[number:]) == []


def test_two_processes_can_use_one_file(tmp_path: Path) -> None:
    flag, clock = f"--state.file={tmp_path / 'state.db'}", ManualClock()
    folders = [tmp_path / name for name in ("first", "second")]
    for folder in folders:
        folder.mkdir()
    with serve_simulated_aws(finished_scenario(FEW), clock) as (endpoint, requests):
        with (
            run_exporter_process(folders[0], finished_config(FEW), endpoint, flag) as first,
            run_exporter_process(folders[1], finished_config(FEW), endpoint, flag) as second,
        ):
            for _ in range(3):
                assert rows_by_operation(first.scrape()).keys() == rows_by_operation(second.scrape()).keys()
            for exporter in (first, second):
                assert sample_sum(exporter.scrape(), "aws_iot_bulk_exporter_state_file_usable") == 1.0
                assert exporter.end() == 0
                assert "replaced by a new one" not in exporter.output.read_text()
        before = len(requests)
        with run_exporter_process(tmp_path, finished_config(FEW), endpoint, flag) as exporter:
            assert len(rows_by_operation(exporter.scrape())) == FEW * len(LAST)
        assert described(requests[before:]) == []
