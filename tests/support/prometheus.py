"""A real Prometheus that scrapes an exporter."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx

from tests.support import http_requests
from tests.support.processes import run_until_printed
from tests.support.required_programs import program

LISTENING = r'msg="Listening on" .*\baddress=\S+(?=\s)'


@contextmanager
def run_prometheus(folder: Path, metrics_url: str, **how: Any) -> Iterator[str]:
    """Run a Prometheus that scrapes metrics every three seconds; give its URL. ``how`` is said of the scrape too."""
    target = urlsplit(metrics_url)
    scrape = {"job_name": "aws-iot-bulk", "scheme": target.scheme, "static_configs": [{"targets": [target.netloc]}]}
    intervals = {"scrape_interval": "3s", "scrape_timeout": "3s"}
    with run_configured_prometheus(folder, {"global": intervals, "scrape_configs": [{**scrape, **how}]}) as url:
        yield url


@contextmanager
def run_configured_prometheus(folder: Path, config: dict[str, Any]) -> Iterator[str]:
    """Run a Prometheus with its data in a folder, on a port that it chooses; give its URL."""
    file = folder / "prometheus.yml"
    file.write_text(json.dumps(config))
    command = [
        program("prometheus"),
        f"--config.file={file}",
        f"--storage.tsdb.path={folder / 'data'}",
        "--web.listen-address=127.0.0.1:0",
    ]
    with run_until_printed(LISTENING, command, folder / "prometheus.log") as line:
        yield f"http://{line.rpartition('=')[2]}"


def query_series(prometheus_url: str, expression: str) -> list[dict[str, Any]]:
    """Return the series that a query gives, none while Prometheus is not yet there."""
    try:
        answer = http_requests.get(f"{prometheus_url}/api/v1/query", params={"query": expression})
    except httpx.TransportError:
        return []
    return list(answer.json()["data"]["result"]) if answer.status_code == 200 else []
