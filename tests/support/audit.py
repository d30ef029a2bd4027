"""``make audit``: known vulnerabilities of everything that is locked, by pip-audit, wherever a service answers.

pip-audit takes a package that a service does not know for one without vulnerabilities. So do mirrors of PyPI that serve
no advisories: all packages are skipped, and the status is 0. Here that is no success.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.repository import ROOT

SERVICES = ("pypi", "osv")
# Take it for no failure that no service answers; whoever has no network cannot help it.
WHERE_REACHABLE = "--where-reachable"
LOCKS = tuple(sorted(ROOT.glob("requirements*.lock")))
PROGRAM = ROOT / ".venv-audit" / "bin" / "pip-audit"

# Gives pip-audit's report, as JSON, of a lock file by a service; nothing where there is none.
Ask = Callable[[Path, str], str]


@dataclass(frozen=True, slots=True)
class Audit:
    """What is known of one lock file: how many packages were looked at, which were not, and what is wrong."""

    audited: int
    unknown: tuple[str, ...]
    vulnerable: tuple[str, ...]


def read_report(text: str) -> Audit:
    """Return what a report says; a report that is none knows nothing."""
    packages: list[dict[str, Any]] = json.loads(text)["dependencies"] if text.strip() else []
    looked_at = [package for package in packages if "skip_reason" not in package]
    found = [(package, known) for package in looked_at for known in package["vulns"]]
    return Audit(
        len(looked_at),
        tuple(package["name"] for package in packages if "skip_reason" in package),
        tuple(f"{package['name']} {package['version']}: {known['id']}" for package, known in found),
    )


def audit(ask: Ask, locks: Sequence[Path], say: Callable[[str], None], where_reachable: bool) -> int:
    """Say what is known of each lock file and return 0; 1 for a vulnerability or what could not be looked at.

    The first service that knows the packages of the first file is asked for all.
    """
    service = next((name for name in SERVICES if read_report(ask(locks[0], name)).audited), None)
    if service is None:
        say(f"NOT AUDITED: neither {' nor '.join(SERVICES)} tells vulnerabilities here")
        return 0 if where_reachable else 1
    found = {lock: read_report(ask(lock, service)) for lock in locks}
    for lock, one in found.items():
        say(f"{lock.name}: {one.audited} packages, {len(one.vulnerable)} vulnerabilities, {len(one.unknown)} unknown")
        for line in (*one.vulnerable, *(f"{name}: {service} does not know it" for name in one.unknown)):
            say(f"  {line}")
    return int(any(one.vulnerable or one.unknown or not one.audited for one in found.values()))


def run_pip_audit(lock: Path, service: str) -> str:
    """Run pip-audit on a lock file as it is: nothing is installed or resolved."""
    words = ("--requirement", lock, "--require-hashes", "--disable-pip", "--vulnerability-service", service)
    how = ("--format", "json", "--progress-spinner", "off")
    return subprocess.run(
        [PROGRAM, *words, *how], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False, text=True
    ).stdout


if __name__ == "__main__":
    # The smallest file first: whether a service answers is soon known.
    ordered = sorted(LOCKS, key=lambda lock: lock.stat().st_size)
    sys.exit(audit(run_pip_audit, ordered, print, WHERE_REACHABLE in sys.argv))
