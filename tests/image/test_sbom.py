"""What ``make sbom`` writes: the image's packages, each of them, by the rules of CycloneDX."""

from __future__ import annotations

import json
import re
import subprocess
from typing import Any

import pytest

from exporter import __version__
from tests.support.containers import image, output_of, run_image
from tests.support.repository import ROOT
from tests.support.required_programs import program

LIST = """
from importlib.metadata import distributions
print(*sorted(f"{one.name}=={one.version}" for one in distributions(path=__import__("sys").path)))
"""
VALIDATE = """
import sys
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
error = JsonStrictValidator(SchemaVersion.V1_6).validate_str(sys.stdin.read())
sys.exit(f"not valid: {error}" if error else 0)
"""
"""CycloneDX' own library checks standard input; it lives beside the program that writes the file."""


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The file that the Makefile writes for the image."""
    program("cyclonedx-py", ".venv-sbom")
    file = tmp_path_factory.mktemp("sbom") / "sbom.cdx.json"
    words = ("sbom", "ENGINE=podman", f"IMAGE={image()}", f"SBOM={file}")
    subprocess.run([program("make"), *words], cwd=ROOT, check=True, capture_output=True)
    return file.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def sbom(text: str) -> dict[str, Any]:
    """The same, read."""
    found: dict[str, Any] = json.loads(text)
    return found


def problems(text: str) -> str:
    """What CycloneDX' library says of a file."""
    python = program("python", ".venv-sbom")
    ended = subprocess.run([python, "-c", VALIDATE], input=text, capture_output=True, text=True, check=False)
    assert ended.returncode in (0, 1)
    return ended.stderr


def test_cyclonedx_accepts_it_and_would_not_accept_everything(text: str) -> None:
    assert problems(text) == ""
    assert "not valid" in problems(text.replace('"type": "library"', '"type": "lbrary"'))


def test_it_names_every_package_of_the_image_and_no_other(sbom: dict[str, Any]) -> None:
    there = output_of(run_image("-c", LIST, options=("--entrypoint=python",))).split()
    assert sorted(f"{one['name']}=={one['version']}" for one in sbom["components"]) == there
    assert f"aws-iot-bulk-exporter=={__version__}" in there


def test_the_packages_are_those_of_the_lock(sbom: dict[str, Any]) -> None:
    locked = dict(re.findall(r"^([\w.-]+)==([^ ]+)", (ROOT / "requirements.lock").read_text(), re.MULTILINE))
    others = {re.sub(r"[-_.]+", "-", one["name"]).lower(): one["version"] for one in sbom["components"]}
    del others["aws-iot-bulk-exporter"]
    assert others.items() <= locked.items()


def test_each_package_has_a_licence_and_is_needed_by_something(sbom: dict[str, Any]) -> None:
    assert [one["name"] for one in sbom["components"] if not one.get("licenses")] == []
    needed = {name for one in sbom["dependencies"] for name in one.get("dependsOn", ())}
    assert {one["bom-ref"] for one in sbom["components"]} == needed
