"""The types of single configuration values; what AWS's documentation bounds is bounded here."""

from __future__ import annotations

import re
import warnings
from typing import Annotated, Any, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    SecretStr,
    Strict,
    WithJsonSchema,
)
from pydantic_core import PydanticCustomError

from exporter.kinds.kind import PLAIN_ID

T = TypeVar("T")

MASK = "<secret>"
"""What stands for a secret wherever the configuration is shown."""


class Frozen(BaseModel):
    """A section: frozen, and closed against unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, validate_default=True)


def pattern_type(pattern: str, saying: str) -> Any:
    """Return a type of text that matches a pattern; ``saying`` tells what is expected."""
    compiled = re.compile(pattern, re.ASCII)

    def check(text: str) -> str:
        if not compiled.fullmatch(text):
            raise PydanticCustomError("written", "expected {saying}", {"saying": saying})
        return text

    return Annotated[str, Strict(), AfterValidator(check), Field(json_schema_extra={"pattern": f"^(?:{pattern})$"})]


def distinct(values: tuple[T, ...]) -> tuple[T, ...]:
    """Return a list's values. Raises pydantic's error where one stands there again."""
    first: dict[T, int] = {}
    again = [f"[{number}]" for number, value in enumerate(values) if first.setdefault(value, number) != number]
    if again:
        raise PydanticCustomError("distinct", "the same value again at {again}", {"again": ", ".join(again)})
    return values


DISTINCT = (AfterValidator(distinct), Field(json_schema_extra={"uniqueItems": True}))
"""What makes a list's type refuse a value that stands there twice."""


def form_of_id(pattern: str) -> str:
    """Return in words what an id looks like."""
    plain = "an id without white space, control characters or only dots"
    return plain if pattern == PLAIN_ID else f"an id of the form {pattern}"


def operation_id(length: int, pattern: str) -> Any:
    """Return the type of an operation's id: an empty one or ``..`` would name another AWS path."""

    def check(id: str) -> str:
        if not re.fullmatch(pattern, id) or id in (".", ".."):
            raise PydanticCustomError("id", "expected {saying}", {"saying": form_of_id(pattern)})
        return id

    # For the schema alone: pydantic's own patterns are Rust's, which cannot look ahead.
    extra: dict[str, Any] = {"pattern": rf"^(?!\.{{1,2}}$){pattern}$"}
    limits = Field(min_length=1, max_length=length, json_schema_extra=extra)
    return Annotated[str, Strict(), limits, AfterValidator(check)]


def _regex(text: Any) -> re.Pattern[str]:
    if not isinstance(text, str):
        raise PydanticCustomError("regex", "expected a regular expression in quotes")
    try:
        with warnings.catch_warnings(action="ignore"):
            return re.compile(text)
    except (re.error, RecursionError, OverflowError):
        raise PydanticCustomError("regex", "is no valid regular expression") from None


def _secret(pattern: str, saying: str) -> Any:
    def check(secret: SecretStr) -> SecretStr:
        if not re.fullmatch(pattern, secret.get_secret_value(), re.ASCII):
            raise PydanticCustomError("secret", "expected {saying}", {"saying": saying})
        return secret

    extra: dict[str, Any] = {"pattern": f"^(?:{pattern})$"}
    masked = PlainSerializer(lambda secret: MASK, when_used="json-unless-none")
    return Annotated[SecretStr, Strict(), AfterValidator(check), masked, Field(json_schema_extra=extra)]


Name = Annotated[str, Strict(), Field(min_length=1, max_length=128)]
AccountId = pattern_type(r"\d{12}", "the 12 digits of an AWS account, in quotes")
Region = pattern_type(r"[a-z]{2,4}(-[a-z]+)+-\d{1,2}", "a Region such as eu-west-1")
RoleArn = pattern_type(
    r"arn:aws[a-z-]*:iam::\d{12}:role/[\w+=,.@/-]{1,576}", "a role such as arn:aws:iam::111122223333:role/NAME"
)
SessionName = pattern_type(r"[\w+=,.@-]{2,64}", "2 to 64 letters, digits or any of _+=,.@-")
ExternalId = _secret(r"[\w+=,.@:/-]{2,1224}", "2 to 1224 letters, digits or any of _+=,.@:/-")
Regex = Annotated[re.Pattern[str], BeforeValidator(_regex), WithJsonSchema({"type": "string", "format": "regex"})]
