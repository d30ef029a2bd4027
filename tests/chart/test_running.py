"""The containers of the rendered pod, run as local processes with the same arguments, environment and files."""

import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

import httpx

from exporter.cli.drill.programs import free_port
from tests.support.exposition_rows import Scrape
from tests.support.helm_chart import Document, ci_values, container_of, only_object, pod_of, render
from tests.support.processes import run_process
from tests.support.waiting import wait_until

CONFIG = "/etc/aws-iot-bulk-exporter"
SIMULATED = "127.0.0.1:10099"


@contextmanager
def run_container(container: Document, replacements: Mapping[str, str], output: Path) -> Iterator[None]:
    """Run the command of a container with its environment during the block."""

    def localized(text: str) -> str:
        for original, local in replacements.items():
            text = text.replace(original, local)
        return text

    environment = {variable["name"]: localized(variable["value"]) for variable in container.get("env", [])}
    command = [sys.executable, "-m", "exporter", *map(localized, container["args"])]
    with run_process(command, output, environment) as process:
        yield
        process.terminate()
        assert process.wait(timeout=300) == 0


def response_text(url: str) -> str | None:
    """Return the text of a successful response, or None."""
    try:
        response = httpx.get(url, timeout=30, trust_env=False)
    except httpx.TransportError:
        return None
    return response.text if response.status_code == 200 else None


def test_the_pod_of_the_simulated_values_passes_its_probes_and_exports_operations(tmp_path: Path) -> None:
    port, simulated = free_port(), free_port()
    documents = render(ci_values("simulated"), f"--set=containerPort={port}")
    (tmp_path / "config.yaml").write_text(only_object(documents, "ConfigMap")["data"]["config.yaml"])
    replacements = {CONFIG: str(tmp_path), SIMULATED: f"127.0.0.1:{simulated}"}
    exporter = container_of(documents)
    assert container_of(documents, "aws")["image"] == exporter["image"]
    with ExitStack() as stack:
        for container in pod_of(documents)["spec"]["containers"]:
            stack.enter_context(run_container(container, replacements, tmp_path / f"{container['name']}.log"))
        for probe in ("livenessProbe", "readinessProbe"):
            url = f"http://127.0.0.1:{port}{exporter[probe]['httpGet']['path']}"
            assert wait_until(partial(response_text, url), url)
        metrics = f"http://127.0.0.1:{port}/metrics"
        wait_until(lambda: Scrape(response_text(metrics) or "").ids(aws_region="eu-west-1") or None, "operations")
