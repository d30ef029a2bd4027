"""The values files between which the tests upgrade a release."""

from pathlib import Path

from tests.support.helm_chart import CI_VALUES, SINGLE_CLAIM

VALUES = [*CI_VALUES, SINGLE_CLAIM]
# Kubernetes cannot change the first family of a Service, so it is that of the cluster. `test_upgrades` changes it.
SAME_FIRST_FAMILY = "--set=service.ipFamilies={IPv4,IPv6}"


def arguments_of(values: Path) -> list[str]:
    """Return the arguments of helm for a values file."""
    more = [SAME_FIRST_FAMILY] if values.name == "ipv6-values.yaml" else []
    return [f"--values={values}", *more]
