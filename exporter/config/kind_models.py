"""Build the configuration model for the kinds: their names, statuses, id lengths and options."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal, Union, cast

from pydantic import BeforeValidator, Field, Strict, create_model
from pydantic_core import PydanticCustomError

from exporter.config.fields import DISTINCT, operation_id
from exporter.config.sections import Account, Config, Discover, Watch
from exporter.kinds.kind import Kind


def config_model(kinds: Sequence[Kind[Any]]) -> type[Config]:
    """Return the configuration model for these kinds. Validation and the JSON schema are derived from it."""
    watch = cast(Any, Union)[tuple(_watch_model(kind) for kind in kinds)]
    if len(kinds) > 1:
        watch = _annotated(watch, Field(discriminator="kind"))
    account = create_model(
        "Account",
        __base__=Account,
        __doc__=Account.__doc__,
        watch=(_tuple_of(watch), _field(Account, "watch", _default_watches(kinds), min_length=1)),
    )
    return create_model(
        "Config",
        __base__=Config,
        __doc__=Config.__doc__,
        accounts=(_tuple_of(account), _field(Config, "accounts", ({},), min_length=1)),
    )


def _default_watches(kinds: Sequence[Kind[Any]]) -> tuple[Any, ...]:
    return tuple(
        {"kind": kind.name, "discover": {"statuses": sorted(kind.active)}} for kind in kinds if kind.by_default
    )


def _watch_model(kind: Kind[Any]) -> type[Watch]:
    statuses = _annotated(_tuple_of(_literal(kind.statuses)), *DISTINCT)
    discover = create_model(
        f"Discover_{kind.name}",
        __base__=Discover,
        __doc__=Discover.__doc__,
        statuses=(statuses, _field(Discover, "statuses", ())),
    )
    ids = _annotated(_tuple_of(operation_id(kind.id_length, kind.id_pattern)), *DISTINCT)
    switch = BeforeValidator(_expand_switch, json_schema_input_type=cast(Any, bool | discover))
    options: dict[str, Any] = {
        option.name: (Annotated[bool, Strict()], Field(False, description=option.help)) for option in kind.options
    }
    return create_model(
        f"Watch_{kind.name}",
        __base__=Watch,
        __doc__=f"Watch each {kind.title}.",
        kind=(_literal((kind.name,)), _field(Watch, "kind", ...)),
        ids=(ids, _field(Watch, "ids", ())),
        discover=(_annotated(discover | None, switch), _field(Watch, "discover", False)),
        **options,
    )


def _expand_switch(value: Any) -> Any:
    """Return empty rules for true, None for false, and rules unchanged."""
    if not isinstance(value, bool | dict):
        raise PydanticCustomError("switch", "expected true, false or a mapping of rules")
    return {True: {}, False: None}[value] if isinstance(value, bool) else value


def _annotated(type: Any, *metadata: Any) -> Any:
    return cast(Any, Annotated)[(type, *metadata)]


def _tuple_of(type: Any) -> Any:
    return cast(Any, tuple)[type, ...]


def _literal(values: tuple[str, ...]) -> Any:
    return cast(Any, Literal)[values]


def _field(section: type[Any], name: str, default: Any, **constraints: Any) -> Any:
    return Field(default, description=section.model_fields[name].description, **constraints)
