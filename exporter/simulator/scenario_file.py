"""The shape of a scenario file; whatever is wrong with one is told at once, each fault with its path."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal, TypeVar, cast

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    Strict,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from exporter.config.duration import Duration
from exporter.config.fields import AccountId, Region, RoleArn
from exporter.config.strict_yaml import parse_yaml
from exporter.config.validation import keys_of, problem_lines
from exporter.core.errors import ConfigError
from exporter.kinds.kind import Kind
from exporter.simulator.scenario_checks import (
    Known,
    account_fault,
    effect_fault,
    headers_fault,
    id_fault,
    none_of,
    target_fault,
    timeline_faults,
    twice,
)

T = TypeVar("T")

Text = Annotated[str, Strict()]
Name = Annotated[str, Strict(), Field(min_length=1)]
Whole = Annotated[int, Strict(), Field(ge=0)]
Share = Annotated[float, Field(strict=True, ge=0, le=1)]
ErrorCode = Annotated[str, Strict(), Field(pattern=r"^[A-Za-z][A-Za-z0-9.]*$")]
ContentType = Annotated[str, Strict(), Field(pattern=r"^[!-~]+/[ -~]+$")]
Span = Annotated[Duration, Field(ge=0)]
Member = Annotated[str, Strict(), Field(pattern=r"^[^.\s]+(\.[^.\s]+)*$")]


class _Entry(BaseModel):
    """A section of the file: frozen, and closed against unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class RoleEntry(_Entry):
    """A role that may be assumed."""

    arn: RoleArn
    external_id: Text = ""


class PointEntry(_Entry):
    """A point of a timeline; what it leaves out is as it was at the point before."""

    at: Span
    status: Name | None = None
    done: Share | None = None
    failed: Share | None = None


class OperationEntry(_Entry):
    """One operation, or ``count`` of them that are alike; the first fields are what the later ones are checked by."""

    kind: Name
    region: Region
    account: AccountId | None = None
    count: Annotated[Whole, Field(ge=1, le=100_000)] = 1
    id: Annotated[Name | None, Field(validate_default=True)] = None
    created: Duration = 0.0
    items: Annotated[Whole, Field(le=1_000_000_000)] = 0
    retries: Whole = 0
    name: Text = ""
    input: Text = ""
    target: Text = ""
    continuous: Annotated[bool, Strict()] = False
    message: Text = ""
    error_codes: tuple[Name, ...] = ()
    tags: dict[str, Text] = {}
    timeline: Annotated[tuple[PointEntry, ...], Field(min_length=1)]

    @property
    def ids(self) -> tuple[str, ...]:
        """The ids that the file names; none where they are to be derived."""
        return _ids(self.id, self.count)

    @field_validator("kind")
    @classmethod
    def _is_known(cls, kind: str, info: ValidationInfo) -> str:
        return _passed(kind, none_of(kind, _known(info).kinds))

    @field_validator("account")
    @classmethod
    def _is_an_account(cls, account: str | None, info: ValidationInfo) -> str | None:
        return _passed(account, account_fault(account, _known(info)))

    @field_validator("id")
    @classmethod
    def _fits_the_kind(cls, id: str | None, info: ValidationInfo) -> str | None:
        kind = _known(info).kinds.get(info.data.get("kind", ""))
        return _passed(id, id_fault(_ids(id, info.data.get("count", 1)), kind))

    @field_validator("target")
    @classmethod
    def _is_a_target(cls, target: str) -> str:
        return _passed(target, target_fault(target))

    @field_validator("timeline")
    @classmethod
    def _goes_forward(cls, timeline: tuple[PointEntry, ...], info: ValidationInfo) -> tuple[PointEntry, ...]:
        faults = timeline_faults(timeline, _known(info).kinds.get(info.data.get("kind", "")))
        return _passed(timeline, *faults)


class FaultEntry(_Entry):
    """What goes wrong, and for which requests."""

    account: AccountId | None = None
    region: Region | None = None
    service: Name | None = None
    api: Name | None = None
    id: Name | None = None
    since: Annotated[Span, Field(alias="from")] = 0.0
    until: Span | None = None
    share: Share = 1.0
    delay: Span = 0.0
    error: ErrorCode | None = None
    message: Text = "A fault of the scenario."
    status: Annotated[Whole, Field(ge=200, le=599)] | None = None
    body: Text | None = None
    content_type: ContentType = "text/html"
    headers: Annotated[dict[str, Text], Field(min_length=1)] | None = None
    replace: Annotated[dict[Member, JsonValue], Field(min_length=1)] | None = None
    remove: Annotated[tuple[Member, ...], Field(min_length=1)] | None = None
    double: Annotated[tuple[Member, ...], Field(min_length=1)] | None = None
    pages: Literal["repeated", "endless"] | None = None
    skew: Duration | None = None
    cut: Whole | None = None
    drip: Annotated[Whole, Field(ge=1)] | None = None
    hang: Literal["head", "body"] | None = None

    @field_validator("account")
    @classmethod
    def _is_an_account(cls, account: str | None, info: ValidationInfo) -> str | None:
        return _passed(account, account_fault(account, _known(info)))

    @field_validator("service")
    @classmethod
    def _is_a_service(cls, service: str | None, info: ValidationInfo) -> str | None:
        return _passed(service, none_of(service, _known(info).services))

    @field_validator("api")
    @classmethod
    def _is_an_api(cls, api: str | None, info: ValidationInfo) -> str | None:
        return _passed(api, none_of(api, _known(info).apis))

    @field_validator("headers")
    @classmethod
    def _are_headers(cls, headers: dict[str, str] | None) -> dict[str, str] | None:
        return _passed(headers, headers_fault(headers or {}))

    @model_validator(mode="after")
    def _does_one_thing(self) -> FaultEntry:
        return _passed(self, effect_fault(self))


class ScenarioFile(_Entry):
    """A whole scenario file."""

    accounts: Annotated[tuple[AccountId, ...], Field(min_length=1)]
    roles: tuple[RoleEntry, ...] | None = None
    quotas: Annotated[bool, Strict()] = True
    latency: Span = 0.0
    operations: tuple[OperationEntry, ...] = ()
    faults: tuple[FaultEntry, ...] = ()

    @field_validator("operations")
    @classmethod
    def _are_distinct(cls, entries: tuple[OperationEntry, ...], info: ValidationInfo) -> tuple[OperationEntry, ...]:
        return _passed(entries, *twice(entries, next(iter(info.data.get("accounts", ())), "")))


def read_scenario(text: str, kinds: Mapping[str, Kind[Any]]) -> ScenarioFile:
    """Return the file that a YAML text holds. Raises ConfigError with every problem and its path."""
    raw = parse_yaml(text)
    try:
        return ScenarioFile.model_validate(raw, context=Known(kinds, _accounts(raw)))
    except ValidationError as error:
        raise ConfigError(_lines(error)) from None


def _accounts(raw: Any) -> frozenset[str]:
    accounts = raw.get("accounts") if isinstance(raw, dict) else None
    return frozenset(one for one in accounts if isinstance(one, str)) if isinstance(accounts, list) else frozenset()


def _known(info: ValidationInfo) -> Known:
    return cast("Known", info.context)


def _ids(id: str | None, count: int) -> tuple[str, ...]:
    if id is None:
        return ()
    return (id,) if count == 1 else tuple(f"{id}-{number:04}" for number in range(1, count + 1))


def _passed(value: T, *faults: str) -> T:
    """Return the value, or raise one error that holds every fault: a validator of pydantic can raise but once."""
    if any(faults):
        raise PydanticCustomError("faults", "{said}", {"said": "\n".join(filter(None, faults))})
    return value


def _lines(error: ValidationError) -> Iterator[str]:
    known = (*keys_of(ScenarioFile, OperationEntry, PointEntry, RoleEntry, FaultEntry), "from")
    for line in problem_lines(error, known=known):
        path, colon, said = line.partition(": ")
        for fault in said.split("\n"):
            yield path + fault if fault.startswith(("[", ".")) else f"{path}{colon}{fault}"
