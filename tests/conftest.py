"""Settings for all tests: hypothesis without time limits, few garbage collections, one read of each botocore file."""

import gc
from collections.abc import Generator, Iterator
from functools import cache

import pytest
from botocore.loaders import JSONFileLoader, Loader
from hypothesis import HealthCheck, settings

from exporter.aws.models import PlainFileLoader
from tests.support.prometheus import ALERTMANAGERS, PROGRAMS
from tests.support.promql import PROMTOOLS, Promtool
from tests.support.repository import program


def pytest_configure() -> None:
    """Remove hypothesis's deadlines, which a busy machine would miss."""
    settings.register_profile("patient", settings(), deadline=None, suppress_health_check=[HealthCheck.too_slow])
    settings.load_profile("patient")


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Collect no garbage while tests are loaded, and then more rarely than by default, without the loaded objects.

    The modules and the tests are never garbage. With Python's defaults, collections take a sixth of the time.
    """
    gc.disable()
    result = yield
    gc.freeze()
    gc.set_threshold(10_000)
    gc.enable()
    return result


@pytest.fixture(params=PROMTOOLS)
def promtool(request: pytest.FixtureRequest) -> Promtool:
    """Each supported version of promtool. A test of a version that is not installed is skipped, or fails in CI."""
    return Promtool(program(request.param))


@pytest.fixture(scope="module", params=PROGRAMS)
def prometheus_program(request: pytest.FixtureRequest) -> str:
    """Return the name of each supported version of Prometheus, one after the other."""
    name: str = request.param
    program(name)
    return name


@pytest.fixture(scope="module", params=ALERTMANAGERS)
def alertmanager_program(request: pytest.FixtureRequest) -> str:
    """Return the path of each supported version of Alertmanager, one after the other."""
    return program(request.param)


@pytest.fixture(scope="session", autouse=True)
def botocore_reads_a_file_once() -> Iterator[None]:
    """Cache what the loaders of botocore and of the exporter read: megabytes that never change."""
    list_services = Loader.list_available_services

    @cache
    def services(paths: tuple[str, ...], type_name: str) -> list[str]:
        return list_services(Loader([*paths], include_default_search_paths=False), type_name)

    def cached_services(loader: Loader, type_name: str) -> list[str]:
        return services(tuple(loader.search_paths), type_name)

    with pytest.MonkeyPatch.context() as patch:
        for loader in (JSONFileLoader, PlainFileLoader):
            patch.setattr(loader, "load_file", staticmethod(cache(loader().load_file)))
        patch.setattr(Loader, "list_available_services", cached_services)
        yield
