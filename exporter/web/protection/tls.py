"""TLS: certificates and keys become an ``ssl.SSLContext``, or a ConfigError that quotes nothing of them."""

from __future__ import annotations

import os
import ssl
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from typing import Any, NoReturn

from exporter.config.validation import NO_TEXT, both
from exporter.core.errors import ConfigError
from exporter.web.protection.config_fields import CURVES, SUITES

Read = Callable[[Path, str], str]
"""Returns a file's text. Raises ConfigError, which calls the file by its second argument, if that is not empty."""
SECTION = "tls_server_config"
VERSIONS = {
    "TLS10": ssl.TLSVersion.TLSv1,
    "TLS11": ssl.TLSVersion.TLSv1_1,
    "TLS12": ssl.TLSVersion.TLSv1_2,
    "TLS13": ssl.TLSVersion.TLSv1_3,
}
POLICIES = {"VerifyClientCertIfGiven": ssl.CERT_OPTIONAL, "RequireAndVerifyClientCert": ssl.CERT_REQUIRED}
"""What is asked of a client; Python cannot ask for a certificate and leave it unverified, so others ask for nothing."""


@dataclass(frozen=True, slots=True)
class TlsSettings:
    """What the file says of TLS beside certificates, in its own words."""

    client_auth: str
    allowed_sans: tuple[str, ...] | None
    versions: tuple[str, str]
    suites: tuple[str, ...]
    curves: tuple[str, ...]
    prefer_server_suites: bool


@dataclass(frozen=True, slots=True)
class Source:
    """Where in the configuration a PEM text is named, and the text itself, empty where none is."""

    where: str
    text: str = field(repr=False)

    @property
    def is_file(self) -> bool:
        """Whether the text is a file's."""
        return self.where.endswith("_file")


@dataclass(frozen=True, slots=True)
class Pem:
    """A certificate, its key, and the authorities that sign clients' certificates."""

    cert: Source
    key: Source
    client_ca: Source


@dataclass(frozen=True, slots=True)
class Tls:
    """How a connection is secured, and who may come in with which certificate."""

    context: ssl.SSLContext
    allowed_sans: frozenset[str] | None = None

    def admits(self, certificate: Mapping[str, Any] | None) -> bool:
        """Tell whether a client may come in with the verified certificate that ``getpeercert`` returns."""
        if self.allowed_sans is None or not certificate:
            return True
        names = certificate.get("subjectAltName", ())
        return any(_canonical(name) in self.allowed_sans for _, name in names)


def _canonical(name: str) -> str:
    """Return an alternative name; an IP address, which OpenSSL writes in its own way, in its shortest form."""
    try:
        return str(ip_address(name))
    except ValueError:
        return name


def read_pem(section: Mapping[str, Any], folder: Path, read: Read) -> Pem:
    """Return what the section names by file or inline; of both the file counts. Raises ConfigError."""
    cert, (key, client_ca) = both(
        lambda: _certificates(_needed(_source(section, "cert", folder, read))),
        lambda: both(
            lambda: _needed(_source(section, "key", folder, read)),
            lambda: _certificates(_source(section, "client_ca", folder, read)),
        ),
    )
    pem = Pem(cert, key, client_ca)
    _load_pair(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), pem)
    return pem


def new_tls(settings: TlsSettings, pem: Pem) -> Tls:
    """Return how connections are secured. Raises ConfigError for what this machine's OpenSSL cannot do."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    _load_pair(context, pem)
    context.options |= ssl.OP_NO_RENEGOTIATION
    context.set_alpn_protocols(["http/1.1"])
    _set_ciphers(context, settings)
    _set_versions(context, settings)
    for curve in settings.curves:
        context.set_ecdh_curve(CURVES[curve])
    _set_client_policy(context, settings, pem.client_ca)
    names = settings.allowed_sans
    return Tls(context, None if names is None else frozenset(_canonical(name) for name in names))


def _source(section: Mapping[str, Any], name: str, folder: Path, read: Read) -> Source:
    key = f"{name}_file" if section.get(f"{name}_file") else name
    where, value = f"{SECTION}.{key}", section.get(key, "")
    if not isinstance(value, str):
        raise ConfigError([f"{where}: {NO_TEXT}"])
    try:
        # The path is not shown: somebody may have put the key itself there.
        return Source(where, value if key == name else read(folder / value, "the file"))
    except ConfigError as error:
        raise ConfigError(f"{where}: {problem}" for problem in error.problems) from None


def _needed(source: Source) -> Source:
    if not source.text and not source.is_file:
        name = source.where.removeprefix(f"{SECTION}.")
        raise ConfigError([f"{SECTION}: needs {name}_file or {name}; for plain HTTP leave the section out"])
    return source


def _certificates(source: Source) -> Source:
    if source.text or source.is_file:
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_verify_locations(cadata=_ascii(source.text))
        except (ssl.SSLError, ValueError):
            raise ConfigError([f"{source.where}: holds no valid certificate in PEM form"]) from None
    return source


def _ascii(pem: str) -> str:
    """Leave out what OpenSSL's binding refuses: letters of other scripts, which only stand between certificates."""
    return pem.encode("ascii", "ignore").decode()


def _load_pair(context: ssl.SSLContext, pem: Pem) -> None:
    def refuse() -> NoReturn:  # without this OpenSSL asks on the terminal, and waits
        raise ConfigError([f"{pem.key.where}: is encrypted; use a key without a passphrase"])

    try:
        with _file_of(pem.cert.text) as cert, _file_of(pem.key.text) as key:
            context.load_cert_chain(cert, key, refuse)
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            raise ConfigError([f"{pem.key.where}: is not the key of the certificate"]) from None
        if error.reason and error.reason.startswith(("EE_", "CA_")):
            raise ConfigError([f"{pem.cert.where}: {error.reason.lower().replace('_', ' ')}"]) from None
        raise ConfigError([f"{pem.key.where}: holds no valid private key in PEM form"]) from None


@contextmanager
def _file_of(text: str) -> Iterator[str]:
    """Give the path of a file with the text while the block runs: OpenSSL's binding reads keys from paths alone.

    On Linux the file is in memory, so that no key reaches a disk and none needs to be writable.
    """
    if sys.platform == "linux":
        with os.fdopen(os.memfd_create("pem"), "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            yield f"/proc/self/fd/{file.fileno()}"
    else:
        with tempfile.NamedTemporaryFile("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            yield file.name


def _set_versions(context: ssl.SSLContext, settings: TlsSettings) -> None:
    lowest, highest = (VERSIONS[version] for version in settings.versions)
    if settings.suites and not _openssl_suites(settings):
        lowest = ssl.TLSVersion.TLSv1_3  # the suites that are named know no other
    if lowest > highest:
        raise ConfigError([f"{SECTION}.cipher_suites: none of them is of {settings.versions[1]} or older"])
    with warnings.catch_warnings(action="ignore", category=DeprecationWarning):
        context.minimum_version, context.maximum_version = lowest, highest


def _set_ciphers(context: ssl.SSLContext, settings: TlsSettings) -> None:
    if not settings.prefer_server_suites:
        context.options &= ~ssl.OP_CIPHER_SERVER_PREFERENCE
    suites = _openssl_suites(settings)
    # OpenSSL takes TLS 1.0 and 1.1 for too weak at every level of security but the lowest.
    level = ":@SECLEVEL=0" if settings.versions[0] in ("TLS10", "TLS11") else ""
    if suites or level:
        context.set_ciphers((":".join(suites) or "DEFAULT") + level)
    offered = {cipher["name"] for cipher in context.get_ciphers()}
    if missing := [name for name in settings.suites if SUITES.get(name, name) not in offered]:
        raise ConfigError([f"{SECTION}.cipher_suites: OpenSSL does not offer {', '.join(missing)} here"])


def _openssl_suites(settings: TlsSettings) -> list[str]:
    return [SUITES[name] for name in settings.suites if name in SUITES]


def _set_client_policy(context: ssl.SSLContext, settings: TlsSettings, client_ca: Source) -> None:
    policy = POLICIES.get(settings.client_auth)
    if policy is None:
        return
    context.verify_mode = policy
    # As in Go, an authority need not be a root. Python's own defaults for clients are left out: they refuse more.
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    if client_ca.text:
        context.load_verify_locations(cadata=_ascii(client_ca.text))
    else:
        context.load_default_certs(ssl.Purpose.CLIENT_AUTH)
