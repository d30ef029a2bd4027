"""The exporter's own errors; foreign ones are translated into these once, at the boundary.

ExporterError
├── ConfigError     what the configuration says wrongly, all of it
├── QueryError      what a request asks wrongly, all of it
├── StartError      why the process cannot start although its configuration is right
└── ApiError        a call to AWS that gave no usable answer
    └── EndlessListError
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum


class Reason(StrEnum):
    """Why a cell has no fresh data; the closed set of the label ``reason``."""

    ACCESS_DENIED = "access_denied"
    CREDENTIALS = "credentials"
    THROTTLED = "throttled"
    NOT_FOUND = "not_found"
    END_OF_SUPPORT = "end_of_support"
    TIMEOUT = "timeout"
    CONNECTION = "connection"
    SERVER_ERROR = "server_error"
    MALFORMED = "malformed"
    OTHER = "other"


CONNECT_TIMEOUT = "connect_timeout"
"""The code of a failure in which not even a connection came about; other time-outs have that of their reason."""


class ExporterError(Exception):
    """Base of every error that this package raises on purpose."""


class ConfigError(ExporterError):
    """A configuration that cannot be used; ``problems`` holds one line for each fault, with its path."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))


class QueryError(ExporterError):
    """A request whose parameters cannot be used; ``problems`` holds one line for each fault, with its parameter."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))


class StartError(ExporterError):
    """What the configuration cannot know: a port in use, a file that cannot be read."""


class ApiError(ExporterError):
    """A call that failed: a bounded reason, and AWS's error code from a closed set.

    It never holds AWS's message, which may name roles and accounts. ``detail`` is text of our own, ``api`` the API
    that refused, empty where no answer came.
    """

    def __init__(self, reason: Reason, code: str = "", detail: str = "", api: str = "") -> None:
        self.reason = reason
        self.code = code or reason.value
        self.detail = detail
        self.api = api
        super().__init__(f"{reason.value}: {detail or self.code}")


class EndlessListError(ApiError):
    """A list that was given up after more pages than any real one has."""

    def __init__(self, detail: str) -> None:
        super().__init__(Reason.MALFORMED, detail=detail)


def malformed(detail: str) -> ApiError:
    """Return the error for an answer that is not what AWS documents; ``detail`` names the member, never its value."""
    return ApiError(Reason.MALFORMED, detail=detail)
