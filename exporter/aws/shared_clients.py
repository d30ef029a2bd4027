"""The clients of the process: one for each service and Region, shared by all accounts, with warm connections.

A client keeps at most ``connections`` open connections for its endpoint. A call never waits for a connection: urllib3
opens a further one, and closes it after the call. So calls that hang do not use up the connections of other accounts.
"""

from __future__ import annotations

import platform
import threading
from typing import Any

import boto3
import botocore
from botocore.client import BaseClient
from botocore.config import Config as ClientConfig
from botocore.loaders import Loader
from botocore.retries import standard

from exporter import __version__
from exporter.aws.call_context import CallCredentialsProvider, current_call
from exporter.aws.instrumentation import record_attempts
from exporter.aws.response_check import check_responses
from exporter.aws.sdk_settings import new_session
from exporter.config.sections import Aws
from exporter.core.clock import Clock

APP_ID = "aws-iot-bulk-exporter"
# botocore builds its own text twice for each call, which costs a tenth of the call.
_LIBRARIES = f"Boto3/{boto3.__version__} Botocore/{botocore.__version__} lang/python#{platform.python_version()}"
USER_AGENT = f"{APP_ID}/{__version__} {_LIBRARIES} app/{APP_ID}"


def client_config(settings: Aws, connections: int) -> ClientConfig:
    """Return the settings of each client."""
    options: dict[str, Any] = {
        "connect_timeout": settings.connect_timeout,
        "read_timeout": settings.read_timeout,
        "retries": {"mode": "standard", "total_max_attempts": settings.max_attempts},
        "max_pool_connections": connections,
        "user_agent": USER_AGENT,
    }
    return ClientConfig(**options)


class SharedClients:
    """Creates each client at its first use and never closes it. Its methods are thread-safe.

    The credentials, the recorder and the retry quota of a call are those of its context.
    """

    def __init__(self, loader: Loader, config: ClientConfig, max_attempts: int, clock: Clock) -> None:
        self._loader = loader
        self._config = config
        self._max_attempts = max_attempts
        self._clock = clock
        self._clients: dict[tuple[str, str], Any] = {}
        self._lock = threading.Lock()
        self.read_settings()

    def read_settings(self) -> None:
        """Read the configuration of the AWS SDKs again for clients that do not exist yet."""
        session = new_session(self._loader)
        session.register_component("credential_provider", CallCredentialsProvider())
        self._session = boto3.Session(botocore_session=session)

    def client(self, service: str, region: str) -> Any:
        """Return the client of a service in a Region."""
        client = self._clients.get((service, region))
        if client is None:
            with self._lock:
                client = self._clients.get((service, region))
                if client is None:
                    client = self._clients[service, region] = self._new_client(service, region)
        return client

    def _new_client(self, service: str, region: str) -> BaseClient:
        client: BaseClient = self._session.client(service, region_name=region, config=self._config)
        record_attempts(client, service, self._clock)
        check_responses(client)
        _use_retry_quotas_of_accounts(client, service, region, self._max_attempts)
        return client


class _CallRetryQuota:
    """A retry quota of botocore that uses the quota of the call's account."""

    def __init__(self, service: str, region: str) -> None:
        self._service = service
        self._region = region

    def acquire(self, amount: int) -> bool:
        return current_call().retry_quotas.acquire(self._service, self._region, amount)

    def release(self, amount: int) -> None:
        current_call().retry_quotas.release(self._service, self._region, amount)


def _use_retry_quotas_of_accounts(client: BaseClient, service: str, region: str, max_attempts: int) -> None:
    """Replace botocore's retry handler by one whose quota is that of the account. botocore has no parameter for it."""
    name = client.meta.service_model.service_id.hyphenize()
    client.meta.events.unregister(f"needs-retry.{name}", unique_id=f"retry-config-{name}")
    handler: Any = standard.register_retry_handler(client, max_attempts=max_attempts)
    vars(vars(handler)["_retry_quota"])["_quota"] = _CallRetryQuota(service, region)
