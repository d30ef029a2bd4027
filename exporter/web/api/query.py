"""What a request asks for: the parameters of the status page and the JSON, checked and documented by one model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Annotated, Any, Literal, TypeVar, cast

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, create_model
from pydantic_core import PydanticCustomError

from exporter.config.validation import keys_of, problems
from exporter.core.errors import QueryError

View = Literal["all", "active", "ended", "attention"]
Sort = Literal[
    "",
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

MOST_ROWS = 100_000
LONGEST_TEXT = 256


def _whole_number(text: Any) -> Any:
    if isinstance(text, str) and not (text.isascii() and text.isdigit()):
        raise PydanticCustomError("whole_number", "expected a whole number")
    return text


Text = Annotated[str, Field(max_length=LONGEST_TEXT)]


class Filter(BaseModel):
    """Which lines are shown. An empty text filters nothing."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    kind: Text = Field("", description="The kind of the operations.")
    account: Text = Field("", description="The account's name in the configuration, or its number.")
    q: Text = Field("", description="Words that all occur in the texts of a line, in upper or lower case.")


class Query(Filter):
    """Which operations are shown, and in which order."""

    view: View = Field(
        "all",
        description="`active`: AWS may still change it; `ended`: it may not; `attention`: something of it failed, or "
        "it was cancelled or stopped.",
    )
    status: Text = Field("", description="The status in AWS's spelling; `Unknown` for any that AWS does not document.")
    sort: Sort = Field(
        "", description="What to sort by; empty: the active ones first, then the newest. What is unknown comes last."
    )
    order: Order = Field("asc", description="Ascending or descending.")
    limit: Annotated[int, BeforeValidator(_whole_number)] = Field(
        0, ge=0, le=MOST_ROWS, description="The most operations to show; 0: all of them."
    )


F = TypeVar("F", bound=Filter)


def narrowed(model: type[F], kinds: Sequence[str]) -> type[F]:
    """Return the model of a request where only these kinds can be asked for."""
    names = cast(Any, Literal)[("", *kinds)]
    described = Field("", description=model.model_fields["kind"].description)
    return create_model(model.__name__, __base__=model, __doc__=model.__doc__, kind=(names, described))


def read_query(model: type[F], parameters: Iterable[tuple[str, str]]) -> F:
    """Return what the parameters of a URL ask for. Raises QueryError with every problem, which quotes no value."""
    pairs = tuple(parameters)
    number = Counter(name for name, _ in pairs)
    found = [f"{name}: given more than once" for name in model.model_fields if number[name] > 1]
    try:
        query = model.model_validate(dict(pairs))
    except ValidationError as error:
        raise QueryError([*found, *problems(error, known=keys_of(model))]) from None
    if found:
        raise QueryError(found)
    return query
