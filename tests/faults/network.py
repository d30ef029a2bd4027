"""Faults of the network between the exporter and one service: a relay breaks it, and TLS and names with it."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from exporter.aws.models import Models
from exporter.kinds.kind import Kind
from exporter.kinds.registry import KINDS
from exporter.simulator.app import application
from exporter.simulator.scenario import parse_scenario
from tests.faults.fault_accounts import ACCOUNT, HOME, SHORT, STALE_AFTER, Json, Place, Subject, operation, operation_id
from tests.faults.observation import KEPT, NONE, Seen
from tests.faults.runner import MINUTE, Watched, seen
from tests.support.certificates import Authority
from tests.support.clocks import ManualClock
from tests.support.exporter_server import aws_environment, serve_exporter
from tests.support.relay import ZONE, Address, Names, Network, Relay, replace_resolver, run_relay
from tests.support.servers import serve_app

SERVICES = tuple(dict.fromkeys(call.service for kind in KINDS for call in kind.calls))


@dataclass(frozen=True, slots=True)
class Wire:
    """All that is between the exporter and a service: its relay, the names, and who answers with which certificate."""

    relay: Relay
    names: Names
    host: str
    trusted: Address
    untrusted: Address
    plain: Address

    def lose_name(self) -> None:
        """Let the service's name be unknown, and end what connections there are."""
        self.names.lost.add(self.host)
        self.relay.switch(Network.CLOSED)

    def mend(self) -> None:
        """Let all be well."""
        self.names.lost.clear()
        self.relay.switch(Network.WELL, self.trusted)


@dataclass(frozen=True, slots=True)
class WireFault:
    """A way to break a wire."""

    name: str
    breaks: Callable[[Wire], None]
    reason: str


def _switched(network: Network) -> Callable[[Wire], None]:
    return lambda wire: wire.relay.switch(network)


WIRE_FAULTS = (
    WireFault("connection refused", _switched(Network.REFUSED), "connection"),
    WireFault("connection reset", _switched(Network.RESET), "connection"),
    WireFault("connection closed without an answer", _switched(Network.CLOSED), "connection"),
    WireFault("DNS failure", Wire.lose_name, "connection"),
    WireFault("TLS: unknown authority", lambda wire: wire.relay.switch(Network.WELL, wire.untrusted), "connection"),
    WireFault("TLS: plain HTTP", lambda wire: wire.relay.switch(Network.WELL, wire.plain), "connection"),
    WireFault("partition", _switched(Network.PARTED), "timeout"),
    WireFault("partition in the middle of a refresh", _switched(Network.PARTED_IN_AN_ANSWER), "timeout"),
)


def wire_case(fault: WireFault, service: str, kind: Kind[Any]) -> str:
    """Return the name of a fault on the way to a service as one kind sees it."""
    return f"{fault.name}: {service} of {kind.name}"


def expected_of_wire(fault: WireFault) -> Seen:
    """Return what each kind that uses the service must come to."""
    return Seen((fault.reason,), up=False, rows=KEPT, later=NONE, back=1)


def uses(kind: Kind[Any], service: str) -> bool:
    """Tell whether a kind needs a service to describe its operations."""
    return any(call.service == service for call in kind.describes)


def run_service(service: str) -> Mapping[str, Seen]:
    """Return what each kind that uses a service came to when the way there broke, by fault and kind."""
    clock = ManualClock()
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        authority = Authority(Path(folder), "authority")
        wire, plain = _wire(stack, service, clock, authority)
        exporter = stack.enter_context(serve_exporter(json.dumps(_config()), plain, clock))
        way = {f"AWS_ENDPOINT_URL_{service.upper()}": f"https://{wire.host}:{wire.relay.port}"}
        stack.enter_context(aws_environment(plain, AWS_CA_BUNDLE=str(authority.file), **way))
        watched = Watched(exporter)
        watched.after(MINUTE)
        found = dict(pair for fault in WIRE_FAULTS for pair in _tried(watched, wire, fault, service))
        watched.end()
    return found


def _wire(stack: ExitStack, service: str, clock: ManualClock, authority: Authority) -> tuple[Wire, str]:
    """Return the wire to a service, and the URL of the same AWS without one."""
    simulator = application(parse_scenario(json.dumps(_scenario()), KINDS), KINDS, Models(), now=lambda: clock.at)
    host = f"{service}{ZONE}"
    plain = stack.enter_context(serve_app(simulator))
    trusted = stack.enter_context(serve_app(simulator, authority.issue("trusted", host)))
    stranger = Authority(authority.file.parent, "stranger")
    untrusted = stack.enter_context(serve_app(simulator, stranger.issue("untrusted", host)))
    relay = stack.enter_context(run_relay(_address(trusted)))
    names = stack.enter_context(replace_resolver())
    return Wire(relay, names, host, _address(trusted), _address(untrusted), _address(plain)), plain


def _address(url: str) -> Address:
    parts = urlsplit(url)
    return parts.hostname or "", parts.port or 0


def _scenario() -> Json:
    operations = [operation(ACCOUNT, HOME, kind, "a") for kind in KINDS]
    return {"accounts": [ACCOUNT], "quotas": False, "operations": operations}


def _config() -> Json:
    watch = [{"kind": kind.name, "ids": [operation_id(kind, "a")]} for kind in KINDS]
    own = {"account_id": ACCOUNT, "regions": [HOME], "watch": watch}
    return {"accounts": [own], "refresh": {"stale_after": f"{STALE_AFTER}s"}, "aws": SHORT}


def _tried(watched: Watched, wire: Wire, fault: WireFault, service: str) -> Iterator[tuple[str, Seen]]:
    """Yield what each kind that uses the service came to, by its name; the other kinds must not notice."""
    before = watched.after(MINUTE)
    fault.breaks(wire)
    sights = before, watched.after(MINUTE), watched.after(STALE_AFTER + 100)
    wire.mend()
    after = (watched.after(MINUTE), watched.after(MINUTE))
    spared = tuple(_place(kind) for kind in KINDS if not uses(kind, service))
    for kind in KINDS:
        if uses(kind, service):
            name = wire_case(fault, service, kind)
            yield name, seen(_place(kind), Subject(name, operation_id(kind, "a"), spared), sights, after)


def _place(kind: Kind[Any]) -> Place:
    return Place(ACCOUNT, HOME, kind.name)
