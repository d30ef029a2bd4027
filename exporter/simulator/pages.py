"""Divide a list into pages. A token contains the position of the next page."""

import base64
import binascii
import re
from collections.abc import Iterable
from itertools import islice
from typing import Any

# The number of entries on a page if the request has no limit.
PAGE_SIZE = 50


class PageError(Exception):
    """An invalid token or page size."""


def page(
    api: str, ranked: Iterable[tuple[int, Any]], token: str | None, size: int
) -> tuple[tuple[Any, ...], str | None]:
    """Return the entries of the page after a token, and the token of the next page, if any. Raises PageError.

    Each entry keeps its rank, so that entries that appear or disappear between two pages do not hide others.
    """
    last = -1 if token is None else _rank(api, token)
    found = list(islice(((rank, entry) for rank, entry in ranked if rank > last), size + 1))
    entries = tuple(entry for _, entry in found[:size])
    if len(found) <= size:
        return entries, None
    return entries, base64.urlsafe_b64encode(f"{api}:{found[size - 1][0]}".encode()).decode()


def page_size(limit: int | str | None, default: int = PAGE_SIZE) -> int:
    """Return the maximum number of entries on a page. Some AWS APIs take it as text. Raises PageError."""
    if limit is None:
        return default
    if not re.fullmatch("[1-9][0-9]{0,8}", str(limit)):
        raise PageError("The number of results must be 1 or more.")
    return int(limit)


def next_token(mode: str, token: str) -> str:
    """Return the next token of an endless list: always the same one if ``repeated``, else always a new one."""
    return "again" if mode == "repeated" else str(int(token) + 1 if token.isdecimal() else 1)


def _rank(api: str, token: str) -> int:
    try:
        name, _, rank = base64.urlsafe_b64decode(token).decode("ascii").partition(":")
        if name == api and rank.isdecimal():
            return int(rank)
    except (binascii.Error, ValueError):
        pass
    raise PageError("The pagination token is invalid.")
