"""AWS Account Management in the protocol rest-json: the APIs about the Regions that an account has enabled."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from exporter.aws.models import Models
from exporter.config.partitions import ENABLED_BY_DEFAULT, is_enabled_by_default, partition_of
from exporter.kinds.kind import ApiCall
from exporter.simulator.api_model import ApiModel, api_model
from exporter.simulator.api_request import ApiRequest
from exporter.simulator.callers import Caller
from exporter.simulator.http_messages import AwsError, HttpRequest
from exporter.simulator.organizations import Organizations
from exporter.simulator.parameters import Values, read_parameters
from exporter.simulator.quota import Quotas
from exporter.simulator.routes import Routes
from exporter.simulator.scenario import ACCOUNT, ACCOUNT_APIS, OptInRegion

# AWS: https://docs.aws.amazon.com/accounts/latest/reference/quotas.html
QUOTA = 5
BY_DEFAULT, ENABLED, DISABLED = "ENABLED_BY_DEFAULT", "ENABLED", "DISABLED"
COMMERCIAL = partition_of(ENABLED_BY_DEFAULT[0])


class AccountManagement:
    """AWS Account Management. ``organizations`` knows which account may name another one.

    AWS: https://docs.aws.amazon.com/accounts/latest/reference/API_ListRegions.html
    """

    def __init__(
        self,
        opt_in_regions: Sequence[OptInRegion] | None,
        organizations: Organizations,
        models: Models,
        quotas: Quotas | None,
    ) -> None:
        self._opt_in_regions = opt_in_regions or ()
        self._has_statuses = opt_in_regions is not None
        self._organizations = organizations
        self._models = models
        self._routes = Routes(models.operations(ACCOUNT))
        self._apis = {name: api_model(ApiCall(ACCOUNT, name, QUOTA), models, quotas) for name in ACCOUNT_APIS}

    def accepts_calls(self, account: str, region: str) -> bool:
        """Return whether an account can make calls in a Region. Elsewhere AWS does not know its credentials.

        A scenario that does not say which Regions are enabled can have operations in every Region.
        AWS: https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_temp_enable-regions.html
        """
        if not self._has_statuses or is_enabled_by_default(region):
            return True
        return self._chosen(account).get(region) == ENABLED

    def api_request(self, request: HttpRequest, caller: Caller) -> ApiRequest:
        """Return the request with its target. Raises AwsError for an API that is not simulated."""
        operation, labels = self._routes.match(request) or (None, {})
        api = self._apis.get(operation.name) if operation else None
        if api is None:
            raise AwsError("UnknownOperationException", 404, "The operation is not known here.")
        values = read_parameters(api.operation.input_shape, labels, request)
        return api.request(values, str(values.get("AccountId") or ""), partial(self._content, api, values))

    def _content(self, api: ApiModel, values: Values, caller: Caller, now: float) -> Mapping[str, Any]:
        account = values.get("AccountId", caller.account)
        if "AccountId" in values and not self._organizations.may_manage(caller.account, account, now):
            raise AwsError("AccessDeniedException", 403, "You don't have permissions to access this resource.")
        statuses = dict(self._statuses(account, partition_of(caller.region) or COMMERCIAL))
        if api.call.name == "ListRegions":
            wanted = values.get("RegionOptStatusContains") or set(statuses.values())
            regions = ({"RegionName": name, "RegionOptStatus": status} for name, status in statuses.items())
            return {
                "Regions": ((rank, entry) for rank, entry in enumerate(regions) if entry["RegionOptStatus"] in wanted)
            }
        region = values["RegionName"]
        if region not in statuses:
            raise api.errors.invalid(f"The Region {region} does not exist.")
        return {"RegionName": region, "RegionOptStatus": statuses[region]}

    def _statuses(self, account: str, partition: str) -> Iterator[tuple[str, str]]:
        """Yield each Region of a partition with its status in an account."""
        chosen = {name: status for name, status in self._chosen(account).items() if partition_of(name) == partition}
        for region in sorted({*self._models.regions(partition), *chosen}):
            yield region, BY_DEFAULT if is_enabled_by_default(region) else chosen.get(region, DISABLED)

    def _chosen(self, account: str) -> Mapping[str, str]:
        """Return the statuses of opt-in Regions in an account. The first entry of the scenario is used."""
        entries = [entry for entry in self._opt_in_regions if entry.account in (None, account)]
        return {entry.region: entry.status for entry in reversed(entries)}
