"""The simulator on a real server, with boto3 clients, raw requests, and a clock that the test sets."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import boto3
import httpx
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from botocore.serialize import create_serializer

from exporter.kinds.kind import ApiCall, Kind
from exporter.kinds.registry import KINDS
from exporter.simulator.app import application
from exporter.simulator.scenario import parse_scenario
from tests.support.clocks import ManualClock
from tests.support.http_requests import NO_AUTHORITY
from tests.support.servers import serve_app
from tests.support.simulated_responses import MODELS, sample_operation
from tests.support.waiting import TIMEOUT_SECONDS

START = 1_790_000_000.0
ACCOUNT = "111122223333"
OTHER_ACCOUNT = "444455556666"
REGION = "eu-west-1"
ACCOUNTS = f'accounts: ["{ACCOUNT}", "{OTHER_ACCOUNT}"]\n'


@dataclass(frozen=True)
class Aws:
    """The clients of a simulated AWS."""

    url: str
    clock: ManualClock
    http: httpx.Client

    @cached_property
    def session(self) -> boto3.Session:
        """One session for all clients, because each session loads the models again."""
        return boto3.Session()

    def client(self, service: str, region: str = REGION, *, key: str = "AKIDEXAMPLE", token: str | None = None) -> Any:
        """Return a boto3 client without retries. A temporary key needs its token."""
        return self.session.client(
            service,
            region_name=region,
            endpoint_url=self.url,
            aws_access_key_id=key,
            aws_secret_access_key="secret",
            aws_session_token=token,
            config=Config(retries={"total_max_attempts": 1, "mode": "standard"}, max_pool_connections=1),
        )

    def request(
        self, method: str, path: str, service: str = "iot", region: str = REGION, **options: Any
    ) -> httpx.Response:
        """Return the HTTP response to a request with a valid Authorization header."""
        headers = {"authorization": authorization(service, region), **options.pop("headers", {})}
        return self.http.request(method, self.url + path, headers=headers, **options)

    def call(self, kind: Kind[Any], call: ApiCall, id: str = "", region: str = REGION) -> httpx.Response:
        """Return the HTTP response to an API call of a kind, about the operation with this id if the API reads one."""
        naming, operation = kind.naming(call), MODELS.operation(call)
        name = naming.name(sample_operation(kind.statuses[0], id, region))
        parameters = {naming.parameter: name} if call in kind.simulation.responses else {}
        request = create_serializer("rest-json").serialize_to_request(parameters, operation)
        service, query = operation.service_model.signing_name, request["query_string"]
        return self.request(request["method"], request["url_path"], service, region, params=query)


def authorization(service: str = "iot", region: str = REGION, *, key: str = "AKIDEXAMPLE") -> str:
    """Return an Authorization header with an invalid signature, which the simulator does not verify."""
    scope = f"{key}/20261122/{region}/{service}/aws4_request"
    return f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature={'0' * 64}"


def error_of(call: Callable[..., Any], pattern: str | None = None, **parameters: Any) -> tuple[str, int]:
    """Return the code and the HTTP status of the error of a boto3 call. Its message must contain a match of pattern."""
    with pytest.raises(ClientError, match=pattern) as caught:
        call(**parameters)
    response = caught.value.response
    return response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"]


@contextmanager
def serve_scenario(text: str, kinds: Sequence[Kind[Any]] = KINDS) -> Iterator[Aws]:
    """Serve a scenario that begins at START."""
    clock = ManualClock(START)
    app = application(parse_scenario(text, kinds), kinds, MODELS, lambda: clock.at)
    with serve_app(app) as url, httpx.Client(verify=NO_AUTHORITY, timeout=TIMEOUT_SECONDS) as http:
        yield Aws(url, clock, http)
