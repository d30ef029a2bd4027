"""The source distribution contains the project, and the wheel that is built from it contains the tested package."""

import os
import subprocess
import sys
import tarfile
import venv
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest

from exporter import __version__
from exporter.cli.main import PROGRAM
from tests.support.repository import ROOT, program
from tests.support.tar_files import extract

NAME = f"aws_iot_bulk_exporter-{__version__}"
BUILD = "import sys; from setuptools import build_meta; build_meta.build_{}(sys.argv[1])"
GENERATED = ("PKG-INFO", "aws_iot_bulk_exporter.egg-info/")


def run(command: list[str], folder: Path) -> str:
    """Run a command in a folder and return its output. Fail if the command fails."""
    # setuptools warns if Python must not write bytecode.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    done = subprocess.run(
        command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


@dataclass(frozen=True)
class Distribution:
    """The source distribution, the folder with its content, the wheel that is built from it, and the output."""

    archive: Path
    source: Path
    wheel: Path
    output: str


def tracked_files() -> set[str]:
    """Return the files of the repository, also new ones. Skip the test if the tests do not run in a clone."""
    if not (ROOT / ".git").exists():
        pytest.skip("the tests do not run in a clone of the repository")
    listed = run([program("git"), "ls-files", "--cached", "--others", "--exclude-standard"], ROOT).splitlines()
    return {name for name in listed if (ROOT / name).is_file()}


@pytest.fixture(scope="module")
def distribution(tmp_path_factory: pytest.TempPathFactory) -> Distribution:
    """Build the source distribution from the tracked files, and the wheel from the source distribution only.

    The bytecode of an earlier run is beside the files.
    """
    folder = tmp_path_factory.mktemp("distribution")
    clone = folder / "clone"
    for name in tracked_files():
        (clone / name).parent.mkdir(parents=True, exist_ok=True)
        (clone / name).write_bytes((ROOT / name).read_bytes())
        (clone / name).chmod((ROOT / name).stat().st_mode)
    run([sys.executable, "-m", "compileall", "-q", "exporter/core", "tests/core"], clone)
    output = run([sys.executable, "-c", BUILD.format("sdist"), str(folder)], clone)
    archive = folder / f"{NAME}.tar.gz"
    extract(archive, folder)
    output += run([sys.executable, "-c", BUILD.format("wheel"), str(folder)], folder / NAME)
    return Distribution(archive, folder / NAME, folder / f"{NAME}-py3-none-any.whl", output)


def test_setuptools_builds_both_without_a_warning_of_a_fault(distribution: Distribution) -> None:
    # The source distribution, of which the wheel is built, has none of the files that MANIFEST.in leaves out.
    no_bytecode = "warning: no previously-included files matching '*.pyc' found anywhere in distribution"
    assert [line for line in distribution.output.splitlines() if "warning" in line.lower()] == [no_bytecode]


def test_the_source_distribution_contains_every_file_of_the_repository(distribution: Distribution) -> None:
    with tarfile.open(distribution.archive) as file:
        names = {member.name.removeprefix(f"{NAME}/") for member in file.getmembers() if member.isfile()}
    assert {name for name in names if not name.startswith(GENERATED)} == tracked_files() | {"setup.cfg"}


def test_the_wheel_contains_exactly_the_package_that_the_tests_use(distribution: Distribution) -> None:
    with zipfile.ZipFile(distribution.wheel) as wheel:
        files = {name: wheel.read(name) for name in wheel.namelist() if not name.startswith(f"{NAME}.dist-info/")}
    assert files == {name: (ROOT / name).read_bytes() for name in tracked_files() if name.startswith("exporter/")}


def test_the_installed_wheel_runs_outside_the_repository(distribution: Distribution, tmp_path: Path) -> None:
    environment = tmp_path / "venv"
    venv.create(environment, symlinks=True)
    python = str(environment / "bin" / "python")
    install = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", python, "install", "--quiet"]
    run([*install, "--no-deps", "--no-index", str(distribution.wheel)], tmp_path)
    (packages,) = environment.glob("lib/python*/site-packages")
    # The dependencies come from the environment of the tests, without its link to the repository.
    (packages / "dependencies.pth").write_text("\n".join(path for path in sys.path if path.endswith("site-packages")))
    assert run([python, "-c", "import exporter; print(exporter.__file__)"], tmp_path).startswith(str(packages))
    assert "aws_iot_bulk_operation_status" in run([str(environment / "bin" / PROGRAM), "show", "metrics"], tmp_path)


def test_the_tests_of_the_source_distribution_pass(distribution: Distribution) -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", "setup.cfg"]
    run([*command, "tests/config", "tests/metrics", "tests/project/test_layers.py"], distribution.source)
    # The details of failed assertions, which need a new compilation of every test, matter only for tests that run.
    run([*command, "--assert=plain", "--collect-only"], distribution.source)
