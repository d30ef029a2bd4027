"""A Prometheus that has scraped a pair of exporters for a while, without anybody having waited for it."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from tests.support import http_requests
from tests.support.exporter_server import Exporter
from tests.support.prometheus import run_configured_prometheus
from tests.support.required_programs import program
from tests.support.waiting import wait_until

STEP = 60.0
ROW = re.compile(r"^(\w+)(?:\{(.*)\})? (\S+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class History:
    """A Prometheus and the time of its last scrape, in Unix seconds."""

    url: str
    end: float

    def now(self, expression: str) -> list[dict[str, Any]]:
        """Return the series of a query at the end."""
        return self._result("query", query=expression, time=self.end)

    def over_time(self, expression: str, span: float) -> list[dict[str, Any]]:
        """Return the series of a query over a span that leads to the end."""
        return self._result("query_range", query=expression, start=self.end - span, end=self.end, step=STEP)

    def values_of(self, label: str, selector: str) -> list[str]:
        """Return the values of a label among the series that a selector picks."""
        answer = http_requests.get(f"{self.url}/api/v1/label/{label}/values", params={"match[]": selector})
        assert answer.status_code == 200, answer.text
        return list(answer.json()["data"])

    def _result(self, path: str, **parameters: str | float) -> list[dict[str, Any]]:
        answer = http_requests.get(f"{self.url}/api/v1/{path}", params=parameters)
        assert answer.status_code == 200, f"{parameters['query']}: {answer.text}"
        return list(answer.json()["data"]["result"])


@contextmanager
def prometheus_with_history(
    exporter: Exporter, scrapes: int, instances: Sequence[str], folder: Path
) -> Iterator[History]:
    """Scrape an exporter each minute of its own clock, and let a Prometheus know of it, as of each of the instances."""
    text, data = folder / "scraped.txt", folder / "data"
    with text.open("w", encoding="utf-8") as file:
        for _ in range(scrapes):
            rows = ROW.findall(exporter.scrape(after=STEP))
            file.writelines(_dated(rows, instance, exporter.clock.at) for instance in instances)
        file.write("# EOF\n")
    command = [program("promtool"), "tsdb", "create-blocks-from", "openmetrics", str(text), str(data)]
    subprocess.run(command, check=True, capture_output=True, timeout=300)
    with run_configured_prometheus(folder, {}) as url:
        wait_until(lambda: _is_ready(url) or None, "Prometheus")
        yield History(url, exporter.clock.at)


def _dated(rows: Sequence[tuple[str, str, str]], instance: str, at: float) -> str:
    """Return rows with the labels that Prometheus gives its targets, and the time of the scrape."""
    target = f'job="aws-iot-bulk",instance="{instance}"'
    return "".join(
        f"{name}{{{','.join(filter(None, (labels, target)))}}} {value} {at:.3f}\n" for name, labels, value in rows
    )


def _is_ready(url: str) -> bool:
    try:
        return http_requests.get(f"{url}/-/ready").status_code == 200
    except httpx.TransportError:
        return False
