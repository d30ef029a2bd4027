"""The Regions that an account has enabled, from AWS Account Management.

AWS: https://docs.aws.amazon.com/accounts/latest/reference/API_ListRegions.html
"""

from __future__ import annotations

from exporter.core.errors import malformed
from exporter.kinds.kind import Api, ApiCall
from exporter.kinds.response import Response

SERVICE = "account"
# AWS: https://docs.aws.amazon.com/accounts/latest/reference/quotas.html
LIST_REGIONS = ApiCall(SERVICE, "ListRegions", quota=5)
# The entries on a page, the most that AWS allows.
PAGE_SIZE = 50
# A Region that is being enabled or disabled may refuse calls.
ENABLED = ("ENABLED", "ENABLED_BY_DEFAULT")


async def read_enabled_regions(api: Api) -> frozenset[str]:
    """Return the Regions that the account of the credentials has enabled. Raises ApiError."""
    regions: set[str] = set()
    async for page in api.pages(LIST_REGIONS, RegionOptStatusContains=list(ENABLED), MaxResults=PAGE_SIZE):
        regions.update(str(entry.get("RegionName")) for entry in page["Regions"] if _is_enabled(entry))
    if not regions:
        # No account can disable the Regions that are enabled by default.
        raise malformed("Regions has no enabled Region")
    return frozenset(regions)


def _is_enabled(entry: Response) -> bool:
    return entry.get("RegionOptStatus") in ENABLED
