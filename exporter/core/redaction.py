"""Texts of devices and of AWS without secrets."""

import re

HIDDEN = "[redacted]"
# A name of a secret, then a separator. Authorization schemes are words of their own before the secret.
_NAME = r"(?:pass(?:word|wd|phrase)?|secret|token|credentials?|api[_-]?key|access[_-]?key|private[_-]?key)"
_PATTERNS = (
    # A certificate or a private key, also without its end.
    (re.compile(r"-----BEGIN [A-Z ]+-----.*?(?:-----END [A-Z ]+-----|$)", re.DOTALL), HIDDEN),
    # The user in a URL, and its query, which signs a presigned URL.
    (re.compile(r"(?<=://)[^\s/?#@]{1,256}@"), f"{HIDDEN}@"),
    (re.compile(r"""(://[^\s?#"'<>]*)[?#][^\s"'<>]+"""), rf"\1?{HIDDEN}"),
    # Access key ids of AWS, and JSON Web Tokens.
    (re.compile(r"\b(?:AKIA|ASIA)[A-Z0-9]{12,124}\b"), HIDDEN),
    (re.compile(r"\beyJ[\w-]+\.[\w-]+(?:\.[\w-]*)?"), HIDDEN),
    (re.compile(r"\b((?:Bearer|Basic)\s+)[\w.~+/=-]{8,}", re.IGNORECASE), rf"\1{HIDDEN}"),
    (re.compile(rf"""({_NAME}[\w-]{{0,32}}["']?\s*[:=]\s*)(?!\[)["']?[^\s"',;&]+""", re.IGNORECASE), rf"\1{HIDDEN}"),
)


def redacted(text: str) -> str:
    """Return a text without what looks like a secret: keys, tokens, passwords, and the queries of URLs."""
    for pattern, replacement in _PATTERNS:
        text = pattern.sub(replacement, text)
    return text
