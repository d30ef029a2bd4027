"""Types of flag values, and the flags that several commands share."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable
from pathlib import Path

from exporter.config.duration import parse_duration
from exporter.core.log import FORMATS, LEVELS
from exporter.web.listener.server import parse_address

DEFAULT_LISTEN_ADDRESS = ":10098"
DEFAULT_LOG_LEVEL = "info"
DEFAULT_LOG_FORMAT = "logfmt"


def one_of(*words: str) -> Callable[[str], str]:
    """Return a type that accepts only these words."""

    def word(text: str) -> str:
        if text not in words:
            raise ValueError(f"expected one of {', '.join(words)}")
        return text

    return word


def whole_number(minimum: int, maximum: int) -> Callable[[str], int]:
    """Return a type of whole numbers from ``minimum`` to ``maximum``."""

    def number(text: str) -> int:
        if not re.fullmatch(r"[0-9]{1,9}", text) or not minimum <= int(text) <= maximum:
            raise ValueError(f"expected a whole number from {minimum} to {maximum}")
        return int(text)

    return number


def duration(text: str) -> float:
    """Return a duration in seconds. Raises ValueError."""
    try:
        seconds = parse_duration(text)
    except ValueError:
        seconds = 0.0
    if seconds <= 0:
        raise ValueError("expected a duration such as 10s, 5m or 7d")
    return seconds


def name(text: str) -> str:
    """Return a name. Raises ValueError if it is empty."""
    if not text:
        raise ValueError("is empty")
    return text


def file_path(text: str) -> Path:
    """Return a path. Raises ValueError if it is empty."""
    if not text:
        raise ValueError("expected the path of a file")
    return Path(text)


def url_path(text: str) -> str:
    """Return the path of a URL. Raises ValueError."""
    if text.startswith("/-/"):
        raise ValueError("/-/ is reserved for the exporter's own paths")
    if not text.startswith("/") or not text.isprintable() or set(text) & set(" {}?#\"'<>\\"):
        raise ValueError("expected a path such as /metrics")
    return text


def add_config_file(parser: argparse.ArgumentParser) -> None:
    """Add ``--config.file``."""
    parser.add_argument(
        "--config.file",
        dest="config_file",
        type=file_path,
        metavar="PATH",
        help="Configuration file; defaults apply if omitted.",
    )


def add_web_config_file(parser: argparse.ArgumentParser) -> None:
    """Add ``--web.config.file``."""
    parser.add_argument(
        "--web.config.file",
        dest="web_config_file",
        type=file_path,
        metavar="PATH",
        help="TLS, passwords, headers and limits in exporter-toolkit's format; unauthenticated plain HTTP if omitted.",
    )


def add_listen_address(parser: argparse.ArgumentParser) -> None:
    """Add ``--web.listen-address``, which is repeatable."""
    parser.add_argument(
        "--web.listen-address",
        dest="addresses",
        type=parse_address,
        action="append",
        metavar="HOST:PORT",
        help=f"Address of the HTTP server; repeatable. (default: {DEFAULT_LISTEN_ADDRESS})",
    )


def add_log_flags(parser: argparse.ArgumentParser) -> None:
    """Add ``--log.level`` and ``--log.format``."""
    parser.add_argument(
        "--log.level",
        dest="log_level",
        type=one_of(*LEVELS),
        metavar="LEVEL",
        help=f"One of {', '.join(LEVELS)}. (default: {DEFAULT_LOG_LEVEL})",
    )
    parser.add_argument(
        "--log.format",
        dest="log_format",
        type=one_of(*FORMATS),
        metavar="FORMAT",
        help=f"One of {', '.join(FORMATS)}. (default: {DEFAULT_LOG_FORMAT})",
    )
