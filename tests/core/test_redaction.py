"""Secrets in the texts of devices are redacted, and other words stay."""

import pytest

from exporter.core.redaction import HIDDEN, redacted
from exporter.kinds.failure_reason import LONGEST_REASON, reason_text

SECRET = "s3cr3t-Value+42/x=="


@pytest.mark.parametrize(
    "text",
    [
        f"password={SECRET} refused",
        f'{{"password": "{SECRET}"}}',
        f"db_password : {SECRET}",
        f"API-Key={SECRET}",
        f"aws_secret_access_key={SECRET}",
        f"x-amz-security-token: {SECRET}",
        f"Authorization: Bearer {SECRET}",
        f"GET https://bucket.s3.amazonaws.com/fw.bin?X-Amz-Signature={SECRET}&X-Amz-Date=1 failed",
        f"clone https://user:{SECRET}@git.example/fw".replace("42/x==", "42"),
        f"-----BEGIN RSA PRIVATE KEY-----\n{SECRET}\n-----END RSA PRIVATE KEY----- rejected",
        f"-----BEGIN CERTIFICATE-----\n{SECRET}",
    ],
)
def test_a_secret_is_redacted(text: str) -> None:
    assert "s3cr3t" not in redacted(text)
    assert HIDDEN in redacted(text)


@pytest.mark.parametrize("secret", ["AKIAIOSFODNN7EXAMPLE", "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl"])
def test_a_secret_of_a_known_form_is_redacted_without_a_name(secret: str) -> None:
    assert redacted(f"refused {secret} here") == f"refused {HIDDEN} here"


@pytest.mark.parametrize(
    "text",
    ["no space on /dev/sda1", "tokens are spent", "https://fw.example/v7.bin: 404", "ARTIFACT_DOWNLOAD_ERROR", ""],
)
def test_a_text_without_a_secret_stays(text: str) -> None:
    assert redacted(text) == text


def test_redacting_twice_changes_nothing() -> None:
    text = redacted(f"password={SECRET}, https://a.example/b?c={SECRET}")
    assert redacted(text) == text


def test_a_reason_is_one_short_printable_line_without_a_secret_that_the_limit_cuts() -> None:
    reason = reason_text(["", "a\nb\x1b[2J", "x" * (LONGEST_REASON - 20), f"password={SECRET}"])
    assert reason.startswith("a\\nb\\x1b[2J; xxx")
    assert reason.isprintable()
    assert len(reason) <= LONGEST_REASON
    assert "s3cr" not in reason
