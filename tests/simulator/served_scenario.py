"""The simulator on a real server, with real boto3 clients, raw requests, and a clock that the test moves."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import boto3
import httpx
from botocore.config import Config
from botocore.serialize import create_serializer

from exporter.kinds.kind import ApiCall, Kind
from exporter.kinds.registry import KINDS
from exporter.simulator.app import application
from exporter.simulator.scenario import parse_scenario
from tests.support.servers import serve_app
from tests.support.simulated_responses import MODELS, sample_operation

START = 1_790_000_000.0
ACCOUNT = "111122223333"
OTHER_ACCOUNT = "444455556666"
REGION = "eu-west-1"
ACCOUNTS = f'accounts: ["{ACCOUNT}", "{OTHER_ACCOUNT}"]\n'


@dataclass
class Clock:
    """Unix seconds that stand still until a test moves them."""

    seconds: float = START

    def __call__(self) -> float:
        return self.seconds


@dataclass(frozen=True)
class Credentials:
    """An access key, with a session token if it is a temporary one."""

    key: str = "AKIDEXAMPLE"
    token: str | None = None


@dataclass(frozen=True)
class Aws:
    """The simulated AWS as its clients see it."""

    url: str
    clock: Clock
    http: httpx.Client

    @cached_property
    def session(self) -> boto3.Session:
        """One session for all clients: each would load the models again."""
        return boto3.Session()

    def client(self, service: str, region: str = REGION, credentials: Credentials | None = None) -> Any:
        """Return a real boto3 client, which tries once."""
        used = credentials or Credentials()
        return self.session.client(
            service,
            region_name=region,
            endpoint_url=self.url,
            aws_access_key_id=used.key,
            aws_secret_access_key="secret",
            aws_session_token=used.token,
            config=Config(retries={"total_max_attempts": 1, "mode": "standard"}, max_pool_connections=1),
        )

    def raw(self, method: str, path: str, service: str = "iot", region: str = REGION, **options: Any) -> httpx.Response:
        """Return the raw answer to a request that looks signed."""
        headers = {"authorization": authorization(service, region), **options.pop("headers", {})}
        return self.http.request(method, self.url + path, headers=headers, **options)

    def answer(self, kind: Kind[Any], call: ApiCall, id: str = "", region: str = REGION) -> httpx.Response:
        """Return the raw answer to a kind's call; one about an operation names it as the kind says."""
        naming, operation = kind.naming(call), MODELS.operation(call)
        name = naming.name(sample_operation(kind.statuses[0], id, region))
        named = {naming.parameter: name} if call in kind.simulation.answers else {}
        request = create_serializer("rest-json").serialize_to_request(named, operation)
        service, query = operation.service_model.signing_name, request["query_string"]
        return self.raw(request["method"], request["url_path"], service, region, params=query)


def authorization(service: str = "iot", region: str = REGION, key: str = "AKIDEXAMPLE") -> str:
    """Return an Authorization header whose signature is none."""
    scope = f"{key}/20261122/{region}/{service}/aws4_request"
    return f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature={'0' * 64}"


@contextmanager
def simulated(text: str, kinds: Sequence[Kind[Any]] = KINDS) -> Iterator[Aws]:
    """Serve a scenario; it begins at START."""
    clock = Clock()
    app = application(parse_scenario(text, kinds), kinds, MODELS, clock)
    with serve_app(app) as url, httpx.Client() as http:
        yield Aws(url, clock, http)
