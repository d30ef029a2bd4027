"""The partitions of AWS: groups of Regions with their own accounts and roles, such as those in China."""

import re
from collections.abc import Mapping

# The Regions of each partition, from botocore's file partitions.json. A test compares them.
REGION_PATTERNS: Mapping[str, str] = {
    "aws": r"(us|eu|ap|sa|ca|me|af|il|mx)-\w+-\d+",
    "aws-cn": r"cn-\w+-\d+",
    "aws-us-gov": r"us-gov-\w+-\d+",
    "aws-iso": r"us-iso-\w+-\d+",
    "aws-iso-b": r"us-isob-\w+-\d+",
    "aws-iso-e": r"eu-isoe-\w+-\d+",
    "aws-iso-f": r"us-isof-\w+-\d+",
    "aws-eusc": r"eusc-(de)-\w+-\d+",
}


def partition_of(region: str) -> str:
    """Return the partition of a Region, which may be newer than this release. Empty if it is unknown."""
    return next((name for name, pattern in REGION_PATTERNS.items() if re.fullmatch(pattern, region, re.ASCII)), "")


def has_other_partition(role_arn: str, partition: str) -> bool:
    """Return whether a role cannot be used in a partition. An unknown partition has no such roles."""
    return partition != "" and role_arn.split(":")[1] != partition
