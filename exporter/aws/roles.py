"""Roles of accounts: assumed at their first use, and again before they expire."""

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

# botocore renews a session 15 minutes before it expires, so it would renew a shorter one with nearly every call.
SESSION_SECONDS = 3600
# Every call of an account assumes its role until that succeeds. After a failure the exporter waits this long:
# a role without trust must not use up the STS quota, which all accounts share.
RETRY_SECONDS = 5.0


class Role:
    """A botocore credential provider that assumes an account's role with the source credentials."""

    def __init__(
        self, account: Account, source: Callable[[], Credentials], create_sts: Callable[..., BaseClient], clock: Clock
    ) -> None:
        self._account = account
        self._source = source
        self._create_sts = create_sts
        self._clock = clock
        self._failure: tuple[float, ApiError] | None = None

    def load_credentials(self) -> Credentials:
        """Return credentials that assume the role at their first use."""
        return DeferredRefreshableCredentials(self._fetch, "assume-role")

    def _fetch(self) -> Any:
        if self._failure and self._clock.monotonic() - self._failure[0] < RETRY_SECONDS:
            error = self._failure[1]
            raise ApiError(error.reason, error.code, error.detail)
        try:
            return self._assume()
        except Exception as error:
            self._failure = (self._clock.monotonic(), translate(error))
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
            raise ApiError(
                Reason.CREDENTIALS, detail="the role's new credentials are already expired; check the system clock"
            )
        return credentials

    def _client(self, service: str, **credentials: Any) -> BaseClient:
        return self._create_sts(self._account, **credentials)
