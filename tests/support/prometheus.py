"""A real Prometheus that scrapes an exporter."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx

from tests.support.processes import running
from tests.support.programs import program


@contextmanager
def prometheus(folder: Path, metrics_url: str, **how: Any) -> Iterator[str]:
    """Run a Prometheus that scrapes metrics every three seconds; give its URL. ``how`` is said of the scrape too."""
    config, target = folder / "prometheus.yml", urlsplit(metrics_url)
    scrape = {"job_name": "aws-iot-bulk", "scheme": target.scheme, "static_configs": [{"targets": [target.netloc]}]}
    intervals = {"scrape_interval": "3s", "scrape_timeout": "3s"}
    config.write_text(json.dumps({"global": intervals, "scrape_configs": [{**scrape, **how}]}))
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"127.0.0.1:{free.getsockname()[1]}"
    command = [
        program("prometheus"),
        f"--config.file={config}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address={address}",
    ]
    with running(command, folder / "prometheus.log"):
        yield f"http://{address}"


def query(prometheus_url: str, expression: str) -> list[dict[str, Any]]:
    """Return the series that a query gives, none while Prometheus is not yet there."""
    try:
        answer = httpx.get(f"{prometheus_url}/api/v1/query", params={"query": expression})
    except httpx.TransportError:
        return []
    return list(answer.json()["data"]["result"]) if answer.status_code == 200 else []
