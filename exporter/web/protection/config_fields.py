"""The types of single values of the web configuration, with the keywords of exporter-toolkit.

Every value arrives as text. Numbers and booleans are parsed here as Go parses them, not as YAML does.
"""

import re
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, ConfigDict, SecretStr, Strict
from pydantic_core import PydanticCustomError

from exporter.config.fields import StrictModel, pattern_type
from exporter.config.validation import EMPTY

_NANOSECONDS = {"ns": 1, "us": 10**3, "µs": 10**3, "μs": 10**3, "ms": 10**6, "s": 10**9}
_NANOSECONDS |= {"m": 60 * 10**9, "h": 3600 * 10**9}
_PART = r"([0-9]+\.?[0-9]*|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h)"
_MAX_NANOSECONDS = 2**63
# The 22nd character after the cost ends the salt. It has two bits, and Python's bcrypt raises an error for others.
_HASH = r"\$2[aby]\$([0-9]{2})\$[./A-Za-z0-9]{21}[.Oeu][./A-Za-z0-9]{31}"
_SWITCH = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}


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
        raise PydanticCustomError("empty", EMPTY)
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


Text = Annotated[str, Strict()]
Secret = Annotated[SecretStr, Strict()]
PasswordHash = Annotated[SecretStr, Strict(), AfterValidator(_hash)]
UserName = pattern_type(r"[^:]*", "a user name without a colon, because HTTP Basic authentication does not allow one")
HeaderValue = pattern_type(r"[\x20-\x7e]*", "printable ASCII characters")
GoDuration = Annotated[float, BeforeValidator(go_duration)]
Whole = Annotated[int, BeforeValidator(_whole)]
Switch = Annotated[bool, BeforeValidator(_switch)]
# Makes an optional type reject a key without a value.
NOT_EMPTY = BeforeValidator(_not_empty)
