"""The types of the values that users may set of the rules."""

from __future__ import annotations

from exporter.config.fields import written
from exporter.monitoring.alerts import ALERTS

Span = written(r"(?=.)(\d+d)?(\d+h)?(\d+m)?(\d+s)?", "a duration such as 90s, 10m or 1h30m")
Window = written(r"(?=.*[1-9])(\d+d)?(\d+h)?(\d+m)?(\d+s)?", "a duration such as 90s, 10m or 1h30m")
Word = written(r"[A-Za-z][\w-]*", "a word such as warning")
AlertName = written("|".join(alert.name for alert in ALERTS), "the name of an alert")
LabelName = written(r"[a-zA-Z_]\w*", "the name of a label")
PlainText = written(r"[^${}]*", "text without braces and dollar signs: both formats would take it for a template")
Url = written(r"[^\s{}$]+", "a URL without white space, braces or dollar signs")
