"""Who calls, by the credential scope of a signature, which is read and not verified."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256

from exporter.simulator.wire import AwsError

AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256\s+Credential=(?P<key>\w+)/\d{8}/(?P<region>[\w-]+)/(?P<service>[\w-]+)/aws4_request,"
    r"\s*SignedHeaders=[^,\s]+,\s*Signature=[0-9a-f]{64}"
)
SESSION_KEY = re.compile(r"ASIA(?P<account>\d{12})[A-Z2-7]{4}")
"""A temporary access key of the simulator: AWS's look, with the account in it."""


@dataclass(frozen=True, slots=True)
class Session:
    """A role that was assumed; ``expires`` is in Unix seconds."""

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
        """The session token: all of the session, so that the simulator has nothing to remember."""
        text = json.dumps([self.account, self.role, self.name, self.expires])
        return base64.urlsafe_b64encode(text.encode()).decode()


@dataclass(frozen=True, slots=True)
class Caller:
    """The account, Region and service that a request is signed for, and the session if a role was assumed."""

    account: str
    region: str
    signing_name: str
    session: Session | None = None

    @property
    def arn(self) -> str:
        """Who AWS says the caller is."""
        if self.session is None:
            return f"arn:aws:iam::{self.account}:user/simulated"
        return f"arn:aws:sts::{self.account}:assumed-role/{self.session.role}/{self.session.name}"


def identify(headers: Mapping[str, str], accounts: Sequence[str], now: float) -> Caller:
    """Return the caller. Raises AwsError for headers that AWS refuses too.

    AWS: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-authentication-methods.html
    """
    header = headers.get("authorization")
    if header is None:
        raise AwsError("MissingAuthenticationTokenException", 403, "Missing Authentication Token")
    found = AUTHORIZATION.fullmatch(header.strip())
    if found is None:
        raise AwsError("IncompleteSignatureException", 403, "The Authorization header is no complete AWS4 signature.")
    temporary = SESSION_KEY.fullmatch(found["key"])
    if temporary is None or temporary["account"] not in accounts:
        return Caller(accounts[0], found["region"], found["service"])
    session = _session(found["key"], headers.get("x-amz-security-token", ""), now)
    return Caller(session.account, found["region"], found["service"], session)


def _session(key: str, token: str, now: float) -> Session:
    session = _read(token)
    if session is None or session.key != key:
        raise AwsError("UnrecognizedClientException", 403, "The security token included in the request is invalid.")
    if session.expires <= now:
        raise AwsError("ExpiredTokenException", 403, "The security token included in the request is expired")
    return session


def _read(token: str) -> Session | None:
    try:
        account, role, name, expires = json.loads(base64.urlsafe_b64decode(token))
        return Session(str(account), str(role), str(name), float(expires))
    except (binascii.Error, ValueError, TypeError, RecursionError):
        return None
