"""The types of single values of the web configuration, with the keywords of exporter-toolkit.

Every value arrives as text. Numbers and booleans are parsed here as Go parses them, not as YAML does.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Annotated, Any, Literal, cast

from pydantic import AfterValidator, BeforeValidator, ConfigDict, SecretStr, Strict
from pydantic_core import PydanticCustomError

from exporter.config.fields import StrictModel, pattern_type

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

_NANOSECONDS = {"ns": 1, "us": 10**3, "µs": 10**3, "μs": 10**3, "ms": 10**6, "s": 10**9}
_NANOSECONDS |= {"m": 60 * 10**9, "h": 3600 * 10**9}
_PART = r"([0-9]+\.?[0-9]*|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h)"
_MAX_NANOSECONDS = 2**63
# The 22nd character after the cost ends the salt. It has two bits, and Python's bcrypt raises an error for others.
_HASH = r"\$2[aby]\$([0-9]{2})\$[./A-Za-z0-9]{21}[.Oeu][./A-Za-z0-9]{31}"
_SWITCH = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}
_UNVERIFIED = ("RequireAnyClientCert", "RequireClientCert")


class Section(StrictModel):
    """A section. Its values in the file are text, its defaults have their final types."""

    model_config = ConfigDict(validate_default=False)


def go_duration(text: Any) -> float:
    """Return the seconds of a duration in Go's notation. A number without a unit is in nanoseconds.

    Raises PydanticCustomError.
    """
    if isinstance(text, str) and re.fullmatch(r"[+-]?[0-9]{1,19}", text):
        nanoseconds: float = int(text)
    elif isinstance(text, str) and re.fullmatch(rf"[+-]?(?:{_PART})+", text):
        nanoseconds = sum(float(number) * _NANOSECONDS[unit] for number, unit in re.findall(_PART, text))
        nanoseconds = -nanoseconds if text.startswith("-") else nanoseconds
    else:
        raise PydanticCustomError("go_duration", "expected a duration such as 500ms, 1s or 1h30m")
    if abs(nanoseconds) >= _MAX_NANOSECONDS:
        raise PydanticCustomError("go_duration", "is longer than 292 years")
    return nanoseconds / 10**9


def _not_empty(value: Any) -> Any:
    if value is None:
        raise PydanticCustomError("empty", "is empty; set a value or remove the key")
    return value


def _whole(text: Any) -> int:
    if not isinstance(text, str) or not re.fullmatch(r"[+-]?[0-9]{1,18}", text):
        raise PydanticCustomError("whole", "expected a whole number")
    return int(text)


def _switch(text: Any) -> bool:
    if not isinstance(text, str) or text.lower() not in _SWITCH:
        raise PydanticCustomError("switch", "expected true or false")
    return _SWITCH[text.lower()]


def _hash(secret: SecretStr) -> SecretStr:
    hashed = re.fullmatch(_HASH, secret.get_secret_value())
    if hashed is None or not 4 <= int(hashed[1]) <= 31:
        raise PydanticCustomError(
            "hash", "expected a bcrypt hash of 60 characters; htpasswd -nBC 10 USER prints it after the colon"
        )
    return secret


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


Text = Annotated[str, Strict()]
Secret = Annotated[SecretStr, Strict()]
PasswordHash = Annotated[SecretStr, Strict(), AfterValidator(_hash)]
UserName = pattern_type(r"[^:]*", "a user name without a colon, because HTTP Basic authentication does not allow one")
HeaderValue = pattern_type(r"[\x20-\x7e]*", "printable ASCII characters")
GoDuration = Annotated[float, BeforeValidator(go_duration)]
Whole = Annotated[int, BeforeValidator(_whole)]
Switch = Annotated[bool, BeforeValidator(_switch)]
Version = _literal(("TLS10", "TLS11", "TLS12", "TLS13"))
Suite = _literal((*SUITES_OF_TLS13, *SUITES))
Curve = _literal(CURVES)
# Makes an optional type reject a key without a value.
NOT_EMPTY = BeforeValidator(_not_empty)
# Makes the type of a list of curves reject a second curve.
AT_MOST_ONE = AfterValidator(_at_most_one)
ClientAuth = Annotated[
    Literal["", "NoClientCert", "RequestClientCert", "VerifyClientCertIfGiven", "RequireAndVerifyClientCert"],
    BeforeValidator(_supported_policy),
]
