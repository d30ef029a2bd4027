"""HTTP's Basic scheme (RFC 7617) against bcrypt hashes, checked beside the event loop and remembered."""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import hmac
import secrets
from collections import OrderedDict
from collections.abc import Callable, Mapping
from functools import partial

import bcrypt

from exporter.core.thread import in_thread

REMEMBERED = 100
"""How many logins are remembered, of each outcome: a flood of bad ones drives no good one out."""
LONGEST = 72
"""Bytes of a password that bcrypt looks at; Go's leaves out what is beyond, Python's refuses it."""


class BasicAuth:
    """Who may come in. What is remembered of a login is a keyed hash that means nothing outside this process."""

    def __init__(self, check: Callable[[bytes, bytes], bool] = bcrypt.checkpw) -> None:
        self._check = check
        self._secret = secrets.token_bytes(32)
        self._outcomes = {True: _Remembered(), False: _Remembered()}
        # One at a time: bcrypt is made to be slow, and a flood of logins must leave the machine to the rest.
        self._turn = asyncio.Lock()

    async def admits(self, users: Mapping[str, bytes], header: str) -> bool:
        """Tell whether an ``Authorization`` header names one of the users, whose bcrypt hashes are given."""
        credentials = _credentials(header)
        if credentials is None:
            return False
        user, password = credentials
        key = self._key(user, users.get(user, b""), password)
        outcome = self._remembered(key)
        if outcome is None:
            async with self._turn:
                outcome = self._remembered(key)
                if outcome is None:
                    outcome = await in_thread(partial(self._is_right, users, user, password[:LONGEST]))
                    self._outcomes[outcome].add(key)
        return outcome

    def _remembered(self, key: bytes) -> bool | None:
        return next((outcome for outcome, found in self._outcomes.items() if found.has(key)), None)

    def _key(self, user: str, hashed: bytes, password: bytes) -> bytes:
        told = b"".join(hashlib.sha256(part).digest() for part in (user.encode(), hashed, password))
        return hmac.digest(self._secret, told, "sha256")

    def _is_right(self, users: Mapping[str, bytes], user: str, password: bytes) -> bool:
        hashed = users.get(user)
        if hashed is not None and self._check(password, hashed):
            return True
        # A cost doubles the work. The work of a wrong password is brought to that of the highest cost, for every
        # user and for none: 2^c + (2^c + 2^(c+1) + ... + 2^(highest-1)) = 2^highest.
        highest = max(map(_cost, users.values()))
        for cost in (highest,) if hashed is None else range(_cost(hashed), highest):
            self._check(password, _nobodys_hash(cost))
        return False


class _Remembered:
    """The keys that were used last."""

    def __init__(self) -> None:
        self._keys: OrderedDict[bytes, None] = OrderedDict()

    def has(self, key: bytes) -> bool:
        if key in self._keys:
            self._keys.move_to_end(key)
        return key in self._keys

    def add(self, key: bytes) -> None:
        self._keys[key] = None
        if len(self._keys) > REMEMBERED:
            self._keys.popitem(last=False)


def _credentials(header: str) -> tuple[str, bytes] | None:
    scheme, _, encoded = header.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        user, colon, password = base64.b64decode(encoded, validate=True).partition(b":")
        return (user.decode(), password) if colon else None
    except (binascii.Error, ValueError):
        return None


def _cost(hashed: bytes) -> int:
    return int(hashed[4:6])


def _nobodys_hash(cost: int) -> bytes:
    """Return a hash to do the work with; nobody looks at the outcome."""
    return b"$2b$%02d$%s" % (cost, b"." * 53)
