"""The stage of the drill: a simulated AWS, exporters, Prometheus and Alertmanager, and what is done to them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from exporter.cli.drill.cases import DOWN_JOB, MAIN_JOB, SHARDS_JOB, Case
from exporter.cli.drill.files import (
    QUIET,
    SPOILT,
    Files,
    bad_scenario,
    exporter_config,
    good_scenario,
    prometheus_config,
    quiet_config,
)
from exporter.cli.drill.programs import HOST, Programs, found, free_port, series_of
from exporter.kinds.kind import Kind

MAIN, DOWN, SHARD = "exporter", "exporter-down", "exporter-shard"
SEEN = {MAIN_JOB, DOWN_JOB, SHARDS_JOB}


@dataclass(frozen=True, slots=True)
class Ports:
    """A free port for each program."""

    aws: int = field(default_factory=free_port)
    prometheus: int = field(default_factory=free_port)
    alertmanager: int = field(default_factory=free_port)
    main: int = field(default_factory=free_port)
    down: int = field(default_factory=free_port)
    shards: tuple[int, int] = field(default_factory=lambda: (free_port(), free_port()))


@dataclass(frozen=True, slots=True)
class Tools:
    """Where the programs are that are not ours. Raises StartError where one is missing."""

    prometheus: str = field(default_factory=lambda: found("prometheus"))
    alertmanager: str = field(default_factory=lambda: found("alertmanager", "prometheus-alertmanager"))


@dataclass(frozen=True, slots=True)
class Stage:
    """Everything that takes part. ``rules`` is the content of Prometheus's rule file."""

    tools: Tools
    files: Files
    programs: Programs
    ports: Ports
    cases: Sequence[Case]
    kinds: Sequence[Kind[Any]]
    rules: Mapping[str, Any]
    alertmanager_config: Path | None = None

    async def set_up(self) -> None:
        """Start all programs, with a scenario that sets off every alert."""
        await self._simulate(bad_scenario(self.cases))
        await self._export(MAIN, self.ports.main, exporter_config(self.cases, {kind.name for kind in self.kinds}))
        await self._export(DOWN, self.ports.down, self._quiet)
        await self._export_shard(0)
        await self._start_alertmanager()
        await self._start_prometheus()

    async def is_seen(self) -> bool:
        """Tell whether Prometheus has scraped every exporter."""
        return await series_of(self.ports.prometheus, "aws_iot_bulk_exporter_build_info") == len(SEEN)

    async def break_exporters(self) -> None:
        """Do to exporters what no answer of AWS does: end one, and spoil the configuration of another."""
        await self.programs.end(DOWN)
        self._reload_shard(SPOILT)

    async def calm_down(self) -> None:
        """Let AWS answer well and have nothing to tell, and mend the exporters."""
        supported = {kind.name for kind in self.kinds if kind.support_ended is None}
        await self._simulate(good_scenario(self.cases))
        await self._export(MAIN, self.ports.main, exporter_config(self.cases, supported))
        await self._export(DOWN, self.ports.down, self._quiet)
        await self._export_shard(1)
        self._reload_shard(self._quiet)

    @property
    def _quiet(self) -> dict[str, Any]:
        (account, *_) = good_scenario(self.cases)["accounts"]
        return quiet_config(account, next(kind.name for kind in self.kinds if kind.by_default))

    async def _simulate(self, scenario: Mapping[str, Any]) -> None:
        path = self.files.put("scenario.yaml", scenario)
        address = f"--listen-address={HOST}:{self.ports.aws}"
        await self.programs.start_exporter("aws", "simulate", address, f"--scenario={path}")

    async def _export(self, name: str, port: int, config: Mapping[str, Any], *flags: str) -> None:
        path = self.files.put(f"{name}.yaml", config)
        address = f"--web.listen-address={HOST}:{port}"
        await self.programs.start_exporter(name, "serve", f"--config.file={path}", address, *flags)

    async def _export_shard(self, ordinal: int) -> None:
        flags = (f"--shard.ordinal={ordinal}", "--shard.total=2")
        await self._export(f"{SHARD}-{ordinal}", self.ports.shards[ordinal], self._quiet, *flags)

    def _reload_shard(self, config: Any) -> None:
        self.files.put(f"{SHARD}-0.yaml", config)
        self.programs.hang_up(f"{SHARD}-0")

    async def _start_alertmanager(self) -> None:
        config = self.alertmanager_config or self.files.put("alertmanager.yml", QUIET)
        await self.programs.start(
            "alertmanager",
            self.tools.alertmanager,
            f"--config.file={config}",
            f"--storage.path={self.files.folder / 'alertmanager'}",
            f"--web.listen-address={HOST}:{self.ports.alertmanager}",
            "--cluster.listen-address=",
        )

    async def _start_prometheus(self) -> None:
        jobs = {MAIN_JOB: [self.ports.main], DOWN_JOB: [self.ports.down], SHARDS_JOB: self.ports.shards}
        targets = {job: [f"{HOST}:{port}" for port in ports] for job, ports in jobs.items()}
        rules = self.files.put("rules.yml", self.rules)
        config = prometheus_config(targets, rules, f"{HOST}:{self.ports.alertmanager}")
        await self.programs.start(
            "prometheus",
            self.tools.prometheus,
            f"--config.file={self.files.put('prometheus.yml', config)}",
            f"--storage.tsdb.path={self.files.folder / 'prometheus'}",
            f"--web.listen-address={HOST}:{self.ports.prometheus}",
        )
