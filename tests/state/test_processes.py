"""The state file with real processes: a restart with ten thousand operations, a shutdown, and two on one file."""

from pathlib import Path

from exporter.config.loader import parse_config
from exporter.kinds.registry import KINDS
from exporter.simulator.scenario import parse_scenario
from tests.state.test_restarts import described
from tests.support.clocks import ManualClock
from tests.support.exporter_server import serve_simulated_aws
from tests.support.processes import rows_by_operation, run_exporter_process, sample_sum
from tests.support.state_files import LAST, finished_config, finished_scenario, write_finished

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
