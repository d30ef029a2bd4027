"""Cut a long list into pages; a token says where the next one goes on."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice
from typing import Any

PAGE_SIZE = 50
"""Entries on a page where the request asks for no number."""


class PageError(Exception):
    """A token that this API never gave out, or a number of entries that no page has."""


@dataclass(frozen=True, slots=True)
class Page:
    """Some entries, and the token of the next page, empty on the last."""

    entries: tuple[Any, ...]
    token: str


def page(api: str, ranked: Iterable[tuple[int, Any]], token: str | None, size: int) -> Page:
    """Return the page after a token. Entries keep their ranks, so what comes or goes between pages hides nothing."""
    last = -1 if token is None else _rank(api, token)
    found = list(islice(((rank, entry) for rank, entry in ranked if rank > last), size + 1))
    more = len(found) > size
    kept = found[:size]
    return Page(tuple(entry for _, entry in kept), _token(api, kept[-1][0]) if more else "")


def page_size(asked: int | str | None) -> int:
    """Return the entries that a page may hold; some APIs of AWS take the number as text. Raises PageError."""
    if asked is None:
        return PAGE_SIZE
    if not re.fullmatch("[1-9][0-9]{0,8}", str(asked)):
        raise PageError("The number of results must be 1 or more.")
    return int(asked)


def next_token(way: str, token: str) -> str:
    """Return the token after another one in a list that never ends: ``repeated``, or another one each time."""
    return "again" if way == "repeated" else str(int(token) + 1 if token.isdecimal() else 1)


def _token(api: str, rank: int) -> str:
    return base64.urlsafe_b64encode(f"{api}:{rank}".encode()).decode()


def _rank(api: str, token: str) -> int:
    try:
        name, _, rank = base64.urlsafe_b64decode(token).decode("ascii").partition(":")
        if name == api and rank.isdecimal():
            return int(rank)
    except (binascii.Error, ValueError):
        pass
    raise PageError("The pagination token is invalid.")
