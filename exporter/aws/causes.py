"""Sentences for the causes of failed calls, made from the structured fields of exceptions. None contains a secret.

AWS's messages, URLs, responses and the output of programs are left out: they may contain roles, tokens and signatures.
"""

import errno
import os
import re
import socket
import ssl
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from botocore import exceptions as aws

from exporter.core.errors import Reason
from exporter.core.log import shortened

# The longest sentence, in characters.
SENTENCE_LENGTH = 500
# Exceptions in a chain of causes that are looked at.
CHAIN_LENGTH = 16


class Cause(NamedTuple):
    """The reason and the sentence of a botocore exception. Names in braces are fields of the exception.

    ``{because}`` is the cause of the exception with a colon before it, or empty.
    """

    reason: Reason
    sentence: str


# Subclasses that have no line of their own use the line of their base class.
BOTOCORE: Mapping[type[Exception], Cause] = {
    aws.ConnectTimeoutError: Cause(Reason.TIMEOUT, "cannot connect to {endpoint}: no response before the time-out"),
    aws.ReadTimeoutError: Cause(Reason.TIMEOUT, "{endpoint} did not respond before the time-out"),
    aws.EndpointConnectionError: Cause(Reason.CONNECTION, "cannot connect to {endpoint}{because}"),
    aws.ProxyConnectionError: Cause(Reason.CONNECTION, "cannot connect to the proxy {proxy}{because}"),
    aws.SSLError: Cause(Reason.CONNECTION, "{tls} failed for {endpoint}{because}"),
    aws.ConnectionClosedError: Cause(Reason.CONNECTION, "{endpoint} closed the connection without a response{because}"),
    aws.ResponseStreamingError: Cause(Reason.CONNECTION, "the connection failed during the response{because}"),
    aws.HTTPClientError: Cause(Reason.CONNECTION, "the request cannot be sent{because}"),
    aws.ConnectionError: Cause(Reason.CONNECTION, "the connection failed{because}"),
    aws.NoCredentialsError: Cause(Reason.CREDENTIALS, "there are no credentials"),
    aws.PartialCredentialsError: Cause(Reason.CREDENTIALS, "{cred_var} is missing"),
    aws.CredentialRetrievalError: Cause(Reason.CREDENTIALS, "the source {provider} has no credentials{because}"),
    aws.MetadataRetrievalError: Cause(Reason.CREDENTIALS, "the response of the metadata service is invalid{because}"),
    aws.InvalidIMDSEndpointError: Cause(
        Reason.CREDENTIALS,
        "the endpoint of the instance metadata is not a URL; correct AWS_EC2_METADATA_SERVICE_ENDPOINT",
    ),
    aws.InvalidIMDSEndpointModeError: Cause(
        Reason.CREDENTIALS,
        "the mode of the instance metadata is invalid; set AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE to ipv4 or ipv6",
    ),
    aws.ConfigNotFound: Cause(Reason.CREDENTIALS, "the file {path} does not exist; correct AWS_CONFIG_FILE"),
    aws.ConfigParseError: Cause(Reason.CREDENTIALS, "the file {path} cannot be parsed; correct it"),
    aws.ProfileNotFound: Cause(
        Reason.CREDENTIALS,
        "profile {profile} is not in the AWS configuration{unreadable}; correct AWS_PROFILE, or add the profile",
    ),
    aws.InvalidConfigError: Cause(
        Reason.CREDENTIALS,
        "the AWS configuration is invalid; correct the variables that begin with AWS_, or the profile",
    ),
    aws.InfiniteLoopConfigError: Cause(Reason.CREDENTIALS, "source_profile {source_profile} leads back to itself"),
    aws.RefreshWithMFAUnsupportedError: Cause(Reason.CREDENTIALS, "a new session needs an MFA code"),
    aws.SSOError: Cause(Reason.CREDENTIALS, "the SSO session is not valid"),
    aws.SSOTokenLoadError: Cause(Reason.CREDENTIALS, "the SSO cache has no valid token"),
    aws.UnauthorizedSSOTokenError: Cause(Reason.CREDENTIALS, "the SSO session has expired"),
    aws.TokenRetrievalError: Cause(Reason.CREDENTIALS, "the token has expired and cannot be renewed"),
    aws.NoAuthTokenError: Cause(Reason.CREDENTIALS, "there is no token"),
    aws.UnknownTokenProviderError: Cause(Reason.CREDENTIALS, "the source of tokens {name} is unknown"),
    aws.UnknownCredentialError: Cause(Reason.CREDENTIALS, "the source of credentials {name} is unknown"),
    aws.LoginError: Cause(Reason.CREDENTIALS, "the login session is not valid"),
    aws.LoginTokenLoadError: Cause(Reason.CREDENTIALS, "the login cache has no valid session"),
    aws.LoginAuthorizationCodeError: Cause(Reason.CREDENTIALS, "the login has no valid authorization code"),
    aws.LoginRefreshRequired: Cause(Reason.CREDENTIALS, "the login session has expired"),
    aws.LoginInsufficientPermissions: Cause(Reason.CREDENTIALS, "signin:CreateOAuth2Token is not allowed"),
    aws.IncompleteReadError: Cause(
        Reason.MALFORMED, "the response ended after {actual_bytes} of {expected_bytes} bytes"
    ),
    aws.ChecksumError: Cause(Reason.MALFORMED, "the {checksum_type} checksum of the response is wrong"),
    aws.FlexibleChecksumError: Cause(Reason.MALFORMED, "the checksum of the response is wrong"),
    aws.AwsChunkedWrapperError: Cause(Reason.OTHER, "the request body cannot be sent"),
    aws.UnseekableStreamError: Cause(Reason.OTHER, "the request body cannot be sent again"),
    aws.MissingDependencyException: Cause(Reason.OTHER, "a package of the AWS SDK, such as awscrt, is not installed"),
    aws.MD5UnavailableError: Cause(Reason.OTHER, "this Python has no MD5"),
    aws.NoRegionError: Cause(Reason.OTHER, "no Region is configured; set AWS_REGION, or add regions to each account"),
    aws.InvalidRegionError: Cause(Reason.OTHER, "{region_name} is not a valid Region"),
    aws.UnknownRegionError: Cause(Reason.OTHER, "{region_name} is not a known Region"),
    aws.ServiceNotInRegionError: Cause(Reason.OTHER, "AWS does not offer {service_name} in {region_name}"),
    aws.UnknownEndpointError: Cause(Reason.OTHER, "there is no endpoint of {service_name} in {region_name}"),
    aws.UnknownFIPSEndpointError: Cause(Reason.OTHER, "there is no FIPS endpoint of {service_name} in {region_name}"),
    aws.EndpointVariantError: Cause(Reason.OTHER, "there is no endpoint of the requested variant (FIPS, dual stack)"),
    aws.BaseEndpointResolverError: Cause(Reason.OTHER, "there is no endpoint for the request"),
    aws.EndpointProviderError: Cause(Reason.OTHER, "there is no endpoint for the request"),
    aws.InvalidEndpointConfigurationError: Cause(
        Reason.OTHER, "the configured endpoint is invalid; correct AWS_ENDPOINT_URL or endpoint_url"
    ),
    aws.InvalidEndpointDiscoveryConfigurationError: Cause(
        Reason.OTHER, "endpoint discovery is invalid; set AWS_ENABLE_ENDPOINT_DISCOVERY to true, false or auto"
    ),
    aws.InvalidHostLabelError: Cause(Reason.OTHER, "a parameter cannot be a part of the host name"),
    aws.DataNotFoundError: Cause(Reason.OTHER, "the AWS SDK has no model {data_path}"),
    aws.UnknownServiceError: Cause(Reason.OTHER, "the AWS SDK does not know the service {service_name}"),
    aws.ApiVersionNotFoundError: Cause(Reason.OTHER, "the AWS SDK has no API version {api_version}"),
    aws.UndefinedModelAttributeError: Cause(Reason.OTHER, "a model of the AWS SDK is incomplete"),
    aws.UnsupportedServiceProtocolsError: Cause(Reason.OTHER, "the AWS SDK does not know the protocol of {service}"),
    aws.UnknownSignatureVersionError: Cause(Reason.OTHER, "the signature version {signature_version} is unknown"),
    aws.UnsupportedSignatureVersionError: Cause(
        Reason.OTHER, "the signature version {signature_version} is not supported"
    ),
    aws.ParamValidationError: Cause(Reason.OTHER, "a parameter of the request is invalid"),
    aws.MissingParametersError: Cause(Reason.OTHER, "parameters of the request are missing"),
    aws.ValidationError: Cause(Reason.OTHER, "a parameter of the request is invalid"),
    aws.RangeError: Cause(Reason.OTHER, "the parameter {param} is out of range"),
    aws.CapacityNotAvailableError: Cause(Reason.OTHER, "the SDK's own rate limit is used up"),
    aws.InvalidRetryConfigurationError: Cause(
        Reason.OTHER, "the retry settings of the AWS SDK are invalid; correct AWS_RETRY_MODE or AWS_MAX_ATTEMPTS"
    ),
    aws.InvalidRetryModeError: Cause(Reason.OTHER, "the retry mode is invalid; correct AWS_RETRY_MODE or retry_mode"),
    aws.InvalidMaxRetryAttemptsError: Cause(
        Reason.OTHER, "the number of attempts is invalid; correct AWS_MAX_ATTEMPTS or max_attempts"
    ),
    aws.InvalidDefaultsMode: Cause(
        Reason.OTHER, "the defaults mode is invalid; correct AWS_DEFAULTS_MODE or defaults_mode"
    ),
    aws.InvalidSTSRegionalEndpointsConfigError: Cause(
        Reason.OTHER, "AWS_STS_REGIONAL_ENDPOINTS is invalid; set it to regional, or unset it"
    ),
    aws.InvalidChecksumConfigError: Cause(
        Reason.OTHER, "{config_key} of the AWS SDK is invalid; set it to when_supported or when_required"
    ),
    aws.InvalidProxiesConfigError: Cause(
        Reason.OTHER, "the proxy settings of the AWS SDK are invalid; correct HTTPS_PROXY or HTTP_PROXY"
    ),
    aws.BotoCoreError: Cause(Reason.OTHER, "unexpected {type} of the AWS SDK"),
}
_NO_PROFILE = BOTOCORE[aws.ProfileNotFound]
# What to do about a failed connection.
CONNECTION_CURES: Mapping[type[Exception], str] = {
    aws.ConnectTimeoutError: "check the route, the security groups, the firewall and the VPC endpoint",
    aws.ReadTimeoutError: "check the proxy and the VPC endpoint; increase `aws.read_timeout` for a slow network",
    aws.EndpointConnectionError: "check the DNS server, the Region's name, the firewall and `AWS_ENDPOINT_URL`",
    aws.ProxyConnectionError: "correct `HTTPS_PROXY`, or add the host to `NO_PROXY`",
    aws.SSLError: "add the authority of a proxy with `AWS_CA_BUNDLE`; check the scheme of `AWS_ENDPOINT_URL`",
    aws.ConnectionClosedError: "check the proxy, the firewall and the VPC endpoint",
}
_RESOLVER_ERRORS: Mapping[int, str] = {
    socket.EAI_NONAME: "the host name does not exist",
    socket.EAI_AGAIN: "the DNS server does not respond",
    socket.EAI_FAIL: "the DNS server refuses to respond",
}


def address(url: object) -> str:
    """Return the host and port of a URL, without its login, path and query."""
    try:
        parts = urlsplit(str(url))
        port = parts.port or {"http": 80, "https": 443}.get(parts.scheme)
    except ValueError:
        return "an invalid URL"
    host = parts.hostname or "an unknown host"
    host = f"[{host}]" if ":" in host else host
    return shortened(f"{host}:{port}" if port else host)


class _Fields(dict[str, str]):
    """The fields of a sentence. An exception without a field must not fail."""

    def __missing__(self, name: str) -> str:
        return "(unknown)"


def botocore_cause(error: Exception) -> Cause | None:
    """Return the reason and the complete sentence of a botocore exception, or None for any other exception."""
    found = next((BOTOCORE[base] for base in type(error).__mro__ if base in BOTOCORE), None)
    if found is None:
        return None
    given: Mapping[str, Any] = getattr(error, "kwargs", {})
    fields = _Fields({name: shortened(value) for name, value in given.items()})
    fields |= {
        "endpoint": address(given.get("endpoint_url")),
        "proxy": address(given.get("proxy_url")),
        "tls": "certificate verification" if _is_certificate_error(error) else "TLS",
        "because": _colon(root_cause(error)),
        "unreadable": "".join(f"; {file}" for file in unreadable_files()) if found is _NO_PROFILE else "",
        "type": type(error).__name__,
    }
    return Cause(found.reason, shortened(found.sentence.format_map(fields), SENTENCE_LENGTH))


def unreadable_files() -> Iterator[str]:
    """Yield a sentence for each file of the AWS configuration that botocore ignores because it cannot be read."""
    defaults = {"AWS_SHARED_CREDENTIALS_FILE": "~/.aws/credentials", "AWS_CONFIG_FILE": "~/.aws/config"}
    for variable, default in defaults.items():
        file = Path(os.environ.get(variable, default)).expanduser()
        try:
            file.open("rb").close()
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            yield f"the file {shortened(file)} cannot be read{_colon(root_cause(error))}"


def connections_table() -> str:
    """Return the table of the runbook of cells that are down."""
    shown = {"endpoint": "HOST:PORT", "proxy": "HOST:PORT", "tls": "certificate verification", "because": ": CAUSE"}
    rows = (
        f"| `{BOTOCORE[kind].reason.value}`: {BOTOCORE[kind].sentence.format_map(shown)} | {cure} |"
        for kind, cure in CONNECTION_CURES.items()
    )
    return "\n".join(("| cause | what to do |", "| --- | --- |", *rows))


def _colon(cause: str) -> str:
    return f": {cause}" if cause else ""


def root_cause(error: BaseException) -> str:
    """Return what the deepest known exception in the chain of an exception says, or an empty text."""
    return next((text for text in map(_known_cause, reversed([*_chain(error)])) if text), "")


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yield an exception and its causes: of botocore, of urllib3, and of Python."""
    waiting, seen = [error], list[BaseException]()
    while waiting and len(seen) < CHAIN_LENGTH:
        current = waiting.pop(0)
        if current in seen:
            continue
        seen.append(current)
        yield current
        fields = [getattr(current, "kwargs", {}).get("error"), getattr(current, "reason", None), *current.args]
        causes = (*fields, current.__cause__, current.__context__)
        waiting += [cause for cause in causes if isinstance(cause, BaseException)]


def _is_certificate_error(error: BaseException) -> bool:
    return any(isinstance(cause, ssl.SSLCertVerificationError) for cause in _chain(error))


def _known_cause(error: BaseException) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return shortened(getattr(error, "verify_message", "").rstrip("."))
    if isinstance(error, ssl.SSLError):
        reason = getattr(error, "reason", "") or ""
        return reason.replace("_", " ").lower() if re.fullmatch(r"[A-Z0-9_]+", reason) else ""
    if isinstance(error, socket.gaierror):
        return _RESOLVER_ERRORS.get(error.errno or 0, "the host name cannot be resolved")
    if isinstance(error, OSError) and error.errno and error.errno in errno.errorcode:
        return os.strerror(error.errno).lower()
    return ""
