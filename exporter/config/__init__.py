"""The configuration: a YAML text becomes a frozen ``Config``, or a ConfigError with every problem and its path."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from exporter.config.narrow import config_model
from exporter.config.sections import Account, Aws, Config, Discover, Labels, Refresh, Watch
from exporter.errors import ConfigError
from exporter.kind import Kind
from exporter.problems import keys_of, problems
from exporter.yaml_text import parse_yaml

__all__ = ["Account", "Aws", "Config", "Discover", "Watch", "config_schema", "parse_config", "read_config"]


def read_config(path: Path | None, kinds: Sequence[Kind[Any]]) -> Config:
    """Return the configuration of a file, or every default where there is none. Raises ConfigError."""
    if path is None:
        return parse_config("", kinds)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise ConfigError([f"cannot read {path}: {why}"]) from None
    return parse_config(text, kinds)


def parse_config(text: str, kinds: Sequence[Kind[Any]]) -> Config:
    """Return the configuration that a YAML text describes; an empty text means every default.

    Raises ConfigError with all problems at once. No problem quotes a value: it may be a secret.
    """
    raw = parse_yaml(text)
    found = list(_accounts_named_twice(raw))
    try:
        config = config_model(kinds).model_validate({} if raw is None else raw)
    except ValidationError as error:
        known = keys_of(Config, Account, Watch, Discover, Refresh, Aws, Labels)
        raise ConfigError([*found, *problems(error, [kind.name for kind in kinds], known)]) from None
    if found := [*found, *_cells_watched_twice(config)]:
        raise ConfigError(found)
    return config


def config_schema(kinds: Sequence[Kind[Any]]) -> dict[str, Any]:
    """Return the JSON schema of the configuration, by which editors complete and check it."""
    schema = config_model(kinds).model_json_schema(mode="validation")
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "aws-iot-bulk-exporter", **schema}


def _accounts_named_twice(raw: Any) -> Iterator[str]:
    accounts = raw.get("accounts") if isinstance(raw, dict) else None
    names: dict[str, int] = {}
    for number, account in enumerate(accounts if isinstance(accounts, list) else ()):
        name = str(account.get("name", "default")) if isinstance(account, dict) else f"[{number}]"
        if name in names:
            yield f"accounts[{number}].name: {name} is the name of accounts[{names[name]}] too; give each its own"
        names.setdefault(name, number)


def _cells_watched_twice(config: Config) -> Iterator[str]:
    seen: dict[tuple[str, str, str], int] = {}
    for number, account in enumerate(config.accounts):
        for region in account.regions or ("",):
            for watch in account.watch:
                first = seen.setdefault((account.known_id, region, watch.kind), number)
                if first != number:
                    place = f"in {region}" if region else "in the same Region"
                    yield f"accounts[{number}]: watches {watch.kind} {place} of the same account as accounts[{first}]"
