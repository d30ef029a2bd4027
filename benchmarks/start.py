"""Start and memory: from the start of ``serve`` to its first answer, against importing what any such exporter imports."""

from __future__ import annotations

import os
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

RUNS = 7
IMPORTS = "import boto3, prometheus_client, pydantic; boto3.client('iot', region_name='eu-west-1')"
CONFIG = """
accounts: [{account_id: "111122223333", regions: [eu-west-1], watch: [{kind: thing_registration_task, discover: true}]}]
"""


@dataclass(frozen=True, slots=True)
class Run:
    """One pair of runs: seconds of the imports, seconds to the first answer, and resident MiB after it."""

    imports: float
    answer: float
    resident: float


def measure() -> list[Run]:
    """Return the figures of each pair, made in turn so that a drift of the machine hits both."""
    with TemporaryDirectory() as folder, _simulator() as endpoint:
        config = Path(folder) / "config.yaml"
        config.write_text(CONFIG)
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("AWS_")},
            "AWS_ENDPOINT_URL": endpoint,
            "AWS_ACCESS_KEY_ID": "bench",
            "AWS_SECRET_ACCESS_KEY": "bench",
            "AWS_EC2_METADATA_DISABLED": "true",
        }
        return [_pair(config, environment) for _ in range(RUNS + 1)][1:]


def table(runs: list[Run]) -> str:
    """Return the medians and the median of the ratios, pair by pair, as a Markdown table."""
    ratio = statistics.median(run.answer / run.imports for run in runs)
    imports = statistics.median(run.imports for run in runs)
    answer = statistics.median(run.answer for run in runs)
    resident = statistics.median(run.resident for run in runs)
    return "\n".join(
        (
            "| what | median | ratio |",
            "|---|---:|---:|",
            f"| import boto3, prometheus_client, pydantic; one client | {imports:.2f} s | 1.00 |",
            f"| `serve`: start to the first answered /metrics | {answer:.2f} s | {ratio:.2f} |",
            f"| `serve`: resident after it, one account, one Region | {resident:.0f} MiB | |",
        )
    )


def _pair(config: Path, environment: dict[str, str]) -> Run:
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", IMPORTS], env=environment, check=True)
    imports = time.perf_counter() - began
    port = _free_port()
    began = time.perf_counter()
    command = [sys.executable, "-m", "exporter", f"--config.file={config}", f"--web.listen-address=127.0.0.1:{port}"]
    process = subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)
    try:
        text = _first_answer(port)
        answer = time.perf_counter() - began
    finally:
        process.terminate()
        process.wait()
    return Run(imports, answer, _value(text, "process_resident_memory_bytes") / 2**20)


def _first_answer(port: int) -> str:
    while True:
        try:
            with socket.create_connection(("127.0.0.1", port)) as connection:
                connection.sendall(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
                return b"".join(iter(lambda: connection.recv(65536), b"")).decode()
        except ConnectionRefusedError:
            time.sleep(0.005)


def _value(text: str, name: str) -> float:
    return next(float(line.split()[1]) for line in text.splitlines() if line.startswith(f"{name} "))


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


@contextmanager
def _simulator() -> Iterator[str]:
    address = f"127.0.0.1:{_free_port()}"
    command = [sys.executable, "-m", "exporter", "simulate", f"--listen-address={address}"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE)
    try:
        if process.stdout:
            process.stdout.readline()
        yield f"http://{address}"
    finally:
        process.terminate()
        process.wait()
