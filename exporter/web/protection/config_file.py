"""The web configuration: exporter-toolkit's file of TLS, passwords, headers and limits, read strictly.

https://github.com/prometheus/exporter-toolkit/blob/master/docs/web-configuration.md describes the format,
docs/web-config.md where this reader is stricter.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, SecretStr, ValidationError

from exporter.config.fields import Frozen
from exporter.config.strict_yaml import parse_yaml_as_text
from exporter.config.validation import both, keys_of, problems
from exporter.core.errors import ConfigError
from exporter.web.protection.config_fields import (
    GIVEN,
    ONLY_ONE,
    ClientAuth,
    Curve,
    GoDuration,
    HeaderValue,
    PasswordHash,
    Secret,
    Suite,
    Switch,
    Text,
    UserName,
    Version,
    Whole,
)
from exporter.web.protection.tls import VERSIONS, Pem, Read, Tls, TlsSettings, new_tls, read_pem

FLAG = "--web.config.file"


class Section(Frozen):
    """A section whose values are all written as text, and whose defaults are not."""

    model_config = ConfigDict(validate_default=False)


class TlsServer(Section):
    """How TLS is spoken. Certificates and keys are read apart, see ``read_pem``."""

    cert: Secret = SecretStr("")
    cert_file: Text = ""
    key: Secret = SecretStr("")
    key_file: Text = ""
    client_ca: Secret = SecretStr("")
    client_ca_file: Text = ""
    client_auth_type: ClientAuth = ""
    client_allowed_sans: Annotated[tuple[Text, ...] | None, GIVEN] = None
    min_version: Version = "TLS12"
    max_version: Version = "TLS13"
    cipher_suites: tuple[Suite, ...] = ()
    curve_preferences: Annotated[tuple[Curve, ...], ONLY_ONE] = ()
    prefer_server_cipher_suites: Switch = True

    def settings(self) -> TlsSettings:
        """Return what a TLS context is made of."""
        return TlsSettings(
            client_auth=self.client_auth_type or "NoClientCert",
            allowed_sans=self.client_allowed_sans,
            versions=(self.min_version, self.max_version),
            suites=self.cipher_suites,
            curves=self.curve_preferences,
            prefer_server_suites=self.prefer_server_cipher_suites,
        )


class Headers(Section):
    """Headers that every answer carries; one that is blank is left out."""

    strict_transport_security: HeaderValue = Field(default="", alias="Strict-Transport-Security")
    x_content_type_options: Annotated[Literal["nosniff"] | None, GIVEN] = Field(
        default=None, alias="X-Content-Type-Options"
    )
    x_frame_options: Annotated[Literal["deny", "sameorigin"] | None, GIVEN] = Field(
        default=None, alias="X-Frame-Options"
    )
    x_xss_protection: HeaderValue = Field(default="", alias="X-XSS-Protection")
    content_security_policy: HeaderValue = Field(default="", alias="Content-Security-Policy")


class HttpServer(Section):
    """How HTTP is spoken: always HTTP/1.1, which a client that prefers HTTP/2 is told by ALPN."""

    http2: Switch = True
    headers: Headers = Headers()


class RateLimit(Section):
    """How many requests are answered: one per ``interval`` seconds, and ``burst`` at once."""

    interval: GoDuration = 0.0
    burst: Whole = 0


class Document(Section):
    """The whole file."""

    tls_server_config: Annotated[TlsServer | None, GIVEN] = None
    http_server_config: HttpServer = HttpServer()
    basic_auth_users: Mapping[UserName, PasswordHash] = {}
    rate_limit: RateLimit = RateLimit()


@dataclass(frozen=True, slots=True)
class WebConfig:
    """What the file says, ready for use. Without users everybody is let in, without ``tls`` HTTP is plain."""

    users: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    headers: tuple[tuple[bytes, bytes], ...] = ()
    rate_limit: RateLimit = field(default_factory=RateLimit)
    tls: Tls | None = None


def read_web_config(path: Path, read: Read) -> WebConfig:
    """Return the web configuration of a file, whose own paths are relative to its folder.

    Raises ConfigError with all problems at once; none quotes a value.
    """
    try:
        return _read(path, read)
    except ConfigError as error:
        # What is no text is found twice: as a wrong value, and as a certificate that cannot be read.
        raise ConfigError(f"{FLAG}: {problem}" for problem in dict.fromkeys(error.problems)) from None


def _read(path: Path, read: Read) -> WebConfig:
    raw = parse_yaml_as_text(read(path, ""))
    section = raw.get("tls_server_config") if isinstance(raw, dict) else None
    tls = section if isinstance(section, dict) else None
    document, (_, pem) = both(
        lambda: _document(raw),
        lambda: both(
            lambda: None if tls is None else _check_across(tls),
            lambda: None if tls is None else read_pem(tls, path.parent, read),
        ),
    )
    return _usable(document, pem)


def _document(raw: Any) -> Document:
    try:
        return Document.model_validate({} if raw is None else raw)
    except ValidationError as error:
        keys = keys_of(Document, TlsServer, HttpServer, Headers, RateLimit)
        raise ConfigError(problems(error, known=keys)) from None


def _usable(document: Document, pem: Pem | None) -> WebConfig:
    section = document.tls_server_config
    headers = document.http_server_config.headers.model_dump(by_alias=True)
    return WebConfig(
        users={name: secret.get_secret_value().encode() for name, secret in document.basic_auth_users.items()},
        headers=tuple((name.lower().encode(), value.encode()) for name, value in headers.items() if value),
        rate_limit=document.rate_limit,
        tls=new_tls(section.settings(), pem) if section and pem else None,
    )


def _check_across(section: Mapping[str, Any]) -> None:
    """Raise ConfigError for faults between keys, which are read from the raw file to be told with those of each key."""
    if found := [*_misfits(section)]:
        raise ConfigError(f"tls_server_config.{problem}" for problem in found)


def _misfits(section: Mapping[str, Any]) -> Iterator[str]:
    policy = section.get("client_auth_type") or "NoClientCert"
    if policy == "NoClientCert":
        for key in ("client_ca", "client_ca_file"):
            if section.get(key):
                yield f"{key}: needs client_auth_type RequireAndVerifyClientCert or VerifyClientCertIfGiven"
    if policy in ("NoClientCert", "RequestClientCert") and "client_allowed_sans" in section:
        yield "client_allowed_sans: needs client_auth_type RequireAndVerifyClientCert or VerifyClientCertIfGiven"
    lowest, highest = section.get("min_version", "TLS12"), section.get("max_version", "TLS13")
    order = list(VERSIONS)
    if lowest in order and highest in order and order.index(lowest) > order.index(highest):
        yield "min_version: is above max_version"
