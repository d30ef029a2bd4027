"""The state file with real processes: a restart with ten thousand operations, an orderly end, and two on one file."""

from __future__ import annotations

from pathlib import Path

from exporter.config.loader import parse_config
from exporter.kinds.registry import KINDS
from exporter.simulator.scenario import parse_scenario
from tests.state.test_restarts import described
from tests.support.clocks import ManualClock
from tests.support.exporter_server import simulated_aws
from tests.support.finished_state_file import LAST, ended_config, ended_scenario, write_ended
from tests.support.killed_exporter import facts, life, total

EACH = 2500
FEW = 5


def test_ten_thousand_operations_are_served_after_a_restart_without_describing_one(tmp_path: Path) -> None:
    file, clock, config = tmp_path / "state.db", ManualClock(), ended_config(EACH)
    write_ended(file, parse_config(config, KINDS), parse_scenario(ended_scenario(EACH), KINDS), clock.at)
    with (
        simulated_aws(ended_scenario(EACH), clock) as (endpoint, requests),
        life(tmp_path, config, endpoint, f"--state.file={file}") as one,
    ):
        known = facts(one.scrape())
        rows = {row for rows in known.values() for row in rows}
        for kind, status in LAST.items():
            assert sum(f'kind="{kind}",status="{status}"}} 1.0' in row for row in rows) == EACH
        assert described(requests) == []
        assert requests != []


def test_what_was_read_just_before_an_orderly_end_is_written(tmp_path: Path) -> None:
    flag, clock = f"--state.file={tmp_path / 'state.db'}", ManualClock()
    with simulated_aws(ended_scenario(FEW), clock) as (endpoint, requests):
        with life(tmp_path, ended_config(FEW), endpoint, flag) as one:
            first = facts(one.scrape())
            assert one.end() == 0
        asked = len(requests)
        with life(tmp_path, ended_config(FEW), endpoint, flag) as one:
            assert facts(one.scrape()) == first
        assert len(described(requests[:asked])) == FEW * len(LAST)
        assert described(requests[asked:]) == []


def test_two_processes_on_one_file_serve_both_and_leave_it_sound(tmp_path: Path) -> None:
    flag, clock = f"--state.file={tmp_path / 'state.db'}", ManualClock()
    folders = [tmp_path / name for name in ("one", "two")]
    for folder in folders:
        folder.mkdir()
    with simulated_aws(ended_scenario(FEW), clock) as (endpoint, requests):
        with (
            life(folders[0], ended_config(FEW), endpoint, flag) as one,
            life(folders[1], ended_config(FEW), endpoint, flag) as two,
        ):
            for _ in range(3):
                assert facts(one.scrape()).keys() == facts(two.scrape()).keys()
            for each in (one, two):
                assert total(each.scrape(), "aws_iot_bulk_exporter_state_file_usable") == 1.0
                assert each.end() == 0
                assert "begun anew" not in each.output.read_text()
        asked = len(requests)
        with life(tmp_path, ended_config(FEW), endpoint, flag) as one:
            assert len(facts(one.scrape())) == FEW * len(LAST)
        assert described(requests[asked:]) == []
