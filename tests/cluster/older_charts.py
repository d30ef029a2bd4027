"""Extracts the charts of older revisions from the history of the repository."""

import subprocess
from pathlib import Path

import pytest

from tests.support.repository import ROOT, program
from tests.support.tar_files import extract

# Charts before the dashboards, with the first claims, and with the values of today: for a repository without tags.
OLDER = ("e784de8", "8e10d90", "200e31b")


def extracted_charts(folder: Path) -> dict[str, Path]:
    """Return the charts of the last three tags, or of the commits that stand for them, by revision."""
    tags = _git("tag", "--sort=-creatordate").stdout.split()[:3]
    return {revision: _extracted_chart(revision, folder) for revision in tags or OLDER}


def _git(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run git in the repository and return its result, whatever its status."""
    return subprocess.run([program("git"), *arguments], cwd=ROOT, capture_output=True, text=True, check=False)


def _extracted_chart(revision: str, folder: Path) -> Path:
    """Write the chart of a revision into a folder, and return its path. Skip the test without the history."""
    archive = folder / f"{revision}.tar"
    done = _git("archive", f"--output={archive}", revision, "helm")
    if done.returncode != 0:
        pytest.skip(f"this copy of the repository has no revision {revision}")
    extract(archive, folder / revision)
    return folder / revision / "helm"
