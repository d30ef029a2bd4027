"""The environment of the drill: a simulated AWS, exporters, Prometheus and Alertmanager, and their faults."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from exporter.cli.drill.cases import DISCOVERY, DOWN_JOB, MAIN_JOB, RESTART_JOB, SHARDS_JOB, Case, combined_scenario
from exporter.cli.drill.files import (
    INVALID_CONFIG,
    SILENT_ALERTMANAGER,
    UNREADABLE_ORGANIZATION,
    exporter_config,
    healthy_config,
    prometheus_config,
    target_groups,
    write_file,
)
from exporter.cli.drill.programs import HOST, Programs, free_port, program_path, series_count
from exporter.kinds.kind import Kind

MAIN, DOWN, RESTART, SHARD = "exporter", "exporter-down", "exporter-restart", "exporter-shard"
# The main exporter, the one that is stopped, the one that is restarted, and two shards, of which one starts later.
# Prometheus does not know the target of that shard before.
EXPORTERS = 5


@dataclass(frozen=True, slots=True)
class Ports:
    """A free port for each program."""

    aws: int = field(default_factory=free_port)
    prometheus: int = field(default_factory=free_port)
    alertmanager: int = field(default_factory=free_port)
    main: int = field(default_factory=free_port)
    down: int = field(default_factory=free_port)
    restart: int = field(default_factory=free_port)
    shards: tuple[int, int] = field(default_factory=lambda: (free_port(), free_port()))


@dataclass(frozen=True, slots=True)
class Tools:
    """The paths of the installed programs. Raises StartError if one is missing."""

    prometheus: str = field(default_factory=lambda: program_path("prometheus"))
    alertmanager: str = field(default_factory=lambda: program_path("alertmanager", "prometheus-alertmanager"))


@dataclass(frozen=True, slots=True)
class DrillEnvironment:
    """All programs of the drill and their files. ``rules`` is the content of Prometheus's rule file."""

    tools: Tools
    programs: Programs
    ports: Ports
    cases: Sequence[Case]
    kinds: Sequence[Kind[Any]]
    rules: Mapping[str, Any]
    alertmanager_config: Path | None = None

    async def start(self) -> None:
        """Start all programs, with the scenario that causes the alerts."""
        await self._start_simulator(combined_scenario(self.cases))
        await self._start_main(self.cases, {kind.name for kind in self.kinds}, [UNREADABLE_ORGANIZATION])
        await self._start_exporter(DOWN, self.ports.down, self._healthy_config)
        # A folder in the place of the state file makes it unusable.
        self._state_file.mkdir()
        await self.restart_exporter()
        await self._start_shard(0)
        await self._start_alertmanager()
        await self._start_prometheus()

    async def is_scraped(self) -> bool:
        """Return whether Prometheus has scraped every exporter."""
        return await series_count(self.ports.prometheus, "aws_iot_bulk_exporter_build_info") == EXPORTERS - 1

    async def has_scraped_restarts(self, count: int) -> bool:
        """Return whether Prometheus has scraped an exporter after so many restarts."""
        changes = f'changes(process_start_time_seconds{{job="{RESTART_JOB}"}}[1h])'
        return await series_count(self.ports.prometheus, f"{changes} >= {count}") == 1

    async def cause_exporter_faults(self) -> None:
        """Stop one exporter, and make another one reload an invalid configuration. AWS cannot cause these faults."""
        await self.programs.stop(DOWN)
        self._reload_shard(INVALID_CONFIG)

    async def restart_exporter(self) -> None:
        """Start the exporter that is restarted, or stop it and start it again."""
        flag = f"--state.file={self._state_file}"
        await self._start_exporter(RESTART, self.ports.restart, self._healthy_config, flag)

    async def repair(self) -> None:
        """Make AWS respond without operations and faults, and repair the exporters."""
        await self._start_simulator({"accounts": combined_scenario(self.cases)["accounts"]})
        repaired = [replace(case, watch=DISCOVERY) for case in self.cases]
        await self._start_main(repaired, {kind.name for kind in self.kinds if kind.support_ended is None}, [])
        await self._start_exporter(DOWN, self.ports.down, self._healthy_config)
        self._state_file.rmdir()
        await self.restart_exporter()
        await self._start_shard(1)
        self._write_targets(self.ports.shards)
        self._reload_shard(self._healthy_config)

    @property
    def _healthy_config(self) -> dict[str, Any]:
        (account, *_) = combined_scenario(self.cases)["accounts"]
        return healthy_config(account, next(kind.name for kind in self.kinds if kind.by_default))

    @property
    def _state_file(self) -> Path:
        return self.programs.folder / "state.db"

    def _write(self, name: str, content: Any) -> Path:
        return write_file(self.programs.folder / name, content)

    async def _start_simulator(self, scenario: Mapping[str, Any]) -> None:
        path = self._write("scenario.yaml", scenario)
        address = f"--listen-address={HOST}:{self.ports.aws}"
        await self.programs.start_exporter("aws", "simulate", address, f"--scenario={path}")

    async def _start_main(
        self, cases: Sequence[Case], kinds: set[str], organizations: Sequence[Mapping[str, Any]]
    ) -> None:
        await self._start_exporter(MAIN, self.ports.main, exporter_config(cases, kinds, organizations))

    async def _start_exporter(self, name: str, port: int, config: Mapping[str, Any], *flags: str) -> None:
        path = self._write(f"{name}.yaml", config)
        address = f"--web.listen-address={HOST}:{port}"
        await self.programs.start_exporter(name, "serve", f"--config.file={path}", address, *flags)

    async def _start_shard(self, ordinal: int) -> None:
        flags = (f"--shard.ordinal={ordinal}", "--shard.total=2")
        await self._start_exporter(f"{SHARD}-{ordinal}", self.ports.shards[ordinal], self._healthy_config, *flags)

    def _reload_shard(self, config: Any) -> None:
        self._write(f"{SHARD}-0.yaml", config)
        self.programs.reload(f"{SHARD}-0")

    async def _start_alertmanager(self) -> None:
        config = self.alertmanager_config or self._write("alertmanager.yml", SILENT_ALERTMANAGER)
        await self.programs.start(
            "alertmanager",
            self.tools.alertmanager,
            f"--config.file={config}",
            f"--storage.path={self.programs.folder / 'alertmanager'}",
            f"--web.listen-address={HOST}:{self.ports.alertmanager}",
            "--cluster.listen-address=",
        )

    def _write_targets(self, shards: Sequence[int]) -> Path:
        ports = self.ports
        jobs = {MAIN_JOB: [ports.main], DOWN_JOB: [ports.down], RESTART_JOB: [ports.restart], SHARDS_JOB: shards}
        targets = {job: [f"{HOST}:{port}" for port in ports] for job, ports in jobs.items()}
        return self._write("targets.yml", target_groups(targets))

    async def _start_prometheus(self) -> None:
        targets = self._write_targets(self.ports.shards[:1])
        rules = self._write("rules.yml", self.rules)
        config = prometheus_config(targets, rules, f"{HOST}:{self.ports.alertmanager}")
        await self.programs.start(
            "prometheus",
            self.tools.prometheus,
            f"--config.file={self._write('prometheus.yml', config)}",
            f"--storage.tsdb.path={self.programs.folder / 'prometheus'}",
            f"--web.listen-address={HOST}:{self.ports.prometheus}",
            # Otherwise an alert that fires before Alertmanager is known is sent again only after a minute.
            "--rules.alert.resend-delay=1s",
        )
