"""Secrets in the texts of devices are redacted, and other words stay."""

import json
from collections.abc import Callable
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.core.redaction import HIDDEN, redacted
from exporter.kinds.failure_reason import MAX_REASON_LENGTH, reason_text

# Without the characters that end a word.
SECRET = "s3cr3t-Value+42/x=="
PEM = "-----BEGIN {0}-----\nMIIE{1}\nabc\n-----END {0}-----"
SECRETS = [
    f"password={SECRET} refused",
    f"db_password : {SECRET}",
    f"pwd={SECRET}",
    f"wifi psk: {SECRET}",
    f"password='two {SECRET}'",
    f"API-Key={SECRET}",
    f"api key: {SECRET}",
    f"private key: {SECRET}",
    f"aws_secret_access_key={SECRET}",
    f"DefaultEndpointsProtocol=https;AccountKey={SECRET}",
    f"x-amz-security-token: {SECRET}",
    f"install --token {SECRET} failed",
    f"install --db-password={SECRET} failed",
    f"<ns:password>{SECRET}</ns:password>",
    f"Authorization: Bearer {SECRET}",
    f"Authorization: {SECRET}",
    f"Authorization: AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/1, SignedHeaders=host, Signature={SECRET}",
    f"Set-Cookie: a=b; session={SECRET}",
    f"GET /fw.bin?X-Amz-Signature={SECRET} failed",
    f"GET https://bucket.s3.amazonaws.com/fw.bin?X-Amz-Signature={SECRET}&X-Amz-Date=1 failed",
    f"curl -u device:{SECRET} failed",
    f"curl --user 'device:{SECRET}' failed",
    f"the passwd '{SECRET}' was refused",
    "clone https://user:s3cr3t@git.example/fw",
    "connect user:s3cr3t@broker.example",
    PEM.format("RSA PRIVATE KEY", SECRET),
    PEM.format("X509 CRL", SECRET),
    f"-----BEGIN CERTIFICATE-----\n{SECRET}",
    f"MIIEpAIBAAKCAQEA{'x' * 64}{SECRET}",
    f"ghp_{'x' * 20}s3cr3t",
]
OBJECTS = [
    {"password": SECRET},
    {"password": f"two {SECRET}"},
    {"password": f'a "quoted" {SECRET}'},
    {"tokens": ["a", SECRET]},
    {"credentials": {"value": SECRET}},
    {"certificate": PEM.format("CERTIFICATE", SECRET)},
    {"url": f"https://bucket.s3.amazonaws.com/fw.bin?X-Amz-Signature={SECRET}"},
]


def as_json_text(text: str) -> str:
    return json.dumps({"detail": text})


def with_escaped_slashes(text: str) -> str:
    return text.replace("/", "\\/")


ENCODINGS: dict[str, Callable[[str], str]] = {
    "plain": str,
    "JSON": as_json_text,
    "JSON in JSON": lambda text: as_json_text(as_json_text(text)),
    "URL": lambda text: quote(text, safe=""),
    "URL path": quote,
    "form": quote_plus,
    "URL in URL": lambda text: quote(quote(text, safe=""), safe=""),
    "PHP": with_escaped_slashes,
}


@pytest.mark.parametrize("encode", ENCODINGS.values(), ids=ENCODINGS.keys())
@pytest.mark.parametrize("text", [*SECRETS, *map(json.dumps, OBJECTS)])
def test_a_secret_is_redacted_in_each_encoding(text: str, encode: Callable[[str], str]) -> None:
    found = redacted(f"download failed: {encode(text)}")
    assert "s3cr3t" not in found
    assert HIDDEN in found
    assert found.startswith("download failed: ")
    assert redacted(found) == found


@given(before=st.text(), after=st.text(), text=st.sampled_from(SECRETS), encode=st.sampled_from([*ENCODINGS.values()]))
def test_a_secret_is_redacted_among_any_other_words(
    before: str, after: str, text: str, encode: Callable[[str], str]
) -> None:
    assert "s3cr3t" not in redacted(f"{before} {encode(text)} {after}")


@pytest.mark.parametrize("secret", ["AKIAIOSFODNN7EXAMPLE", "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl"])
def test_a_secret_of_a_known_form_is_redacted_without_a_name(secret: str) -> None:
    assert redacted(f"refused {secret} here") == f"refused {HIDDEN} here"


@pytest.mark.parametrize(
    "text",
    [
        "no space on /dev/sda1",
        "tokens are spent",
        "the token is expired",
        "password is wrong",
        "signature: invalid",
        "Authorization: denied",
        "https://fw.example/v7.bin: 404",
        "see user@example.com",
        "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "at 12:30:45 ARTIFACT_DOWNLOAD_ERROR",
        '{"code": 28, "path": "/var/log", "parts": ["a", "b"]}',
        "",
    ],
)
def test_a_text_without_a_secret_stays(text: str) -> None:
    assert redacted(text) == text


@pytest.mark.parametrize(
    "part",
    [
        "://",
        "%3A%2F%2F",
        "a:",
        "password",
        '"',
        '\\"',
        "-----BEGIN A-----",
        "<a",
        "--a",
        "%25",
        "token=\\",
        "MIIE",
        "a-",
    ],
)
def test_a_long_hostile_text_takes_little_work(part: str) -> None:
    # A pattern with quadratic work on such a text would take minutes.
    assert redacted(part * (16_000 // len(part)))


def test_a_reason_is_one_short_printable_line_without_a_secret_that_the_limit_cuts() -> None:
    reason = reason_text(["", "a\nb\x1b[2J", "x" * (MAX_REASON_LENGTH - 20), f"password={SECRET}"])
    assert reason.startswith("a\\nb\\x1b[2J; xxx")
    assert reason.isprintable()
    assert len(reason) <= MAX_REASON_LENGTH
    assert "s3cr" not in reason
