"""Canaries: words in the place of secrets, which tests search for in all output in every encoding."""

import base64
import hashlib
from collections.abc import Iterator, Mapping
from urllib.parse import quote

# Characters that identify a canary. The beginning or the end alone counts as a leak too.
PART = 16


def canary(place: str) -> str:
    """Return the canary of a place. It has only letters and digits, so that it is valid everywhere."""
    return f"C4N4RY{hashlib.sha256(place.encode()).hexdigest()[:26].upper()}"


def encodings(secret: str) -> Iterator[bytes]:
    """Yield a secret as plain text and in the encodings of headers, URLs, signatures and dumps."""
    for part in (secret[:PART], secret[-PART:]):
        plain = part.encode()
        yield from (plain, plain.lower(), plain[::-1], plain.hex().encode(), plain.hex().upper().encode())
        yield "".join(f"%{byte:02x}" for byte in plain).encode()
        yield quote(part, safe="").encode()
        yield part.encode("utf-16-le")
        yield from _in_base64(plain)


def _in_base64(plain: bytes) -> Iterator[bytes]:
    """Yield the base64 characters that do not depend on the text before and after."""
    for before in range(3):
        encoded = base64.b64encode(bytes(before) + plain + bytes(-(before + len(plain)) % 3))
        yield encoded[4 if before else 0 : -4]


def leaks(canaries: Mapping[str, str], outputs: Mapping[str, bytes]) -> list[str]:
    """Return each secret with the output that contains it."""
    return [
        f"{place} in {where}"
        for place, secret in canaries.items()
        for where, output in outputs.items()
        if any(shape in output for shape in encodings(secret))
    ]


def canaries(group: str, places: str) -> dict[str, str]:
    """Return a canary for each place of a comma-separated list. The keys are ``group: place``."""
    return {place: canary(place) for place in (f"{group}: {name}" for name in places.split(", "))}
