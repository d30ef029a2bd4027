"""Types of flag values, and the flags that several commands share."""

import re
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

from exporter.cli.parser import CommandParser, OneOf
from exporter.config.duration import parse_duration
from exporter.core.log import FORMATS, LEVELS
from exporter.kinds.phase import FailureLimit
from exporter.web.external_address import parse_external_url, parse_route_prefix
from exporter.web.listener.server import parse_address

DEFAULT_LISTEN_ADDRESS = ":10098"
MAX_PERCENT = 100


def one_of(*words: str) -> OneOf:
    """Return a type that accepts only these words."""
    return OneOf(words)


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


def failure_limit(text: str) -> FailureLimit:
    """Return a number of failed items, or a percentage of the processed ones. Raises ValueError."""
    if re.fullmatch(r"[0-9]{1,9}", text):
        return FailureLimit(number=int(text))
    # Fractions are exact: as a float, 29 % of 100 items is less than 29.
    if re.fullmatch(r"[0-9]{1,3}(\.[0-9]{1,6})?%", text) and Fraction(text[:-1]) <= MAX_PERCENT:
        return FailureLimit(ratio=Fraction(text[:-1]) / MAX_PERCENT)
    raise ValueError("expected a number such as 10 or a percentage such as 2%")


def name(text: str) -> str:
    """Return a name. Raises ValueError if it is empty."""
    if not text:
        raise ValueError("is empty; set a value or remove the flag")
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
    # A browser reads // as the beginning of a host name, and clients resolve the segments . and ..
    is_ambiguous = re.search(r"//|/\.{1,2}(/|$)", text)
    if is_ambiguous or not text.startswith("/") or not text.isprintable() or set(text) & set(" {}?#\"'<>\\"):
        raise ValueError("expected a path such as /metrics")
    return text


def add_config_file(parser: CommandParser) -> None:
    """Add ``--config.file``."""
    parser.add_value("--config.file", file_path, "PATH", "Configuration file; defaults apply if omitted.")


def add_web_config_file(parser: CommandParser) -> None:
    """Add ``--web.config.file``."""
    help = "TLS, passwords, headers and limits in exporter-toolkit's format; unauthenticated plain HTTP if omitted."
    parser.add_value("--web.config.file", file_path, "PATH", help)


def add_listen_address(parser: CommandParser) -> None:
    """Add ``--web.listen-address``, which is repeatable. Its default is DEFAULT_LISTEN_ADDRESS."""
    help = f"Address of the HTTP server; repeatable. (default: {DEFAULT_LISTEN_ADDRESS})"
    parser.add_value("--web.listen-address", parse_address, "HOST:PORT", help, action="append")


def add_external_address(parser: CommandParser) -> None:
    """Add ``--web.external-url`` and ``--web.route-prefix``."""
    help = "URL of the exporter in a browser, for example behind a reverse proxy. The prefix of all paths is its path."
    parser.add_value("--web.external-url", parse_external_url, "URL", help)
    help = "Prefix of all paths; the path of --web.external-url if omitted. Set / if the proxy removes the path."
    parser.add_value("--web.route-prefix", parse_route_prefix, "PATH", help)


def add_log_flags(parser: CommandParser) -> None:
    """Add ``--log.level`` and ``--log.format``."""
    parser.add_value("--log.level", one_of(*LEVELS), "LEVEL", f"One of {', '.join(LEVELS)}.", "info")
    parser.add_value("--log.format", one_of(*FORMATS), "FORMAT", f"One of {', '.join(FORMATS)}.", "logfmt")
