"""The web configuration file in the format of exporter-toolkit: TLS, passwords, headers and the rate limit.

https://github.com/prometheus/exporter-toolkit/blob/master/docs/web-configuration.md describes the format.
docs/web-config.md lists where this exporter is stricter.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError

from exporter.config.strict_yaml import parse_yaml_as_text, problems_in
from exporter.config.validation import keys_of, problem_lines, run_both
from exporter.core.errors import ConfigError
from exporter.web.protection.config_fields import (
    NOT_EMPTY,
    GoDuration,
    HeaderValue,
    PasswordHash,
    Section,
    Switch,
    UserName,
    Whole,
)
from exporter.web.protection.tls import VERSIONS, Pem, Read, Tls, TlsServer, new_tls, read_pem


class Headers(Section):
    """Headers of every response. An empty one is not sent."""

    strict_transport_security: HeaderValue = Field(default="", alias="Strict-Transport-Security")
    x_content_type_options: Annotated[Literal["nosniff"] | None, NOT_EMPTY] = Field(
        default=None, alias="X-Content-Type-Options"
    )
    x_frame_options: Annotated[Literal["deny", "sameorigin"] | None, NOT_EMPTY] = Field(
        default=None, alias="X-Frame-Options"
    )
    x_xss_protection: HeaderValue = Field(default="", alias="X-XSS-Protection")
    content_security_policy: HeaderValue = Field(default="", alias="Content-Security-Policy")


class HttpServer(Section):
    """HTTP settings. The server always uses HTTP/1.1; ALPN reports it to clients that prefer HTTP/2."""

    http2: Switch = True
    headers: Headers = Headers()


class RateLimit(Section):
    """The rate limit: one request per ``interval`` seconds, and ``burst`` requests at once."""

    interval: GoDuration = 0.0
    burst: Whole = 0


class Document(Section):
    """The whole file."""

    tls_server_config: Annotated[TlsServer | None, NOT_EMPTY] = None
    http_server_config: HttpServer = HttpServer()
    basic_auth_users: Mapping[UserName, PasswordHash] = {}
    rate_limit: RateLimit = RateLimit()


MODELS = (Document, TlsServer, HttpServer, Headers, RateLimit)


@dataclass(frozen=True, slots=True)
class WebConfig:
    """The content of the file, ready for use. Without users there is no authentication, without ``tls`` plain HTTP."""

    users: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    headers: tuple[tuple[bytes, bytes], ...] = ()
    rate_limit: RateLimit = field(default_factory=RateLimit)
    tls: Tls | None = None


def read_web_config(path: Path, read: Read) -> WebConfig:
    """Return the web configuration of a file. Paths in the file are relative to its folder.

    Raises ConfigError with all problems at once. None quotes a value.
    """
    with problems_in(path):
        raw = parse_yaml_as_text(read(path))
        section = raw.get("tls_server_config") if isinstance(raw, dict) else None
        tls = section if isinstance(section, dict) else None
        # Both report a certificate that is not text; ``problems_in`` keeps one of the two equal problems.
        document, pem = run_both(lambda: _document(raw), lambda: None if tls is None else _pem(tls, path.parent, read))
        return _web_config(document, pem)


def _pem(section: Mapping[str, Any], folder: Path, read: Read) -> Pem:
    _, pem = run_both(lambda: _check_conflicts(section), lambda: read_pem(section, folder, read))
    return pem


def _document(raw: Any) -> Document:
    try:
        return Document.model_validate({} if raw is None else raw)
    except ValidationError as error:
        raise ConfigError(problem_lines(error, known=keys_of(*MODELS))) from None


def _web_config(document: Document, pem: Pem | None) -> WebConfig:
    section = document.tls_server_config
    headers = document.http_server_config.headers.model_dump(by_alias=True)
    return WebConfig(
        users={name: secret.get_secret_value().encode() for name, secret in document.basic_auth_users.items()},
        headers=tuple((name.lower().encode(), value.encode()) for name, value in headers.items() if value),
        rate_limit=document.rate_limit,
        tls=new_tls(section, pem) if section and pem else None,
    )


def _check_conflicts(section: Mapping[str, Any]) -> None:
    """Raise ConfigError if keys contradict each other.

    The raw section is checked, so that these problems are reported together with those of single keys.
    """
    if found := [*_conflicts(section)]:
        raise ConfigError(f"tls_server_config.{problem}" for problem in found)


def _conflicts(section: Mapping[str, Any]) -> Iterator[str]:
    policy = section.get("client_auth_type") or "NoClientCert"
    if policy == "NoClientCert":
        for key in ("client_ca", "client_ca_file"):
            if section.get(key):
                yield f"{key}: requires client_auth_type RequireAndVerifyClientCert or VerifyClientCertIfGiven"
    if policy in ("NoClientCert", "RequestClientCert") and "client_allowed_sans" in section:
        yield "client_allowed_sans: requires client_auth_type RequireAndVerifyClientCert or VerifyClientCertIfGiven"
    lowest, highest = section.get("min_version", "TLS12"), section.get("max_version", "TLS13")
    order = list(VERSIONS)
    if lowest in order and highest in order and order.index(lowest) > order.index(highest):
        yield "min_version: is above max_version"
