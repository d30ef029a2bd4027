import inspect
import ssl
from collections.abc import Mapping
from typing import Any

import pytest
from botocore import exceptions as aws
from botocore.parsers import ResponseParserError
from botocore.retries.standard import ThrottledRetryableChecker, TransientRetryableChecker
from botocore.session import Session
from hypothesis import example, given
from hypothesis import strategies as st

from exporter.aws.errors import CREDENTIAL_APIS, REASONS, classify, translate
from exporter.aws.models import ErrorModel
from exporter.core.errors import CONNECT_TIMEOUT, ApiError, Reason
from exporter.kinds.kind import ApiCall
from exporter.kinds.registry import KINDS
from tests.support.simulated_responses import MODELS

STS = (ApiCall("sts", "AssumeRole", quota=10), ApiCall("sts", "GetCallerIdentity", quota=10))
CALLS = (*dict.fromkeys(call for kind in KINDS for call in kind.calls), *STS)
CODES = {*REASONS, *Reason, CONNECT_TIMEOUT, "4xx", "5xx"}
# The reasons that fit a documented error by its HTTP status.
BY_STATUS: Mapping[int, set[Reason]] = {
    400: {Reason.OTHER, Reason.THROTTLED, Reason.CREDENTIALS},
    401: {Reason.ACCESS_DENIED},
    403: {Reason.ACCESS_DENIED},
    404: {Reason.NOT_FOUND},
    429: {Reason.THROTTLED},
    500: {Reason.SERVER_ERROR},
    503: {Reason.SERVER_ERROR},
}
THROTTLING: Any = ThrottledRetryableChecker()
TRANSIENT: Any = TransientRetryableChecker()
SECRET = "arn:aws:iam::111122223333:role/secret"


def client_error(code: str, status: int, api: str = "DescribeThingRegistrationTask", **headers: str) -> aws.ClientError:
    metadata = {"HTTPStatusCode": status, "HTTPHeaders": headers}
    response: Any = {"Error": {"Code": code, "Message": SECRET}, "Message": SECRET, "ResponseMetadata": metadata}
    return aws.ClientError(response, api)


@pytest.mark.parametrize(
    "error",
    [
        pytest.param(error, id=f"{call.name}-{error.code}")
        for call in CALLS
        for error in MODELS.errors(MODELS.operation(call))
    ],
)
def test_every_documented_error_keeps_its_code_and_has_a_fitting_reason(error: ErrorModel) -> None:
    translated = translate(client_error(error.code, error.status))
    assert translated.code == error.code
    assert translated.reason in BY_STATUS[error.status]
    assert (translated.reason is Reason.THROTTLED) == ("Throttl" in error.code)


@pytest.mark.parametrize("code", THROTTLING._throttled_error_codes)
def test_every_throttling_code_of_botocore_has_the_reason_throttled(code: str) -> None:
    assert classify(code, 400) == (Reason.THROTTLED, code)


@pytest.mark.parametrize("code", TRANSIENT._transient_error_codes)
def test_every_transient_code_of_botocore_keeps_its_name(code: str) -> None:
    assert classify(code, 400)[1] == code


@pytest.mark.parametrize(
    ("code", "status", "content_type", "expected"),
    [
        ("404", 404, "application/json", (Reason.OTHER, "4xx")),
        ("403", 403, "application/json", (Reason.ACCESS_DENIED, "4xx")),
        ("401", 401, "", (Reason.ACCESS_DENIED, "4xx")),
        ("429", 429, "text/html", (Reason.THROTTLED, "4xx")),
        ("502", 502, "text/html", (Reason.SERVER_ERROR, "5xx")),
        ("403", 403, "text/html; charset=utf-8", (Reason.MALFORMED, "malformed")),
        ("302", 302, "", (Reason.OTHER, "other")),
        ("NewException", 400, "", (Reason.OTHER, "4xx")),
        ("ThrottlingException:http://internal.amazon.com/", 400, "", (Reason.THROTTLED, "ThrottlingException")),
        ("", 0, "", (Reason.OTHER, "other")),
    ],
)
def test_an_unknown_code_is_classified_by_the_status(
    code: str, status: int, content_type: str, expected: tuple[Reason, str]
) -> None:
    assert classify(code, status, content_type) == expected


@given(st.text() | st.sampled_from(sorted(REASONS)), st.integers(0, 999), st.text() | st.just("text/html"))
@example(SECRET, 400, "")
def test_codes_are_bounded_and_texts_of_aws_are_left_out(code: str, status: int, content_type: str) -> None:
    error = translate(client_error(code, status, **{"content-type": content_type}))
    assert error.code in CODES
    assert SECRET not in f"{error} {error.detail} {error.code} {error!r}"


@pytest.mark.parametrize("api", sorted(CREDENTIAL_APIS))
@pytest.mark.parametrize("code", ["ResourceNotFoundException", "NotFoundException"])
def test_credentials_that_are_not_found_are_no_missing_operation(api: str, code: str) -> None:
    error = translate(client_error(code, 404, api))
    assert (error.reason, error.code, error.api) == (Reason.CREDENTIALS, code, api)
    assert translate(client_error("AccessDenied", 403, api)).reason is Reason.ACCESS_DENIED


def test_the_apis_for_credentials_are_those_of_the_credential_services() -> None:
    session = Session()
    services = ("sts", "sso", "sso-oidc", "signin")
    known = {name for service in services for name in session.get_service_model(service).operation_names}
    assert known >= CREDENTIAL_APIS >= {call.name for call in STS}
    assert not CREDENTIAL_APIS & {call.name for kind in KINDS for call in kind.calls}


# Every exception that botocore defines, except ClientError and its subclasses.
BOTOCORE_ERRORS: list[type[Exception]] = [
    kind for _, kind in inspect.getmembers(aws, inspect.isclass) if issubclass(kind, aws.BotoCoreError)
]


@pytest.mark.parametrize("kind", BOTOCORE_ERRORS)
def test_every_exception_of_botocore_has_a_reason(kind: type[Exception]) -> None:
    assert len(BOTOCORE_ERRORS) > 80
    error = kind.__new__(kind)
    error.args = (SECRET,)
    translated = translate(error)
    assert translated.code in CODES
    assert (translated.code == CONNECT_TIMEOUT) == issubclass(kind, aws.ConnectTimeoutError)
    assert SECRET not in f"{translated} {translated.detail}"
    assert " " in translated.detail
    if issubclass(kind, aws.ConnectionError | aws.HTTPClientError):
        assert translated.reason in (Reason.CONNECTION, Reason.TIMEOUT)


class NewParserError(ResponseParserError): ...


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (aws.ReadTimeoutError(endpoint_url=SECRET), Reason.TIMEOUT),
        (aws.ConnectTimeoutError(endpoint_url=SECRET), Reason.TIMEOUT),
        (aws.EndpointConnectionError(endpoint_url=SECRET), Reason.CONNECTION),
        (aws.SSLError(endpoint_url=SECRET, error=ssl.SSLError(SECRET)), Reason.CONNECTION),
        (aws.ProxyConnectionError(proxy_url=SECRET), Reason.CONNECTION),
        (aws.NoCredentialsError(), Reason.CREDENTIALS),
        (aws.CredentialRetrievalError(provider="x", error_msg=SECRET), Reason.CREDENTIALS),
        (aws.LoginRefreshRequired(), Reason.CREDENTIALS),
        (aws.UnauthorizedSSOTokenError(), Reason.CREDENTIALS),
        (aws.NoAuthTokenError(), Reason.CREDENTIALS),
        (aws.InvalidConfigError(error_msg=SECRET), Reason.CREDENTIALS),
        (aws.TokenRetrievalError(provider="sso", error_msg=SECRET), Reason.CREDENTIALS),
        (aws.ParamValidationError(report=SECRET), Reason.OTHER),
        (aws.IncompleteReadError(actual_bytes=1, expected_bytes=2), Reason.MALFORMED),
        (ResponseParserError(SECRET), Reason.MALFORMED),
        (NewParserError(SECRET), Reason.MALFORMED),
        (ValueError(SECRET), Reason.MALFORMED),
        (ConnectionResetError(SECRET), Reason.CONNECTION),
        (TimeoutError(SECRET), Reason.TIMEOUT),
        (OSError(SECRET), Reason.OTHER),
        (MemoryError(SECRET), Reason.OTHER),
    ],
    ids=lambda value: type(value).__name__,
)
def test_each_exception_has_its_reason(error: Exception, reason: Reason) -> None:
    translated = translate(error)
    assert translated.reason is reason
    assert SECRET not in f"{translated} {translated.detail}"


@pytest.mark.parametrize(
    ("message", "skew"),
    [
        (
            "Signature expired: 20261122T100000Z is now earlier than 20261122T105500Z (20261122T110000Z - 5 min.)",
            "the system clock is 60 minutes behind the clock of AWS",
        ),
        (
            "Signature not yet current: 20261122T100000Z is still later than x (20261122T093000Z + 5 min.)",
            "the system clock is 30 minutes ahead of the clock of AWS",
        ),
        ("Signature expired: 20261399T100000Z is now earlier than x (20261122T110000Z - 5 min.)", ""),
        (f"Signature expired: {SECRET}", ""),
    ],
)
@pytest.mark.parametrize(("code", "status"), [("InvalidSignatureException", 403), ("SignatureDoesNotMatch", 403)])
def test_a_clock_error_has_the_difference_of_the_clocks(code: str, status: int, message: str, skew: str) -> None:
    response: Any = {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": status}}
    error = translate(aws.ClientError(response, "ListJobs"))
    assert error.reason is Reason.CREDENTIALS
    assert error.detail == f"AWS returned {code} (HTTP {status}) for ListJobs" + (f": {skew}" if skew else "")


def test_an_api_error_is_not_translated() -> None:
    error = ApiError(Reason.MALFORMED, detail="status is missing")
    assert translate(error) is error
