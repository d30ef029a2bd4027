"""Settings of the AWS SDKs for connections: proxies, and the file with the authorities that TLS trusts."""

import os
import re
import ssl
from collections.abc import Iterable, Iterator
from contextlib import suppress
from urllib.parse import urlsplit
from urllib.request import getproxies_environment

from botocore.exceptions import ConfigParseError, ProfileNotFound
from botocore.session import Session

from exporter.aws.causes import root_cause
from exporter.aws.sdk_settings import FILES, endpoint_schemes
from exporter.core.errors import ConfigError
from exporter.core.log import shortened

PROXY_FAULT = "expected the URL of an HTTP proxy, such as http://proxy.example.com:3128; correct it or unset it"


def check_connection_settings(services: Iterable[str]) -> None:
    """Raise ConfigError with each proxy and each file of authorities that calls would use and that cannot work.

    No problem contains the URL of a proxy, which can have a password.
    """
    schemes = endpoint_schemes(services)
    problems = [*_proxy_problems(schemes), *(_bundle_problems() if "https" in schemes else ())]
    if problems:
        raise ConfigError(problems)


def _proxy_problems(schemes: Iterable[str]) -> Iterator[str]:
    proxies = getproxies_environment()
    if proxies.get("no", "").strip() == "*":
        return
    for scheme in sorted(schemes):
        if scheme in proxies and not _is_proxy(proxies[scheme]):
            yield f"{_variable(f'{scheme}_proxy')}: {PROXY_FAULT}"


def _variable(name: str) -> str:
    """Return the variable that counts: the name in lower case comes first."""
    return name if os.environ.get(name) else name.upper()


def _is_proxy(text: str) -> bool:
    """Return whether a text is the URL of an HTTP proxy. botocore adds a missing scheme."""
    url = text if re.match(r"[a-z0-9+.-]+://", text, re.IGNORECASE) else f"http://{text.removeprefix('//')}"
    try:
        parts = urlsplit(url)
        has_port = parts.port != 0
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname) and has_port


def _bundle_problems() -> Iterator[str]:
    setting, path = _bundle()
    if path is None:
        return
    if not path.strip():
        yield f"{setting}: is empty; set the path of a file with certificates, or unset it"
        return
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cafile=path)
    except ssl.SSLError:
        yield f"{setting}: {shortened(path)} has no certificates; set a file with certificates in PEM, or unset it"
    except (OSError, ValueError) as error:
        fault = f"cannot be read: {root_cause(error) or 'invalid path'}"
        yield f"{setting}: {shortened(path)} {fault}; set a file that the exporter can read, or unset it"


def _bundle() -> tuple[str, str | None]:
    """Return the setting of the file of authorities that counts in botocore, and its value, None if there is none."""
    if "AWS_CA_BUNDLE" in os.environ:
        return "AWS_CA_BUNDLE", os.environ["AWS_CA_BUNDLE"]
    session = Session(include_builtin_handlers=False)
    with suppress(ProfileNotFound, ConfigParseError):
        configured = session.get_scoped_config().get("ca_bundle")
        if configured is not None:
            return f"{FILES}: profile {session.profile or 'default'}, ca_bundle", str(configured)
    return "REQUESTS_CA_BUNDLE", os.environ.get("REQUESTS_CA_BUNDLE")
