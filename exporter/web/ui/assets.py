"""The files that the status page loads, each under a path that changes with its content."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files

FOLDER = "static"
TYPES: Mapping[str, str] = {
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}
DIGITS = 16
"""Of the content's hash, in hexadecimal."""


@dataclass(frozen=True, slots=True)
class Asset:
    """One file, and the path that it is served at, without the slash at its beginning."""

    path: str
    type: str
    body: bytes


def read_assets() -> Mapping[str, Asset]:
    """Return the files that the package ships, by name."""
    found = (file for file in files("exporter.web.ui").joinpath(FOLDER).iterdir() if file.is_file())
    return {file.name: _asset(file.name, file.read_bytes()) for file in found}


def _asset(name: str, body: bytes) -> Asset:
    stem, _, suffix = name.rpartition(".")
    return Asset(f"{FOLDER}/{stem}.{hashlib.sha256(body).hexdigest()[:DIGITS]}.{suffix}", TYPES[suffix], body)
