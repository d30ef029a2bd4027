"""``make sbom`` writes a valid CycloneDX document with every package of the image."""

import json
import re
import subprocess
from typing import Any

import pytest

from exporter import __version__
from tests.support.containers import image, output_of, run_image
from tests.support.repository import ROOT, program

LIST = """
from importlib.metadata import distributions
print(*sorted(f"{package.name}=={package.version}" for package in distributions(path=__import__("sys").path)))
"""
# Validates standard input with the library of CycloneDX, which is installed beside the program.
VALIDATE = """
import sys
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
error = JsonStrictValidator(SchemaVersion.V1_6).validate_str(sys.stdin.read())
sys.exit(f"not valid: {error}" if error else 0)
"""


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return the text that the Makefile writes for the image."""
    program("cyclonedx-py", ".venv-sbom")
    file = tmp_path_factory.mktemp("sbom") / "sbom.cdx.json"
    words = ("sbom", "ENGINE=podman", f"IMAGE={image()}", f"SBOM={file}")
    subprocess.run([program("make"), *words], cwd=ROOT, check=True, capture_output=True)
    return file.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def sbom(text: str) -> dict[str, Any]:
    """Return the parsed document."""
    document: dict[str, Any] = json.loads(text)
    return document


def problems(text: str) -> str:
    """Return the errors that the library of CycloneDX reports."""
    python = program("python", ".venv-sbom")
    ended = subprocess.run([python, "-c", VALIDATE], input=text, capture_output=True, text=True, check=False)
    assert ended.returncode in (0, 1)
    return ended.stderr


def test_the_document_is_valid_and_an_invalid_one_is_refused(text: str) -> None:
    assert problems(text) == ""
    assert "not valid" in problems(text.replace('"type": "library"', '"type": "lbrary"'))


def test_the_document_contains_exactly_the_packages_of_the_image(sbom: dict[str, Any]) -> None:
    installed = output_of(run_image("-c", LIST, options=("--entrypoint=python",))).split()
    assert sorted(f"{component['name']}=={component['version']}" for component in sbom["components"]) == installed
    assert f"aws-iot-bulk-exporter=={__version__}" in installed


def test_the_packages_have_the_locked_versions(sbom: dict[str, Any]) -> None:
    locked = dict(re.findall(r"^([\w.-]+)==([^ ]+)", (ROOT / "requirements.lock").read_text(), re.MULTILINE))
    versions = {re.sub(r"[-_.]+", "-", package["name"]).lower(): package["version"] for package in sbom["components"]}
    del versions["aws-iot-bulk-exporter"]
    assert versions.items() <= locked.items()


def test_each_package_has_a_license_and_is_a_dependency(sbom: dict[str, Any]) -> None:
    assert [package["name"] for package in sbom["components"] if not package.get("licenses")] == []
    needed = {name for package in sbom["dependencies"] for name in package.get("dependsOn", ())}
    assert {package["bom-ref"] for package in sbom["components"]} == needed
