"""The demo exports every status of every kind within two minutes."""

from exporter.cli.commands.demo import demo_config
from exporter.kinds.registry import KINDS
from exporter.simulator.scenario import scenario_text
from tests.support.exporter_server import serve_simulation

STATUS_SERIES = "aws_iot_bulk_operation_status{"


def test_every_status_of_every_kind_appears_within_two_minutes() -> None:
    seen: set[tuple[str, str]] = set()
    with serve_simulation(demo_config(), scenario_text()) as simulation:
        began = simulation.exporter.clock.at
        while simulation.exporter.clock.at < began + 115:
            for sample in simulation.exporter.scrape(after=5.0).splitlines():
                if sample.startswith(STATUS_SERIES) and sample.endswith(" 1.0"):
                    seen.add((sample.split(',kind="')[1].split('"')[0], sample.split(',status="')[1].split('"')[0]))
    assert seen == {(kind.name, status) for kind in KINDS for status in kind.statuses}
