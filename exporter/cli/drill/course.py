"""The course of the drill: cause all faults until every alert fires, then repair them until every alert resolves."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from exporter.cli.drill.cases import Case
from exporter.cli.drill.environment import DrillEnvironment
from exporter.cli.drill.programs import HOST, response_json, response_text
from exporter.core.errors import StartError

# Each alert needs a fraction of this time.
TIMEOUT_SECONDS = 180.0
# Alertmanager sends the end of an alert after its group_interval, which is often five minutes.
NOTIFICATION_SECONDS = 900.0
POLL_SECONDS = 0.5
# One more than the threshold of the drill. More restarts would take longer than the shortened window.
RESTARTS = 2
# Alertmanager's metric of the groups with notifications that it has not sent.
GROUPS = "alertmanager_dispatcher_aggregation_groups"

Labels = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Drill:
    """One drill. ``report`` prints a line of progress. ``hold`` waits while the alerts fire."""

    environment: DrillEnvironment
    report: Callable[[str], None]
    hold: Callable[[], Awaitable[None]] | None

    async def run(self) -> bool:
        """Return whether every alert fired and resolved. Raises StartError."""
        try:
            await self.environment.start()
            await self._wait_until(self.environment.is_scraped, TIMEOUT_SECONDS, "Prometheus scrapes no exporter")
            return await self._fire_and_resolve()
        finally:
            await self.environment.programs.stop_all()

    async def _fire_and_resolve(self) -> bool:
        ports, cases = self.environment.ports, self.environment.cases
        self.report(f"Prometheus    http://{HOST}:{ports.prometheus}")
        self.report(f"Alertmanager  http://{HOST}:{ports.alertmanager}")
        await self.environment.cause_exporter_faults()
        await self._restart_exporter()
        not_fired = await self._wait_for("fired", cases, _is_firing)
        if self.hold:
            await self.hold()
        await self.environment.repair()
        fired = [case for case in cases if case not in not_fired]
        not_resolved = await self._wait_for("resolved", fired, lambda case, firing: not _is_firing(case, firing))
        # On a busy machine an alert could fire again, and Alertmanager would never be finished.
        await self.environment.programs.stop("prometheus")
        await self._wait_until(
            self._has_notified, NOTIFICATION_SECONDS, "Alertmanager has not sent all notifications of resolved alerts"
        )
        resolved = len(fired) - len(not_resolved)
        self.report(f"{len(fired)} of {len(cases)} alerts fired, {resolved} of them resolved.")
        return not not_fired and not not_resolved

    async def _restart_exporter(self) -> None:
        for count in range(1, RESTARTS + 1):
            await self.environment.restart_exporter()
            is_scraped = partial(self.environment.has_scraped_restarts, count)
            await self._wait_until(is_scraped, TIMEOUT_SECONDS, "Prometheus does not scrape the restarted exporter")

    async def _wait_for(
        self, state: str, cases: Sequence[Case], has_state: Callable[[Case, Collection[Labels]], bool]
    ) -> list[Case]:
        """Report each case that reaches the state, and return the cases that do not reach it in time."""
        waiting, began = list(cases), time.monotonic()
        while waiting and time.monotonic() - began < TIMEOUT_SECONDS:
            firing = await self._firing()
            for case in [case for case in waiting if firing is not None and has_state(case, firing)]:
                waiting.remove(case)
                self.report(f"{state:<14}{case} after {time.monotonic() - began:.0f} s")
            await self._poll_pause()
        for case in waiting:
            self.report(f"NOT {state:<10}{case}")
        return waiting

    async def _firing(self) -> Collection[Labels] | None:
        """Return the labels of Alertmanager's firing alerts, or None without a response."""
        alerts = await response_json(self.environment.ports.alertmanager, "/api/v2/alerts")
        return None if alerts is None else [alert["labels"] for alert in alerts]

    async def _has_notified(self) -> bool:
        """Return whether Alertmanager has sent every notification to the user's receivers, if there are any."""
        if self.environment.alertmanager_config is None:
            return True
        text = await response_text(self.environment.ports.alertmanager, "/metrics")
        return GROUPS + " 0" in text.splitlines()

    async def _wait_until(self, is_reached: Callable[[], Awaitable[bool]], seconds: float, failure: str) -> None:
        began = time.monotonic()
        while not await is_reached():
            if time.monotonic() - began > seconds:
                raise StartError(f"{failure}; see the logs in {self.environment.programs.folder}")
            await self._poll_pause()

    async def _poll_pause(self) -> None:
        if exited := self.environment.programs.exited():
            raise StartError(f"{', '.join(exited)} exited; see the logs in {self.environment.programs.folder}")
        await asyncio.sleep(POLL_SECONDS)


def _is_firing(case: Case, firing: Collection[Labels]) -> bool:
    return any(case.labels.items() <= labels.items() for labels in firing)
