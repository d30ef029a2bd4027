"""TLS: the section of the web configuration, and the ``ssl.SSLContext`` of it. Errors quote no certificate or key."""

import os
import ssl
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any, Literal, NoReturn, cast

from pydantic import AfterValidator, BeforeValidator, SecretStr
from pydantic_core import PydanticCustomError

from exporter.config.validation import EMPTY, EXPECTED_TEXT, run_both
from exporter.core.errors import ConfigError
from exporter.web.protection.config_fields import NOT_EMPTY, Secret, Section, Switch, Text

# Returns the text of a file. Raises ConfigError.
Read = Callable[[Path], str]
SECTION = "tls_server_config"
VERSIONS = {
    "TLS10": ssl.TLSVersion.TLSv1,
    "TLS11": ssl.TLSVersion.TLSv1_1,
    "TLS12": ssl.TLSVersion.TLSv1_2,
    "TLS13": ssl.TLSVersion.TLSv1_3,
}
# Cipher suites up to TLS 1.2: the names in Go and in OpenSSL.
SUITES = {
    "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA": "ECDHE-ECDSA-AES128-SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA": "ECDHE-ECDSA-AES256-SHA",
    "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA": "ECDHE-RSA-AES128-SHA",
    "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA": "ECDHE-RSA-AES256-SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256": "ECDHE-ECDSA-AES128-GCM-SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384": "ECDHE-ECDSA-AES256-GCM-SHA384",
    "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256": "ECDHE-RSA-AES128-GCM-SHA256",
    "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384": "ECDHE-RSA-AES256-GCM-SHA384",
    "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256": "ECDHE-RSA-CHACHA20-POLY1305",
    "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256": "ECDHE-ECDSA-CHACHA20-POLY1305",
}
# Go's names of the cipher suites of TLS 1.3. They are always enabled, in Go as in OpenSSL.
SUITES_OF_TLS13 = ("TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256")
# Curves: the names in Go and in OpenSSL.
CURVES = {"CurveP256": "prime256v1", "CurveP384": "secp384r1", "CurveP521": "secp521r1", "X25519": "X25519"}
# Python cannot request a certificate without verifying it, so the other policies request none.
POLICIES = {"VerifyClientCertIfGiven": ssl.CERT_OPTIONAL, "RequireAndVerifyClientCert": ssl.CERT_REQUIRED}
_UNVERIFIED = ("RequireAnyClientCert", "RequireClientCert")


def _supported_policy(text: Any) -> Any:
    if text in _UNVERIFIED:
        raise PydanticCustomError(
            "unverified",
            "{policy} is not supported, because Python cannot require a certificate without verifying it; "
            "use RequireAndVerifyClientCert with client_ca_file",
            {"policy": text},
        )
    return text


def _at_most_one(curves: tuple[str, ...]) -> tuple[str, ...]:
    if len(curves) > 1:
        raise PydanticCustomError(
            "curves", "Python cannot set several curves; name one, or remove the key for the defaults of OpenSSL"
        )
    return curves


def _literal(values: Iterable[str]) -> Any:
    return cast(Any, Literal)[tuple(values)]


Version: Any = _literal(VERSIONS)
Suite: Any = _literal((*SUITES_OF_TLS13, *SUITES))
Curve: Any = _literal(CURVES)
ClientAuth = Annotated[
    Literal["", "NoClientCert", "RequestClientCert", "VerifyClientCertIfGiven", "RequireAndVerifyClientCert"],
    BeforeValidator(_supported_policy),
]


class TlsServer(Section):
    """The TLS settings of the file. ``read_pem`` reads the certificates and keys."""

    cert: Secret = SecretStr("")
    cert_file: Text = ""
    key: Secret = SecretStr("")
    key_file: Text = ""
    client_ca: Secret = SecretStr("")
    client_ca_file: Text = ""
    client_auth_type: ClientAuth = ""
    client_allowed_sans: Annotated[tuple[Text, ...] | None, NOT_EMPTY] = None
    min_version: Version = "TLS12"
    max_version: Version = "TLS13"
    cipher_suites: tuple[Suite, ...] = ()
    curve_preferences: Annotated[tuple[Curve, ...], AfterValidator(_at_most_one)] = ()
    prefer_server_cipher_suites: Switch = True


@dataclass(frozen=True, slots=True)
class Source:
    """The key of the configuration that a PEM text comes from, and the text, which may be empty."""

    where: str
    text: str = field(repr=False)

    @property
    def is_file(self) -> bool:
        """Whether the text comes from a file."""
        return self.where.endswith("_file")


@dataclass(frozen=True, slots=True)
class Pem:
    """A certificate, its key, and the authorities that sign client certificates."""

    cert: Source
    key: Source
    client_ca: Source


@dataclass(frozen=True, slots=True)
class Tls:
    """The TLS of a connection, and the names of client certificates that are allowed; None allows all."""

    context: ssl.SSLContext
    allowed_sans: frozenset[str] | None = None

    def is_allowed(self, certificate: Mapping[str, Any] | None) -> bool:
        """Return whether a client is allowed. ``certificate`` is the verified one that ``getpeercert`` returns."""
        if self.allowed_sans is None or not certificate:
            return True
        names = certificate.get("subjectAltName", ())
        return any(_canonical(name) in self.allowed_sans for _, name in names)


def _canonical(name: str) -> str:
    """Return an alternative name. An IP address is returned in its shortest form, because OpenSSL's form differs."""
    try:
        return str(ip_address(name))
    except ValueError:
        return name


def read_pem(section: Mapping[str, Any], folder: Path, read: Read) -> Pem:
    """Return the PEM texts of the section. A file has precedence over an inline text. Raises ConfigError."""
    cert, (key, client_ca) = run_both(
        lambda: _certificates(_required(_source(section, "cert", folder, read))),
        lambda: run_both(
            lambda: _required(_source(section, "key", folder, read)),
            lambda: _certificates(_source(section, "client_ca", folder, read)),
        ),
    )
    pem = Pem(cert, key, client_ca)
    _load_pair(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), pem)
    return pem


def new_tls(section: TlsServer, pem: Pem) -> Tls:
    """Return the TLS for connections. Raises ConfigError for settings that OpenSSL on this machine does not support."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    _load_pair(context, pem)
    context.options |= ssl.OP_NO_RENEGOTIATION
    context.set_alpn_protocols(["http/1.1"])
    _set_ciphers(context, section)
    _set_versions(context, section)
    for curve in section.curve_preferences:
        context.set_ecdh_curve(CURVES[curve])
    _set_client_policy(context, section, pem.client_ca)
    names = section.client_allowed_sans
    return Tls(context, None if names is None else frozenset(_canonical(name) for name in names))


def _source(section: Mapping[str, Any], name: str, folder: Path, read: Read) -> Source:
    key = f"{name}_file" if section.get(f"{name}_file") else name
    where, value = f"{SECTION}.{key}", section.get(key, "")
    if not isinstance(value, str):
        raise ConfigError([f"{where}: {EMPTY if value is None else EXPECTED_TEXT}"])
    try:
        # The path is not shown, because it may be the key itself by mistake.
        return Source(where, value if key == name else read(folder / value))
    except ConfigError as error:
        raise ConfigError(f"{where}: {problem}" for problem in error.problems) from None


def _required(source: Source) -> Source:
    if not source.text and not source.is_file:
        name = source.where.removeprefix(f"{SECTION}.")
        raise ConfigError([f"{SECTION}: {name}_file or {name} is required; for plain HTTP remove the section"])
    return source


def _certificates(source: Source) -> Source:
    if source.text or source.is_file:
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_verify_locations(cadata=_ascii(source.text))
        except (ssl.SSLError, ValueError):
            raise ConfigError([f"{source.where}: contains no valid PEM certificate"]) from None
    return source


def _ascii(pem: str) -> str:
    """Remove characters that Python's ssl rejects. They occur only between certificates."""
    return pem.encode("ascii", "ignore").decode()


def _load_pair(context: ssl.SSLContext, pem: Pem) -> None:
    # Without a callback OpenSSL asks for the passphrase on the terminal, and waits.
    def passphrase() -> NoReturn:
        raise ConfigError([f"{pem.key.where}: is encrypted; use a key without a passphrase"])

    try:
        with _file_of(pem.cert.text) as cert, _file_of(pem.key.text) as key:
            context.load_cert_chain(cert, key, passphrase)
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            raise ConfigError([f"{pem.key.where}: does not match the certificate"]) from None
        if error.reason and error.reason.startswith(("EE_", "CA_")):
            raise ConfigError([f"{pem.cert.where}: {error.reason.lower().replace('_', ' ')}"]) from None
        raise ConfigError([f"{pem.key.where}: contains no valid PEM private key"]) from None


@contextmanager
def _file_of(text: str) -> Iterator[str]:
    """Yield the path of a temporary file with the text, because Python's ssl reads keys from paths only.

    On Linux the file is in memory: no key is written to a disk, and no folder needs to be writable.
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


def _set_versions(context: ssl.SSLContext, section: TlsServer) -> None:
    lowest, highest = VERSIONS[section.min_version], VERSIONS[section.max_version]
    if section.cipher_suites and not _openssl_suites(section):
        # The configured suites belong to TLS 1.3 only.
        lowest = ssl.TLSVersion.TLSv1_3
    if lowest > highest:
        raise ConfigError(
            [f"{SECTION}.cipher_suites: no suite is for {section.max_version} or older; add one or raise max_version"]
        )
    with warnings.catch_warnings(action="ignore", category=DeprecationWarning):
        context.minimum_version, context.maximum_version = lowest, highest


def _set_ciphers(context: ssl.SSLContext, section: TlsServer) -> None:
    if not section.prefer_server_cipher_suites:
        context.options &= ~ssl.OP_CIPHER_SERVER_PREFERENCE
    suites = _openssl_suites(section)
    # OpenSSL allows TLS 1.0 and 1.1 at its lowest security level only.
    level = ":@SECLEVEL=0" if section.min_version in ("TLS10", "TLS11") else ""
    if suites or level:
        context.set_ciphers((":".join(suites) or "DEFAULT") + level)
    offered = {cipher["name"] for cipher in context.get_ciphers()}
    if missing := [name for name in section.cipher_suites if SUITES.get(name, name) not in offered]:
        raise ConfigError([f"{SECTION}.cipher_suites: OpenSSL on this machine does not support {', '.join(missing)}"])


def _openssl_suites(section: TlsServer) -> list[str]:
    return [SUITES[name] for name in section.cipher_suites if name in SUITES]


def _set_client_policy(context: ssl.SSLContext, section: TlsServer, client_ca: Source) -> None:
    policy = POLICIES.get(section.client_auth_type)
    if policy is None:
        return
    context.verify_mode = policy
    # As in Go, an authority can be an intermediate one. Python's default flags are not set, because they reject more.
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    if client_ca.text:
        context.load_verify_locations(cadata=_ascii(client_ca.text))
    else:
        context.load_default_certs(ssl.Purpose.CLIENT_AUTH)
