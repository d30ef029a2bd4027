"""Runs a real Prometheus, with live scrapes or with a prepared history."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx

from tests.support import http_requests
from tests.support.exporter_server import ServedExporter
from tests.support.processes import run_until_printed
from tests.support.repository import program
from tests.support.waiting import wait_until

# The supported versions of Prometheus: that of Debian, and one of the current major version.
PROGRAMS = ("prometheus", "prometheus-3")
# The supported versions of Alertmanager: that of Debian, and the current one.
ALERTMANAGERS = ("prometheus-alertmanager", "alertmanager-next")
LISTENING = r'msg="Listening on" .*\baddress=\S+(?=\s)'


@contextmanager
def run_prometheus(folder: Path, metrics_url: str, name: str = "prometheus", **how: Any) -> Iterator[str]:
    """Run a Prometheus that scrapes a URL every five seconds, and yield its URL.

    ``name`` is the program, and ``how`` are further settings of the scrape.
    """
    target = urlsplit(metrics_url)
    scrape = {"job_name": "aws-iot-bulk", "scheme": target.scheme, "static_configs": [{"targets": [target.netloc]}]}
    intervals = {"scrape_interval": "5s", "scrape_timeout": "5s"}
    with run_configured_prometheus(folder, {"global": intervals, "scrape_configs": [{**scrape, **how}]}, name) as url:
        yield url


@contextmanager
def run_configured_prometheus(
    folder: Path, config: dict[str, Any], name: str = "prometheus", features: Sequence[str] = ()
) -> Iterator[str]:
    """Run a Prometheus with a configuration and feature flags on a free port, and yield its URL.

    Its log is the file ``prometheus.log`` in the folder.
    """
    file = folder / "prometheus.yml"
    file.write_text(json.dumps(config))
    command = [
        program(name),
        f"--config.file={file}",
        f"--storage.tsdb.path={folder / 'data'}",
        "--web.listen-address=127.0.0.1:0",
        *(f"--enable-feature={feature}" for feature in features),
    ]
    with run_until_printed(LISTENING, command, folder / "prometheus.log") as line:
        yield f"http://{line.rpartition('=')[2]}"


def query_series(prometheus_url: str, expression: str) -> list[dict[str, Any]]:
    """Return the series of a query, or none while Prometheus is not ready."""
    try:
        response = http_requests.get(f"{prometheus_url}/api/v1/query", params={"query": expression})
    except httpx.TransportError:
        return []
    return list(response.json()["data"]["result"]) if response.status_code == 200 else []


STEP = 60.0
ROW = re.compile(r"^(\w+)(?:\{(.*)\})? (\S+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class History:
    """A Prometheus and the time of its last scrape in Unix seconds."""

    url: str
    end: float

    def now(self, expression: str) -> list[dict[str, Any]]:
        """Return the series of a query at the end."""
        return self._result("query", query=expression, time=self.end)

    def over_time(self, expression: str, span: float) -> list[dict[str, Any]]:
        """Return the series of a query over the last ``span`` seconds."""
        return self._result("query_range", query=expression, start=self.end - span, end=self.end, step=STEP)

    def values_of(self, label: str, selector: str) -> list[str]:
        """Return the values of a label among the series of a selector."""
        response = http_requests.get(f"{self.url}/api/v1/label/{label}/values", params={"match[]": selector})
        assert response.status_code == 200, response.text
        return list(response.json()["data"])

    def _result(self, path: str, **parameters: str | float) -> list[dict[str, Any]]:
        response = http_requests.get(f"{self.url}/api/v1/{path}", params=parameters)
        assert response.status_code == 200, f"{parameters['query']}: {response.text}"
        content = response.json()
        # Prometheus 3 reports a query whose result is probably wrong in this way.
        remarks = [*content.get("warnings", ()), *content.get("infos", ())]
        assert remarks == [], f"{parameters['query']}: {remarks}"
        return list(content["data"]["result"])


@dataclass(frozen=True, slots=True)
class Recording:
    """The samples of an exporter as blocks of Prometheus in a folder, and the time of the last scrape."""

    blocks: Path
    end: float


def record(
    exporter: ServedExporter, scrapes: int, instances: Sequence[str], folder: Path, series: Sequence[str] = ()
) -> Recording:
    """Scrape an exporter once a minute of its manual clock and import the samples, once for each instance.

    ``series`` are further series, which always have the value 1.
    """
    text, blocks = folder / "scraped.txt", folder / "blocks"
    with text.open("w", encoding="utf-8") as file:
        for _ in range(scrapes):
            rows = ROW.findall(exporter.scrape(after=STEP))
            file.writelines(_dated(rows, instance, exporter.clock.at) for instance in instances)
            file.writelines(f"{name} 1 {exporter.clock.at:.3f}\n" for name in series)
        file.write("# EOF\n")
    command = [program("promtool"), "tsdb", "create-blocks-from", "openmetrics", str(text), str(blocks)]
    subprocess.run(command, check=True, capture_output=True, timeout=300)
    return Recording(blocks, exporter.clock.at)


@contextmanager
def prometheus_with_history(recording: Recording, folder: Path, name: str = "prometheus") -> Iterator[History]:
    """Run a Prometheus that has the samples of a recording. ``name`` is the program."""
    # A Prometheus changes its blocks.
    shutil.copytree(recording.blocks, folder / "data")
    with run_configured_prometheus(folder, {}, name) as url:
        wait_until(lambda: query_series(url, "vector(1)") or None, "Prometheus")
        yield History(url, recording.end)


def _dated(rows: Sequence[tuple[str, str, str]], instance: str, at: float) -> str:
    """Return samples with Prometheus's target labels and the time of the scrape."""
    target = f'job="aws-iot-bulk",instance="{instance}"'
    dated = ((name, ",".join(filter(None, (labels, target))), value) for name, labels, value in rows)
    return "".join(f"{name}{{{labels}}} {value} {at:.3f}\n" for name, labels, value in dated)
