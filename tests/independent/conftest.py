"""The endpoint of a module, which starts its own as ``server``, empty for each test."""

from __future__ import annotations

import pytest

from tests.independent.endpoints import Endpoint


@pytest.fixture
def aws(server: Endpoint) -> Endpoint:
    """The endpoint, with nothing in it."""
    server.reset()
    return server
