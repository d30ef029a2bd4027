"""The same rules with every time in them divided, so that nobody waits half an hour for an alarm."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

from exporter.config.duration import PATTERN, parse_duration
from exporter.monitoring.alerts import Alert
from exporter.monitoring.rules import Rules

SHORTEST_WINDOW = 5.0
"""Seconds: a window must still hold a few scrapes."""


def hurried(rules: Rules, speed: float) -> Rules:
    """Return the rules with windows, waits and thresholds in seconds divided by ``speed``."""
    return replace(
        rules,
        alerts=tuple(_hurried_alert(alert, speed) for alert in rules.alerts),
        parameters=_hurried_parameters(rules.parameters, speed),
    )


def _hurried_alert(alert: Alert, speed: float) -> Alert:
    return replace(
        alert,
        threshold=alert.threshold / speed if alert.unit == "seconds" else alert.threshold,
        for_=_duration(parse_duration(alert.for_) / speed),
        keep_firing_for=_duration(parse_duration(alert.keep_firing_for) / speed),
    )


def _hurried_parameters(parameters: Mapping[str, str], speed: float) -> dict[str, str]:
    return {name: _hurried_parameter(name, value, speed) for name, value in parameters.items()}


def _hurried_parameter(name: str, value: str, speed: float) -> str:
    if name.endswith("_seconds"):
        return f"{float(value) / speed:.0f}"
    if re.fullmatch(PATTERN, value):
        return _duration(max(SHORTEST_WINDOW, parse_duration(value) / speed))
    return value


def _duration(length: float) -> str:
    return f"{length * 1000:.0f}ms"
