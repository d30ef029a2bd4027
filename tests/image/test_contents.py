"""The contents of the image, its reproducible build, and the CycloneDX document that lists its packages."""

import json
import os
import re
import shutil
import stat
import subprocess
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from exporter import __version__
from tests.support.containers import image, inspect, output_of, podman, run_image
from tests.support.repository import ROOT, program

LABEL = "org.opencontainers.image."
# Prints the mode and the path of every file.
LIST = """
import os
for folder, folders, files in os.walk("/"):
    folders[:] = [name for name in folders if os.path.join(folder, name) not in ("/proc", "/sys", "/dev")]
    for path in (os.path.join(folder, name) for name in files + folders):
        print(os.lstat(path).st_mode, path)
"""
INSTALLERS = r"/(pip|ensurepip)$|/pip-[^/]+$|\.whl$|/bin/(pip|easy_install)[^/]*$"
COMPILERS = r"/bin/([^/]+-)?(gcc|g\+\+|cc|c\+\+|clang|tcc|rustc|go|as|ld|make)(-?[\d.]+)?$"
VENV = "/opt/venv"
# Prints the installed packages with their versions.
PACKAGES = """
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
def modes() -> dict[str, int]:
    """Return the mode of every file in the image, by path."""
    lines = output_of(run_image("-c", LIST, options=("--user=0", "--entrypoint=python"))).splitlines()
    return {path: int(mode) for mode, path in (line.split(" ", 1) for line in lines)}


@pytest.fixture(scope="module")
def labels() -> dict[str, str]:
    """Return the OCI labels."""
    all_labels = inspect("image", image())["Labels"]
    return {name.removeprefix(LABEL): value for name, value in all_labels.items() if name.startswith(LABEL)}


def test_the_image_has_no_installer_and_no_compiler(modes: dict[str, int]) -> None:
    assert [path for path in modes if re.search(f"{INSTALLERS}|{COMPILERS}", path)] == []
    assert not any(path.startswith(("/opt/build", "/opt/wheel", "/src")) for path in modes)


def test_no_file_has_the_setuid_or_setgid_bit(modes: dict[str, int]) -> None:
    assert [path for path, mode in modes.items() if stat.S_ISREG(mode) and mode & (stat.S_ISUID | stat.S_ISGID)] == []


def test_only_root_can_write_the_files_of_the_exporter(modes: dict[str, int]) -> None:
    files = {path: mode for path, mode in modes.items() if path.startswith(VENV) and not stat.S_ISLNK(mode)}
    assert files
    assert [path for path, mode in files.items() if mode & (stat.S_IWGRP | stat.S_IWOTH)] == []


def test_the_image_has_the_complete_package_with_bytecode(modes: dict[str, int]) -> None:
    files = {path.partition("/site-packages/exporter/")[2] for path, mode in modes.items() if stat.S_ISREG(mode)} - {""}
    sources = {str(file.relative_to(ROOT / "exporter")) for file in (ROOT / "exporter").rglob("*") if file.is_file()}
    bytecode = {file for file in files if "__pycache__" in file}
    assert files - bytecode == {file for file in sources if "__pycache__" not in file}
    assert len(bytecode) == len([file for file in files if file.endswith(".py")])


def test_the_labels_describe_the_image_and_its_sources(labels: dict[str, str]) -> None:
    assert labels["title"] == "aws-iot-bulk-exporter"
    assert labels["description"]
    assert labels["licenses"] == "Apache-2.0"
    assert labels["version"] == __version__
    assert re.fullmatch(r"[0-9a-f]{40}(-dirty)?|unknown", labels["revision"])
    assert datetime.fromisoformat(labels["created"]).tzinfo


def test_the_settings_of_the_image_are_valid_for_orchestrators() -> None:
    config = inspect("image", image())["Config"]
    assert config["User"] == "65532:65532"
    assert config["StopSignal"] in ("SIGTERM", "15")
    assert (config["Entrypoint"], config["Cmd"]) == (["aws-iot-bulk-exporter"], ["serve"])
    assert inspect("image", image())["Healthcheck"]["Test"][0] == "CMD"
    assert config["ExposedPorts"].keys() == {"10098/tcp"}


def test_a_second_build_in_another_folder_has_the_same_layers(tmp_path: Path, labels: dict[str, str]) -> None:
    included = re.findall(r"^!(\S+)$", (ROOT / ".dockerignore").read_text(), re.MULTILINE)
    for name in ("Makefile", "Dockerfile", ".dockerignore", *included):
        path = ROOT / name
        _ = shutil.copytree(path, tmp_path / name) if path.is_dir() else shutil.copyfile(path, tmp_path / name)
    second = f"localhost/exporter-again:{os.getpid()}"
    flags = os.environ.get("BUILD_FLAGS", "") + " --no-cache"
    committed = int(datetime.fromisoformat(labels["created"]).timestamp())
    words = ("image", "ENGINE=podman", f"IMAGE={second}", f"BUILD_FLAGS={flags}", f"COMMIT_TIME={committed}")
    try:
        subprocess.run([program("make"), *words], cwd=tmp_path, check=True, capture_output=True)
        assert inspect("image", second)["RootFS"]["Layers"] == inspect("image", image())["RootFS"]["Layers"]
    finally:
        podman("rmi", second)


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
    installed = output_of(run_image("-c", PACKAGES, options=("--entrypoint=python",))).split()
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
