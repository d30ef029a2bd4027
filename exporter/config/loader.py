"""Load a configuration file into a frozen ``Config``. A ConfigError contains every problem with its path."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from exporter.config.cross_checks import cross_check_problems
from exporter.config.kind_models import config_model
from exporter.config.sections import (
    Account,
    AccountSelection,
    Aws,
    Config,
    Discover,
    Labels,
    Organization,
    Refresh,
    Watch,
)
from exporter.config.strict_yaml import parse_yaml, problems_in, read_text
from exporter.config.validation import keys_of, problem_lines
from exporter.core.errors import ConfigError
from exporter.kinds.kind import Kind


class ConfigFile:
    """A configuration file that is read at each reload. Without a path, every setting has its default."""

    def __init__(self, path: Path | None, kinds: Sequence[Kind[Any]]) -> None:
        self._path = path
        self._kinds = kinds
        self._had_content = False

    def read(self) -> Config:
        """Return the current configuration. Raises ConfigError.

        An empty file is valid and means the defaults. A file that had content at an earlier read is refused when
        it is empty, because another program is probably writing it.
        """
        with problems_in(self._path):
            raw = parse_yaml(read_text(self._path)) if self._path else None
            if self._had_content and raw is None:
                raise ConfigError(["the file is empty but had content before; restart to use the defaults"])
            config = _validated(raw, self._kinds).read_from(self._path)
        self._had_content = raw is not None
        return config


def read_config(path: Path | None, kinds: Sequence[Kind[Any]]) -> Config:
    """Return the configuration in a file, or the defaults without a path. Raises ConfigError."""
    return ConfigFile(path, kinds).read()


def parse_config(text: str, kinds: Sequence[Kind[Any]]) -> Config:
    """Return the configuration in a YAML text; an empty text means the defaults.

    Raises ConfigError with all problems. No problem contains a value, because a value may be a secret.
    """
    return _validated(parse_yaml(text), kinds)


def _validated(raw: Any, kinds: Sequence[Kind[Any]]) -> Config:
    names = [kind.name for kind in kinds]
    options = (option.name for kind in kinds for option in kind.options)
    known = (*keys_of(Config, Account, Organization, AccountSelection, Watch, Discover, Refresh, Aws, Labels), *options)
    problems = [*cross_check_problems(raw)]
    try:
        config = config_model(kinds).model_validate({} if raw is None else raw)
    except ValidationError as error:
        raise ConfigError([*problems, *problem_lines(error, names, known)]) from None
    if problems:
        raise ConfigError(problems)
    return config


def masked_yaml(config: Config) -> str:
    """Return the configuration with its defaults as YAML. Each secret is ``<secret>``; unset keys are omitted."""
    return yaml.safe_dump(config.model_dump(mode="json", exclude_none=True), sort_keys=False, allow_unicode=True)


def config_schema(kinds: Sequence[Kind[Any]]) -> dict[str, Any]:
    """Return the JSON schema of the configuration file, for editors."""
    schema = config_model(kinds).model_json_schema(mode="validation")
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": "aws-iot-bulk-exporter"}
