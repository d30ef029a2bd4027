"""Settings that AWS SDKs share, from the environment and from the profile: the Region and endpoint URLs."""

import os
from collections.abc import Hashable, Iterable, Mapping
from contextlib import suppress
from copy import copy
from functools import lru_cache
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from botocore.exceptions import ConfigParseError, ProfileNotFound
from botocore.handlers import BUILTIN_HANDLERS
from botocore.hooks import HierarchicalEmitter
from botocore.loaders import Loader
from botocore.session import Session
from botocore.utils import is_valid_endpoint_url, is_valid_ipv6_endpoint_url

from exporter.aws.report_files import Origin, origin
from exporter.config.fields import REGION_NAME, is_region
from exporter.core.errors import ConfigError

FILES = "AWS configuration (AWS_PROFILE, AWS_CONFIG_FILE)"
URL_FAULT = "expected a URL with its scheme, such as http://localhost:4566; correct it or remove it"
_FAULTS = {
    ProfileNotFound: "the profile does not exist; correct AWS_PROFILE, or add the profile",
    ConfigParseError: "the file cannot be parsed; correct it",
}


class DefaultRegion(NamedTuple):
    """The Region of accounts without ``regions``, and the setting that it comes from."""

    name: str
    source: str


def default_region(session: Session) -> DefaultRegion:
    """Return the Region in the order of the AWS CLI: AWS_REGION, AWS_DEFAULT_REGION, profile. Raises ConfigError."""
    for variable in ("AWS_REGION", "AWS_DEFAULT_REGION"):
        if os.environ.get(variable):
            return _checked_region(os.environ[variable], variable)
    try:
        region = session.get_scoped_config().get("region")
    except (ProfileNotFound, ConfigParseError) as error:
        raise ConfigError([f"{FILES}: {_FAULTS[type(error)]}"]) from None
    if not region:
        raise ConfigError(["AWS_REGION: is not set; set it, or add regions to each account"])
    return _checked_region(str(region), f"profile {session.profile or 'default'}")


def _checked_region(name: str, source: str) -> DefaultRegion:
    if not is_region(name):
        raise ConfigError([f"{source}: expected {REGION_NAME}"])
    return DefaultRegion(name, source)


def new_session(loader: Loader) -> Session:
    """Return a session that reads the files of botocore with the loader, and whose default Region is AWS_REGION.

    botocore ignores AWS_REGION, and would assume roles in another Region.
    """
    session = Session(event_hooks=copy(_client_handlers((*BUILTIN_HANDLERS,))), include_builtin_handlers=False)
    session.register_component("data_loader", loader)
    if os.environ.get("AWS_REGION"):
        session.set_config_variable("region", os.environ["AWS_REGION"])
    return session


@lru_cache(maxsize=1)
def _client_handlers(handlers: Hashable) -> HierarchicalEmitter:
    """Return the emitter with botocore's handlers for clients, which each session copies.

    Their registration takes most of the time that a session needs. The key of the cache is botocore's list of handlers,
    because a plugin can change it.
    """
    emitter = HierarchicalEmitter()
    Session(event_hooks=emitter)
    return emitter


def check_endpoints(services: Iterable[str]) -> None:
    """Raise ConfigError with each endpoint URL that a service would use and botocore refuses. None contains the URL.

    The files are read again each time. A profile that does not exist is reported where it is needed.
    """
    bad = [setting for setting, url in _endpoints(services).items() if url and not _is_url(url)]
    if bad:
        raise ConfigError(f"{setting}: {URL_FAULT}" for setting in bad)


def _endpoints(services: Iterable[str]) -> dict[str, str]:
    """Return the URL of the endpoint of each service by its setting. Raises ConfigError."""
    # The handlers are only for clients, and take most of the time that a session needs.
    session = Session(include_builtin_handlers=False)
    profile: Mapping[str, Any] = {}
    sections: Mapping[str, Any] = {}
    with suppress(ProfileNotFound, ConfigParseError):
        if session.get_config_variable("ignore_configured_endpoint_urls"):
            return {}
        profile, sections = session.get_scoped_config(), session.full_config.get("services", {})
    path = f"{FILES}: profile {session.profile or 'default'}"
    name = profile.get("services", "")
    if name and name not in sections:
        raise ConfigError([f"{path}, services: no section has this name; add it or remove the key"])
    return dict(_first_endpoint(service, path, profile, sections.get(name, {})) for service in sorted(services))


def endpoint_schemes(services: Iterable[str]) -> frozenset[str]:
    """Return the schemes of the endpoints of these services: https for those of AWS itself. Raises ConfigError."""
    urls = [*_endpoints(services).values()] or [""]
    return frozenset(urlsplit(url).scheme if _is_url(url) else "https" for url in urls)


def endpoint_origins(services: Iterable[str]) -> frozenset[Origin]:
    """Return the scheme, host and port of each configured endpoint URL of these services."""
    found = (urlsplit(url) for url in _endpoints(services).values() if url and _is_url(url))
    return frozenset(filter(None, map(origin, found)))


def _first_endpoint(service: str, path: str, profile: Mapping[str, Any], section: Mapping[str, Any]) -> tuple[str, str]:
    """Return the setting that counts in the order of the AWS SDKs, and its URL. Both are empty if there is none."""
    variable = f"AWS_ENDPOINT_URL_{service.upper()}"
    own = section.get(service)
    settings = {
        variable: os.environ.get(variable),
        "AWS_ENDPOINT_URL": os.environ.get("AWS_ENDPOINT_URL"),
        f"{path}, services, {service}, endpoint_url": own.get("endpoint_url") if isinstance(own, dict) else None,
        f"{path}, endpoint_url": profile.get("endpoint_url"),
    }
    return next(((setting, str(url)) for setting, url in settings.items() if url), ("", ""))


def _is_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
        has_port = parts.port != 0
    except ValueError:
        return False
    is_valid = is_valid_endpoint_url(text) or is_valid_ipv6_endpoint_url(text)
    return parts.scheme in ("http", "https") and has_port and bool(is_valid)
