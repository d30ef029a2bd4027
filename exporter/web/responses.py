"""HTTP responses: the format and the encoding that a client accepts (RFC 9110, section 12), and security headers."""

import asyncio
import re
import zlib
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence

from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.openmetrics.exposition import CONTENT_TYPE_LATEST as CONTENT_TYPE_OPENMETRICS
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse

TEXT = CONTENT_TYPE_PLAIN_0_0_4
OPENMETRICS = CONTENT_TYPE_OPENMETRICS
# The media types, with their versions, that this format satisfies. The parameter ``escaping`` of Prometheus 3 changes
# nothing, because all names of metrics and labels are valid in every version of Prometheus.
_OPENMETRICS_MEDIA = [("application/openmetrics-text", version) for version in ("", "1.0.0", "0.0.1")]

# An item of a list, and a part of an item. Quoted text can contain the separator, and lack its end in a broken header.
_ITEM, _PART = (re.compile(rf'(?:[^{separator}"]|"(?:[^"\\]|\\.)*"?)+') for separator in ",;")

# The fastest level. A response is read once, on a fast network.
GZIP_LEVEL = 1
# zlib writes the gzip format if this is added to the size of its window.
GZIP_WBITS = 16 + zlib.MAX_WBITS
# Bytes that a connection gets at once. As much again waits for a client that does not read.
CHUNK_BYTES = 131_072

# For responses that no browser has to run.
DATA_HEADERS: Mapping[str, str] = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
# For pages. Everything comes from the exporter, and nothing is inline.
PAGE_HEADERS: Mapping[str, str] = {
    **DATA_HEADERS,
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
}
HTML_HEADERS: Mapping[str, str] = {**PAGE_HEADERS, "Content-Type": "text/html; charset=utf-8"}


def negotiated_response(
    request: Request, parts: Sequence[bytes], headers: Mapping[str, str], status: int = 200
) -> Response:
    """Return a response, compressed by gzip if the request accepts it.

    The parts of the body are sent while the client reads, so that no copy of the whole body exists.
    """
    sent = {"Vary": "Accept-Encoding", **headers}
    if accepts_gzip(",".join(request.headers.getlist("Accept-Encoding"))):
        compressor = zlib.compressobj(GZIP_LEVEL, wbits=GZIP_WBITS)
        parts = [*map(compressor.compress, parts), compressor.flush()]
        sent["Content-Encoding"] = "gzip"
    sent["Content-Length"] = str(sum(map(len, parts)))
    return StreamingResponse(_chunks(parts), status, sent)


async def _chunks(parts: Iterable[bytes]) -> AsyncIterator[bytes]:
    """Yield the parts again: small ones joined, large ones cut."""
    chunk, size = list[bytes](), 0
    for part in parts:
        for start in range(0, len(part), CHUNK_BYTES):
            chunk.append(part[start : start + CHUNK_BYTES])
            size += len(chunk[-1])
            if size >= CHUNK_BYTES:
                yield b"".join(chunk)
                chunk, size = [], 0
                # Let other tasks run, and let this one notice that its client has disconnected.
                await asyncio.sleep(0)
    yield b"".join(chunk)


def text_response(lines: Iterable[str], status: int = 200, headers: Mapping[str, str] = DATA_HEADERS) -> Response:
    """Return a response of plain text."""
    return PlainTextResponse("".join(f"{line}\n" for line in lines), status, headers)


def wants_openmetrics(accept: str) -> bool:
    """Return whether an Accept header prefers OpenMetrics 1.0 to the text format, which every client reads."""
    accepted = tuple(_accepted(accept))
    openmetrics = max((q for media, version, q in accepted if (media, version) in _OPENMETRICS_MEDIA), default=0.0)
    # The last entry of a media type remains: its highest quality.
    text = {media: q for media, _, q in sorted(accepted, key=lambda item: item[2])}
    best_text = next((text[media] for media in ("text/plain", "text/*", "*/*") if media in text), 0.0)
    return openmetrics > 0 and openmetrics >= best_text


def accepts_gzip(accept_encoding: str) -> bool:
    """Return whether an Accept-Encoding header allows gzip."""
    qualities = {coding: q for coding, _, q in _accepted(accept_encoding)}
    return qualities.get("gzip", qualities.get("*", 0.0)) > 0


def _accepted(header: str) -> Iterator[tuple[str, str, float]]:
    """Yield (name, version, quality) of each item. An unreadable quality counts as 1."""
    for item in _ITEM.findall(header.lower()):
        name, *pairs = (part.strip() for part in _PART.findall(item) or [""])
        parameters = {key.strip(): value.strip(' \t"') for key, _, value in (pair.partition("=") for pair in pairs)}
        if name:
            yield name, parameters.get("version", ""), _quality(parameters.get("q", "1"))


def _quality(text: str) -> float:
    try:
        return min(1.0, max(0.0, float(text)))
    except ValueError:
        return 1.0
