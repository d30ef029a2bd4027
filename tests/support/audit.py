"""``make audit``: reports known vulnerabilities of all locked packages, by pip-audit.

pip-audit treats a package that the service does not know as free of vulnerabilities. Some mirrors of PyPI have no
advisories at all: pip-audit then skips every package and exits with 0. This script counts that as a failure.
"""

import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from tests.support.repository import ROOT

SERVICES = ("pypi", "osv")
# With this flag it is no failure if no service responds, for machines without a network.
WHERE_REACHABLE = "--where-reachable"
LOCKS = tuple(sorted(ROOT.glob("requirements*.lock")))
PROGRAM = ROOT / ".venv-audit" / "bin" / "pip-audit"

# Returns pip-audit's JSON report of a lock file by a service, or an empty text.
Report = Callable[[Path, str], str]


def read_report(text: str) -> tuple[int, list[str], list[str]]:
    """Return the number of audited packages, the vulnerabilities, and the unknown packages. A report can be empty."""
    packages: list[dict[str, Any]] = json.loads(text)["dependencies"] if text.strip() else []
    audited = [package for package in packages if "skip_reason" not in package]
    found = ((package, known["id"]) for package in audited for known in package["vulns"])
    vulnerable = [f"{package['name']} {package['version']}: {id}" for package, id in found]
    return len(audited), vulnerable, [package["name"] for package in packages if "skip_reason" in package]


def run_audit(report: Report, locks: Sequence[Path], say: Callable[[str], None], where_reachable: bool) -> int:
    """Print the findings for each lock file. Return 0, or 1 for a vulnerability or an unknown package.

    The first service that knows the packages of the first file audits all files.
    """
    service = next((name for name in SERVICES if read_report(report(locks[0], name))[0]), None)
    if service is None:
        say(f"NOT AUDITED: neither {' nor '.join(SERVICES)} reports vulnerabilities here")
        return 0 if where_reachable else 1
    status = 0
    for lock in locks:
        audited, vulnerable, unknown = read_report(report(lock, service))
        say(f"{lock.name}: {audited} packages, {len(vulnerable)} vulnerabilities, {len(unknown)} unknown")
        for line in (*vulnerable, *(f"{name}: unknown to {service}" for name in unknown)):
            say(f"  {line}")
        if vulnerable or unknown or not audited:
            status = 1
    return status


def run_pip_audit(lock: Path, service: str) -> str:
    """Return pip-audit's JSON report of a lock file. It neither installs nor resolves packages."""
    words = ("--requirement", lock, "--require-hashes", "--disable-pip", "--vulnerability-service", service)
    how = ("--format", "json", "--progress-spinner", "off")
    return subprocess.run(
        [PROGRAM, *words, *how], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False, text=True
    ).stdout


if __name__ == "__main__":
    # Start with the smallest file, to find out quickly whether a service responds.
    ordered = sorted(LOCKS, key=lambda lock: lock.stat().st_size)
    sys.exit(run_audit(run_pip_audit, ordered, print, WHERE_REACHABLE in sys.argv))
