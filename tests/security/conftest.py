"""Exporters without access to AWS, which the tests address by raw sockets."""

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


def _run(name: str, factory: pytest.TempPathFactory) -> Iterator[RawListener]:
    with run_listener(factory.mktemp("listener"), WEB_CONFIGS[name], NOWHERE, ("--log.level=debug",)) as listener:
        yield listener


@pytest.fixture(scope="module", params=["plain", "tls"])
def open_listener(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RawListener]:
    """An exporter without a password, with and without TLS."""
    yield from _run(request.param, tmp_path_factory)


@pytest.fixture(scope="module", params=["password", "tls and password"])
def protected_listener(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RawListener]:
    """An exporter with a password, with and without TLS."""
    yield from _run(request.param, tmp_path_factory)
