"""The unit of systemd is valid, uses existing flags and is protected."""

import re
import shlex
import subprocess
from pathlib import Path

from exporter.cli.main import PROGRAM, parse_arguments
from tests.support.repository import ROOT, program

FOLDER = ROOT / "deploy" / "systemd"
UNIT = (FOLDER / f"{PROGRAM}.service").read_text(encoding="utf-8")
ENVIRONMENT = (FOLDER / f"{PROGRAM}.env").read_text(encoding="utf-8")
# `systemd-analyze security` calls an exposure above 2 medium or worse, on a scale from 0 to 10.
MAX_EXPOSURE = 2.0


def analyze(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run systemd-analyze, which needs no running systemd for a file."""
    command = [program("systemd-analyze"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)


def setting(name: str) -> str:
    """Return the value of a setting that the unit contains once."""
    (value,) = re.findall(rf"^{name}=(.*)$", UNIT, re.MULTILINE)
    return str(value)


def test_systemd_accepts_the_unit(tmp_path: Path) -> None:
    program_path = setting("ExecStart").split()[0]
    file = tmp_path / f"{PROGRAM}.service"
    file.write_text(UNIT.replace(program_path, "/bin/true"))
    done = analyze("verify", str(file))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_the_unit_is_protected() -> None:
    done = analyze("security", "--offline=true", "--no-pager", str(FOLDER / f"{PROGRAM}.service"))
    level = re.search(r"exposure level for \S+: ([\d.]+)", done.stdout)
    assert level, done.stdout
    assert float(level[1]) < MAX_EXPOSURE, done.stdout


def test_the_unit_runs_the_exporter_with_the_flags_of_the_environment_file() -> None:
    path, command, variable = setting("ExecStart").split()
    (flags,) = re.findall(r"^ARGS=(.*)$", ENVIRONMENT, re.MULTILINE)
    assert (Path(path).name, variable) == (PROGRAM, "$ARGS")
    assert callable(parse_arguments(command, shlex.split(flags)))


def test_the_page_installs_each_file_where_the_unit_reads_it() -> None:
    page = (ROOT / "docs" / "systemd.md").read_text(encoding="utf-8")
    installed = dict(re.findall(r"^sudo install \S+ -m \d+ (\S+) (\S+)$", page, re.MULTILINE))
    assert all((ROOT / source).is_file() for source in installed)
    assert installed[f"deploy/systemd/{PROGRAM}.env"] == setting("EnvironmentFile").removeprefix("-")
    assert f"--config.file={installed['config.example.yaml']}" in ENVIRONMENT
    assert f"venv {Path(setting('ExecStart').split()[0]).parents[1]}\n" in page
