"""Roles of accounts: assumed when they are first needed, renewed before they end."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from botocore.client import BaseClient
from botocore.credentials import AssumeRoleCredentialFetcher, Credentials, DeferredRefreshableCredentials

from exporter.aws.errors import translate
from exporter.config.sections import Account
from exporter.core.clock import Clock
from exporter.core.errors import ApiError, Reason

SESSION_SECONDS = 3600
"""botocore renews a role 15 minutes before its end: a shorter session would be assumed again at nearly every call."""
REFUSED_SECONDS = 5.0
"""How long a role that was refused is not asked for again."""


class Role:
    """A botocore credential provider: a role assumed with the source's credentials, and again before it ends.

    Every call of an account asks for its role until it has one: a refusal stands for some seconds, so that a role
    without trust does not cost the STS quota that all accounts share.
    """

    def __init__(
        self, account: Account, source: Callable[[], Credentials], create_sts: Callable[..., BaseClient], clock: Clock
    ) -> None:
        self._account = account
        self._source = source
        self._create_sts = create_sts
        self._clock = clock
        self._refused: tuple[float, ApiError] | None = None

    def load_credentials(self) -> Credentials:
        """Return credentials that assume the role when they are first used."""
        return DeferredRefreshableCredentials(self._fetch, "assume-role")

    def _fetch(self) -> Any:
        if self._refused and self._clock.monotonic() - self._refused[0] < REFUSED_SECONDS:
            raise ApiError(self._refused[1].reason, self._refused[1].code, self._refused[1].detail)
        try:
            return self._assume()
        except Exception as error:
            self._refused = (self._clock.monotonic(), translate(error))
            raise

    def _assume(self) -> Any:
        extra = {"RoleSessionName": self._account.session_name, "DurationSeconds": SESSION_SECONDS}
        if self._account.external_id:
            extra["ExternalId"] = self._account.external_id.get_secret_value()
        fetcher = AssumeRoleCredentialFetcher(
            self._client, self._source(), self._account.role_arn or "", extra_args=extra
        )
        credentials = fetcher.fetch_credentials()
        if datetime.fromisoformat(credentials["expiry_time"]).timestamp() <= self._clock.now():
            raise ApiError(Reason.CREDENTIALS, detail="the role's credentials are expired already: is a clock wrong?")
        return credentials

    def _client(self, service: str, **credentials: Any) -> BaseClient:
        return self._create_sts(self._account, **credentials)
