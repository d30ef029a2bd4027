import pytest


@pytest.fixture
def anyio_backend() -> str:
    """Run async tests with asyncio alone, which the exporter uses."""
    return "asyncio"
