"""Words that stand for secrets: each is planted in one place, and searched for in every shape in all that comes out."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Iterator, Mapping
from urllib.parse import quote

# Bytes of a canary that are enough to know it by: whoever prints a beginning or an end gives it away too.
PART = 16


def canary(place: str) -> str:
    """Return the word for a place; letters and digits alone, so that it fits wherever a secret does."""
    return f"C4N4RY{hashlib.sha256(place.encode()).hexdigest()[:26].upper()}"


def encodings(secret: str) -> Iterator[bytes]:
    """Give what a secret looks like as it is, and encoded as headers, URLs, signatures and dumps encode."""
    for part in (secret[:PART], secret[-PART:]):
        plain = part.encode()
        yield from (plain, plain.lower(), plain[::-1], plain.hex().encode(), plain.hex().upper().encode())
        yield "".join(f"%{byte:02x}" for byte in plain).encode()
        yield quote(part, safe="").encode()
        yield part.encode("utf-16-le")
        yield from _in_base64(plain)


def _in_base64(plain: bytes) -> Iterator[bytes]:
    """Give what is the same in base64 whatever stands before and behind."""
    for before in range(3):
        encoded = base64.b64encode(bytes(before) + plain + bytes(-(before + len(plain)) % 3))
        yield encoded[4 if before else 0 : -4]


def leaks(canaries: Mapping[str, str], outputs: Mapping[str, bytes]) -> list[str]:
    """Return which secret is in which output."""
    return [
        f"{place} in {where}"
        for place, secret in canaries.items()
        for where, output in outputs.items()
        if any(shape in output for shape in encodings(secret))
    ]


def canaries(places: Iterable[str]) -> dict[str, str]:
    """Return a canary for each place."""
    return {place: canary(place) for place in places}
