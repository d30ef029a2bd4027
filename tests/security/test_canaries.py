"""The search for secrets finds them in every encoding. Otherwise its silence would prove nothing."""

import base64
from urllib.parse import quote_plus

import pytest

from tests.support.secret_canaries import PART, canary, leaks

SECRET = canary("somewhere")
SHOWN = {
    "as it is": f'password="{SECRET}"',
    "in small letters": SECRET.lower(),
    "its beginning": SECRET[:PART] + "...",
    "its end": "***" + SECRET[-PART:],
    "backwards": SECRET[::-1],
    "in a URL": quote_plus(f"a b&c={SECRET}/"),
    "in hexadecimal": SECRET.encode().hex(),
    "of bytes": repr(SECRET.encode()),
    "a login": base64.b64encode(f"alice:{SECRET}".encode()).decode(),
    "base64, one byte later": base64.b64encode(f"alice1:{SECRET}!".encode()).decode(),
    "base64, two bytes later": base64.urlsafe_b64encode(f"alice12:{SECRET}!!".encode()).decode(),
}


@pytest.mark.parametrize("text", SHOWN.values(), ids=SHOWN)
def test_a_secret_is_found_in_every_encoding(text: str) -> None:
    assert leaks({"somewhere": SECRET}, {"log": text.encode()}) == ["somewhere in log"]


def test_no_other_word_is_found() -> None:
    assert leaks({"somewhere": SECRET}, {"log": canary("elsewhere").encode(), "page": b""}) == []
