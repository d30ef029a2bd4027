"""The errors of the exporter. Errors of libraries are translated into these where the library is called.

ExporterError
├── ConfigError     an invalid configuration
├── QueryError      a request with invalid parameters
├── StartError      the process cannot start, although its configuration is valid
│   └── UnreachableError
└── ApiError        a call to AWS without a usable response
    ├── EndlessListError
    └── CredentialsError
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from enum import StrEnum


class Reason(StrEnum):
    """Why a cell has no fresh data: the values of the label ``reason``. A cell never has NOT_FOUND, a probe can."""

    ACCESS_DENIED = "access_denied"
    CREDENTIALS = "credentials"
    THROTTLED = "throttled"
    NOT_FOUND = "not_found"
    NOT_OFFERED = "not_offered"
    END_OF_SUPPORT = "end_of_support"
    TIMEOUT = "timeout"
    CONNECTION = "connection"
    SERVER_ERROR = "server_error"
    MALFORMED = "malformed"
    OTHER = "other"


# The code of a time-out before the connection is established. The code of other time-outs is that of their reason.
CONNECT_TIMEOUT = "connect_timeout"

# A generated configuration can have thousands of problems, often with one cause. More would hide the first ones.
MAX_PRINTED_PROBLEMS = 20


class ExporterError(Exception):
    """Base class of every error that the exporter raises on purpose."""


class _ProblemsError(ExporterError):
    """``problems`` has one line for each fault, which begins with its path in the configuration or its parameter."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))


class ConfigError(_ProblemsError):
    """An invalid configuration."""

    @property
    def lines(self) -> tuple[str, ...]:
        """The problems to print: the first ones, and the number of others."""
        others = len(self.problems) - MAX_PRINTED_PROBLEMS
        more = (f"and {others:,} more; correct these first",) if others > 0 else ()
        return (*self.problems[:MAX_PRINTED_PROBLEMS], *more)


class QueryError(_ProblemsError):
    """A request with invalid parameters."""


class StartError(ExporterError):
    """The process cannot start, for example because a port is in use or a file cannot be read."""


class UnreachableError(StartError):
    """AWS cannot be read at the start of a command."""


class ApiError(ExporterError):
    """A failed call: its reason, and an error code from a bounded set.

    It never contains the message of AWS, which may name roles and accounts. ``detail`` is a text of the exporter.
    ``api`` is the API that returned the error, empty if there was no response.
    """

    def __init__(self, reason: Reason, code: str = "", detail: str = "", api: str = "") -> None:
        self.reason = reason
        self.code = code or reason.value
        self.detail = detail
        self.api = api
        super().__init__(f"{reason.value}: {detail or self.code}")


class EndlessListError(ApiError):
    """A list with more pages than a real list can have."""


class CredentialsError(ApiError):
    """A source of credentials that fails. ``detail`` names the source, the cause and the cure."""


def malformed(detail: str) -> ApiError:
    """Return the error for a response that AWS does not document. ``detail`` names the member, never its value."""
    return ApiError(Reason.MALFORMED, detail=detail)


@contextmanager
def defects_as_api_errors() -> Iterator[None]:
    """Turn an unexpected exception into an ApiError, so that a defect fails one operation instead of the cell."""
    try:
        yield
    except ApiError:
        raise
    except Exception as error:
        raise ApiError(Reason.OTHER, detail=f"unexpected {type(error).__name__}") from error
