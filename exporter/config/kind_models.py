"""Build the configuration model for the kinds: their names, statuses, id lengths and options."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Annotated, Any, Literal, Union, cast

from pydantic import BeforeValidator, Field, Strict, create_model
from pydantic_core import PydanticCustomError

from exporter.config.fields import DISTINCT, operation_id
from exporter.config.sections import Account, Config, Discover, Organization, Watch
from exporter.kinds.kind import Kind

# mypy does not support types that are built at run time, so they are built with these.
ANNOTATED, LITERAL, TUPLE, UNION = (cast("Any", form) for form in (Annotated, Literal, tuple, Union))


def config_model(kinds: Sequence[Kind[Any]]) -> type[Config]:
    """Return the configuration model for these kinds. Validation and the JSON schema are derived from it.

    It is created once for the same kinds, because pydantic never frees a model.
    """
    return _config_model(tuple(kinds))


@lru_cache
def _config_model(kinds: tuple[Kind[Any], ...]) -> type[Config]:
    watch = UNION[tuple(_watch_model(kind) for kind in kinds)]
    if len(kinds) > 1:
        watch = ANNOTATED[watch, Field(discriminator="kind")]
    watches = (TUPLE[watch, ...], _field(Account, "watch", _default_watches(kinds), min_length=1))
    organization = create_model("Organization", __base__=Organization, __doc__=Organization.__doc__, watch=watches)
    account = create_model(
        "Account",
        __base__=Account,
        __doc__=Account.__doc__,
        watch=watches,
    )
    return create_model(
        "Config",
        __base__=Config,
        __doc__=Config.__doc__,
        accounts=(TUPLE[account, ...], _field(Config, "accounts", ({},))),
        organizations=(TUPLE[organization, ...], _field(Config, "organizations", ())),
    )


def _default_watches(kinds: Sequence[Kind[Any]]) -> tuple[Any, ...]:
    return tuple({"kind": kind.name, "discover": active_operations(kind)} for kind in kinds if kind.by_default)


def active_operations(kind: Kind[Any]) -> Mapping[str, Any]:
    """Return the rules that find the active operations of a kind. An unknown status can be an active one."""
    return {"statuses": sorted(kind.active), "unknown_statuses": True}


def _watch_model(kind: Kind[Any]) -> type[Watch]:
    statuses = ANNOTATED[TUPLE[LITERAL[kind.statuses], ...], *DISTINCT]
    discover = create_model(
        f"Discover_{kind.name}",
        __base__=Discover,
        __doc__=Discover.__doc__,
        statuses=(statuses, _field(Discover, "statuses", ())),
    )
    ids = ANNOTATED[TUPLE[operation_id(kind.id_length, kind.id_pattern), ...], *DISTINCT]
    switch = BeforeValidator(_expand_switch, json_schema_input_type=cast(Any, bool | discover))
    options: dict[str, Any] = {
        option.name: (Annotated[bool, Strict()], Field(False, description=option.help)) for option in kind.options
    }
    return create_model(
        f"Watch_{kind.name}",
        __base__=Watch,
        __doc__=f"Watch each {kind.title}.",
        kind=(LITERAL[kind.name], _field(Watch, "kind", ...)),
        ids=(ids, _field(Watch, "ids", ())),
        discover=(ANNOTATED[discover | None, switch], _field(Watch, "discover", False)),
        **options,
    )


def _expand_switch(value: Any) -> Any:
    """Return empty rules for true, None for false, and rules unchanged."""
    if not isinstance(value, bool | dict):
        raise PydanticCustomError("switch", "expected true, false or a mapping of rules")
    return {True: {}, False: None}[value] if isinstance(value, bool) else value


def _field(section: type[Any], name: str, default: Any, **constraints: Any) -> Any:
    return Field(default, description=section.model_fields[name].description, **constraints)
