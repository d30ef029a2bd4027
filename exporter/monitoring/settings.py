"""What users may set of the rules: a strict YAML file, every fault told at once."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

from pydantic import Field, Strict, ValidationError

from exporter.config.fields import Frozen
from exporter.config.strict_yaml import parse_yaml
from exporter.config.validation import keys_of, problems
from exporter.core.errors import ConfigError
from exporter.monitoring.fields import AlertName, LabelName, PlainText, Span, Url, Window, Word
from exporter.monitoring.rule import Alert

Whole = Annotated[int, Strict(), Field(ge=0)]


class Change(Frozen):
    """What is different about one alert; what is left out stays as it is."""

    enabled: Annotated[bool, Strict()] = True
    threshold: Annotated[float, Field(strict=True, allow_inf_nan=False)] | None = None
    severity: Word | None = None
    for_: Span | None = Field(default=None, alias="for")
    keep_firing_for: Span | None = None

    def of(self, alert: Alert) -> Alert:
        """Return an alert with these changes."""
        changes = self.model_dump(exclude={"enabled"}, exclude_none=True)
        return replace(alert, **changes)


class Parameters(Frozen):
    """What several queries share."""

    ended_seconds: Annotated[int, Strict(), Field(gt=0)] = Field(
        default=86400, description="How long ago an operation may have ended, in seconds: AWS lists it for a month."
    )
    stalled: Window = Field(default="30m", description="How long no count of a running operation may change.")
    rate: Window = Field(default="15m", description="The window of rates: long enough to even out waves of a roll-out.")
    glance: Window = Field(
        default="5m", description="In this time everything is read; longer than two scrape intervals."
    )
    items: Whole = Field(default=20, description="Below so many processed items a ratio of failures says nothing.")
    retries: Whole = Field(default=10, description="Below so many retries in the window of rates nothing storms.")


class Settings(Frozen):
    """The whole file."""

    runbooks: Url = Field(default="docs/runbooks", description="Where the runbooks are.")
    dashboards: Url = Field(default="http://localhost:3000", description="Where Grafana is.")
    parameters: Parameters = Parameters()
    labels: dict[LabelName, PlainText] = Field(default={}, description="Labels that every alert gets.")
    alerts: dict[AlertName, Change] = Field(default={}, description="What is different about an alert, by its name.")

    def change(self, alert: Alert) -> Change:
        """Return what is different about an alert."""
        return self.alerts.get(alert.name, Change())


UNCHANGED = Settings()


def parse_settings(text: str) -> Settings:
    """Return the settings that a YAML text holds. Raises ConfigError with every problem and its path."""
    try:
        return Settings.model_validate(parse_yaml(text) or {})
    except ValidationError as error:
        known = (*keys_of(Settings, Parameters, Change), "for")
        raise ConfigError(problems(error, known=known)) from None
