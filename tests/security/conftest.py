"""Doors of an exporter that may not reach anything."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.raw_listeners import WEB_CONFIGS, RawListener, run_listener

NOWHERE = {
    "AWS_ENDPOINT_URL": "http://127.0.0.1:1",
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_REGION": "eu-west-1",
    "AWS_EC2_METADATA_DISABLED": "true",
}


def opened(name: str, factory: pytest.TempPathFactory) -> Iterator[RawListener]:
    """Open the door of a web configuration."""
    with run_listener(factory.mktemp("door"), WEB_CONFIGS[name], NOWHERE, ("--log.level=debug",)) as found:
        yield found


@pytest.fixture(scope="module", params=["plain", "tls"])
def open_door(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RawListener]:
    """An exporter that answers everybody, with and without TLS."""
    yield from opened(request.param, tmp_path_factory)


@pytest.fixture(scope="module", params=["password", "tls and password"])
def locked_door(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RawListener]:
    """An exporter that asks for a password, with and without TLS."""
    yield from opened(request.param, tmp_path_factory)
