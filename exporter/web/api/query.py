"""The query parameters of the status page and of the JSON API."""

from collections import Counter
from collections.abc import Iterable
from functools import cache
from typing import Annotated, Any, Literal, TypeVar, cast

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, create_model
from pydantic_core import PydanticCustomError

from exporter.collector.failure_reader import MAX_ITEMS
from exporter.config.validation import keys_of, problem_lines
from exporter.core.errors import QueryError

View = Literal["all", "active", "ended", "attention"]
CellView = Literal["all", "attention"]
Sort = Literal[
    "",
    "severity",
    "name",
    "id",
    "kind",
    "account",
    "region",
    "status",
    "progress",
    "succeeded",
    "failed",
    "created",
    "read",
    "estimated_end",
]
Order = Literal["asc", "desc"]

MAX_ROWS = 100_000
MAX_TEXT_LENGTH = 256
# Cells in one response, about 300 kB.
DEFAULT_CELLS = 1_000
# Failed items of an operation in one response.
DEFAULT_ITEMS = 100


def _whole_number(text: Any) -> Any:
    if isinstance(text, str) and not (text.isascii() and text.isdigit()):
        raise PydanticCustomError("whole_number", "expected a whole number")
    return text


Text = Annotated[str, Field(max_length=MAX_TEXT_LENGTH)]


class Filter(BaseModel):
    """Which lines are selected. An empty text filters nothing."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    kind: Text = Field("", description="The kind of the operations.")
    account: Text = Field("", description="The name of the account in the configuration, or its number.")
    q: Text = Field("", description="Words that must all occur in the texts of a line. Case is ignored.")


class Query(Filter):
    """Which operations are selected, and in which order."""

    view: View = Field(
        "all",
        description="`active`: AWS may still change the operation; `ended`: AWS cannot change it any more; "
        "`attention`: its severity is not `none`, and it is active or ended recently.",
    )
    status: Text = Field(
        "", description="The status as AWS spells it; `Unknown` matches every status that AWS does not document."
    )
    sort: Sort = Field(
        "",
        description="The sort key. `severity` and the empty text: the most severe first, then active operations, then "
        "the newest. Unknown values come last.",
    )
    order: Order = Field("asc", description="Ascending or descending.")
    limit: Annotated[int, BeforeValidator(_whole_number)] = Field(
        0, ge=0, le=MAX_ROWS, description="The maximum number of operations; 0: all."
    )


class CellsQuery(Filter):
    """Which cells are selected."""

    view: CellView = Field("all", description="`attention`: the cells whose last refresh could not read everything.")
    limit: Annotated[int, BeforeValidator(_whole_number)] = Field(
        DEFAULT_CELLS,
        ge=0,
        le=MAX_ROWS,
        description="The maximum number of cells; 0: all, which are several megabytes for an organization.",
    )
    offset: Annotated[int, BeforeValidator(_whole_number)] = Field(
        0, ge=0, le=MAX_ROWS, description="The number of matching cells to leave out at the beginning of the list."
    )


class Place(BaseModel):
    """Where an operation is, if several accounts or Regions have an operation with its id."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    account: Text = Field("", description="The name of the account in the configuration, or its number.")
    region: Text = Field("", description="The Region.")


class ProbeQuery(BaseModel):
    """Which operation a probe reads. The prober checks the values."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    kind: str = ""
    id: str = ""
    region: str = ""
    account: str = ""


class FailuresQuery(Place):
    """Which failed items of an operation are listed."""

    state: Text = Field(
        "",
        description="Only items in this state of AWS, such as `TIMED_OUT` or `REMOVED`. The empty text: all failed "
        "items.",
    )
    limit: Annotated[int, BeforeValidator(_whole_number)] = Field(
        DEFAULT_ITEMS,
        ge=1,
        le=MAX_ITEMS,
        description="The maximum number of items, and of calls to AWS for their reasons. The calls for pages of the "
        "list are additional. A page lists up to 250 items.",
    )
    offset: Annotated[int, BeforeValidator(_whole_number)] = Field(
        0,
        ge=0,
        lt=MAX_ITEMS,
        description="The number of items to leave out at the beginning of the list. Their reasons are not read.",
    )


FilterT = TypeVar("FilterT", bound=Filter)
ModelT = TypeVar("ModelT", bound=BaseModel)


@cache
def narrowed(model: type[FilterT], kinds: tuple[str, ...]) -> type[FilterT]:
    """Return a copy of the model that accepts only these kinds."""
    names = cast(Any, Literal)[("", *kinds)]
    described = Field("", description=model.model_fields["kind"].description)
    return create_model(model.__name__, __base__=model, __doc__=model.__doc__, kind=(names, described))


def read_query(model: type[ModelT], parameters: Iterable[tuple[str, str]]) -> ModelT:
    """Return the query in the parameters of a URL. Raises QueryError with all problems, which quote no value."""
    pairs = tuple(parameters)
    count = Counter(name for name, _ in pairs)
    found = [f"{name}: given more than once" for name in model.model_fields if count[name] > 1]
    try:
        query = model.model_validate(dict(pairs))
    except ValidationError as error:
        raise QueryError([*found, *problem_lines(error, known=keys_of(model))]) from None
    if found:
        raise QueryError(found)
    return query
