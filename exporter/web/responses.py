"""Answers: compressed for who reads that, with headers that keep a browser from doing more than it should."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse

from exporter.web.negotiation import accepts_gzip

LEVEL = 1
"""gzip's fastest level: an answer is read once, on a fast network."""
GZIP = 16 + zlib.MAX_WBITS
"""zlib's name for gzip's format."""
PIECE = 131_072
"""Bytes that are given to a connection at once; as much again is what waits for a client that does not read."""

DATA: Mapping[str, str] = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
"""For what no browser has to run."""
PAGE: Mapping[str, str] = {
    **DATA,
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
}
"""For a page: everything from here, nothing inline."""


def answer(request: Request, body: bytes, headers: Mapping[str, str], status: int = 200) -> Response:
    """Return an answer, by gzip where the request accepts it; ``headers`` tell its type."""
    return in_parts(request, [body], headers, status)


def in_parts(request: Request, parts: Sequence[bytes], headers: Mapping[str, str], status: int = 200) -> Response:
    """Return the same for a body in parts: they are sent as the client reads, so that none of it waits in a copy."""
    told = {"Vary": "Accept-Encoding", **headers}
    if accepts_gzip(",".join(request.headers.getlist("Accept-Encoding"))):
        parts = _compressed(parts)
        told["Content-Encoding"] = "gzip"
    told["Content-Length"] = str(sum(map(len, parts)))
    return StreamingResponse(_pieces(parts), status, told)


def _compressed(parts: Iterable[bytes]) -> list[bytes]:
    compressor = zlib.compressobj(LEVEL, wbits=GZIP)
    return [*map(compressor.compress, parts), compressor.flush()]


async def _pieces(parts: Iterable[bytes]) -> AsyncIterator[bytes]:
    """Give the parts again, small ones together and large ones cut."""
    piece, size = list[bytes](), 0
    for part in parts:
        for start in range(0, len(part), PIECE):
            piece.append(part[start : start + PIECE])
            size += len(piece[-1])
            if size >= PIECE:
                yield b"".join(piece)
                piece, size = [], 0
                await asyncio.sleep(0)  # lets others have their turn, and this one learn that its client is gone
    yield b"".join(piece)


def lines(texts: Iterable[str], status: int = 200, headers: Mapping[str, str] = DATA) -> Response:
    """Return an answer of plain text, a line for each."""
    return PlainTextResponse("".join(f"{text}\n" for text in texts), status, headers)
