"""Shared functions of the benchmarks: the simulator and the exporter as processes, and a minimal HTTP client."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import NamedTemporaryFile
from threading import Thread

from exporter.cli.drill.programs import free_port

PAUSE = 0.005
# 30 seconds until the exporter must listen.
TRIES = 6000


def environment(endpoint: str) -> dict[str, str]:
    """Return the environment with the endpoint as AWS, without the AWS configuration of this machine."""
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith("AWS_")},
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": "bench",
        "AWS_SECRET_ACCESS_KEY": "bench",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    }


@contextmanager
def file_with(text: str) -> Iterator[str]:
    """Give the path of a file with this text, which exists during the block."""
    with NamedTemporaryFile("w", suffix=".yaml") as file:
        file.write(text)
        file.flush()
        yield file.name


@contextmanager
def simulator(scenario: str) -> Iterator[str]:
    """Run the simulator with a scenario, and give its URL."""
    address = f"127.0.0.1:{free_port()}"
    with file_with(scenario) as file:
        command = [sys.executable, "-m", "exporter", "simulate", f"--listen-address={address}", f"--scenario={file}"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
            try:
                if process.stdout:
                    process.stdout.readline()
                yield f"http://{address}"
            finally:
                process.terminate()


@contextmanager
def exporter(config: str, endpoint: str, *flags: str) -> Iterator[int]:
    """Run the exporter, and give its port. It may not listen yet."""
    with exporter_process(config, endpoint, *flags) as (port, _):
        yield port


@contextmanager
def exporter_process(
    config: str, endpoint: str, *flags: str, variables: Mapping[str, str] = {}
) -> Iterator[tuple[int, int]]:
    """Run the exporter, and give its port and its process id. It may not listen yet."""
    port = free_port()
    with file_with(config) as file:
        words = ["-m", "exporter", f"--config.file={file}", f"--web.listen-address=127.0.0.1:{port}", *flags]
        command = [sys.executable, *words]
        names = {**environment(endpoint), **variables}
        with subprocess.Popen(command, env=names, stderr=subprocess.DEVNULL) as process:
            try:
                yield port, process.pid
            finally:
                process.terminate()


@contextmanager
def simulated_exporter(scenario: str, config: str, *flags: str) -> Iterator[int]:
    """Run the simulator and an exporter that uses it, and give the port of the exporter. It may not listen yet."""
    with simulator(scenario) as endpoint, exporter(config, endpoint, *flags) as port:
        yield port


@contextmanager
def running_threads(jobs: Iterable[Callable[[], None]], stop: Callable[[], None]) -> Iterator[None]:
    """Run each job in its own thread during the block, and call ``stop`` at its end."""
    threads = [Thread(target=job) for job in jobs]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop()
        for thread in threads:
            thread.join()


def scrape(port: int, timeout: float | None = None) -> str:
    """Return the text of /metrics. ``timeout`` is the time-out in the header of the scrape, in seconds."""
    header = "" if timeout is None else f"X-Prometheus-Scrape-Timeout-Seconds: {timeout}\r\n"
    return get(port, "/metrics", header)


def wait_for(port: int) -> None:
    """Wait until the exporter listens. This causes no calls to AWS."""
    get(port, "/-/ready")


def get(port: int, path: str, header: str = "") -> str:
    """Return the response to a request, and wait until the port is open."""
    request = f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{header}\r\n".encode()
    for _ in range(TRIES):
        try:
            with socket.create_connection(("127.0.0.1", port)) as connection:
                connection.sendall(request)
                return b"".join(iter(lambda: connection.recv(65536), b"")).decode()
        except ConnectionRefusedError:
            time.sleep(PAUSE)
    sys.exit("the exporter did not start")


def total(text: str, name: str) -> float:
    """Return the sum of the samples whose lines begin with ``name``."""
    return sum(float(line.rpartition(" ")[2]) for line in text.splitlines() if line.startswith(name))


def table(header: tuple[str, ...], body: list[tuple[str, ...]]) -> str:
    """Return a Markdown table with right-aligned figures."""
    lines = [header, ("---", *["---:"] * len(header[1:])), *body]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def resident(process: int | str = "self") -> float:
    """Return the resident memory of a process, in MiB."""
    return int(Path(f"/proc/{process}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def cpu_seconds(process: int) -> float:
    """Return the seconds of CPU that a process has used."""
    # The name of the program, which may contain spaces, is in parentheses.
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def peak(process: int | str = "self") -> float:
    """Return the largest resident memory of a process since ``reset_peak``, in MiB."""
    status = Path(f"/proc/{process}/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM:")) / 1024


def reset_peak(process: int) -> None:
    """Make the current resident memory of a process its largest one."""
    Path(f"/proc/{process}/clear_refs").write_text("5")
