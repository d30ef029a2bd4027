"""A model of AWS that keeps the history of every operation and can fail in many ways.

Every member of an operation contains the number of its version, so that a mix of two versions is visible.
"""

import re
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, parse_qsl, unquote, urlsplit

from botocore.awsrequest import AWSPreparedRequest
from botocore.exceptions import EndpointConnectionError

from exporter.kinds.kind import ApiCall, Kind
from exporter.kinds.registry import KINDS
from exporter.kinds.simulated_operation import SimulatedOperation
from exporter.simulator.responses import serialize
from tests.properties.response_strategies import CALLS, IDENTITY
from tests.properties.scrape_invariants import KINDS_BY_NAME, Identity
from tests.support.scripted_endpoint import HttpResponse, error_response, json_response
from tests.support.simulated_responses import MODELS, output_shape, parsed_response
from tests.support.virtual_loop import TODAY

# The account of the exporter's own credentials.
OWN = "444455556666"
CREATED = datetime.fromtimestamp(TODAY, UTC) - timedelta(hours=2)
ASSUMED = (
    '<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult><Credentials>'
    "<AccessKeyId>ASIA%s</AccessKeyId><SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken>"
    "<Expiration>2099-01-01T00:00:00Z</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>"
)
FAULTS: Mapping[str, HttpResponse] = {
    "throttled": error_response("ThrottlingException", 429),
    "denied": error_response("AccessDeniedException", 403),
    "server error": json_response({}, 503),
    "garbage": HttpResponse(b"<html>Please log in</html>"),
    "cut": HttpResponse(b'{"status": "Comp', content_length=400),
    "no path": HttpResponse(b"404 page not found", 404, {"content-type": "text/html"}),
}
UNREACHABLE = "unreachable"


@dataclass(frozen=True, slots=True)
class Version:
    """The state of an operation from a virtual second on. The state is None after AWS deleted the operation."""

    since: float
    state: SimulatedOperation | None


def sample_version(key: Identity, number: int, status: str) -> SimulatedOperation:
    """Return the version of an operation with this number."""
    account, region, _, id = key
    return SimulatedOperation(
        id=id,
        account=account,
        region=region,
        status=status,
        created=CREATED,
        updated=CREATED + timedelta(seconds=number),
        items=1000,
        succeeded=2 * number,
        failed=number,
        retries=number,
        name=f"v{number}",
        input=f"s3://bucket/v{number}",
        target=f"arn:aws:iot:{region}:{account}:thinggroup/v{number}",
        tags=(("team", "blue"),),
    )


@dataclass
class AwsModel:
    """AWS. Its lists are ``lag`` seconds old. ``finals`` counts the descriptions of ended operations."""

    now: Callable[[], float]
    history: dict[Identity, list[Version]] = field(default_factory=dict)
    lag: float = 0.0
    faults: dict[tuple[str, str], str] = field(default_factory=dict)
    finals: Counter[Identity] = field(default_factory=Counter)

    def put(self, key: Identity, status: str) -> None:
        """Create an operation or a new version of it."""
        versions = self.history.setdefault(key, [])
        versions.append(Version(self.now(), sample_version(key, len(versions), status)))

    def delete(self, key: Identity) -> None:
        """Delete an operation."""
        self.history[key].append(Version(self.now(), None))

    def state(self, key: Identity, at: float | None = None) -> SimulatedOperation | None:
        """Return the state of an operation now or at a time."""
        when = self.now() if at is None else at
        past = [version.state for version in self.history.get(key, ()) if version.since <= when]
        return past[-1] if past else None

    def alive(self) -> Iterator[tuple[Identity, SimulatedOperation]]:
        """Yield every operation that exists now."""
        for key in self.history:
            if state := self.state(key):
                yield key, state

    def __call__(self, api: str, request: AWSPreparedRequest) -> HttpResponse:
        """Return the response to a request. Raises botocore's error for an unreachable network."""
        signed = re.search(r"Credential=(?:ASIA)?(\w+)/\d+/([\w-]+)/", _text(request.headers["Authorization"]))
        assert signed is not None
        account, region = signed[1] if signed[1].isdigit() else OWN, signed[2]
        service = CALLS[api].service if api in CALLS else "sts"
        fault = self.faults.get((region, service))
        if fault == UNREACHABLE:
            raise EndpointConnectionError(endpoint_url=request.url)
        if fault:
            return FAULTS[fault]
        return self._identity(request) if service == "sts" else self._response(CALLS[api], account, region, request.url)

    def _identity(self, request: AWSPreparedRequest) -> HttpResponse:
        role = re.search(r"iam%3A%3A(\d{12})", _text(request.body))
        text = ASSUMED % role[1] if role else IDENTITY.replace("111122223333", OWN)
        return HttpResponse(text.encode(), headers={"content-type": "text/xml"})

    def _response(self, call: ApiCall, account: str, region: str, url: str) -> HttpResponse:
        lister = next((kind for kind in KINDS if kind.discovery.call == call), None)
        if lister:
            return json_response(serialize(output_shape(call), self._list(lister, account, region, url)))
        content = self._description(call, account, region, url)
        if content is None:
            return error_response("ResourceNotFoundException", 404)
        return json_response(serialize(output_shape(call), content))

    def _list(self, kind: Kind[Any], account: str, region: str, url: str) -> dict[str, Any]:
        wanted = parse_qs(urlsplit(url).query).get(kind.discovery.status_parameter, [""])[0]
        keys = (key for key in self.history if key[:3] == (account, region, kind.name))
        states = (self.state(key, self.now() - self.lag) for key in keys)
        listed = [state for state in states if state and wanted in ("", state.status)]
        return {MODELS.pagination(kind.discovery.call).result: [kind.simulation.entry(state) for state in listed]}

    def _description(self, call: ApiCall, account: str, region: str, url: str) -> Mapping[str, Any] | None:
        split = urlsplit(url)
        # Every part of the URL that can name an operation.
        words = {*map(unquote, split.path.split("/")), *(value for _, value in parse_qsl(split.query))}
        for key, state in self.alive():
            kind = KINDS_BY_NAME[key[2]]
            content_of = kind.simulation.responses.get(call) if key[:2] == (account, region) else None
            if content_of and kind.naming(call).name(state) in words:
                is_only_call = kind.describe_calls == (call,) and not kind.options
                self.finals[key] += is_only_call and not kind.is_active(state.status)
                return content_of(state)
        return None


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


@dataclass(frozen=True, slots=True)
class TwoMoments:
    """The API of one operation whose version changes after the first call."""

    kind: Kind[Any]
    first: SimulatedOperation
    second: SimulatedOperation

    async def call(self, call: ApiCall, **parameters: Any) -> Mapping[str, Any]:
        """Return the response to a call, parsed by botocore."""
        state = self.first if call == self.kind.describe_calls[0] else self.second
        return parsed_response(call, self.kind.simulation.responses[call](state) or {})

    async def pages(self, call: ApiCall, **parameters: Any) -> AsyncIterator[Mapping[str, Any]]:
        """Yield the only page of a list."""
        yield await self.call(call, **parameters)
