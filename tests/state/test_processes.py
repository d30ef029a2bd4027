"""The state file with real processes: a restart with ten thousand operations, an orderly end, and two on one file."""

from __future__ import annotations

from pathlib import Path

from exporter.config.loader import parse_config
from exporter.kinds.registry import KINDS
from exporter.simulator.scenario import parse_scenario
from tests.state.test_restarts import described
from tests.support.clocks import ManualClock
from tests.support.exporter_server import serve_simulated_aws
from tests.support.killed_exporter import rows_by_operation, run_exporter_process, sample_sum
from tests.support.state_files import LAST, finished_config, finished_scenario, write_finished

EACH = 2500
FEW = 5


def test_ten_thousand_operations_are_served_after_a_restart_without_describing_one(tmp_path: Path) -> None:
    file, clock, config = tmp_path / "state.db", ManualClock(), finished_config(EACH)
    write_finished(file, parse_config(config, KINDS), parse_scenario(finished_scenario(EACH), KINDS), clock.at)
    with (
        serve_simulated_aws(finished_scenario(EACH), clock) as (endpoint, requests),
        run_exporter_process(tmp_path, config, endpoint, f"--state.file={file}") as one,
    ):
        known = rows_by_operation(one.scrape())
        rows = {row for rows in known.values() for row in rows}
        for kind, status in LAST.items():
            assert sum(f'kind="{kind}",status="{status}"}} 1.0' in row for row in rows) == EACH
        assert described(requests) == []
        assert requests != []


def test_what_was_read_just_before_an_orderly_end_is_written(tmp_path: Path) -> None:
    flag, clock = f"--state.file={tmp_path / 'state.db'}", ManualClock()
    with serve_simulated_aws(finished_scenario(FEW), clock) as (endpoint, requests):
        with run_exporter_process(tmp_path, finished_config(FEW), endpoint, flag) as one:
            first = rows_by_operation(one.scrape())
            assert one.end() == 0
        asked = len(requests)
        with run_exporter_process(tmp_path, finished_config(FEW), endpoint, flag) as one:
            assert rows_by_operation(one.scrape()) == first
        assert len(described(requests[:asked])) == FEW * len(LAST)
        assert described(requests[asked:]) == []


def test_two_processes_on_one_file_serve_both_and_leave_it_sound(tmp_path: Path) -> None:
    flag, clock = f"--state.file={tmp_path / 'state.db'}", ManualClock()
    folders = [tmp_path / name for name in ("one", "two")]
    for folder in folders:
        folder.mkdir()
    with serve_simulated_aws(finished_scenario(FEW), clock) as (endpoint, requests):
        with (
            run_exporter_process(folders[0], finished_config(FEW), endpoint, flag) as one,
            run_exporter_process(folders[1], finished_config(FEW), endpoint, flag) as two,
        ):
            for _ in range(3):
                assert rows_by_operation(one.scrape()).keys() == rows_by_operation(two.scrape()).keys()
            for each in (one, two):
                assert sample_sum(each.scrape(), "aws_iot_bulk_exporter_state_file_usable") == 1.0
                assert each.end() == 0
                assert "begun anew" not in each.output.read_text()
        asked = len(requests)
        with run_exporter_process(tmp_path, finished_config(FEW), endpoint, flag) as one:
            assert len(rows_by_operation(one.scrape())) == FEW * len(LAST)
        assert described(requests[asked:]) == []
