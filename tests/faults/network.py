"""Faults of the network between the exporter and one service: connections, TLS and DNS."""

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
from tests.faults.fault_accounts import (
    ACCOUNT,
    HOME,
    STALE_AFTER,
    Subject,
    config_text,
    named,
    operation,
    operation_id,
    scenario_text,
)
from tests.faults.observation import KEPT, NONE, CellAddress, Observation
from tests.faults.relay import ZONE, Address, Network, Relay, resolve_zone, run_relay
from tests.faults.runner import MINUTE, WatchedExporter, observation
from tests.support.certificates import Authority
from tests.support.clocks import ManualClock
from tests.support.exporter_server import aws_environment, serve_exporter
from tests.support.servers import serve_app

SERVICES = tuple(dict.fromkeys(call.service for kind in KINDS for call in kind.calls))


@dataclass(frozen=True, slots=True)
class Wire:
    """The way from the exporter to a service: a relay, the names that are lost, and three servers behind the relay."""

    relay: Relay
    lost_names: set[str]
    host: str
    trusted: Address
    untrusted: Address
    plain: Address

    def lose_name(self) -> None:
        """Make the service's name unknown, and close every connection."""
        self.lost_names.add(self.host)
        self.relay.switch(Network.CLOSED)

    def mend(self) -> None:
        """End every fault."""
        self.lost_names.clear()
        self.relay.switch(Network.HEALTHY, self.trusted)


@dataclass(frozen=True, slots=True)
class WireFault:
    """A fault of a wire; ``begin`` starts it."""

    name: str
    begin: Callable[[Wire], None]
    reason: str


def _switched(network: Network) -> Callable[[Wire], None]:
    return lambda wire: wire.relay.switch(network)


WIRE_FAULTS = (
    WireFault("connection refused", _switched(Network.REFUSED), "connection"),
    WireFault("connection reset", _switched(Network.RESET), "connection"),
    WireFault("connection closed without a response", _switched(Network.CLOSED), "connection"),
    WireFault("DNS failure", Wire.lose_name, "connection"),
    WireFault("TLS: unknown authority", lambda wire: wire.relay.switch(Network.HEALTHY, wire.untrusted), "connection"),
    WireFault("TLS: plain HTTP", lambda wire: wire.relay.switch(Network.HEALTHY, wire.plain), "connection"),
    WireFault("partition", _switched(Network.PARTITIONED), "timeout"),
    WireFault("partition in the middle of a refresh", _switched(Network.PARTITIONED_IN_A_RESPONSE), "timeout"),
)


def wire_case(fault: WireFault, service: str, kind: Kind[Any]) -> str:
    """Return the name of the case of a fault, a service and a kind."""
    return f"{fault.name}: {service} of {kind.name}"


def expected_of_wire(fault: WireFault) -> Observation:
    """Return the observation of each kind that uses the service."""
    return Observation((fault.reason,), up=False, rows=KEPT, later=NONE, back=1)


def uses(kind: Kind[Any], service: str) -> bool:
    """Return whether a kind needs a service to describe its operations."""
    return any(call.service == service for call in kind.describe_calls)


def run_service(service: str) -> Mapping[str, Observation]:
    """Return the observation of each fault on the way to a service and each kind that uses it, by case."""
    clock = ManualClock()
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        authority = Authority(Path(folder), "authority")
        wire, plain = _wire(stack, service, clock, authority)
        own = {"account_id": ACCOUNT, "regions": [HOME], "watch": [named(kind, "a") for kind in KINDS]}
        exporter = stack.enter_context(serve_exporter(config_text([own], waits=True), plain, clock))
        endpoint = {f"AWS_ENDPOINT_URL_{service.upper()}": f"https://{wire.host}:{wire.relay.port}"}
        stack.enter_context(aws_environment(plain, AWS_CA_BUNDLE=str(authority.file), **endpoint))
        watched = WatchedExporter(exporter)
        # The first scrape creates the clients, which on a busy machine takes longer than the short time-outs allow.
        watched.scrape_after(MINUTE)
        observations = dict(pair for fault in WIRE_FAULTS for pair in _observations(watched, wire, fault, service))
        watched.check_end()
    return observations


def _wire(stack: ExitStack, service: str, clock: ManualClock, authority: Authority) -> tuple[Wire, str]:
    """Return the wire to a service, and the URL of the same simulated AWS without a wire."""
    scenario = scenario_text(operation(ACCOUNT, HOME, kind, "a") for kind in KINDS)
    simulator = application(parse_scenario(scenario, KINDS), KINDS, Models(), now=lambda: clock.at)
    host = f"{service}{ZONE}"
    plain = stack.enter_context(serve_app(simulator))
    trusted = stack.enter_context(serve_app(simulator, authority.issue("trusted", host)))
    stranger = Authority(authority.file.parent, "stranger")
    untrusted = stack.enter_context(serve_app(simulator, stranger.issue("untrusted", host)))
    relay = stack.enter_context(run_relay(_address(trusted)))
    lost_names = stack.enter_context(resolve_zone())
    return Wire(relay, lost_names, host, _address(trusted), _address(untrusted), _address(plain)), plain


def _address(url: str) -> Address:
    parts = urlsplit(url)
    return parts.hostname or "", parts.port or 0


def _observations(
    watched: WatchedExporter, wire: Wire, fault: WireFault, service: str
) -> Iterator[tuple[str, Observation]]:
    """Yield each kind that uses the service, by case. The fault must not affect the other kinds."""
    before = watched.scrape_after(MINUTE)
    fault.begin(wire)
    views = before, watched.scrape_after(MINUTE), watched.scrape_after(STALE_AFTER + 100)
    wire.mend()
    after = (watched.scrape_after(MINUTE), watched.scrape_after(MINUTE))
    neighbours = tuple(_cell_of(kind) for kind in KINDS if not uses(kind, service))
    for kind in KINDS:
        if uses(kind, service):
            name = wire_case(fault, service, kind)
            subject = Subject(name, operation_id(kind, "a"), neighbours)
            yield name, observation(_cell_of(kind), subject, views, after)


def _cell_of(kind: Kind[Any]) -> CellAddress:
    return CellAddress(ACCOUNT, HOME, kind.name)
