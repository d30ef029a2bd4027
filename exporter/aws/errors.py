"""The one table that turns botocore's errors into a reason and a code, both from closed sets."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime

from botocore import exceptions as aws

from exporter.core.errors import CONNECT_TIMEOUT, ApiError, Reason

_CODES: Mapping[Reason, tuple[str, ...]] = {
    Reason.ACCESS_DENIED: (
        "AccessDenied",
        "AccessDeniedException",
        "AuthorizationError",
        "ForbiddenException",
        "NotAuthorized",
        "OptInRequired",
        "RegionDisabledException",
        "UnauthorizedException",
        "UnauthorizedOperation",
    ),
    Reason.CREDENTIALS: (
        "AuthFailure",
        "ExpiredToken",
        "ExpiredTokenException",
        "IncompleteSignature",
        "IncompleteSignatureException",
        "InvalidAccessKeyId",
        "InvalidClientTokenId",
        "InvalidSignatureException",
        "InvalidToken",
        "MissingAuthenticationToken",
        "MissingAuthenticationTokenException",
        "RequestExpired",
        "RequestTimeTooSkewed",
        "SignatureDoesNotMatch",
        "UnrecognizedClientException",
    ),
    Reason.THROTTLED: (
        "BandwidthLimitExceeded",
        "EC2ThrottledException",
        "LimitExceededException",
        "PriorRequestNotComplete",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "RequestThrottled",
        "RequestThrottledException",
        "SlowDown",
        "ThrottledException",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
        "TransactionInProgressException",
    ),
    Reason.NOT_FOUND: ("IdNotFoundException", "NotFoundException", "ResourceNotFoundException"),
    Reason.SERVER_ERROR: (
        "InternalFailure",
        "InternalFailureException",
        "InternalServerError",
        "InternalServerException",
        "ServiceUnavailable",
        "ServiceUnavailableException",
    ),
    Reason.TIMEOUT: ("RequestTimeout", "RequestTimeoutException"),
    Reason.OTHER: (
        "BadRequestException",
        "InvalidRequestException",
        "MalformedPolicyDocument",
        "PackedPolicyTooLarge",
        "ValidationError",
        "ValidationException",
    ),
}
REASONS: Mapping[str, Reason] = {code: reason for reason, codes in _CODES.items() for code in codes}
"""Every AWS error code that keeps its own name, with its reason."""

_EXCEPTIONS: tuple[tuple[Reason, tuple[type[Exception], ...]], ...] = (
    (Reason.TIMEOUT, (aws.ReadTimeoutError, aws.ConnectTimeoutError, TimeoutError)),
    (
        Reason.CREDENTIALS,
        (
            aws.NoCredentialsError,
            aws.PartialCredentialsError,
            aws.CredentialRetrievalError,
            aws.MetadataRetrievalError,
            aws.ConfigNotFound,
            aws.ConfigParseError,
            aws.InvalidConfigError,
            aws.LoginError,
            aws.NoAuthTokenError,
            aws.ProfileNotFound,
            aws.SSOError,
            aws.TokenRetrievalError,
            aws.RefreshWithMFAUnsupportedError,
        ),
    ),
    (Reason.CONNECTION, (aws.HTTPClientError, aws.ConnectionError, ConnectionError)),
    (Reason.MALFORMED, (aws.IncompleteReadError, aws.ChecksumError, aws.FlexibleChecksumError)),
    (Reason.OTHER, (aws.BotoCoreError,)),
)
_OWN_CODES: Mapping[type[Exception], str] = {aws.ConnectTimeoutError: CONNECT_TIMEOUT}
"""Failures that are told apart from others of the same reason."""
_UNPARSEABLE = (
    ValueError,
    TypeError,
    KeyError,
    AttributeError,
    IndexError,
    OverflowError,
    RuntimeError,
    RecursionError,
)
"""What botocore's parsers raise for a body of another shape than AWS documents."""

_SKEWED = re.compile(r"Signature (?:expired|not yet current): (\d{8}T\d{6}Z) .*?\((\d{8}T\d{6}Z) [-+]")
"""What AWS says of a signature that is too old or too young: when it was made, and AWS's own time."""


def translate(error: Exception) -> ApiError:
    """Return the ApiError for whatever a boto3 call raised; AWS's message stays behind."""
    if isinstance(error, ApiError):
        return error
    if isinstance(error, aws.ClientError):
        return _answered(error)
    if isinstance(error, RuntimeError) and "credentials" in str(error):
        return ApiError(Reason.CREDENTIALS, detail="the renewed credentials are expired already: is a clock wrong?")
    for reason, exceptions in _EXCEPTIONS:
        if isinstance(error, exceptions):
            return ApiError(reason, _OWN_CODES.get(type(error), ""), type(error).__name__)
    if "ParserError" in type(error).__name__ or isinstance(error, _UNPARSEABLE):
        return ApiError(Reason.MALFORMED, detail=f"unreadable answer ({type(error).__name__})")
    return ApiError(Reason.OTHER, detail=type(error).__name__)


def _answered(error: aws.ClientError) -> ApiError:
    metadata = error.response.get("ResponseMetadata", {})
    status = int(metadata.get("HTTPStatusCode", 0))
    content_type = metadata.get("HTTPHeaders", {}).get("content-type", "")
    reason, code = classify(str(error.response.get("Error", {}).get("Code", "")), status, content_type)
    api = str(error.operation_name)
    skew = _skew(str(error.response.get("Error", {}).get("Message", "")))
    return ApiError(reason, code, f"AWS answered {code} (HTTP {status}) to {api}{skew}", api)


def _skew(message: str) -> str:
    """Return how far AWS's clock is from this machine's, in words; empty where AWS complains about something else."""
    found = _SKEWED.search(message)
    if found is None:
        return ""
    try:
        here, there = (datetime.strptime(f"{text}+0000", "%Y%m%dT%H%M%SZ%z") for text in found.groups())
    except ValueError:
        return ""
    minutes = round((there - here).total_seconds() / 60)
    return f": AWS's clock is {abs(minutes)} minutes {'ahead of' if minutes > 0 else 'behind'} this machine's"


def classify(code: str, status: int, content_type: str = "") -> tuple[Reason, str]:
    """Return the reason and the bounded code for an error answer, by AWS's code or else by its HTTP status.

    A 404 without AWS's code is somebody else's: a proxy's, or a wrong path's. No operation is gone because of it.
    """
    code = code.partition(":")[0]
    if code in REASONS:
        return REASONS[code], code
    if status == 429:
        return Reason.THROTTLED, "4xx"
    if status >= 500:
        return Reason.SERVER_ERROR, "5xx"
    if content_type.startswith("text/html"):
        return Reason.MALFORMED, "malformed"
    by_status = {401: Reason.ACCESS_DENIED, 403: Reason.ACCESS_DENIED}
    return by_status.get(status, Reason.OTHER), "4xx" if 400 <= status < 500 else "other"
