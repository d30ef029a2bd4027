"""Which format and encoding a client wants, by its Accept headers (RFC 9110, section 12)."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.openmetrics.exposition import CONTENT_TYPE_LATEST as CONTENT_TYPE_OPENMETRICS

TEXT = CONTENT_TYPE_PLAIN_0_0_4
OPENMETRICS = CONTENT_TYPE_OPENMETRICS


def wants_openmetrics(accept: str) -> bool:
    """Tell whether OpenMetrics 1.0 is preferred to the text format, which everybody reads."""
    accepted = tuple(_accepted(accept))
    best_open = max((q for media, version, q in accepted if _is_openmetrics(media, version)), default=0.0)
    text: dict[str, float] = {}
    for media, _, q in accepted:
        text[media] = max(q, text.get(media, 0.0))
    best_text = next((text[media] for media in ("text/plain", "text/*", "*/*") if media in text), 0.0)
    return best_open > 0 and best_open >= best_text


def accepts_gzip(accept_encoding: str) -> bool:
    """Tell whether the client reads gzip."""
    found = {coding: q for coding, _, q in _accepted(accept_encoding)}
    return found.get("gzip", found.get("*", 0.0)) > 0


def _is_openmetrics(media: str, version: str) -> bool:
    return media == "application/openmetrics-text" and version in ("", "1.0.0", "0.0.1")


def _accepted(header: str) -> Iterator[tuple[str, str, float]]:
    """Give (name, version, quality) of each item; an unreadable quality counts as 1."""
    for item in header.split(","):
        name, *pairs = (part.strip() for part in item.split(";"))
        parameters = dict(pair.lower().split("=", 1) for pair in pairs if "=" in pair)
        if name:
            yield name.lower(), parameters.get("version", "").strip('"'), _quality(parameters.get("q", "1"))


def _quality(text: str) -> float:
    try:
        return min(1.0, max(0.0, float(text)))
    except ValueError:
        return 1.0
