"""``make audit`` fails if packages were not audited, whatever pip-audit's status is."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.audit import LOCKS, run_audit

FINE = {"name": "fine", "version": "1", "vulns": []}
BAD = {"name": "bad", "version": "2", "vulns": [{"id": "CVE-2026-1", "fix_versions": ["3"]}]}
SKIPPED = {"name": "other", "skip_reason": "not found on PyPI"}
LOCK = Path("requirements.lock")


def audit_result(reports: dict[str, list[dict[str, Any]]], where_reachable: bool = False) -> tuple[int, str]:
    """Return the exit status and the output for the reports of services. A service without a report is unreachable."""
    output: list[str] = []

    def report(lock: Path, service: str) -> str:
        return json.dumps({"dependencies": reports[service]}) if service in reports else ""

    return run_audit(report, [LOCK], output.append, where_reachable), "\n".join(output)


@pytest.mark.parametrize("service", ["pypi", "osv"])
def test_known_packages_without_vulnerabilities_pass(service: str) -> None:
    assert audit_result({service: [FINE]}) == (0, "requirements.lock: 1 packages, 0 vulnerabilities, 0 unknown")


def test_a_vulnerability_is_reported_and_always_fails() -> None:
    for where_reachable in (False, True):
        status, output = audit_result({"pypi": [FINE, BAD]}, where_reachable)
        assert status == 1
        assert "bad 2: CVE-2026-1" in output


def test_an_unknown_package_fails_too() -> None:
    assert audit_result({"pypi": [FINE, SKIPPED]})[0] == 1
    assert "other: unknown to pypi" in audit_result({"pypi": [FINE, SKIPPED]})[1]


@pytest.mark.parametrize("reports", [{}, {"pypi": []}, {"pypi": [SKIPPED], "osv": [SKIPPED]}])
def test_without_a_service_nothing_is_audited(reports: dict[str, list[dict[str, Any]]]) -> None:
    assert audit_result(reports) == (1, "NOT AUDITED: neither pypi nor osv reports vulnerabilities here")
    assert audit_result(reports, where_reachable=True)[0] == 0


def test_the_second_service_replaces_a_first_one_that_knows_nothing() -> None:
    assert audit_result({"pypi": [SKIPPED], "osv": [BAD]})[0] == 1


def test_every_lock_is_audited() -> None:
    assert {"requirements.lock", "requirements-dev.lock", "requirements-build.lock"} <= {lock.name for lock in LOCKS}
