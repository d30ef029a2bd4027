"""The endpoint for each test. Each module starts its own ``server``."""

import pytest

from tests.independent.endpoints import Endpoint


@pytest.fixture
def aws(server: Endpoint) -> Endpoint:
    """The endpoint without any content."""
    server.reset()
    return server
