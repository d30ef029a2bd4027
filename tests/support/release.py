"""Checks and prepares a release, as docs/releasing.md describes: ``python -m tests.support.release check``.

The version is in exporter/__init__.py. ``version`` writes it to every other place.
"""

import re
import sys
from collections.abc import Callable, Mapping, Sequence
from configparser import ConfigParser
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from exporter import __version__
from tests.support.repository import ROOT

VERSION = r"\d+\.\d+\.\d+(?:(?:a|b|rc)\d+)?"
IMAGE = rf"aws-iot-bulk-exporter:({VERSION})"
# The version of a chart must be a Semantic Version, which writes 1.2.3rc1 in another form: 1.2.3-rc.1.
CHART_VERSION = r"(?m)^version: (\d+\.\d+\.\d+(?:-(?:a|b|rc)\.\d+)?)$"
# The files that contain the version, with the patterns of the places.
PLACES: Mapping[str, Sequence[str]] = {
    "exporter/__init__.py": (rf'__version__ = "({VERSION})"',),
    "helm/Chart.yaml": (CHART_VERSION, rf'(?m)^appVersion: "({VERSION})"$', IMAGE),
    "README.md": (IMAGE,),
    "docs/ecs.md": (IMAGE,),
    "docs/image.md": (IMAGE,),
    "docs/kubernetes.md": (IMAGE,),
    "docs/openapi.json": (rf'(?m)^    "version": "({VERSION})"',),
}
SECTION = r"(?ms)^## \[{}\]{}\n(.*?)(?=^## \[|^\[[^\]]+\]: |\Z)"
# The lock files of the dependencies in setup.cfg, with the section and the key that list them.
LOCKS = {
    "requirements.lock": ("options", "install_requires"),
    "requirements-dev.lock": ("options.extras_require", "dev"),
}


def version_problems(root: Path, version: str) -> list[str]:
    """Return a problem for each place with another version, and for each pattern without a place."""
    problems = []
    for name, patterns in PLACES.items():
        text = (root / name).read_text(encoding="utf-8")
        for pattern in patterns:
            found, expected = re.findall(pattern, text), _written(version, pattern)
            problems += [] if found else [f"{name}: no version is found; correct the pattern in {Path(__file__).name}"]
            problems += [f"{name}: {other}, expected {expected}" for other in found if other != expected]
    return problems


def changelog_problems(root: Path, version: str) -> list[str]:
    """Return a problem if the changelog has no section for the version, or has changes that belong to no version."""
    text = (root / "CHANGELOG.md").read_text(encoding="utf-8")
    problems = []
    if not _section(text, version):
        problems.append(f"CHANGELOG.md: no section [{version}] - YYYY-MM-DD with text")
    if _section(text, "Unreleased", date=""):
        problems.append(f"CHANGELOG.md: the section Unreleased is not empty; move its text to {version}")
    return problems


def lock_problems(root: Path) -> list[str]:
    """Return a problem for each dependency that a lock file lacks, or locks at a version out of its range."""
    problems = []
    for name, (section, key) in LOCKS.items():
        locked = dict(re.findall(r"(?m)^([\w.-]+)==(\S+)", (root / name).read_text(encoding="utf-8")))
        versions = {canonicalize_name(package): version for package, version in locked.items()}
        for requirement in requirements(root / "setup.cfg", section, key):
            version = versions.get(canonicalize_name(requirement.name))
            if version is None or not requirement.specifier.contains(version):
                problems.append(f"{name}: {requirement} is locked at {version}; run make lock")
    return problems


def requirements(file: Path, section: str, key: str) -> list[Requirement]:
    """Return the dependencies that a key of setup.cfg lists."""
    parser = ConfigParser()
    parser.read(file, encoding="utf-8")
    return [Requirement(line) for line in parser[section][key].split("\n") if line]


def problems_of_release(tag: str, root: Path = ROOT) -> list[str]:
    """Return everything that is wrong with the release of a tag. Without a tag, the version is that of the package."""
    version = __version__
    expected = [] if tag in ("", f"v{version}") else [f"tag: {tag}, expected v{version}"]
    return [*expected, *version_problems(root, version), *changelog_problems(root, version), *lock_problems(root)]


def release_notes(root: Path = ROOT, version: str = __version__) -> str:
    """Return the section of the changelog for the version."""
    return _section((root / "CHANGELOG.md").read_text(encoding="utf-8"), version)


def write_version(version: str, root: Path = ROOT) -> None:
    """Write a new version to every place. Raises SystemExit for something that is no version."""
    if not re.fullmatch(VERSION, version):
        raise SystemExit(f"VERSION: {version!r} is not a version such as 1.2.3 or 1.2.3rc1")
    for name, patterns in PLACES.items():
        file = root / name
        text = file.read_text(encoding="utf-8")
        for pattern in patterns:
            text = _with_version(text, pattern, _written(version, pattern))
        file.write_text(text, encoding="utf-8")


def _written(version: str, pattern: str) -> str:
    """Return the version in the form of the places of a pattern."""
    return re.sub(r"(a|b|rc)(\d+)$", r"-\1.\2", version) if pattern == CHART_VERSION else version


def _with_version(text: str, pattern: str, version: str) -> str:
    return re.sub(pattern, lambda match: match[0].replace(match[1], version), text)


def _section(text: str, version: str, date: str = r" - \d{4}-\d{2}-\d{2}") -> str:
    match = re.search(SECTION.format(re.escape(version), date), text)
    return match[1].strip() if match else ""


def _check(tag: str = "") -> None:
    problems = problems_of_release(tag)
    if problems:
        raise SystemExit("\n".join(problems))
    print(f"version {__version__} can be released")


COMMANDS: Mapping[str, Callable[..., None]] = {
    "check": _check,
    "notes": lambda: print(release_notes()),
    "version": write_version,
}

if __name__ == "__main__":
    COMMANDS[sys.argv[1]](*sys.argv[2:])
