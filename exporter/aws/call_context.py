"""The call to AWS that a thread makes. All accounts share clients, so a client finds the account of a call here."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

from botocore.credentials import Credentials, ReadOnlyCredentials
from botocore.retries.quota import RetryQuota

from exporter.aws.budget import Budgets
from exporter.core.errors import Reason
from exporter.metrics.self_metrics import ApiMetrics


@dataclass(frozen=True, slots=True)
class Recorder:
    """Counts the attempts of one scope, charges its budgets for retries, and slows them down when AWS throttles.

    Its methods are called in the threads that make the calls.
    """

    budgets: Budgets
    metrics: ApiMetrics
    account_id: str
    region: str

    def record_request(self, service: str, api: str, is_retry: bool) -> None:
        """Count an attempt, and charge the budget for a retry. The first attempt took a token."""
        self.metrics.count_request(self.account_id, self.region, service, api)
        if is_retry and (bucket := self.budgets.bucket(self.account_id, self.region, service, api)):
            bucket.charge()

    def record_response(self, service: str, api: str, seconds: float, reason: Reason | None, code: str) -> None:
        """Record the duration of an attempt, and its failure."""
        self.metrics.observe_duration(service, api, seconds)
        if reason is None:
            return
        self.metrics.count_error(self.account_id, self.region, service, api, code)
        bucket = self.budgets.bucket(self.account_id, self.region, service, api)
        if reason is Reason.THROTTLED and bucket:
            bucket.slow_down()


class RetryQuotas:
    """The retry quotas of one account by service and Region.

    botocore has a quota for each client. With shared clients, an account that fails would use up the retries of all.
    """

    def __init__(self) -> None:
        self._quotas: dict[tuple[str, str], RetryQuota] = {}
        self._lock = threading.Lock()

    def acquire(self, service: str, region: str, amount: int) -> bool:
        """Take capacity for a retry. Return false if too little is left."""
        with self._lock:
            quota = self._quotas.setdefault((service, region), RetryQuota())
        return bool(quota.acquire(amount))

    def release(self, service: str, region: str, amount: int) -> None:
        """Return capacity. A quota that no retry has used is full."""
        if quota := self._quotas.get((service, region)):
            quota.release(amount)


@dataclass(slots=True)
class CallContext:
    """One call with all its attempts.

    ``credentials`` returns the keys that sign an attempt. ``started`` is the monotonic time of the last attempt, and
    ``is_running`` is true until its response.
    """

    credentials: Callable[[], ReadOnlyCredentials]
    recorder: Recorder
    retry_quotas: RetryQuotas
    attempts: int = field(default=0, init=False)
    started: float = field(default=0.0, init=False)
    is_running: bool = field(default=False, init=False)


_CURRENT: ContextVar[CallContext] = ContextVar("call")


def current_call() -> CallContext:
    """Return the call of this thread. Raises LookupError outside of a call."""
    return _CURRENT.get()


@contextmanager
def calling(context: CallContext) -> Iterator[None]:
    """Make a call in the block. A block inside another one is a call that the outer call needs, such as AssumeRole."""
    token = _CURRENT.set(context)
    try:
        yield
    finally:
        _CURRENT.reset(token)


class CallCredentials(Credentials):
    """The credentials of a shared client: those of the account whose call is signed."""

    def __init__(self) -> None:
        super().__init__("", "", method="call")

    def get_frozen_credentials(self) -> ReadOnlyCredentials:
        """Return the keys of the current call. Raises ApiError."""
        return current_call().credentials()


class CallCredentialsProvider:
    """The component ``credential_provider`` of the botocore session that creates shared clients."""

    def load_credentials(self) -> Credentials:
        """Return the credentials that choose an account for each call."""
        return CallCredentials()
