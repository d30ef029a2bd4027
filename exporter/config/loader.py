"""The configuration: a YAML text becomes a frozen ``Config``, or a ConfigError with every problem and its path."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from exporter.config.cross_checks import faults_across
from exporter.config.kind_models import config_model
from exporter.config.sections import Account, Aws, Config, Discover, Labels, Refresh, Watch
from exporter.config.strict_yaml import parse_yaml, read_text
from exporter.config.validation import keys_of, problems
from exporter.core.errors import ConfigError
from exporter.kinds.kind import Kind

__all__ = [
    "Account",
    "Aws",
    "Config",
    "ConfigFile",
    "Discover",
    "Watch",
    "config_schema",
    "parse_config",
    "read_config",
]


class ConfigFile:
    """A configuration that is read more than once, or every default where there is no file."""

    def __init__(self, path: Path | None, kinds: Sequence[Kind[Any]]) -> None:
        self._path = path
        self._kinds = kinds
        self._model = config_model(kinds)  # once: pydantic's models are never freed
        self._had_content = False

    def read(self) -> Config:
        """Return what the file says now. Raises ConfigError, also when nothing is left of what it said before.

        An empty file means every default; one that became empty, or comments alone, is rather being written.
        """
        raw = parse_yaml("" if self._path is None else read_text(self._path))
        if self._had_content and raw is None:
            raise ConfigError([f"{self._path}: is empty, and was not before"])
        config = _described(raw, self._kinds, self._model)
        self._had_content = raw is not None
        return config


def read_config(path: Path | None, kinds: Sequence[Kind[Any]]) -> Config:
    """Return the configuration of a file, or every default where there is none. Raises ConfigError."""
    return parse_config("" if path is None else read_text(path), kinds)


def parse_config(text: str, kinds: Sequence[Kind[Any]]) -> Config:
    """Return the configuration that a YAML text describes; an empty text means every default.

    Raises ConfigError with all problems at once. No problem quotes a value: it may be a secret.
    """
    return _described(parse_yaml(text), kinds, config_model(kinds))


def _described(raw: Any, kinds: Sequence[Kind[Any]], model: type[Config]) -> Config:
    by_default = [kind.name for kind in kinds if kind.by_default]
    names = [kind.name for kind in kinds]
    found = [*faults_across(raw, names, by_default)]
    try:
        config = model.model_validate({} if raw is None else raw)
    except ValidationError as error:
        raise ConfigError([*found, *problems(error, names, _keys(kinds))]) from None
    if found:
        raise ConfigError(found)
    return config


def config_schema(kinds: Sequence[Kind[Any]]) -> dict[str, Any]:
    """Return the JSON schema of the configuration, by which editors complete and check it."""
    schema = config_model(kinds).model_json_schema(mode="validation")
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": "aws-iot-bulk-exporter"}


def _keys(kinds: Sequence[Kind[Any]]) -> tuple[str, ...]:
    options = (option.name for kind in kinds for option in kind.options)
    return (*keys_of(Config, Account, Watch, Discover, Refresh, Aws, Labels), *options)
