"""Identify the caller by the credential scope of the signature. The signature is not verified."""

import base64
import binascii
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256

from exporter.simulator.http_messages import AwsError

AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256\s+Credential=(?P<key>\w+)/\d{8}/(?P<region>[\w-]+)/(?P<service>[\w-]+)/aws4_request,"
    r"\s*SignedHeaders=[^,\s]+,\s*Signature=[0-9a-f]{64}"
)
# A temporary access key of the simulator. It looks like one of AWS and contains the account id.
SESSION_KEY = re.compile(r"ASIA(?P<account>\d{12})[A-Z2-7]{4}")


@dataclass(frozen=True, slots=True)
class Session:
    """A session of an assumed role. ``expires`` is in Unix seconds."""

    account: str
    role: str
    name: str
    expires: float

    @property
    def key(self) -> str:
        """The temporary access key."""
        digest = sha256(self.token.encode()).digest()
        return f"ASIA{self.account}{base64.b32encode(digest)[:4].decode()}"

    @property
    def token(self) -> str:
        """The session token. It contains the whole session, so that the simulator does not store sessions."""
        text = json.dumps([self.account, self.role, self.name, self.expires])
        return base64.urlsafe_b64encode(text.encode()).decode()


@dataclass(frozen=True, slots=True)
class Caller:
    """The account, Region and service in the signature of a request, and the session of an assumed role."""

    account: str
    region: str
    signing_name: str
    session: Session | None = None

    @property
    def arn(self) -> str:
        """The ARN of the caller, as STS returns it."""
        if self.session is None:
            return f"arn:aws:iam::{self.account}:user/simulated"
        return f"arn:aws:sts::{self.account}:assumed-role/{self.session.role}/{self.session.name}"


def identify(headers: Mapping[str, str], accounts: Sequence[str], now: float) -> Caller:
    """Return the caller. Raises AwsError for headers that AWS also refuses.

    AWS: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-authentication-methods.html
    """
    header = headers.get("authorization")
    if header is None:
        raise AwsError("MissingAuthenticationTokenException", 403, "Missing Authentication Token")
    match = AUTHORIZATION.fullmatch(header.strip())
    if match is None:
        raise AwsError("IncompleteSignatureException", 403, "The Authorization header is no complete AWS4 signature.")
    temporary = SESSION_KEY.fullmatch(match["key"])
    if temporary is None or temporary["account"] not in accounts:
        return Caller(accounts[0], match["region"], match["service"])
    session = _session(match["key"], headers.get("x-amz-security-token", ""), now)
    return Caller(session.account, match["region"], match["service"], session)


def invalid_token() -> AwsError:
    """Return the error for credentials that AWS does not know, or not in this Region."""
    return AwsError("UnrecognizedClientException", 403, "The security token included in the request is invalid.")


def _session(key: str, token: str, now: float) -> Session:
    session = _parse_token(token)
    if session is None or session.key != key:
        raise invalid_token()
    if session.expires <= now:
        raise AwsError("ExpiredTokenException", 403, "The security token included in the request is expired")
    return session


def _parse_token(token: str) -> Session | None:
    try:
        account, role, name, expires = json.loads(base64.urlsafe_b64decode(token))
        return Session(str(account), str(role), str(name), float(expires))
    except (binascii.Error, ValueError, TypeError, RecursionError):
        return None
