"""The reason of a failed item as one line without secrets."""

from collections.abc import Iterable

from exporter.core.log import shortened
from exporter.core.redaction import redacted

# AWS limits a value of statusDetails to 1,024 characters, and there are several.
LONGEST_REASON = 1_000
# A secret can begin just before the limit, so more characters than the limit are searched for secrets.
LONGEST_SEARCHED = 16 * LONGEST_REASON


def reason_text(parts: Iterable[str]) -> str:
    """Return the parts that are not empty as one printable line, without secrets and with at most 1,000 characters."""
    text = "; ".join(part for part in parts if part)[:LONGEST_SEARCHED]
    return shortened(redacted(text), LONGEST_REASON)
