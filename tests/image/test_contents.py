"""The contents of the image, and its reproducible build."""

import os
import re
import shutil
import stat
import subprocess
from datetime import datetime
from pathlib import Path

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
    for name in ("Makefile", "Dockerfile", ".dockerignore", *sources_of_the_image()):
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


def sources_of_the_image() -> list[str]:
    """Return the paths that .dockerignore includes."""
    return re.findall(r"^!(\S+)$", (ROOT / ".dockerignore").read_text(), re.MULTILINE)
