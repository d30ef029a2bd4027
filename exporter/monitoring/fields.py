"""The types of values in the settings file. mypy accepts them as types only if another module defines them."""

from exporter.config.fields import pattern_type
from exporter.monitoring.alerts import ALERTS

DURATION_EXAMPLE = "a duration such as 90s, 10m or 1h30m"

Duration = pattern_type(r"(?=.)(\d+d)?(\d+h)?(\d+m)?(\d+s)?", DURATION_EXAMPLE)
PositiveDuration = pattern_type(r"(?=.*[1-9])(\d+d)?(\d+h)?(\d+m)?(\d+s)?", DURATION_EXAMPLE)
Severity = pattern_type(r"[A-Za-z][\w-]*", "a word such as warning")
AlertName = pattern_type("|".join(alert.name for alert in ALERTS), "the name of an alert")
LabelName = pattern_type(r"[a-zA-Z_]\w*", "the name of a label")
LabelValue = pattern_type(
    r"[^${}]*", "text without braces or dollar signs: Prometheus and Grafana interpret them as templates"
)
# The excluded characters have a meaning in templates, in printf or in YAML.
_MATCHER = r'[a-zA-Z_]\w*(=|!=|=~|!~)"[^"{}$%#\s\x27]*"'
Matchers = pattern_type(
    rf"({_MATCHER}(, ?{_MATCHER})*)?", 'matchers such as job="prod", whose values have no spaces and none of {}$%#\''
)
WebUrl = pattern_type(
    r"https?://[^\s{}$?#]+", "a URL such as https://exporter.example/bulk, without a query, braces or dollar signs"
)
Url = pattern_type(r"[^\s{}$]+", "a URL without white space, braces or dollar signs")
