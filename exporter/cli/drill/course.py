"""The course of the drill: everything goes wrong, every alert must fire; everything is mended, every alert must end."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field

from exporter.cli.drill.cases import Case
from exporter.cli.drill.programs import HOST, json_of, text_of
from exporter.cli.drill.stage import Stage
from exporter.core.errors import StartError

PATIENCE_SECONDS = 180.0
"""How long the drill waits for anything; every alert fires within a fraction of it."""
TELLING_SECONDS = 900.0
"""How long Alertmanager may take to tell of ends: as long as its group_interval, which is often five minutes."""
PAUSE_SECONDS = 0.5
GROUPS = "alertmanager_dispatcher_aggregation_groups"
"""Alertmanager's metric of groups that have something left to tell."""

Labels = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Drill:
    """One drill. ``say`` gets a line for each thing that happens, ``hold`` waits while the alerts fire."""

    stage: Stage
    say: Callable[[str], None]
    hold: Callable[[], Awaitable[None]]
    monotonic: Callable[[], float] = field(default=time.monotonic)

    async def run(self) -> bool:
        """Set all alerts off and calm them down; tell whether each one fired and ended. Raises StartError."""
        try:
            await self.stage.set_up()
            await self._until(self.stage.is_seen, PATIENCE_SECONDS, "Prometheus does not see the exporters")
            return await self._course()
        finally:
            await self.stage.programs.end_all()

    async def _course(self) -> bool:
        ports, cases = self.stage.ports, self.stage.cases
        self.say(f"Prometheus    http://{HOST}:{ports.prometheus}")
        self.say(f"Alertmanager  http://{HOST}:{ports.alertmanager}")
        await self.stage.break_exporters()
        silent = await self._wait_for("fires", cases, _fires)
        await self.hold()
        await self.stage.calm_down()
        restless = await self._wait_for("ended", [case for case in cases if case not in silent], _is_over)
        await self._until(self._is_told, TELLING_SECONDS, "Alertmanager has not told its receivers of every end")
        fired = len(cases) - len(silent)
        self.say(f"{fired} of {len(cases)} alerts fired, {fired - len(restless)} of them ended.")
        return not silent and not restless

    async def _wait_for(
        self, word: str, cases: Sequence[Case], happened: Callable[[Case, Collection[Labels]], bool]
    ) -> list[Case]:
        """Report each case when it has happened; return those that have not in time."""
        waiting, began = list(cases), self.monotonic()
        while waiting and self.monotonic() - began < PATIENCE_SECONDS:
            firing = await self._firing()
            for case in [one for one in waiting if firing is not None and happened(one, firing)]:
                waiting.remove(case)
                self.say(f"{word}         {_shown(case)} after {self.monotonic() - began:.0f} s")
            await self._pause()
        for case in waiting:
            self.say(f"NOT {word}     {_shown(case)}")
        return waiting

    async def _firing(self) -> Collection[Labels] | None:
        """Return the labels of what Alertmanager knows to be firing, None where it does not answer."""
        alerts = await json_of(self.stage.ports.alertmanager, "/api/v2/alerts")
        return None if alerts is None else [alert["labels"] for alert in alerts]

    async def _is_told(self) -> bool:
        """Tell whether Alertmanager has told its receivers, if it has any, of every end."""
        if self.stage.alertmanager_config is None:
            return True
        text = await text_of(self.stage.ports.alertmanager, "/metrics")
        return GROUPS + " 0" in text.splitlines()

    async def _until(self, reached: Callable[[], Awaitable[bool]], within: float, failure: str) -> None:
        began = self.monotonic()
        while not await reached():
            if self.monotonic() - began > within:
                raise StartError(f"{failure}; see the logs in {self.stage.files.folder}")
            await self._pause()

    async def _pause(self) -> None:
        if ended := self.stage.programs.ended():
            raise StartError(f"{', '.join(ended)} ended; see the logs in {self.stage.files.folder}")
        await asyncio.sleep(PAUSE_SECONDS)


def _fires(case: Case, firing: Collection[Labels]) -> bool:
    return any(case.labels.items() <= labels.items() for labels in firing)


def _is_over(case: Case, firing: Collection[Labels]) -> bool:
    return not _fires(case, firing)


def _shown(case: Case) -> str:
    labels = ", ".join(f'{name}="{value}"' for name, value in case.labels.items() if name != "alertname")
    return f"{case.alert.name}{{{labels}}}"
