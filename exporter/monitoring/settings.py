"""The settings of the rules that users may change, from a strict YAML file. All errors are reported at once."""

from dataclasses import replace
from typing import Annotated, Literal

from pydantic import Field, Strict, ValidationError

from exporter.config.duration import format_duration
from exporter.config.fields import StrictModel
from exporter.config.strict_yaml import parse_yaml
from exporter.config.validation import keys_of, problem_lines
from exporter.core.errors import ConfigError
from exporter.kinds.thresholds import DEFAULT
from exporter.monitoring.alerts import Alert
from exporter.monitoring.fields import AlertName, Duration, LabelName, LabelValue, PositiveDuration, Severity, Url

Count = Annotated[int, Strict(), Field(ge=0)]


class Change(StrictModel):
    """The changes to one alert. An omitted field keeps its default."""

    enabled: Annotated[bool, Strict()] = True
    threshold: Annotated[float, Field(strict=True, allow_inf_nan=False)] | None = None
    severity: Severity | None = None
    for_: Duration | None = Field(default=None, alias="for")
    keep_firing_for: Duration | None = None

    def apply(self, alert: Alert) -> Alert:
        """Return the alert with these changes."""
        changes = self.model_dump(exclude={"enabled"}, exclude_none=True)
        return replace(alert, **changes)


class Parameters(StrictModel):
    """The values that several rules share."""

    ended_seconds: Annotated[int, Strict(), Field(gt=0)] = Field(
        default=round(DEFAULT.ended_seconds),
        description="Alerts on ended operations fire for this time after the end, in seconds. "
        "AWS lists an ended operation for a month.",
    )
    stalled: PositiveDuration = Field(
        default=format_duration(DEFAULT.stalled_seconds),
        description="A running operation without a changed count for this time is stalled.",
    )
    rate: PositiveDuration = Field(
        default="15m", description="The window of rates. It must be longer than a pause between waves of a roll-out."
    )
    glance: PositiveDuration = Field(
        default="5m",
        description="The exporter reads every unfinished operation within this time. "
        "It must be longer than two scrape intervals.",
    )
    items: Count = Field(
        default=DEFAULT.min_items, description="A failure ratio counts only from this number of processed items on."
    )
    retries: Count = Field(
        default=10, description="A retry storm has more retries than this number in one window of `rate`."
    )


class Settings(StrictModel):
    """The contents of the file."""

    runbooks: Url | None = Field(default=None, description="The URL of the runbooks; no link to them if omitted.")
    dashboards: Url | None = Field(default=None, description="The URL of Grafana; no link to it if omitted.")
    parameters: Parameters = Parameters()
    records: Literal["all", "alerts"] = Field(
        default="all",
        description="Which recording rules are printed: all, or only those that alerts need. "
        "The runbooks use the others, the dashboards do not.",
    )
    labels: dict[LabelName, LabelValue] = Field(default={}, description="Labels that every alert gets.")
    alerts: dict[AlertName, Change] = Field(default={}, description="Changes to alerts, by the name of the alert.")


UNCHANGED = Settings()


def parse_settings(text: str) -> Settings:
    """Return the settings in a YAML text. Raise ConfigError with every error and its path."""
    try:
        return Settings.model_validate(parse_yaml(text) or {})
    except ValidationError as error:
        known = (*keys_of(Settings, Parameters, Change), "for")
        raise ConfigError(problem_lines(error, known=known)) from None
