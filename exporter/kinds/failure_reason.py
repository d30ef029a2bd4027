"""The reason of a failed item as one line without secrets."""

from collections.abc import Iterable

from exporter.core.log import shortened
from exporter.core.redaction import redacted

# AWS limits a value of statusDetails to 1,024 characters, and there are several.
MAX_REASON_LENGTH = 1_000
# A secret can begin just before the limit, so more characters than the limit are searched for secrets.
MAX_SEARCHED_LENGTH = 16 * MAX_REASON_LENGTH


def reason_text(parts: Iterable[str]) -> str:
    """Return the parts that are not empty as one printable line, without secrets and with at most 1,000 characters."""
    text = "; ".join(part for part in parts if part)[:MAX_SEARCHED_LENGTH]
    return shortened(redacted(text), MAX_REASON_LENGTH)
