"""Translation of botocore's errors into a reason and a code, each from a fixed set."""

import re
from collections.abc import Mapping
from datetime import datetime

from botocore import exceptions as aws

from exporter.aws.causes import botocore_cause, root_cause
from exporter.core.errors import CONNECT_TIMEOUT, ApiError, Reason

# The AWS error codes of each reason, separated by spaces.
_CODES: Mapping[Reason, str] = {
    Reason.ACCESS_DENIED: """
        AccessDenied AccessDeniedException AuthorizationError ForbiddenException NotAuthorized OptInRequired
        RegionDisabledException UnauthorizedException UnauthorizedOperation
    """,
    Reason.CREDENTIALS: """
        AuthFailure ExpiredToken ExpiredTokenException IncompleteSignature IncompleteSignatureException
        AuthorizationPendingException IDPCommunicationError IDPRejectedClaim InvalidAccessKeyId InvalidClientException
        InvalidClientTokenId InvalidGrantException InvalidIdentityToken InvalidScopeException InvalidSignatureException
        InvalidToken UnauthorizedClientException UnsupportedGrantTypeException
        MissingAuthenticationToken MissingAuthenticationTokenException RequestExpired RequestTimeTooSkewed
        SignatureDoesNotMatch UnrecognizedClientException
    """,
    Reason.THROTTLED: """
        BandwidthLimitExceeded EC2ThrottledException LimitExceededException PriorRequestNotComplete
        ProvisionedThroughputExceededException RequestLimitExceeded RequestThrottled RequestThrottledException
        SlowDown SlowDownException ThrottledException Throttling ThrottlingException TooManyRequestsError
        TooManyRequestsException TransactionInProgressException
    """,
    Reason.NOT_FOUND: "IdNotFoundException NotFoundException ResourceNotFoundException",
    Reason.SERVER_ERROR: """
        InternalFailure InternalFailureException InternalServerError InternalServerException
        ServiceUnavailable ServiceUnavailableException
    """,
    Reason.TIMEOUT: "RequestTimeout RequestTimeoutException",
    Reason.OTHER: """
        BadRequestException InvalidRequestException MalformedPolicyDocument PackedPolicyTooLarge
        ValidationError ValidationException
    """,
}
# The reason of every AWS error code that becomes a label value.
REASONS: Mapping[str, Reason] = {code: reason for reason, codes in _CODES.items() for code in codes.split()}

# Codes that do not say in words what is wrong.
_MEANINGS: Mapping[str, str] = {
    "ExpiredToken": "the token has expired",
    "ExpiredTokenException": "the token has expired",
    "IDPCommunicationError": "AWS cannot reach the identity provider",
    "IDPRejectedClaim": "the identity provider has refused the token",
    "InvalidClientTokenId": "AWS does not know the access key",
    "InvalidIdentityToken": "the token does not fit the identity provider in IAM",
    "RegionDisabledException": "the account has switched off STS in the Region",
    "UnrecognizedClientException": "AWS does not know the access key",
}
# The APIs of sts, sso, sso-oidc and signin that botocore and the exporter call for credentials. If one of them does not
# find something, that is a role, a token or an account. It is never an operation.
CREDENTIAL_APIS = frozenset(
    {
        "AssumeRole",
        "AssumeRoleWithWebIdentity",
        "CreateOAuth2Token",
        "CreateToken",
        "GetCallerIdentity",
        "GetRoleCredentials",
    }
)

EXPIRED = "the new credentials have already expired; check the system clock"
# The exceptions of botocore's parsers for a body that does not fit the model.
_PARSER_EXCEPTIONS = (ValueError, TypeError, KeyError, AttributeError, IndexError, OverflowError, RuntimeError)

# The message for a signature that is too old or too new. It contains the time of the signature and the time of AWS.
_CLOCK_SKEW = re.compile(r"Signature (?:expired|not yet current): (\d{8}T\d{6}Z) .*?\((\d{8}T\d{6}Z) [-+]")


def translate(error: Exception) -> ApiError:
    """Return the ApiError for an exception of a boto3 call, without the message of AWS."""
    if isinstance(error, ApiError):
        return error
    if isinstance(error, aws.ClientError):
        return _from_response(error)
    if isinstance(error, RuntimeError) and "credentials" in str(error):
        return ApiError(Reason.CREDENTIALS, detail=EXPIRED)
    cause = botocore_cause(error)
    if cause:
        code = CONNECT_TIMEOUT if isinstance(error, aws.ConnectTimeoutError) else ""
        return ApiError(cause.reason, code, cause.sentence)
    if isinstance(error, OSError):
        return _from_system(error)
    if "ParserError" in type(error).__name__ or isinstance(error, _PARSER_EXCEPTIONS):
        return ApiError(Reason.MALFORMED, detail="the response cannot be parsed")
    return ApiError(Reason.OTHER, detail=f"unexpected {type(error).__name__}")


def _from_system(error: OSError) -> ApiError:
    reasons = {TimeoutError: Reason.TIMEOUT, ConnectionError: Reason.CONNECTION}
    reason = next((reason for kind, reason in reasons.items() if isinstance(error, kind)), Reason.OTHER)
    words = {Reason.TIMEOUT: "no response before the time-out", Reason.CONNECTION: "the connection failed"}
    return ApiError(reason, detail=root_cause(error) or words.get(reason, f"unexpected {type(error).__name__}"))


def _from_response(error: aws.ClientError) -> ApiError:
    metadata = error.response.get("ResponseMetadata", {})
    status = int(metadata.get("HTTPStatusCode", 0))
    content_type = metadata.get("HTTPHeaders", {}).get("content-type", "")
    reason, code = classify(str(error.response.get("Error", {}).get("Code", "")), status, content_type)
    api = str(error.operation_name)
    if reason is Reason.NOT_FOUND and api in CREDENTIAL_APIS:
        reason = Reason.CREDENTIALS
    skew = _clock_skew(str(error.response.get("Error", {}).get("Message", "")))
    meaning = f": {_MEANINGS[code]}" if code in _MEANINGS and not skew else skew
    return ApiError(reason, code, f"AWS returned {code} (HTTP {status}) for {api}{meaning}", api)


def _clock_skew(message: str) -> str:
    """Return a text about the difference between the two clocks; empty if AWS's message is about something else."""
    found = _CLOCK_SKEW.search(message)
    if found is None:
        return ""
    try:
        here, there = (datetime.strptime(f"{text}+0000", "%Y%m%dT%H%M%SZ%z") for text in found.groups())
    except ValueError:
        return ""
    minutes = round((there - here).total_seconds() / 60)
    direction = "behind" if minutes > 0 else "ahead of"
    return f": the system clock is {abs(minutes)} minutes {direction} the clock of AWS"


def classify(code: str, status: int, content_type: str = "") -> tuple[Reason, str]:
    """Return the reason and the bounded code of an error response, by its AWS code or else by its HTTP status.

    A 404 without an AWS code comes from a proxy or a wrong path. It does not mean that an operation is gone.
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
