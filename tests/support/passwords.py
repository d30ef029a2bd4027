"""Two users with their passwords, hashes and headers."""

import base64

# The hash of ``wonderland``, at bcrypt's lowest cost.
ALICE = "$2b$04$w2oFhKlWuUyG2PZsd6eE.eTbtRZHYGa351xxDSyGYCu.I334LZ3/6"
# The hash of ``builder``.
BOB = "$2b$04$Mw/AEXG6aHvfAA7eeS5eGu3XMCWMtOUvdC0bCr6SZrci4FmHI144K"


def basic(user: str, password: str) -> str:
    """Return the value of an ``Authorization`` header."""
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


BASIC = {"alice": basic("alice", "wonderland"), "bob": basic("bob", "builder")}
