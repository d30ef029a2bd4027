"""Where browsers find the exporter: its URL outside a reverse proxy, and the prefix of its own paths."""

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

# Segments that no client encodes or resolves, so that a path is the same in a URL, in a request and in a route.
_PATH = r"(?:/(?!\.{1,2}(?:/|$))[A-Za-z0-9._~-]+)*"
_URL = re.compile(rf"https?://(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{{1,5}})?{_PATH}")


@dataclass(frozen=True, slots=True)
class ExternalAddress:
    """``url`` and ``prefix`` are the parsed texts of both flags. Empty ones were not given.

    As in Prometheus, a path in the URL is also the prefix, unless the prefix is given.
    """

    url: str = ""
    prefix: str = ""

    @property
    def server(self) -> str:
        """The address below which all paths are: a URL if it is known, else the prefix."""
        return self.url or self.prefix


def external_address(url: str | None, prefix: str | None) -> ExternalAddress:
    """Return the address for the values of both flags, None for a flag that is not given."""
    return ExternalAddress(url or "", urlsplit(url or "").path if prefix is None else prefix)


def parse_external_url(text: str) -> str:
    """Return a URL without a slash at its end. Raises ValueError."""
    url = text.rstrip("/")
    if not _URL.fullmatch(url):
        raise ValueError(
            "expected a URL such as https://exporter.example/bulk, without a user, a query or encoded characters"
        )
    return url


def parse_route_prefix(text: str) -> str:
    """Return a path with a slash at its beginning only, or an empty text for the root. Raises ValueError."""
    prefix = "/" + text.strip("/")
    if not text or not re.fullmatch(f"{_PATH}/?", prefix):
        raise ValueError("expected a path such as /bulk, or / for no prefix")
    return prefix.rstrip("/")
