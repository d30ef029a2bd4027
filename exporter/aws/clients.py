"""Sessions, credentials and clients: one client for each (credentials, Region, service), made once and kept."""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Callable, Hashable, Iterable
from functools import partial
from typing import Any, TypeVar

import boto3
import botocore.session
from botocore.client import BaseClient
from botocore.config import Config as ClientConfig
from botocore.credentials import Credentials
from botocore.exceptions import ConfigParseError, NoCredentialsError, ProfileNotFound

from exporter.aws.errors import translate
from exporter.aws.instrumentation import Recorder, observe
from exporter.aws.models import STS, Models
from exporter.aws.response_check import guard
from exporter.aws.roles import Role
from exporter.config.sections import Account, Aws
from exporter.core.clock import Clock
from exporter.core.errors import ConfigError, Reason, malformed

T = TypeVar("T")

APP_ID = "aws-iot-bulk-exporter"
RENEWAL_SECONDS = 60.0
"""How old clients are at least whose credentials are read anew: making them costs more than all that a refresh asks."""
IDENTITY_SECONDS = 0.05
"""How long one Region waits for what another one asks of STS: where STS hangs it must hold up no other."""
_FAULTS = {ProfileNotFound: "there is no such profile", ConfigParseError: "the file cannot be read"}

RecorderOf = Callable[[str, str], Recorder]
"""Gives who is told of the attempts made in an account (its number, empty while unknown) and a Region."""


class Clients:
    """Every client of the process. Its methods block, and may be called from any thread."""

    def __init__(self, models: Models, settings: Aws, connections: int, recorder: RecorderOf, clock: Clock) -> None:
        self.settings = settings
        self._loader = models.loader
        self._observe = partial(_observed, recorder, clock)
        self._clock = clock
        options: dict[str, Any] = {
            "connect_timeout": settings.connect_timeout,
            "read_timeout": settings.read_timeout,
            "retries": {"mode": "standard", "total_max_attempts": settings.max_attempts},
            "max_pool_connections": connections,
            "user_agent_appid": APP_ID,
        }
        self._config = ClientConfig(**options)
        self._source = self._session()
        self._source_lock = threading.Lock()
        self._accounts: dict[Hashable, AccountClients] = {}
        self._lock = threading.Lock()

    def default_region(self) -> str:
        """Return the Region of the AWS configuration. Raises ConfigError where there is none.

        boto3 knows AWS_DEFAULT_REGION and profiles; every other AWS SDK, and AWS itself, speaks of AWS_REGION.
        """
        try:
            region = self._source.get_config_variable("region") or os.environ.get("AWS_REGION")
        except (ProfileNotFound, ConfigParseError) as error:
            raise ConfigError(
                [f"the AWS configuration (AWS_PROFILE, AWS_CONFIG_FILE): {_FAULTS[type(error)]}"]
            ) from None
        if not region:
            raise ConfigError(["accounts: no Region: name regions, or set AWS_REGION"])
        return str(region)

    def of(self, account: Account) -> AccountClients:
        """Return the clients that use an account's credentials."""
        with self._lock:
            access = account.credentials_key
            if access not in self._accounts:
                assumed = (self._assumed(account), threading.Lock()) if account.role_arn else None
                session, lock = assumed or (self._source, self._source_lock)
                now = self._clock.monotonic()
                self._accounts[access] = AccountClients(account, session, lock, self._config, self._observe, now)
            return self._accounts[access]

    def keep(self, accounts: Iterable[Account]) -> None:
        """Forget the clients and the credentials of every other account."""
        kept = {account.credentials_key for account in accounts}
        with self._lock:
            self._accounts = {key: clients for key, clients in self._accounts.items() if key in kept}

    def use(self, clients: AccountClients, function: Callable[[], T]) -> T:
        """Return what a function gives that calls AWS with an account's clients.

        Credentials that are refused are read anew for the next refresh, once a minute at most: they may have been
        revoked, or replaced in their file, long before the end that botocore knows.
        """
        try:
            return function()
        except Exception as error:
            if translate(error).reason is Reason.CREDENTIALS:
                self._renew(clients)
            raise

    def _renew(self, clients: AccountClients) -> None:
        with self._lock:
            if clients.are_refused or self._clock.monotonic() - clients.made_at < RENEWAL_SECONDS:
                return
            clients.are_refused = True
            self._accounts = {key: one for key, one in self._accounts.items() if one is not clients}
        with self._source_lock:
            self._source = self._session()

    def fit(self, settings: Aws) -> bool:
        """Tell whether clients that are made with these settings would be the same."""
        budget = {"api_budget": self.settings.api_budget}
        return settings.model_copy(update=budget) == self.settings

    def _session(self) -> botocore.session.Session:
        session = botocore.session.Session()
        session.register_component("data_loader", self._loader)
        return session

    def _assumed(self, account: Account) -> botocore.session.Session:
        role = Role(account, self._source_credentials, self._create_sts, self._clock)
        session = self._session()
        session.register_component("credential_provider", role)
        return session

    def _source_credentials(self) -> Credentials:
        with self._source_lock:
            credentials: Credentials | None = self._source.get_credentials()
        if credentials is None:
            raise NoCredentialsError
        return credentials

    def _create_sts(self, account: Account, **credentials: Any) -> BaseClient:
        region = account.regions[0] if account.regions else self.default_region()
        with self._source_lock:
            client = self._source.create_client(STS, region_name=region, config=self._config, **credentials)
        self._observe(client, STS, account.known_id, region)
        return client


def _observed(
    recorder: RecorderOf, clock: Clock, client: BaseClient, service: str, account_id: str, region: str
) -> None:
    observe(client, service, recorder(account_id, region), clock)
    guard(client)


class AccountClients:
    """The clients of one account, made on first use and never closed: a new connection costs ten times a call.

    ``lock`` guards the session, which boto3 allows one thread at a time; clients may be shared by threads. Those whose
    credentials ``are_refused`` are to be asked for again; they were made at a monotonic time.
    """

    def __init__(
        self,
        account: Account,
        session: botocore.session.Session,
        lock: threading.Lock,
        config: ClientConfig,
        observed: Callable[[BaseClient, str, str, str], None],
        made_at: float,
    ) -> None:
        self.made_at = made_at
        self.are_refused = False
        self._session = boto3.Session(botocore_session=session)
        self._config = config
        self._observe = observed
        self._clients: dict[tuple[str, str], Any] = {}
        self._lock = lock
        self._account_id = account.known_id
        self._identity_lock = threading.Lock()

    def client(self, service: str, region: str, account_id: str) -> Any:
        """Return the client of a service in a Region."""
        with self._lock:
            if (service, region) not in self._clients:
                # A client that was made without credentials never gets any: the next refresh asks for them again.
                if self._session.get_credentials() is None:
                    raise NoCredentialsError
                client = self._session.client(service, region_name=region, config=self._config)
                self._observe(client, service, account_id, region)
                self._clients[service, region] = client
            return self._clients[service, region]

    def account_id(self, region: str) -> str:
        """Return the account's number: from the configuration, the credentials, or STS, which is asked once."""
        mine = self._identity_lock.acquire(timeout=IDENTITY_SECONDS)
        try:
            if not self._account_id:
                self._account_id = self._identify(region)
            return self._account_id
        finally:
            if mine:
                self._identity_lock.release()

    def _identify(self, region: str) -> str:
        sts = self.client(STS, region, "")
        told = self._session.get_credentials().get_frozen_credentials().account_id
        account_id = told or sts.get_caller_identity().get("Account")
        if not re.fullmatch(r"\d{12}", str(account_id)):
            raise malformed("Account is not an account's number")
        return str(account_id)
