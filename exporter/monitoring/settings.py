"""The settings of the rules that users may change, from a strict YAML file. All errors are reported at once."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, Strict, ValidationError, create_model

from exporter.config.fields import StrictModel
from exporter.config.strict_yaml import parse_yaml, problems_in, read_text
from exporter.config.validation import keys_of, problem_lines
from exporter.core.errors import ConfigError
from exporter.kinds.kind import Kind
from exporter.kinds.thresholds import DEFAULT, Thresholds
from exporter.monitoring.alerts import ALERTS, FAILURE_RATIO_HIGH, Alert
from exporter.monitoring.fields import (
    AlertName,
    Duration,
    LabelName,
    LabelValue,
    Matchers,
    PositiveDuration,
    Severity,
    Url,
    WebUrl,
)
from exporter.monitoring.promql import Kinds
from exporter.monitoring.records import kind_parameters
from exporter.monitoring.selection import GROUPING, Selection

Count = Annotated[int, Strict(), Field(ge=0)]
Ratio = Annotated[float, Field(strict=True, ge=0, le=1)]


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
        "AWS keeps ended operations longer, for example jobs for two years.",
    )
    rate: PositiveDuration = Field(
        default="15m", description="The window of rates. It must be longer than a pause between waves of a roll-out."
    )
    read_window: PositiveDuration = Field(
        default="15m",
        description="The exporter reads every unfinished operation within this time. "
        "It must be longer than two scrape intervals.",
    )
    items: Count = Field(
        default=DEFAULT.min_items, description="A failure ratio counts only from this number of processed items on."
    )
    failed_items: Count = Field(
        default=DEFAULT.finished_failures,
        description="A finished operation fires from this number of failed items on, however small their ratio is.",
    )
    failed_ratio: Ratio = Field(
        default=DEFAULT.finished_failure_ratio,
        description="A finished operation with a higher ratio of failed items fires, however few items it has.",
    )
    gap: PositiveDuration = Field(
        default="6m",
        description="An interruption of a series for this time, such as a restart, does not restart an alert's wait. "
        "It must be longer than the scrape interval.",
    )
    restart_window: PositiveDuration = Field(default="1h", description="The window in which restarts are counted.")
    exporters: Annotated[int, Strict(), Field(gt=0)] = Field(
        default=1,
        description="The expected number of exporters: the replicas and shards of all releases that `selector` covers.",
    )
    retries: Count = Field(
        default=10, description="A retry storm has more retries than this number in one window of `rate`."
    )


def parameters_model(kinds: Kinds) -> type[Parameters]:
    """Return the parameters with those of each kind."""
    fields: dict[str, Any] = {}
    for kind in kinds:
        seconds, ratio = kind_parameters(kind)
        fields[seconds] = (
            Annotated[int, Strict(), Field(gt=0)],
            Field(
                default=round(kind.thresholds.stalled_seconds),
                description=f"A running operation of the kind `{kind.name}` without a changed count for this number of "
                "seconds is stalled.",
            ),
        )
        fields[ratio] = (
            Ratio,
            Field(
                default=kind.thresholds.stalled_ratio,
                description=f"An operation of the kind `{kind.name}` with a smaller ratio of unfinished items is not "
                "stalled.",
            ),
        )
    return create_model("Parameters", __base__=Parameters, __doc__=Parameters.__doc__, **fields)


class Settings(StrictModel):
    """The contents of the file."""

    external_url: WebUrl | None = Field(
        default=None,
        description="The URL of the exporter in a browser. Alerts link to its runbooks and its pages of operations.",
    )
    runbooks: Url | None = Field(
        default=None, description="The URL of your copy of the runbooks; those of `external_url` if omitted."
    )
    dashboards: Url | None = Field(default=None, description="The URL of Grafana; no link to it if omitted.")
    selector: Matchers = Field(
        default="", description='Matchers of the exporters\' series, for example `job="prod"`; all exporters if empty.'
    )
    grouping: Annotated[tuple[LabelName, ...], Field(min_length=1)] = Field(
        default=GROUPING, description="The labels that every exporter of a release shares and other releases do not."
    )
    parameters: Parameters = Parameters()
    records: Literal["all", "alerts"] = Field(
        default="all",
        description="Which recording rules are printed: all, or only those that alerts need. "
        "The runbooks use the others, the dashboards do not.",
    )
    labels: dict[LabelName, LabelValue] = Field(default={}, description="Labels that every alert gets.")
    alerts: dict[AlertName, Change] = Field(default={}, description="Changes to alerts, by the name of the alert.")

    @property
    def selection(self) -> Selection:
        """The exporters that the rules cover."""
        return Selection(self.selector, self.grouping)


def settings_model(kinds: Kinds) -> type[Settings]:
    """Return the settings with the parameters of each kind."""
    parameters = parameters_model(kinds)
    return create_model("Settings", __base__=Settings, __doc__=Settings.__doc__, parameters=(parameters, parameters()))


UNCHANGED = Settings()


def parameter_values(kinds: Kinds, settings: Settings) -> dict[str, str]:
    """Return the values of the parameters by name, with those of each kind."""
    return {name: str(value) for name, value in _parameters(kinds, settings).items()}


def _parameters(kinds: Kinds, settings: Settings) -> dict[str, Any]:
    return parameters_model(kinds)().model_dump() | settings.parameters.model_dump()


def with_thresholds(kinds: Kinds, settings: Settings) -> Kinds:
    """Return the kinds with the thresholds of the settings, by which the status page and the JSON API rank operations.

    An alert that the settings disable keeps its threshold: its operations remain problems on the page.
    """
    parameters, failing = _parameters(kinds, settings), settings.alerts.get(FAILURE_RATIO_HIGH, Change()).threshold
    return tuple(replace(kind, thresholds=_thresholds(kind, parameters, failing)) for kind in kinds)


def _thresholds(kind: Kind[Any], parameters: Mapping[str, Any], failure_ratio: float | None) -> Thresholds:
    seconds, ratio = kind_parameters(kind)
    return Thresholds(
        failure_ratio=kind.thresholds.failure_ratio if failure_ratio is None else failure_ratio,
        min_items=parameters["items"],
        finished_failure_ratio=parameters["failed_ratio"],
        finished_failures=parameters["failed_items"],
        stalled_seconds=parameters[seconds],
        stalled_ratio=parameters[ratio],
        ended_seconds=parameters["ended_seconds"],
    )


def read_settings(file: Path, kinds: Kinds) -> Settings:
    """Return the settings in a file. Raise ConfigError with every error, the file and its path in the file."""
    with problems_in(file):
        return parse_settings(read_text(file), kinds)


def parse_settings(text: str, kinds: Kinds) -> Settings:
    """Return the settings in a YAML text. Raise ConfigError with every error and its path."""
    model = settings_model(kinds)
    try:
        return model.model_validate(parse_yaml(text) or {})
    except ValidationError as error:
        known = (*keys_of(model, parameters_model(kinds), Change), "for", *(alert.name for alert in ALERTS))
        raise ConfigError(problem_lines(error, known=known)) from None
