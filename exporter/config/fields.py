"""The types of single settings, with the limits that the AWS documentation gives."""

import re
import warnings
from typing import Annotated, Any, Literal, TypeVar, cast

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    SecretStr,
    Strict,
    ValidatorFunctionWrapHandler,
    WithJsonSchema,
    WrapValidator,
)
from pydantic_core import PydanticCustomError

from exporter.kinds.kind import PLAIN_ID

T = TypeVar("T")

# Replaces each secret wherever the configuration is shown.
MASK = "<secret>"


class StrictModel(BaseModel):
    """A section that is immutable and rejects unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, validate_default=True)


def pattern_type(pattern: str, description: str) -> Any:
    """Return a type for text that matches a pattern. An error message contains the description."""

    def check(text: str) -> str:
        return _matching(text, text, pattern, description)

    return Annotated[str, Strict(), AfterValidator(check), _pattern_schema(pattern)]


def _secret_type(pattern: str, description: str) -> Any:
    def check(secret: SecretStr) -> SecretStr:
        return _matching(secret, secret.get_secret_value(), pattern, description)

    masked = PlainSerializer(lambda secret: MASK, when_used="json-unless-none")
    return Annotated[SecretStr, Strict(), AfterValidator(check), masked, _pattern_schema(pattern)]


def _matching(value: T, text: str, pattern: str, description: str) -> T:
    if not re.fullmatch(pattern, text, re.ASCII):
        raise PydanticCustomError("pattern", "expected {description}", {"description": description})
    return value


def _pattern_schema(pattern: str) -> Any:
    return Field(json_schema_extra={"pattern": f"^(?:{pattern})$"})


def _distinct(values: tuple[T, ...]) -> tuple[T, ...]:
    first: dict[T, int] = {}
    duplicates = [f"[{number}]" for number, value in enumerate(values) if first.setdefault(value, number) != number]
    if duplicates:
        raise PydanticCustomError("distinct", "duplicate value at {paths}", {"paths": ", ".join(duplicates)})
    return values


# The metadata of a list that rejects duplicate values.
DISTINCT = (AfterValidator(_distinct), Field(json_schema_extra={"uniqueItems": True}))


def id_description(pattern: str) -> str:
    """Return a description of the ids that match a pattern."""
    plain = "an id without white space, control characters or only dots"
    return plain if pattern == PLAIN_ID else f"an id that matches {pattern}"


def operation_id(length: int, pattern: str) -> Any:
    """Return the type of an operation id. An empty id, ``.`` or ``..`` would select another AWS path."""

    def check(id: str) -> str:
        if not re.fullmatch(pattern, id) or id in (".", ".."):
            raise PydanticCustomError("id", "expected {description}", {"description": id_description(pattern)})
        return id

    # This pattern is for the JSON schema only: the patterns of pydantic do not support look-ahead.
    extra: dict[str, Any] = {"pattern": rf"^(?!\.{{1,2}}$){pattern}$"}
    limits = Field(min_length=1, max_length=length, json_schema_extra=extra)
    return Annotated[str, Strict(), limits, AfterValidator(check)]


def _parse_regex(text: Any) -> re.Pattern[str]:
    if not isinstance(text, str):
        raise PydanticCustomError("regex", "expected a regular expression in quotes")
    try:
        with warnings.catch_warnings(action="ignore"):
            return re.compile(text)
    except (re.error, RecursionError, OverflowError):
        raise PydanticCustomError("regex", "invalid regular expression") from None


# No control character and no line separator: they would break lines of logs, tables and messages.
PRINTABLE = r"[^\x00-\x1f\x7f-\x9f\u2028\u2029]*"
_PRINTABLE_SCHEMA = PRINTABLE.replace(r"\x", r"\u00")


def _printable(text: str) -> str:
    return _matching(text, text, PRINTABLE, "text without control characters and line breaks; remove them")


Name = Annotated[
    str,
    Strict(),
    Field(min_length=1, max_length=128, json_schema_extra={"pattern": f"^{_PRINTABLE_SCHEMA}$"}),
    AfterValidator(_printable),
]
AccountId = pattern_type(r"\d{12}", "the 12 digits of an AWS account, in quotes")
REGION_PATTERN = r"[a-z]{2,4}(-[a-z]+)+-\d{1,2}"
REGION_NAME = "a Region such as eu-west-1"
Region = pattern_type(REGION_PATTERN, REGION_NAME)


def is_region(text: str) -> bool:
    """Return whether a text has the form of a Region, which may be newer than this release."""
    return re.fullmatch(REGION_PATTERN, text, re.ASCII) is not None


# The word for every Region, and the value of a list that contains only this word.
EVERY_REGION = "all"
# mypy does not support types that are built at run time.
EVERY_OR_REGIONS = cast(Any, Literal["all"]) | Annotated[cast(Any, tuple)[Region, ...], *DISTINCT]
ALL_REGIONS = (EVERY_REGION,)


def _regions(value: Any, check: ValidatorFunctionWrapHandler) -> Any:
    if value in (EVERY_REGION, ALL_REGIONS):
        return ALL_REGIONS
    if not isinstance(value, list | tuple):
        raise PydanticCustomError("regions", "expected a list of Regions, or all")
    return check(value)


def _regions_as_configured(regions: tuple[str, ...]) -> Any:
    return EVERY_REGION if regions == ALL_REGIONS else list(regions)


# The metadata of a list of Regions that rejects duplicate values and accepts the word for all of them.
DISTINCT_OR_ALL = (
    *DISTINCT,
    WrapValidator(_regions, json_schema_input_type=EVERY_OR_REGIONS),
    PlainSerializer(_regions_as_configured, when_used="json"),
)
RoleArn = pattern_type(
    r"arn:aws[a-z-]*:iam::\d{12}:role/[\w+=,.@/-]{1,576}", "a role such as arn:aws:iam::111122223333:role/NAME"
)
RoleName = pattern_type(r"[\w+=,.@/-]{1,576}", "the name of a role, such as NAME or path/NAME")
UnitId = pattern_type(
    r"ou-[0-9a-z]{4,32}-[0-9a-z]{8,32}|r-[0-9a-z]{4,32}",
    "the id of an organizational unit or root, such as ou-ab12-11112222 or r-ab12",
)
AccountTag = pattern_type(r"[^=]{1,128}=.{0,256}", "a tag such as KEY=VALUE")
SessionName = pattern_type(r"[\w+=,.@-]{2,64}", "2 to 64 letters, digits or any of _+=,.@-")
ExternalId = _secret_type(r"[\w+=,.@:/-]{2,1224}", "2 to 1224 letters, digits or any of _+=,.@:/-")
Regex = Annotated[re.Pattern[str], BeforeValidator(_parse_regex), WithJsonSchema({"type": "string", "format": "regex"})]

# Only these schemes: a browser would run the script in an address such as javascript:...
# The double quote is \x22, because JavaScript, which checks schemas with Ajv, refuses an escape of a quote.
PageUrl = pattern_type(r"https?://[^\s\x22'<>]{1,2000}", "an address that begins with https:// or http://")
