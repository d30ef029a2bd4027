"""The containers of the rendered pod, run as local processes with the same arguments, environment and files."""

import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

import httpx

from tests.support.helm_chart import Document, ci_values, container_of, only_object, pod_of, render
from tests.support.repository import ROOT
from tests.support.waiting import wait_until

CONFIG = "/etc/aws-iot-bulk-exporter"
SIMULATED = "127.0.0.1:10099"


def free_port() -> int:
    """Return an unused port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port


@contextmanager
def run_container(container: Document, replacements: Mapping[str, str], output: Path) -> Iterator[None]:
    """Run the command of a container with its environment during the block."""

    def localized(text: str) -> str:
        for original, local in replacements.items():
            text = text.replace(original, local)
        return text

    environment = {variable["name"]: localized(variable["value"]) for variable in container.get("env", [])}
    command = [sys.executable, "-m", "exporter", *map(localized, container["args"])]
    with output.open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, cwd=ROOT, env=environment)
        try:
            yield
        finally:
            process.terminate()
            assert process.wait(timeout=30) == 0


def response_text(url: str) -> str | None:
    """Return the text of a successful response, or None."""
    try:
        response = httpx.get(url, timeout=30, trust_env=False)
    except httpx.TransportError:
        return None
    return response.text if response.status_code == 200 else None


def status_samples(url: str) -> list[str]:
    """Return the status samples of the configured Region."""
    lines = (response_text(url) or "").splitlines()
    return [
        line for line in lines if line.startswith("aws_iot_bulk_operation_status{") and 'aws_region="eu-west-1"' in line
    ]


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
        assert wait_until(lambda: status_samples(f"http://127.0.0.1:{port}/metrics") or None, "operations")
