"""Find the API for a method and a path by the URI templates of the service models."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING
from urllib.parse import unquote

from exporter.simulator.http_messages import HttpRequest

if TYPE_CHECKING:
    from botocore.model import OperationModel

LABEL = re.compile(r"\{([^}+]+)(\+?)\}")


class Routes:
    """The APIs of some services. A literal part of a path has priority over a label."""

    def __init__(self, operations: Iterable[OperationModel]) -> None:
        by_template = sorted(operations, key=_rank)
        self._routes = tuple((operation, _path_pattern(_template(operation))) for operation in by_template)

    def match(self, request: HttpRequest) -> tuple[OperationModel, Mapping[str, str]] | None:
        """Return the API of a request and the decoded labels of its path, or None.

        AWS ignores a slash at the end of a path. A request with an empty id therefore calls the list API.
        """
        path = request.path.rstrip("/") or "/"
        for operation, pattern in self._routes:
            match = pattern.fullmatch(path) if operation.http["method"] == request.method else None
            if match:
                names = (name for name, _ in LABEL.findall(_template(operation)))
                values = (unquote(value, errors="replace") for value in match.groups())
                return operation, dict(zip(names, values, strict=True))
        return None


def _template(operation: OperationModel) -> str:
    template: str = operation.http["requestUri"]
    return template.partition("?")[0].rstrip("/") or "/"


def _rank(operation: OperationModel) -> tuple[bool, ...]:
    return tuple("{" in part for part in _template(operation).split("/"))


def _path_pattern(template: str) -> re.Pattern[str]:
    pattern, end = "", 0
    for label in LABEL.finditer(template):
        pattern += re.escape(template[end : label.start()]) + ("(.+)" if label[2] else "([^/]+)")
        end = label.end()
    return re.compile(pattern + re.escape(template[end:]))
