"""What is in the image, what is not, and that the same sources make the same one."""

from __future__ import annotations

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
from tests.support.repository import ROOT
from tests.support.required_programs import program

LABEL = "org.opencontainers.image."
LIST = """
import os
for folder, folders, files in os.walk("/"):
    folders[:] = [name for name in folders if os.path.join(folder, name) not in ("/proc", "/sys", "/dev")]
    for path in (os.path.join(folder, name) for name in files + folders):
        print(os.lstat(path).st_mode, path)
"""
"""A program that prints the mode and the path of everything."""
INSTALLERS = r"/(pip|ensurepip)$|/pip-[^/]+$|\.whl$|/bin/(pip|easy_install)[^/]*$"
COMPILERS = r"/bin/([^/]+-)?(gcc|g\+\+|cc|c\+\+|clang|tcc|rustc|go|as|ld|make)(-?[\d.]+)?$"
OURS = "/opt/venv"


@pytest.fixture(scope="module")
def modes() -> dict[str, int]:
    """The mode of everything in the image, by path."""
    lines = output_of(run_image("-c", LIST, options=("--user=0", "--entrypoint=python"))).splitlines()
    return {path: int(mode) for mode, path in (line.split(" ", 1) for line in lines)}


@pytest.fixture(scope="module")
def labels() -> dict[str, str]:
    """The labels of the OCI's vocabulary."""
    found = inspect("image", image())["Labels"]
    return {name.removeprefix(LABEL): value for name, value in found.items() if name.startswith(LABEL)}


def test_nothing_is_left_that_installs_or_compiles(modes: dict[str, int]) -> None:
    assert [path for path in modes if re.search(f"{INSTALLERS}|{COMPILERS}", path)] == []
    assert not any(path.startswith(("/opt/build", "/opt/wheel", "/src")) for path in modes)


def test_no_file_makes_anybody_somebody_else(modes: dict[str, int]) -> None:
    assert [path for path, mode in modes.items() if stat.S_ISREG(mode) and mode & (stat.S_ISUID | stat.S_ISGID)] == []


def test_only_root_could_change_the_exporter(modes: dict[str, int]) -> None:
    ours = {path: mode for path, mode in modes.items() if path.startswith(OURS) and not stat.S_ISLNK(mode)}
    assert ours
    assert [path for path, mode in ours.items() if mode & (stat.S_IWGRP | stat.S_IWOTH)] == []


def test_the_whole_package_is_there_and_compiled(modes: dict[str, int]) -> None:
    files = {path.partition("/site-packages/exporter/")[2] for path, mode in modes.items() if stat.S_ISREG(mode)} - {""}
    sources = {str(file.relative_to(ROOT / "exporter")) for file in (ROOT / "exporter").rglob("*") if file.is_file()}
    bytecode = {file for file in files if "__pycache__" in file}
    assert files - bytecode == {file for file in sources if "__pycache__" not in file}
    assert len(bytecode) == len([file for file in files if file.endswith(".py")])


def test_the_labels_tell_what_it_is_and_of_which_sources(labels: dict[str, str]) -> None:
    assert labels["title"] == "aws-iot-bulk-exporter"
    assert labels["description"]
    assert labels["licenses"] == "Apache-2.0"
    assert labels["version"] == __version__
    assert re.fullmatch(r"[0-9a-f]{40}(-dirty)?|unknown", labels["revision"])
    assert datetime.fromisoformat(labels["created"]).tzinfo


def test_its_settings_are_those_that_orchestrators_understand() -> None:
    config = inspect("image", image())["Config"]
    assert config["User"] == "65532:65532"
    assert config["StopSignal"] in ("SIGTERM", "15")
    assert (config["Entrypoint"], config["Cmd"]) == (["aws-iot-bulk-exporter"], ["serve"])
    assert inspect("image", image())["Healthcheck"]["Test"][0] == "CMD"
    assert config["ExposedPorts"].keys() == {"10098/tcp"}


def test_the_same_sources_elsewhere_and_at_another_time_make_the_same_layers(
    tmp_path: Path, labels: dict[str, str]
) -> None:
    for name in ("Makefile", "Dockerfile", ".dockerignore", *sources_of_the_image()):
        path = ROOT / name
        _ = shutil.copytree(path, tmp_path / name) if path.is_dir() else shutil.copyfile(path, tmp_path / name)
    again = f"localhost/exporter-again:{os.getpid()}"
    flags = os.environ.get("BUILD_FLAGS", "") + " --no-cache"
    committed = int(datetime.fromisoformat(labels["created"]).timestamp())
    words = ("image", "ENGINE=podman", f"IMAGE={again}", f"BUILD_FLAGS={flags}", f"COMMITTED={committed}")
    try:
        subprocess.run([program("make"), *words], cwd=tmp_path, check=True, capture_output=True)
        assert inspect("image", again)["RootFS"]["Layers"] == inspect("image", image())["RootFS"]["Layers"]
    finally:
        podman("rmi", again)


def sources_of_the_image() -> list[str]:
    """What .dockerignore lets in."""
    return re.findall(r"^!(\S+)$", (ROOT / ".dockerignore").read_text(), re.MULTILINE)
