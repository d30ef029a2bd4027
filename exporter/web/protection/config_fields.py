"""The types of single values of the web configuration, each with exporter-toolkit's words.

Every value arrives as text: what YAML takes for a number or a switch is read here, as a Go program reads it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Annotated, Any, Literal, cast

from pydantic import AfterValidator, BeforeValidator, SecretStr, Strict
from pydantic_core import PydanticCustomError

from exporter.config.fields import pattern_type

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
"""OpenSSL's names of Go's cipher suites up to TLS 1.2."""
SUITES_OF_TLS13 = ("TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256")
"""Go's names of those of TLS 1.3, which are always on, in Go as in OpenSSL."""
CURVES = {"CurveP256": "prime256v1", "CurveP384": "secp384r1", "CurveP521": "secp521r1", "X25519": "X25519"}
"""OpenSSL's names of Go's curves."""

_NANOSECONDS = {"ns": 1, "us": 10**3, "µs": 10**3, "μs": 10**3, "ms": 10**6, "s": 10**9, "m": 60 * 10**9}
_NANOSECONDS["h"] = 3600 * 10**9
_PART = r"([0-9]+\.?[0-9]*|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h)"
_LONGEST = 2**63
_HASH = r"\$2[aby]\$([0-9]{2})\$[./A-Za-z0-9]{21}[.Oeu][./A-Za-z0-9]{31}"
"""The 22nd letter behind the cost ends the salt and has two bits; Python's bcrypt raises an error for others."""
_SWITCH = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}
_WITHOUT_VERIFYING = ("RequireAnyClientCert", "RequireClientCert")


def go_duration(text: Any) -> float:
    """Return the seconds of a duration as Go writes it; a bare number counts nanoseconds. Raises pydantic's error."""
    if isinstance(text, str) and re.fullmatch(r"[+-]?[0-9]{1,19}", text):
        nanoseconds: float = int(text)
    elif isinstance(text, str) and re.fullmatch(rf"[+-]?(?:{_PART})+", text):
        nanoseconds = sum(float(number) * _NANOSECONDS[unit] for number, unit in re.findall(_PART, text))
        nanoseconds = -nanoseconds if text.startswith("-") else nanoseconds
    else:
        raise PydanticCustomError("go_duration", "expected a duration such as 500ms, 1s or 1h30m")
    if abs(nanoseconds) >= _LONGEST:
        raise PydanticCustomError("go_duration", "is longer than 292 years")
    return nanoseconds / 10**9


def _given(value: Any) -> Any:
    if value is None:
        raise PydanticCustomError("given", "is empty; leave the key out if that is meant")
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
            "hash", "expected a bcrypt hash of 60 characters, as htpasswd -nBC 10 USER prints it behind the colon"
        )
    return secret


def _verifiable(text: Any) -> Any:
    if text in _WITHOUT_VERIFYING:
        raise PydanticCustomError(
            "unverified",
            "{policy} is not supported, since Python cannot require a certificate that it does not verify; "
            "use RequireAndVerifyClientCert with client_ca_file",
            {"policy": text},
        )
    return text


def _only_one(curves: tuple[str, ...]) -> tuple[str, ...]:
    if len(curves) > 1:
        raise PydanticCustomError(
            "curves", "Python cannot set several curves; name one, or leave the key out for OpenSSL's own choice"
        )
    return curves


def _one_of(words: Iterable[str]) -> Any:
    return cast(Any, Literal)[tuple(words)]


Text = Annotated[str, Strict()]
Secret = Annotated[SecretStr, Strict()]
PasswordHash = Annotated[SecretStr, Strict(), AfterValidator(_hash)]
UserName = pattern_type(r"[^:]*", "a name without a colon, which ends it in HTTP's Basic scheme")
HeaderValue = pattern_type(r"[\x20-\x7e]*", "printable ASCII characters")
GoDuration = Annotated[float, BeforeValidator(go_duration)]
Whole = Annotated[int, BeforeValidator(_whole)]
Switch = Annotated[bool, BeforeValidator(_switch)]
Version = _one_of(("TLS10", "TLS11", "TLS12", "TLS13"))
Suite = _one_of((*SUITES_OF_TLS13, *SUITES))
Curve = _one_of(CURVES)
GIVEN = BeforeValidator(_given)
"""What makes a type that has None for what is left out refuse a key without a value."""
ONLY_ONE = AfterValidator(_only_one)
"""What makes the type of a list of curves refuse a second one."""
ClientAuth = Annotated[
    Literal["", "NoClientCert", "RequestClientCert", "VerifyClientCertIfGiven", "RequireAndVerifyClientCert"],
    BeforeValidator(_verifiable),
]
