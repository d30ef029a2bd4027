"""What AWS answers to a caller whose clock is wrong."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from exporter.simulator.wire import AwsError

TOLERATED_SKEW = 300.0
"""Seconds that a signature may be older or younger than AWS's clock says."""
FORM = "%Y%m%dT%H%M%SZ"


def refusal(signed: str, skew: float) -> AwsError:
    """Return the error for a request signed at this time while AWS's clock is ``skew`` seconds ahead.

    ``signed`` is the header X-Amz-Date. AWS: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-troubleshooting.html
    """
    try:
        told = datetime.strptime(signed, FORM).replace(tzinfo=UTC)
    except ValueError:
        return AwsError("IncompleteSignatureException", 403, "Date must be in ISO-8601 'basic format'.")
    aws, tolerated = told + timedelta(seconds=skew), timedelta(seconds=TOLERATED_SKEW)
    if skew > 0:
        said = f"Signature expired: {signed} is now earlier than {aws - tolerated:{FORM}} ({aws:{FORM}} - 5 min.)"
    else:
        said = (
            f"Signature not yet current: {signed} is still later than {aws + tolerated:{FORM}} ({aws:{FORM}} + 5 min.)"
        )
    return AwsError("InvalidSignatureException", 403, said)
