"""Rules with shorter times, so that a drill does not wait half an hour for an alert."""

import re
from dataclasses import replace

from exporter.config.duration import PATTERN, parse_duration
from exporter.monitoring.alerts import Alert
from exporter.monitoring.rules import Rules

# In seconds. A window must contain several scrapes.
MIN_WINDOW = 5.0


def speed_up(rules: Rules, factor: float) -> Rules:
    """Return the rules with all windows, waiting times and thresholds in seconds divided by ``factor``."""
    return replace(
        rules,
        alerts=tuple(_speed_up_alert(alert, factor) for alert in rules.alerts),
        parameters={name: _speed_up_parameter(name, value, factor) for name, value in rules.parameters.items()},
    )


def _speed_up_alert(alert: Alert, factor: float) -> Alert:
    return replace(
        alert,
        threshold=alert.threshold / factor if alert.unit == "seconds" else alert.threshold,
        for_=_duration(parse_duration(alert.for_) / factor),
        keep_firing_for=_duration(parse_duration(alert.keep_firing_for) / factor),
    )


def _speed_up_parameter(name: str, value: str, factor: float) -> str:
    if name.endswith("_seconds"):
        return f"{float(value) / factor:.0f}"
    if re.fullmatch(PATTERN, value):
        return _duration(max(MIN_WINDOW, parse_duration(value) / factor))
    return value


def _duration(seconds: float) -> str:
    return f"{seconds * 1000:.0f}ms"
