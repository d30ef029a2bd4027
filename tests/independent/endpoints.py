"""AWS endpoints of other projects, each a process from its own virtual environment."""

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import boto3

from tests.support import http_requests
from tests.support.exporter_server import aws_environment, serve_exporter
from tests.support.exposition_rows import Scrape
from tests.support.processes import run_until_printed
from tests.support.repository import program

KEY = SECRET = "testing"
REGION = "eu-west-1"
URL = r"http://127\.0\.0\.1:\d+(?=\s)"


@dataclass(frozen=True)
class Endpoint:
    """A server of AWS's APIs for every AWS SDK of this process."""

    url: str
    reset_path: str

    @cached_property
    def session(self) -> boto3.Session:
        """The session of all clients. A new session would load the models again."""
        return boto3.Session()

    def client(self, service: str, key: str = KEY) -> Any:
        """Return a boto3 client. For ministack, a key of twelve digits is the root user of that account."""
        return self.session.client(service, aws_access_key_id=key, aws_secret_access_key=SECRET)

    def create_things(self, *names: str, key: str = KEY) -> list[str]:
        """Create things and return their ARNs."""
        iot = self.client("iot", key)
        return [iot.create_thing(thingName=name)["thingArn"] for name in names]

    def create_job(self, id: str, targets: list[str], *, key: str = KEY, **more: Any) -> None:
        """Create a job."""
        self.client("iot", key).create_job(jobId=id, targets=targets, document="{}", **more)

    def scrape(self, config: str) -> Scrape:
        """Return the first scrape of a new exporter that uses this endpoint."""
        with serve_exporter(config, self.url) as exporter:
            return Scrape(exporter.scrape())

    def reset(self) -> None:
        """Delete everything."""
        http_requests.post(self.url + self.reset_path).raise_for_status()


@contextmanager
def run_endpoint(command: list[str], folder: Path, settings: Mapping[str, str], reset_path: str) -> Iterator[Endpoint]:
    """Run a server that prints its URL while the block runs."""
    environment = {"HOME": str(folder), "TMPDIR": str(folder), **settings}
    with run_until_printed(URL, command, folder / "log", environment) as url, aws_environment(url):
        yield Endpoint(url, reset_path)


def ministack(folder: Path, account: str) -> AbstractContextManager[Endpoint]:
    """Run ministack while the block runs.

    It checks trust policies, and signatures and permissions of all but root users.
    """
    environment = {
        "AUTH": "true",
        "AWS_ACCESS_KEY_ID": KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "BIND_HOST": "127.0.0.1",
        "GATEWAY_PORT": "0",
        "MINISTACK_ACCOUNT_ID": account,
    }
    return run_endpoint([program("ministack", ".venv-ministack")], folder, environment, "/_ministack/reset")


def moto(folder: Path) -> AbstractContextManager[Endpoint]:
    """Run moto while the block runs."""
    command = [program("moto_server", ".venv-moto"), "-H", "127.0.0.1", "-p", "0"]
    return run_endpoint(command, folder, {}, "/moto-api/reset")
