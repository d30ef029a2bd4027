"""The scenario of the simulated AWS: its accounts, its operations over time, and its faults.

A ConfigError for an invalid scenario contains every problem with its path.
"""

from __future__ import annotations

import json
import re
import uuid
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from importlib import resources
from itertools import starmap
from typing import Annotated, Any, Literal, cast

from pydantic import (
    AfterValidator,
    Field,
    JsonValue,
    Strict,
    ValidationError,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
    field_validator,
    model_validator,
)

from exporter.config.duration import Duration
from exporter.config.fields import AccountId, Region, RoleArn, id_description
from exporter.config.partitions import is_enabled_by_default
from exporter.config.strict_yaml import parse_yaml
from exporter.config.validation import keys_of, problem_lines
from exporter.core.errors import ConfigError
from exporter.kinds.kind import Kind
from exporter.metrics.families import UNKNOWN
from exporter.simulator.organization_sections import (
    MemberAccount,
    SimulatedOrganization,
    Unit,
    duplicate_members,
    member_ids,
)
from exporter.simulator.scenario_fields import Entry, Name, Span, Text, Whole, checked

# Ids that a scenario omits are derived from this id, so that they are the same in every run.
NAMESPACE = uuid.UUID("6f0c1a5e-52b8-4d3a-9f6b-0a4d2f1c7e11")
STS_APIS = ("AssumeRole", "GetCallerIdentity")
ORGANIZATIONS, ACCOUNT = "organizations", "account"
ORGANIZATIONS_APIS = (
    "DescribeAccount",
    "DescribeOrganization",
    "DescribeOrganizationalUnit",
    "ListAccounts",
    "ListAccountsForParent",
    "ListChildren",
    "ListDelegatedAdministrators",
    "ListOrganizationalUnitsForParent",
    "ListParents",
    "ListRoots",
    "ListTagsForResource",
)
ACCOUNT_APIS = ("GetRegionOptStatus", "ListRegions")
# The service and the API of a file behind a presigned link.
FILE_API = ("s3", "GetObject")
# Seconds by which the clock of a client may differ from the clock of AWS.
TOLERATED_SKEW = 300.0
# The difference of two shares may be inexact in its last bit.
TOLERANCE = 1e-9
# The target of a job or a deployment is a thing or a thing group.
TARGET = re.compile(r"arn:aws[a-z-]*:iot:[a-z0-9-]+:[0-9]{12}:(thing|thinggroup)/[a-zA-Z0-9:_-]{1,128}")
EXAMPLE_TARGET = "arn:aws:iot:eu-west-1:111122223333:thinggroup/NAME"
HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
FRAMING = ("connection", "content-length", "transfer-encoding")
# These keys edit the normal response, and can be combined.
EDITS = ("replace", "remove", "double")
# These keys replace or edit the normal response. Apart from the edits, a fault has at most one of them.
EFFECTS = ("error", "body", *EDITS, "pages", "skew")
# These keys break the delivery of the response. A fault has at most one of them.
DELIVERIES = ("cut", "drip", "hang")

Share = Annotated[float, Field(strict=True, ge=0, le=1)]
ErrorCode = Annotated[str, Strict(), Field(pattern=r"^[A-Za-z][A-Za-z0-9.]*$")]
ReasonCode = Annotated[str, Strict(), Field(pattern=r"^[A-Z0-9_]{0,128}$")]
FailureType = Literal["FAILED", "TIMED_OUT", "ALL"]
ContentType = Annotated[str, Strict(), Field(pattern=r"^[!-~]+/[ -~]+$")]
MemberPath = Annotated[str, Strict(), Field(pattern=r"^[^.\s]+(\.[^.\s]+)*$")]


def _name_problem(noun: str, name: str | None, known: Collection[str]) -> str:
    if name is None or name in known:
        return ""
    return f"unknown {noun} {json.dumps(name)}; expected one of {', '.join(known)}"


def _known_names(info: ValidationInfo) -> Mapping[str, Any]:
    return cast("Mapping[str, Any]", info.context)


def _known(noun: str) -> AfterValidator:
    """Return a validator that accepts only the names of ``parse_scenario`` for this noun."""

    def check(name: str, info: ValidationInfo) -> str:
        return checked(name, _name_problem(noun, name, _known_names(info)[noun]))

    return AfterValidator(check)


def _known_account(account: str, info: ValidationInfo) -> str:
    # Without valid accounts, the error of accounts is enough.
    accounts = _known_names(info)["account"] or (account,)
    return checked(account, "" if account in accounts else "is not in accounts or organizations")


def _valid_target(target: str) -> str:
    is_valid = not target or TARGET.fullmatch(target)
    return checked(target, "" if is_valid else f"expected an ARN such as {EXAMPLE_TARGET}")


def _valid_headers(headers: dict[str, str]) -> dict[str, str]:
    return checked(headers, next(filter(None, starmap(_header_problem, headers.items())), ""))


def _header_problem(name: str, value: str) -> str:
    if not HEADER.fullmatch(name) or not value.isascii() or not value.isprintable():
        return "expected header names with values in printable ASCII"
    return f"{name} is set by the server; use cut, drip or hang to break a response" if name.lower() in FRAMING else ""


KnownAccount = Annotated[AccountId, AfterValidator(_known_account)]


class Role(Entry):
    """A role that can be assumed. If it has an external id, the request must contain the same one."""

    arn: RoleArn = Field(description="The ARN of the role.")
    external_id: Text = Field(default="", description="The external id that the request must contain. Default: none.")


class OptInRegion(Entry):
    """The status of a Region that an account must enable before it can use it."""

    region: Region = Field(description="The Region. It must be one that is not enabled by default.")
    account: KnownAccount | None = Field(default=None, description="The account. Default: every account.")
    status: Literal["ENABLED", "ENABLING", "DISABLING", "DISABLED"] = Field(
        default="ENABLED", description="The status in the account."
    )

    @field_validator("region")
    @classmethod
    def _is_not_enabled_by_default(cls, region: str) -> str:
        return checked(region, "is enabled by default, which cannot change" if is_enabled_by_default(region) else "")


class Point(Entry):
    """A point of a timeline. A value that is None is the same as at the point before.

    ``at`` is in seconds since the operation was created. ``done`` and ``failed`` are shares of the items.
    """

    at: Span = Field(description="The time since the operation was created.")
    status: Name | None = Field(default=None, description="The status from this time on.")
    done: Share | None = Field(
        default=None, description="The share of the items that are processed, failed ones included."
    )
    failed: Share | None = Field(default=None, description="The share of the items that failed.")


class FailureReason(Entry):
    """A reason of failed items. The reasons of an operation repeat in their order, each for ``items`` items."""

    reason: Name = Field(
        description="The reason. `{item}` and `{number}` are replaced by the name and the number of the item."
    )
    items: Annotated[Whole, Field(ge=1)] = Field(
        default=1, description="The number of failed items with this reason, before the next reason follows."
    )


class PlannedOperation(Entry):
    """An operation and its timeline. ``created`` is in seconds since the simulator started.

    ``count`` creates several equal operations, see ``ids``. Without ``account``, they belong to the first account. The
    message and the reason code appear at the last point, the error codes appear with the first failure, and the number
    of retries grows to ``retries``. ``abort_percentage`` is the share of failures at which a job aborts itself.
    A job makes retries only with ``allowed_retries``: the retries of a thing by failure type. Then ``retries`` are
    those of things that do not fail, and each failed thing uses all of its own.
    """

    # The order matters: each validator uses the fields above its own.
    kind: Annotated[Name, _known("kind")] = Field(description="The kind of operation.")
    region: Region = Field(description="The Region of the operation.")
    account: KnownAccount = Field(default="", description="The account. Default: the first account.")
    count: Annotated[Whole, Field(ge=1, le=100_000)] = Field(
        default=1, description="The number of equal operations. Their ids end in -0001, -0002 and so on."
    )
    id: Name = Field(default="", description="The id. Default: an id derived from the position in the list.")
    created: Duration = Field(
        default=0.0, description="The time of the creation after the start of the simulator; negative means before it."
    )
    items: Annotated[Whole, Field(le=1_000_000_000)] = Field(
        default=0, description="The number of things, records or groups."
    )
    retries: Whole = Field(
        default=0, description="The number of retries at the end. It grows with the number of processed items."
    )
    allowed_retries: dict[FailureType, Annotated[Whole, Field(le=10)]] = Field(
        default={}, description="The number of retries of each thing of a job, for each failure type."
    )
    name: Text = Field(default="", description="The name.")
    input: Text = Field(default="", description="The input file of a registration task or of a bulk deployment.")
    target: Annotated[Text, AfterValidator(_valid_target)] = Field(
        default="", description="The ARN of the thing or the thing group of a job or a deployment."
    )
    continuous: Annotated[bool, Strict()] = Field(
        default=False, description="The operation includes each thing that joins its target later, and never ends."
    )
    message: Text = Field(default="", description="A message that appears at the last point.")
    reason_code: ReasonCode = Field(
        default="", description="The reason code of a job, which appears at the last point."
    )
    abort_percentage: Annotated[Whole, Field(ge=1, le=100)] | None = Field(
        default=None, description="The percentage of failed things at which a job cancels itself."
    )
    error_codes: tuple[Name, ...] = Field(
        default=(), description="The error codes of failed items, which appear with the first failure."
    )
    failures: tuple[FailureReason, ...] = Field(
        default=(),
        description="The reasons of failed items. The items get them in this order, and from the first one again. "
        "Failed things are named ID-00001, ID-00002 and so on.",
    )
    tags: dict[str, Text] = Field(default={}, description="The tags.")
    timeline: Annotated[tuple[Point, ...], Field(min_length=1)] = Field(
        description="How the operation changes over time. Shares between two points are interpolated."
    )

    def ids(self, position: int) -> tuple[str, ...]:
        """Return the id of each of the operations. ``position`` is the position of this entry in its list."""
        derived = (uuid.uuid5(NAMESPACE, f"{position}.{number}") for number in range(self.count))
        return _ids(self.id, self.count) or tuple(map(str, derived))

    @field_validator("id")
    @classmethod
    def _id_is_valid_for_the_kind(cls, id: str, info: ValidationInfo) -> str:
        return checked(id, _id_problem(_ids(id, info.data.get("count", 1)), _kind_of(info)))

    @field_validator("timeline")
    @classmethod
    def _timeline_is_consistent(cls, timeline: tuple[Point, ...], info: ValidationInfo) -> tuple[Point, ...]:
        of_status = _status_problems(timeline, _kind_of(info))
        return checked(timeline, *of_status, *_time_problems(timeline), *_count_problems(timeline))

    @field_validator("account", "id", mode="wrap")
    @classmethod
    def _null_means_omitted(cls, value: Any, validate: ValidatorFunctionWrapHandler) -> Any:
        return "" if value is None else validate(value)


class Fault(Entry):
    """A fault and the requests that it affects. A selector that is None matches every request.

    ``since`` and ``until`` are in seconds since the simulator started. A fault delays the response, and replaces or
    edits it, or breaks how it is sent.
    """

    account: KnownAccount | None = Field(default=None, description="The account of the requests.")
    region: Region | None = Field(default=None, description="The Region of the requests.")
    service: Annotated[Name, _known("service")] | None = Field(
        default=None,
        description="The service of the requests: iot, greengrass, greengrassv2, sts, organizations, account or s3.",
    )
    api: Annotated[Name, _known("API")] | None = Field(
        default=None, description="The API, for example DescribeJob. GetObject is the download of an error report."
    )
    id: Name | None = Field(
        default=None,
        description="The id of the operation, account, unit or root, or the ARN of the role for AssumeRole.",
    )
    since: Annotated[Span, Field(alias="from")] = Field(
        default=0.0, description="The time after the start of the simulator at which the fault begins."
    )
    until: Span | None = Field(default=None, description="The time at which the fault ends. Default: never.")
    share: Share = Field(
        default=1.0, description="The share of the requests that are affected. 0.25 affects every fourth request."
    )
    delay: Span = Field(default=0.0, description="The delay of the response.")
    error: ErrorCode | None = Field(default=None, description="An error code of AWS instead of the response.")
    message: Text = Field(default="A fault of the scenario.", description="The message of the error.")
    status: Annotated[Whole, Field(ge=200, le=599)] | None = Field(
        default=None, description="The HTTP status of the error or the body. Default: 400 for an error, 200 for a body."
    )
    body: Text | None = Field(default=None, description="A body instead of the response.")
    content_type: ContentType = Field(default="text/html", description="The content type of the body.")
    headers: Annotated[dict[str, Text], Field(min_length=1), AfterValidator(_valid_headers)] | None = Field(
        default=None, description="Headers that are added to the response."
    )
    replace: Annotated[dict[MemberPath, JsonValue], Field(min_length=1)] | None = Field(
        default=None, description="Members of the response to set, by path, for example job.status."
    )
    remove: Annotated[tuple[MemberPath, ...], Field(min_length=1)] | None = Field(
        default=None, description="Paths of members to remove."
    )
    double: Annotated[tuple[MemberPath, ...], Field(min_length=1)] | None = Field(
        default=None, description="Paths of lists whose entries are doubled."
    )
    pages: Literal["repeated", "endless"] | None = Field(
        default=None,
        description="A list whose pages all have the same token (repeated), or a new one each time (endless).",
    )
    skew: Duration | None = Field(
        default=None,
        description="The signature is refused, because the clock of AWS is ahead by this time; negative means behind.",
    )
    cut: Whole | None = Field(default=None, description="The connection closes after this number of bytes of the body.")
    drip: Annotated[Whole, Field(ge=1)] | None = Field(
        default=None, description="The body is sent at this number of bytes per second."
    )
    hang: Literal["head", "body"] | None = Field(
        default=None, description="No response (head) or half of the body (body), until the client disconnects."
    )

    def used_keys(self, names: Iterable[str]) -> list[str]:
        """Return the names that have a value in this fault."""
        return [name for name in names if getattr(self, name) is not None]

    @model_validator(mode="after")
    def _effect_is_valid(self) -> Fault:
        return checked(self, _combination_problem(self) or _effect_problem(self))


class Scenario(Entry):
    """A simulated AWS. Without ``roles``, every role of the accounts can be assumed."""

    accounts: Annotated[tuple[AccountId, ...], Field(min_length=1)] = Field(
        description="The account ids. The first one belongs to requests with unknown credentials."
    )
    organizations: tuple[SimulatedOrganization, ...] = Field(
        default=(), description="The organizations. Their accounts need not be listed in `accounts`."
    )
    roles: tuple[Role, ...] | None = Field(
        default=None, description="The roles that can be assumed. Default: every role of the accounts."
    )
    opt_in_regions: tuple[OptInRegion, ...] | None = Field(
        default=None,
        description="The statuses of Regions that are not enabled by default. The first entry that matches an account "
        "and a Region is used. A Region without an entry is disabled. Calls in Regions that an account has not enabled "
        "are refused. Without this key, all such Regions are disabled, but accept calls.",
    )
    quotas: Annotated[bool, Strict()] = Field(
        default=True, description="Requests above the quotas of AWS are throttled."
    )
    latency: Span = Field(default=0.0, description="The time that every response takes.")
    operations: tuple[PlannedOperation, ...] = Field(default=(), description="The operations.")
    faults: tuple[Fault, ...] = Field(
        default=(), description="The faults. The first fault that matches a request is used."
    )

    @property
    def every_account(self) -> tuple[str, ...]:
        """The ids of all accounts, those of organizations included."""
        members = (member.id for organization in self.organizations for member in organization.members)
        return tuple(dict.fromkeys((*self.accounts, *members)))

    @field_validator("organizations")
    @classmethod
    def _have_distinct_accounts(
        cls, organizations: tuple[SimulatedOrganization, ...]
    ) -> tuple[SimulatedOrganization, ...]:
        return checked(organizations, *duplicate_members(organizations))

    @field_validator("operations")
    @classmethod
    def _have_accounts_and_distinct_ids(
        cls, entries: tuple[PlannedOperation, ...], info: ValidationInfo
    ) -> tuple[PlannedOperation, ...]:
        account = next(iter(info.data.get("accounts", ())), "")
        entries = tuple(entry if entry.account else entry.model_copy(update={"account": account}) for entry in entries)
        return checked(entries, *_duplicate_ids(entries))


SECTIONS = (
    Scenario,
    PlannedOperation,
    FailureReason,
    Point,
    Role,
    Fault,
    SimulatedOrganization,
    Unit,
    MemberAccount,
    OptInRegion,
)


def scenario_text(name: str = "demo") -> str:
    """Return the text of a scenario in this package."""
    return (resources.files("exporter.simulator") / "scenarios" / f"{name}.yaml").read_text("utf-8")


def parse_scenario(text: str, kinds: Sequence[Kind[Any]]) -> Scenario:
    """Return the scenario in a YAML text. Raises ConfigError with every problem and its path."""
    raw = parse_yaml(text)
    calls = [call for kind in kinds for call in kind.every_call]
    known = {
        "kind": {kind.name: kind for kind in kinds},
        "service": sorted({"sts", ORGANIZATIONS, ACCOUNT, FILE_API[0], *(call.service for call in calls)}),
        "API": sorted({*STS_APIS, *ORGANIZATIONS_APIS, *ACCOUNT_APIS, FILE_API[1], *(call.name for call in calls)}),
        "account": _account_names(raw),
    }
    try:
        return Scenario.model_validate(raw, context=known)
    except ValidationError as error:
        raise ConfigError(_lines(error)) from None


def point_values(timeline: Sequence[Point]) -> Iterator[tuple[str, float, float]]:
    """Yield the status and the shares ``done`` and ``failed`` at each point, with omitted values filled in."""
    status, done, failed = "", 0.0, 0.0
    for point in timeline:
        status = point.status or status
        done = done if point.done is None else point.done
        failed = failed if point.failed is None else point.failed
        yield status, done, failed


def _account_names(raw: Any) -> frozenset[str]:
    sections = raw if isinstance(raw, dict) else {}
    accounts = sections.get("accounts")
    named = (name for name in accounts if isinstance(name, str)) if isinstance(accounts, list) else ()
    return frozenset((*named, *member_ids(sections.get("organizations"))))


def _kind_of(info: ValidationInfo) -> Kind[Any] | None:
    kind: Kind[Any] | None = _known_names(info)["kind"].get(info.data.get("kind"))
    return kind


def _ids(id: str, count: int) -> tuple[str, ...]:
    if not id:
        return ()
    return (id,) if count == 1 else tuple(f"{id}-{number:04}" for number in range(1, count + 1))


def _id_problem(ids: Sequence[str], kind: Kind[Any] | None) -> str:
    if kind is None or all(map(kind.is_id, ids)):
        return ""
    too_long = any(len(id) > kind.id_length for id in ids)
    return f"longer than {kind.id_length} characters" if too_long else f"expected {id_description(kind.id_pattern)}"


def _duplicate_ids(entries: Iterable[PlannedOperation]) -> Iterator[str]:
    seen = defaultdict[tuple[str, str, str], set[str]](set)
    for position, entry in enumerate(entries):
        ids, seen_ids = _ids(entry.id, entry.count), seen[entry.kind, entry.account, entry.region]
        if not seen_ids.isdisjoint(ids):
            yield f"[{position}].id: duplicate id"
        seen_ids.update(ids)


def _status_problems(timeline: Sequence[Point], kind: Kind[Any] | None) -> Iterator[str]:
    if timeline[0].status is None:
        yield "[0].status: is missing"
    for number, point in enumerate(timeline):
        # The status Unknown stands for one that AWS adds later.
        if kind and (problem := _name_problem("status", point.status, (*kind.statuses, UNKNOWN))):
            yield f"[{number}].status: {problem}"


def _time_problems(timeline: Sequence[Point]) -> Iterator[str]:
    if timeline[0].at != 0:
        yield "[0].at: the first point must be at 0s"
    for number in range(1, len(timeline)):
        if timeline[number].at <= timeline[number - 1].at:
            yield f"[{number}].at: must be later than the point before"


def _count_problems(timeline: Sequence[Point]) -> Iterator[str]:
    last_done = last_failed = 0.0
    for number, (_, done, failed) in enumerate(point_values(timeline)):
        if failed > done + TOLERANCE:
            yield f"[{number}].failed: must be at most done, which includes failed"
        elif done < last_done:
            yield f"[{number}].done: must not decrease"
        elif failed < last_failed:
            yield f"[{number}].failed: must not decrease"
        elif done - failed < last_done - last_failed - TOLERANCE:
            yield f"[{number}].failed: must not grow faster than done, or the number of successes decreases"
        last_done, last_failed = done, failed


def _combination_problem(fault: Fault) -> str:
    effects, deliveries = fault.used_keys(EFFECTS), fault.used_keys(DELIVERIES)
    if len(effects) > 1 and not set(effects) <= set(EDITS):
        return f"{', '.join(effects)} cannot be combined; keep one"
    if len(deliveries) > 1:
        return f"{', '.join(deliveries)} cannot be combined; keep one"
    if not (effects or deliveries or fault.headers or fault.delay):
        return f"has no effect; add one of {', '.join((*EFFECTS, *DELIVERIES, 'headers', 'delay'))}"
    return ""


def _effect_problem(fault: Fault) -> str:
    effects = fault.used_keys(EFFECTS)
    if fault.hang == "head" and (effects or fault.headers):
        return f".hang: head sends no response, so remove {', '.join(effects or ['headers'])}"
    if fault.status is not None and fault.error is None and fault.body is None:
        return ".status: requires error or body"
    if fault.skew is not None and abs(fault.skew) <= TOLERATED_SKEW:
        return ".skew: must be more than 5m or less than -5m, because AWS accepts a smaller difference"
    if {*EDITS, "pages"} & set(effects) and (fault.service == "sts" or fault.api in STS_APIS):
        return f".{effects[0]}: responses of sts are XML and cannot be edited"
    if fault.until is not None and fault.until <= fault.since:
        return ".until: must be later than from"
    return ""


def _lines(error: ValidationError) -> Iterator[str]:
    known = keys_of(*SECTIONS)
    for line in problem_lines(error, known=known):
        path, colon, message = line.partition(": ")
        for problem in message.split("\n"):
            yield path + problem if problem.startswith(("[", ".")) else f"{path}{colon}{problem}"
