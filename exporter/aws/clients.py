"""The credentials of each account, and its calls with the clients that all accounts share.

The roles of accounts are assumed at their first use, and again before they expire.
"""

from __future__ import annotations

import math
import re
import threading
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from typing import Any

from botocore import xform_name
from botocore.client import BaseClient
from botocore.credentials import (
    AssumeRoleCredentialFetcher,
    Credentials,
    DeferredRefreshableCredentials,
)
from botocore.session import Session

from exporter.aws.call_context import CallContext, Recorder, RetryQuotas, calling
from exporter.aws.credential_chain import CredentialChain, Pending
from exporter.aws.credential_sources import ACCOUNT_ROLE, NamedSource
from exporter.aws.errors import EXPIRED, translate
from exporter.aws.models import STS, Models
from exporter.aws.sdk_settings import DefaultRegion, default_region, new_session
from exporter.aws.shared_clients import SharedClients, client_config
from exporter.config.sections import Account, Aws
from exporter.core.clock import Clock
from exporter.core.errors import ApiError, CredentialsError, Reason, malformed
from exporter.core.model import Scope
from exporter.kinds.kind import ApiCall
from exporter.kinds.response import Response

# Credentials are read again after AWS has refused them only at this age.
RENEWAL_SECONDS = 60.0
# How long one Region waits for another one to read the account id. It must not wait for an STS endpoint that hangs.
IDENTITY_SECONDS = 0.05
# botocore renews a session 15 minutes before it expires, so it would renew a shorter one with nearly every call.
SESSION_SECONDS = 3600
# Every call of an account assumes its role until that succeeds. After a failure the exporter waits this long:
# a role without trust must not use up the STS quota, which all accounts share.
RETRY_SECONDS = 5.0
# An account id that STS has not confirmed, because it could not be reached, is checked again after this time.
CONFIRMATION_SECONDS = 300.0
# With credentials of these botocore providers, the account id is a part of STS's response to AssumeRole.
METHODS_WITH_STS = ("assume-role", "assume-role-with-web-identity")

# Returns the recorder for an account id, which is empty while it is unknown, and a Region.
RecorderFactory = Callable[[str, str], Recorder]


class ClientPool:
    """The clients of the process and the credentials of its accounts. Its methods block and are thread-safe."""

    def __init__(
        self, models: Models, settings: Aws, connections: int, new_recorder: RecorderFactory, clock: Clock
    ) -> None:
        self.settings = settings
        self._loader = models.loader
        self._new_recorder = new_recorder
        self._clock = clock
        self._config = client_config(settings, connections)
        self._shared = SharedClients(self._loader, self._config, settings.max_attempts, clock)
        self._pending = Pending()
        self._source = self._new_source()
        self._source_lock = threading.Lock()
        self._accounts: dict[Hashable, AccountClients] = {}
        self._lock = threading.Lock()

    def default_region(self) -> DefaultRegion:
        """Return the Region of accounts without ``regions``. Raises ConfigError if the AWS configuration has none."""
        return default_region(self._source)

    def verify(self) -> bool | str:
        """Return the file of the AWS SDKs with the authorities that TLS trusts, or True for their default."""
        with self._source_lock:
            bundle = self._source.get_config_variable("ca_bundle")
        return str(bundle) if bundle else True

    def account_clients(self, account: Account) -> AccountClients:
        """Return the clients that use an account's credentials."""
        with self._lock:
            key = account.credentials_key
            if key not in self._accounts:
                self._accounts[key] = self._new_clients(account)
            return self._accounts[key]

    def timeout_error(self, account: Account) -> ApiError | None:
        """Return the error for a call that hangs because of the account's credentials, or None."""
        clients = self._accounts.get(account.credentials_key)
        return clients.timeout_error() if clients else None

    def keep(self, accounts: Iterable[Account]) -> None:
        """Remove the clients and the credentials of all accounts but these."""
        kept = {account.credentials_key for account in accounts}
        with self._lock:
            self._accounts = {key: clients for key, clients in self._accounts.items() if key in kept}

    def replace(self, clients: AccountClients) -> None:
        """Make the next refresh read the credentials of these clients again, at most once a minute.

        They may have been revoked, or replaced in their file, long before the expiry time that botocore knows.
        """
        with self._lock:
            if clients.is_replaced or self._clock.monotonic() - clients.created_at < RENEWAL_SECONDS:
                return
            clients.is_replaced = True
            self._accounts = {key: kept for key, kept in self._accounts.items() if kept is not clients}
        self._shared.read_settings()
        with self._source_lock:
            self._source = self._new_source()

    def has_client_settings(self, settings: Aws) -> bool:
        """Return whether clients that are created with these settings would be the same."""
        budget = {"api_budget": self.settings.api_budget}
        return settings.model_copy(update=budget) == self.settings

    def client(self, service: str, region: str) -> Any:
        """Return the client of a service in a Region. It makes calls inside ``calling``."""
        return self._shared.client(service, region)

    def recorder(self, account_id: str, region: str) -> Recorder:
        """Return the recorder for the calls of a scope."""
        return self._new_recorder(account_id, region)

    def _new_clients(self, account: Account) -> AccountClients:
        if not account.role_arn:
            load, lock = partial(_existing_credentials, self._source.get_credentials), self._source_lock
            return AccountClients(self, account, load, lock, self._pending.timeout_error, self._clock)
        pending = Pending()

        def timeout_error() -> ApiError | None:
            error = pending.timeout_error()
            # The role may be waiting for its source.
            return error and (self._pending.timeout_error() or error)

        role = Role(account, self, self._source_credentials, pending, self._clock)
        return AccountClients(self, account, role.load_credentials, threading.Lock(), timeout_error, self._clock)

    def _new_source(self) -> Session:
        session = new_session(self._loader)
        # botocore's own clients for credentials would wait a minute for each response.
        session.set_default_client_config(self._config)
        session.register_component("credential_provider", CredentialChain(session, self._pending))
        return session

    def _source_credentials(self) -> Credentials:
        with self._source_lock:
            return _existing_credentials(self._source.get_credentials)


class AccountClients:
    """The credentials of one account, and its calls.

    ``load`` returns the credentials, and ``lock`` protects it. ``created_at`` is in monotonic seconds. ``is_replaced``
    is set after AWS has refused the credentials: the next refresh reads them again. ``timeout_error`` returns the error
    for a call that hangs because of the credentials, or None.
    """

    def __init__(
        self,
        pool: ClientPool,
        account: Account,
        load: Callable[[], Credentials],
        lock: threading.Lock,
        timeout_error: Callable[[], ApiError | None],
        clock: Clock,
    ) -> None:
        self.created_at = clock.monotonic()
        self.is_replaced = False
        self.timeout_error = timeout_error
        self._pool = pool
        self._load = load
        self._credentials: Credentials | None = None
        self._lock = lock
        self._clock = clock
        self._account_id = account.known_id
        self._confirm_at = math.inf
        self._identity_lock = threading.Lock()
        self._retry_quotas = RetryQuotas()

    def send(self, call: ApiCall, scope: Scope, parameters: Mapping[str, Any]) -> Response:
        """Return the response to one call."""
        with self._replaced_if_refused(), self._calling(scope.account_id, scope.region):
            client = self._pool.client(call.service, scope.region)
            response: Response = getattr(client, xform_name(call.name))(**parameters)
        return response

    def can_serve(self, scope: Scope) -> bool:
        """Return whether the credentials were not refused, and the account id is known and that of the scope."""
        return not self.is_replaced and scope.account_id == self._account_id and not self._must_confirm_account()

    def account_id(self, region: str) -> str:
        """Return the account id from the configuration, from STS, or if STS cannot be reached, from the credentials."""
        is_locked = self._identity_lock.acquire(timeout=IDENTITY_SECONDS)
        try:
            if not self._account_id or self._must_confirm_account():
                with self._replaced_if_refused():
                    self._account_id = self._read_account_id(region)
            return self._account_id
        finally:
            if is_locked:
                self._identity_lock.release()

    @contextmanager
    def _replaced_if_refused(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:
            if translate(error).reason is Reason.CREDENTIALS:
                self._pool.replace(self)
            raise

    @contextmanager
    def _calling(self, account_id: str, region: str) -> Iterator[None]:
        """Make a call in the block. Raises ApiError if there are no credentials."""
        # Settings of the AWS SDKs that are invalid are reported by the credentials, which name their source.
        credentials = self._loaded_credentials()
        recorder = self._pool.recorder(account_id, region)
        with calling(CallContext(credentials.get_frozen_credentials, recorder, self._retry_quotas)):
            yield

    def _loaded_credentials(self) -> Credentials:
        if self._credentials is None:
            with self._lock:
                self._credentials = self._credentials or self._load()
        return self._credentials

    def _must_confirm_account(self) -> bool:
        return self._clock.monotonic() >= self._confirm_at

    def _read_account_id(self, region: str) -> str:
        credentials = self._loaded_credentials()
        # A claim can be wrong: users write AWS_ACCOUNT_ID and profiles by hand.
        claim = credentials.get_frozen_credentials().account_id
        if claim and credentials.method in METHODS_WITH_STS:
            return _checked_account_id(claim)
        self._confirm_at = math.inf
        try:
            with self._calling("", region):
                response = self._pool.client(STS, region).get_caller_identity()
            return _checked_account_id(response.get("Account"))
        except Exception as error:
            if not claim or translate(error).reason is Reason.CREDENTIALS:
                raise
            self._confirm_at = self._clock.monotonic() + CONFIRMATION_SECONDS
            return _checked_account_id(claim)


def _existing_credentials(load: Callable[[], Credentials | None]) -> Credentials:
    credentials = load()
    if credentials is None:
        raise CredentialsError(Reason.CREDENTIALS, detail="no credentials")
    return credentials


def _checked_account_id(account_id: object) -> str:
    if not re.fullmatch(r"\d{12}", str(account_id), re.ASCII):
        raise malformed("Account: expected an account id of 12 digits")
    return str(account_id)


class Role:
    """A botocore credential provider that assumes an account's role with the source credentials."""

    def __init__(
        self,
        account: Account,
        pool: ClientPool,
        source: Callable[[], Credentials],
        pending: Pending,
        clock: Clock,
    ) -> None:
        self._account = account
        self._pool = pool
        self._source = source
        self._pending = pending
        self._clock = clock
        self._retry_quotas = RetryQuotas()
        self._failure: tuple[float, ApiError] | None = None

    def load_credentials(self) -> Credentials:
        """Return credentials that assume the role at their first use."""
        return DeferredRefreshableCredentials(self._fetch, "assume-role")

    def _fetch(self) -> Any:
        if self._failure and self._clock.monotonic() - self._failure[0] < RETRY_SECONDS:
            error = self._failure[1]
            raise CredentialsError(error.reason, error.code, error.detail)
        try:
            with self._pending.reading(NamedSource(ACCOUNT_ROLE, self._account.name)):
                return self._assume()
        except ApiError as error:
            self._failure = (self._clock.monotonic(), error)
            raise

    def _assume(self) -> Any:
        extra = {"RoleSessionName": self._account.session_name, "DurationSeconds": SESSION_SECONDS}
        if self._account.external_id:
            extra["ExternalId"] = self._account.external_id.get_secret_value()
        source = self._source()
        region = self._account.regions[0] if self._account.regions else self._pool.default_region().name
        fetcher = AssumeRoleCredentialFetcher(
            partial(self._sts, region), source, self._account.role_arn or "", extra_args=extra
        )
        recorder = self._pool.recorder(self._account.known_id, region)
        with calling(CallContext(source.get_frozen_credentials, recorder, self._retry_quotas)):
            credentials = fetcher.fetch_credentials()
        if datetime.fromisoformat(credentials["expiry_time"]).timestamp() <= self._clock.now():
            raise RuntimeError(EXPIRED)
        return credentials

    def _sts(self, region: str, service: str, **credentials: Any) -> BaseClient:
        # The keys of the source are in the context of the call.
        client: BaseClient = self._pool.client(service, region)
        return client
