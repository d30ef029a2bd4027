"""Which API a method and a path mean, by the URI templates of the service models."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import unquote

from exporter.simulator.wire import Incoming

if TYPE_CHECKING:
    from botocore.model import OperationModel

LABEL = re.compile(r"\{([^}+]+)(\+?)\}")


@dataclass(frozen=True, slots=True)
class Match:
    """An API with the labels of its path, decoded."""

    operation: OperationModel
    labels: Mapping[str, str]

    @property
    def api(self) -> tuple[str, str]:
        """The service and the API."""
        return self.operation.service_model.service_name, self.operation.name


class Routes:
    """The APIs of some services; a literal part of a path goes before a label."""

    def __init__(self, operations: Iterable[OperationModel]) -> None:
        by_template = sorted(operations, key=lambda operation: _rank(_template(operation)))
        self._routes = tuple((operation, _compiled(_template(operation))) for operation in by_template)

    def match(self, incoming: Incoming) -> Match | None:
        """Return the API that a request asks for.

        A slash at the end is ignored, so that an empty id meets the list: clients must not fall for that.
        """
        path = incoming.path.rstrip("/") or "/"
        for operation, pattern in self._routes:
            found = pattern.fullmatch(path) if operation.http["method"] == incoming.method else None
            if found:
                values = (unquote(value, errors="replace") for value in found.groups())
                return Match(operation, dict(zip(_labels(operation), values, strict=True)))
        return None


def _template(operation: OperationModel) -> str:
    template: str = operation.http["requestUri"]
    return template.partition("?")[0].rstrip("/") or "/"


def _rank(template: str) -> tuple[bool, ...]:
    return tuple("{" in part for part in template.split("/"))


def _labels(operation: OperationModel) -> list[str]:
    return [name for name, _ in LABEL.findall(_template(operation))]


def _compiled(template: str) -> re.Pattern[str]:
    return re.compile("".join(_parts(template)))


def _parts(template: str) -> Iterator[str]:
    end = 0
    for label in LABEL.finditer(template):
        yield re.escape(template[end : label.start()])
        yield "(.+)" if label[2] else "([^/]+)"
        end = label.end()
    yield re.escape(template[end:])
