"""Answers: compressed for who reads that, with headers that keep a browser from doing more than it should."""

from __future__ import annotations

import gzip
from collections.abc import Iterable, Mapping

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from exporter.web.negotiation import accepts_gzip

LEVEL = 1
"""gzip's fastest level: an answer is read once, on a fast network."""

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
    told = {"Vary": "Accept-Encoding", **headers}
    if accepts_gzip(",".join(request.headers.getlist("Accept-Encoding"))):
        body = gzip.compress(body, LEVEL, mtime=0)
        told["Content-Encoding"] = "gzip"
    return Response(body, status, told)


def lines(texts: Iterable[str], status: int = 200, headers: Mapping[str, str] = DATA) -> Response:
    """Return an answer of plain text, a line for each."""
    return PlainTextResponse("".join(f"{text}\n" for text in texts), status, headers)
