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

# The Regions that every account can use. In the partition aws, an account must enable the others. botocore does not
# know that. The first Region is the home of AWS's global services.
# AWS: https://docs.aws.amazon.com/accounts/latest/reference/manage-acct-regions.html
ENABLED_BY_DEFAULT = (
    "us-east-1",
    "us-east-2",
    "us-west-1",
    "us-west-2",
    "ap-northeast-1",
    "ap-northeast-2",
    "ap-northeast-3",
    "ap-south-1",
    "ap-southeast-1",
    "ap-southeast-2",
    "ca-central-1",
    "eu-central-1",
    "eu-north-1",
    "eu-west-1",
    "eu-west-2",
    "eu-west-3",
    "sa-east-1",
)
# The Regions of the endpoints of Organizations and of Account Management.
# AWS: https://docs.aws.amazon.com/general/latest/gr/ao.html
HOME_REGIONS: Mapping[str, str] = {"aws": "us-east-1", "aws-cn": "cn-northwest-1", "aws-us-gov": "us-gov-west-1"}
# The only partition in which an account must enable some of the Regions.
OPT_IN_PARTITION = "aws"


def is_enabled_by_default(region: str) -> bool:
    """Return whether every account of the Region's partition can use the Region."""
    return region in ENABLED_BY_DEFAULT or partition_of(region) != OPT_IN_PARTITION


def partition_of(region: str) -> str:
    """Return the partition of a Region, which may be newer than this release. Empty if it is unknown."""
    return next((name for name, pattern in REGION_PATTERNS.items() if re.fullmatch(pattern, region, re.ASCII)), "")


def partition_of_arn(arn: str) -> str:
    """Return the partition in an ARN."""
    return arn.split(":")[1]


def has_other_partition(role_arn: str, partition: str) -> bool:
    """Return whether a role cannot be used in a partition. An unknown partition has no such roles."""
    return partition != "" and partition_of_arn(role_arn) != partition
