"""Texts of devices and of AWS without secrets.

A secret can be inside JSON, also in JSON as a text in JSON, and the text can be URL-encoded. Without a name or a known
form, a secret cannot be distinguished from a serial number.
"""

import re
from urllib.parse import unquote_plus

HIDDEN = "[redacted]"
# A text that is encoded more often than this is hidden.
MAX_ENCODINGS = 4
_ENCODED_WORD = re.compile(r"(?<!\S)\S*?%[0-9A-Fa-f]{2}\S*")
_SPACE = r"(?:\s|\\[nrt]){0,16}"
_QUOTE = r"(?:\\{0,16}[\"']|&quot;)?"
_SEPARATOR = rf"{_QUOTE}{_SPACE}[:=]{_SPACE}"
_TITLE = rf"-{{4,5}}{_SPACE}%s[ \w]{{1,64}}-{{4,5}}"
_SLASHES = r"(?:\\{0,16}/){2}"
_NAME = (
    r"(?:pass(?:word|wd|phrase)|pwd|psk|secret|token|credentials?|(?:api|access|account|private)[ _-]?key)[\w-]{0,32}"
)
# A text in quotes, which can contain escaped quotes, a list or an object, or a word.
_VALUE = (
    r"(?:\"(?:\\.|[^\"\\])*\"?|'(?:\\.|[^'\\])*'?|(?P<quote>\\{1,16}[\"']).*?(?:(?<!\\)(?P=quote)|$)"
    r"|[\[{][^\]}]*[\]}]?|[^\s\"',;&<>]+)"
)
_PATTERNS = tuple(
    (re.compile(pattern, re.IGNORECASE | re.DOTALL), replacement)
    for pattern, replacement in (
        # A certificate or a private key, also without its end, or without its title.
        (rf"{_TITLE % 'BEGIN'}.*?(?:{_TITLE % 'END'}|$)", HIDDEN),
        (r"\bMI[A-Z](?:[\w+/=]|\\[nr/]){64,}", HIDDEN),
        # The user in a URL, and its query, which signs a presigned URL.
        (rf"(:{_SLASHES})[^\s/?#@\"'<>]{{1,256}}@", rf"\1{HIDDEN}@"),
        (rf"(:{_SLASHES}[^\s?#\"'<>]{{0,2048}})[?#][^\s\"'<>]+", rf"\1?{HIDDEN}"),
        (r"\b([\w.-]{1,64}:)[^\s:@/\"'<>]{1,256}@(?=\w)", rf"\1{HIDDEN}@"),
        # Access key ids of AWS, JSON Web Tokens, and tokens of GitHub, GitLab and Slack.
        (r"\b(?-i:AKIA|ASIA)[A-Z0-9]{12,124}\b", HIDDEN),
        (r"\b(?-i:eyJ)[\w-]+\.[\w-]+(?:\.[\w-]*)?", HIDDEN),
        (r"\b(?:gh[pousr]_|github_pat_|glpat-|xox[a-z]-)[\w-]{10,}", HIDDEN),
        # Authorization schemes are words of their own before the secret.
        (r"\b((?:Bearer|Basic)\s+)[\w.~+/=-]{8,}", rf"\1{HIDDEN}"),
        (rf"(cookie{_SEPARATOR})[^\r\n\"']+", rf"\1{HIDDEN}"),
        # A short word after these names is not a secret: "signature: invalid".
        (rf"((?:authorization|\bsig(?:nature)?|-signature){_SEPARATOR}{_QUOTE})[\w.~+/\\=-]{{16,}}", rf"\1{HIDDEN}"),
        (rf"(<[\w:-]{{0,32}}{_NAME}>)[^<]+", rf"\1{HIDDEN}"),
        # The user of curl and of mosquitto_pub, and a password in quotes.
        (r"(\s(?:-u|--user)\s{1,16}[\"']?[\w.@-]{1,64}:)[^\s\"',;&<>]+", rf"\1{HIDDEN}"),
        (r"((?:pass(?:word|wd|phrase)|pwd)\s{1,16})(?:\"[^\"]+\"?|'[^']+'?)", rf"\1{HIDDEN}"),
        (rf"(--[\w-]{{0,32}}{_NAME}\s{{1,16}})(?!\[redacted\]){_VALUE}", rf"\1{HIDDEN}"),
        (rf"({_NAME}{_SEPARATOR})(?!\[redacted\]){_VALUE}", rf"\1{HIDDEN}"),
    )
)


def redacted(text: str) -> str:
    """Return a text without what looks like a secret: certificates, keys, tokens, passwords, and queries of URLs."""
    return _redacted(text, MAX_ENCODINGS)


def _redacted(text: str, encodings: int) -> str:
    text = _ENCODED_WORD.sub(lambda word: _redacted_word(word[0], encodings), text)
    for pattern, replacement in _PATTERNS:
        text = pattern.sub(replacement, text)
    return text


def _redacted_word(word: str, encodings: int) -> str:
    """Return a URL-encoded word as it is, or decoded if it contains a secret."""
    if not encodings:
        return HIDDEN
    decoded = unquote_plus(word)
    found = _redacted(decoded, encodings - 1)
    return word if found == decoded else found
