"""The static files of the status page. The path of each contains a hash of its content."""

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
HASH_DIGITS = 16


@dataclass(frozen=True, slots=True)
class Asset:
    """A static file, and its path without the leading slash."""

    path: str
    type: str
    body: bytes


def read_assets() -> Mapping[str, Asset]:
    """Return the static files of the package by name."""
    packaged = (file for file in files("exporter.web.ui").joinpath(FOLDER).iterdir() if file.is_file())
    return {file.name: _asset(file.name, file.read_bytes()) for file in packaged}


def _asset(name: str, body: bytes) -> Asset:
    stem, _, suffix = name.rpartition(".")
    return Asset(f"{FOLDER}/{stem}.{hashlib.sha256(body).hexdigest()[:HASH_DIGITS]}.{suffix}", TYPES[suffix], body)
