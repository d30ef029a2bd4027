"""The configuration that holds, as YAML that could be read again, without its secrets."""

from __future__ import annotations

import yaml

from exporter.config.sections import Config


def shown(config: Config) -> str:
    """Return the configuration with its defaults; each secret is ``<secret>``, what is not set is left out."""
    return yaml.safe_dump(config.model_dump(mode="json", exclude_none=True), sort_keys=False, allow_unicode=True)
