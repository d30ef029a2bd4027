"""The types of single values in a scenario, and the base of its sections."""

from typing import Annotated, TypeVar

from pydantic import ConfigDict, Field, Strict
from pydantic_core import PydanticCustomError

from exporter.config.duration import Duration
from exporter.config.fields import StrictModel, pattern_type

T = TypeVar("T")

Text = Annotated[str, Strict()]
Name = Annotated[str, Strict(), Field(min_length=1)]
Whole = Annotated[int, Strict(), Field(ge=0)]
Span = Annotated[Duration, Field(ge=0)]
OrganizationId = pattern_type(r"o-[a-z0-9]{10,32}", "the id of an organization, such as o-abcde12345")
RootId = pattern_type(r"r-[0-9a-z]{4,32}", "the id of a root, such as r-ab12")
UnitId = pattern_type(r"ou-[0-9a-z]{4,32}-[a-z0-9]{8,32}", "the id of an organizational unit, such as ou-ab12-11112222")
Email = pattern_type(r"(?=.{6,64}$)[^\s@]+@[^\s@]+\.[^\s@]+", "an e-mail address of at most 64 characters")


class Entry(StrictModel):
    """A section whose defaults may be values that a file cannot contain."""

    model_config = ConfigDict(validate_default=False)


def checked(value: T, *problems: str) -> T:
    """Return the value. Raises one error with all problems, because a pydantic validator can raise only once.

    A problem that begins with ``.`` or ``[`` begins with the rest of its path.
    """
    if any(problems):
        raise PydanticCustomError("problems", "{lines}", {"lines": "\n".join(filter(None, problems))})
    return value
