"""What pip-audit reports is judged rightly: silence is no success."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.audit import LOCKS, audit

FINE = {"name": "fine", "version": "1", "vulns": []}
BAD = {"name": "bad", "version": "2", "vulns": [{"id": "CVE-2026-1", "fix_versions": ["3"]}]}
SKIPPED = {"name": "other", "skip_reason": "not found on PyPI"}
LOCK = Path("requirements.lock")


def judged(reports: dict[str, list[dict[str, Any]]], where_reachable: bool = False) -> tuple[int, str]:
    """Return the status and what is said for the reports of services; one without a report cannot be reached."""
    said: list[str] = []

    def ask(lock: Path, service: str) -> str:
        return json.dumps({"dependencies": reports[service]}) if service in reports else ""

    return audit(ask, [LOCK], said.append, where_reachable), "\n".join(said)


@pytest.mark.parametrize("service", ["pypi", "osv"])
def test_what_is_known_to_be_fine_is_fine(service: str) -> None:
    assert judged({service: [FINE]}) == (0, "requirements.lock: 1 packages, 0 vulnerabilities, 0 unknown")


def test_a_vulnerability_is_told_and_is_a_failure_everywhere() -> None:
    for where_reachable in (False, True):
        status, said = judged({"pypi": [FINE, BAD]}, where_reachable)
        assert status == 1
        assert "bad 2: CVE-2026-1" in said


def test_a_package_that_was_not_looked_at_is_a_failure_too() -> None:
    assert judged({"pypi": [FINE, SKIPPED]})[0] == 1
    assert "other: pypi does not know it" in judged({"pypi": [FINE, SKIPPED]})[1]


@pytest.mark.parametrize("reports", [{}, {"pypi": []}, {"pypi": [SKIPPED], "osv": [SKIPPED]}])
def test_where_no_service_knows_anything_nothing_was_audited(reports: dict[str, list[dict[str, Any]]]) -> None:
    assert judged(reports) == (1, "NOT AUDITED: neither pypi nor osv tells vulnerabilities here")
    assert judged(reports, where_reachable=True)[0] == 0


def test_where_the_first_service_knows_nothing_the_second_is_asked() -> None:
    assert judged({"pypi": [SKIPPED], "osv": [BAD]})[0] == 1


def test_every_lock_is_audited() -> None:
    assert {"requirements.lock", "requirements-dev.lock", "requirements-build.lock"} <= {lock.name for lock in LOCKS}
