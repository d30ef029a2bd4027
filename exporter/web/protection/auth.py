"""HTTP Basic authentication (RFC 7617) with bcrypt hashes, checked in a thread and cached."""

import asyncio
import base64
import hashlib
import hmac
import secrets
from collections import OrderedDict
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, AsyncExitStack, nullcontext
from functools import partial
from weakref import WeakValueDictionary

import bcrypt

from exporter.core.thread import in_thread

# Cached logins of each outcome. With two caches, many wrong logins cannot evict a right one.
CACHE_SIZE = 100
# Bytes of a password that bcrypt uses. Go ignores further bytes, Python's bcrypt raises an error for them.
MAX_PASSWORD_BYTES = 72
NO_WAITING = nullcontext()


class BasicAuth:
    """Checks logins and caches the outcomes. A cache key is a keyed hash that has no meaning outside this process."""

    def __init__(self, check: Callable[[bytes, bytes], bool] = bcrypt.checkpw) -> None:
        self._check = check
        self._secret = secrets.token_bytes(32)
        # The keys of each outcome. Those that were used last are at the end.
        self._caches: Mapping[bool, OrderedDict[bytes, None]] = {True: OrderedDict(), False: OrderedDict()}
        # One check at a time: bcrypt is slow by design, and many logins must not take the whole machine.
        self._lock = asyncio.Lock()
        # One check of each client waits for that lock, so that many logins of a client do not delay other clients.
        self._client_locks: WeakValueDictionary[bytes, asyncio.Lock] = WeakValueDictionary()

    async def is_allowed(
        self,
        users: Mapping[str, bytes],
        header: str,
        client: bytes = b"",
        waiting: AbstractContextManager[None] = NO_WAITING,
    ) -> bool:
        """Return whether an ``Authorization`` header matches one of the users, given with their bcrypt hashes.

        ``client`` is an address. ``waiting`` is entered while other logins are checked.
        """
        credentials = _credentials(header)
        if credentials is None:
            return False
        user, password = credentials
        key = self._key(user, users.get(user, b""), password)
        outcome = self._cached(key)
        if outcome is None:
            async with AsyncExitStack() as locks:
                with waiting:
                    await locks.enter_async_context(self._client_locks.setdefault(client, asyncio.Lock()))
                    await locks.enter_async_context(self._lock)
                outcome = self._cached(key)
                if outcome is None:
                    outcome = await in_thread(partial(self._is_correct, users, user, password[:MAX_PASSWORD_BYTES]))
                    self._add(key, outcome)
        return outcome

    def _cached(self, key: bytes) -> bool | None:
        for outcome, keys in self._caches.items():
            if key in keys:
                keys.move_to_end(key)
                return outcome
        return None

    def _add(self, key: bytes, outcome: bool) -> None:
        keys = self._caches[outcome]
        keys[key] = None
        if len(keys) > CACHE_SIZE:
            keys.popitem(last=False)

    def _key(self, user: str, hashed: bytes, password: bytes) -> bytes:
        digests = b"".join(hashlib.sha256(part).digest() for part in (user.encode(), hashed, password))
        return hmac.digest(self._secret, digests, "sha256")

    def _is_correct(self, users: Mapping[str, bytes], user: str, password: bytes) -> bool:
        hashed = users.get(user)
        if hashed is not None and self._check(password, hashed):
            return True
        # The response time must not show which users exist. The work of a hash doubles with its cost. So a wrong
        # password of any user, and any unknown user, is brought to the work of the highest cost:
        # 2^c + (2^c + 2^(c+1) + ... + 2^(highest-1)) = 2^highest.
        highest = max(map(_cost, users.values()))
        for cost in (highest,) if hashed is None else range(_cost(hashed), highest):
            self._check(password, _dummy_hash(cost))
        return False


def _credentials(header: str) -> tuple[str, bytes] | None:
    scheme, _, encoded = header.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        user, colon, password = base64.b64decode(encoded, validate=True).partition(b":")
        return (user.decode(), password) if colon else None
    except ValueError:
        return None


def _cost(hashed: bytes) -> int:
    return int(hashed[4:6])


def _dummy_hash(cost: int) -> bytes:
    """Return a hash of this cost that no password matches."""
    return b"$2b$%02d$%s" % (cost, b"." * 53)
