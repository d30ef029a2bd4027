"""The types of the values that users may set of the rules."""

from __future__ import annotations

from exporter.config.fields import pattern_type
from exporter.monitoring.alerts import ALERTS

Span = pattern_type(r"(?=.)(\d+d)?(\d+h)?(\d+m)?(\d+s)?", "a duration such as 90s, 10m or 1h30m")
Window = pattern_type(r"(?=.*[1-9])(\d+d)?(\d+h)?(\d+m)?(\d+s)?", "a duration such as 90s, 10m or 1h30m")
Word = pattern_type(r"[A-Za-z][\w-]*", "a word such as warning")
AlertName = pattern_type("|".join(alert.name for alert in ALERTS), "the name of an alert")
LabelName = pattern_type(r"[a-zA-Z_]\w*", "the name of a label")
PlainText = pattern_type(r"[^${}]*", "text without braces and dollar signs: both formats would take it for a template")
Url = pattern_type(r"[^\s{}$]+", "a URL without white space, braces or dollar signs")
