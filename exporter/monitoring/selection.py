"""The exporters that the rules and dashboards cover, and the labels that tell their releases apart."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from string import Template
from typing import Final

# The Prometheus Operator sets the first two. Only a Prometheus that stores the data of several clusters has the third.
# PromQL treats a missing label as an empty one.
GROUPING: Final = ("job", "namespace", "cluster")
# A target that was never up has no metric of the exporter, only the labels of its scrape configuration.
CONVENTIONAL_TARGETS: Final = 'job=~".*aws-iot-bulk.*"'
# The targets of exporters that are up or down.
TARGETS_UP: Final = "up{${targets}}"

_LITERAL = r'"(?:\\.|[^"\\])*"'
# A literal or a placeholder, the braces of a selector, or the name of a metric without braces.
_TOKEN = re.compile(
    rf"{_LITERAL}|\$\{{\w+\}}|(?P<braces>\{{(?:{_LITERAL}|[^{{}}\"])*\}})"
    r"|(?<![\w:])(?P<metric>aws_(?:iot|greengrass)_\w+|process_\w+|up)(?![\w:({])"
)


def add_selector(query: str) -> str:
    """Return a query in which every series selector begins with the placeholder of the matchers.

    Recording rules keep their names: their own queries have the matchers.
    """
    return _TOKEN.sub(_with_placeholder, query)


def _with_placeholder(match: re.Match[str]) -> str:
    if braces := match["braces"]:
        return f"{{${{selector}}{braces[1:]}"
    return f"{match['metric']}{{${{selector}}}}" if match["metric"] else match[0]


def fill(text: str, parameters: Mapping[str, str]) -> str:
    """Return a text with the values of its placeholders. ``$labels`` and ``$value`` belong to Go and remain."""
    filled = Template(text).safe_substitute(parameters)
    return filled.replace(", }", "}").replace("{}", "")


@dataclass(frozen=True, slots=True)
class Selection:
    """The matchers of the exporters' series, and the labels that every exporter of one release shares.

    Without matchers, the selection covers every exporter.
    """

    selector: str = ""
    grouping: Sequence[str] = GROUPING

    def narrowed(self, matchers: str) -> Selection:
        """Return a selection of those exporters that the matchers select, too."""
        return replace(self, selector=", ".join(filter(None, (self.selector, matchers))))

    @property
    def parameters(self) -> dict[str, str]:
        """The values of the placeholders in queries and texts."""
        return {
            "selector": f"{self.selector}, " if self.selector else "",
            "targets": self.selector or CONVENTIONAL_TARGETS,
            "grouping": ", ".join(self.grouping),
            "group": "".join(
                f"{{{{ with $labels.{label} }}}}, {label} {{{{ . }}}}{{{{ end }}}}" for label in self.grouping
            ),
        }

    def apply(self, query: str) -> str:
        """Return a query that is limited to these exporters."""
        return fill(add_selector(query), self.parameters)


EVERY_EXPORTER: Final = Selection()
