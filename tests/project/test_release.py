"""The checks of a release find each mistake, and the workflows only use pinned actions."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from benchmarks.compare import comparison, figures
from exporter import __version__
from tests.support.release import (
    LOCKS,
    PLACES,
    changelog_problems,
    lock_problems,
    problems_of_release,
    release_notes,
    version_problems,
    write_version,
)
from tests.support.repository import ROOT, program, skip_or_fail

RELEASED = (
    "# Changelog\n\n## [Unreleased]\n\n## [1.2.3] - 2026-01-31\n\n- A change.\n\n## [1.2.2] - 2026-01-01\n\n- Old.\n"
)
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the files that the checks read."""
    for name in (*PLACES, *LOCKS, "CHANGELOG.md", "setup.cfg"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


def test_every_place_has_the_version_of_the_package() -> None:
    assert version_problems(ROOT, __version__) == []


def test_every_dependency_is_locked_within_its_range() -> None:
    assert lock_problems(ROOT) == []


def test_a_new_version_is_written_to_every_place(copy: Path) -> None:
    write_version("9.8.7rc1", copy)
    assert version_problems(copy, "9.8.7rc1") == []
    assert {problem.split(":")[0] for problem in version_problems(copy, __version__)} == set(PLACES)


@pytest.mark.parametrize(
    ("version", "chart"), [("1.2.3rc1", "1.2.3-rc.1"), ("1.2.3a10", "1.2.3-a.10"), ("1.2.3", "1.2.3")]
)
def test_the_chart_gets_a_version_that_helm_accepts(version: str, chart: str, copy: Path) -> None:
    write_version(version, copy)
    metadata = yaml.safe_load((copy / "helm" / "Chart.yaml").read_text())
    assert (metadata["version"], metadata["appVersion"]) == (chart, version)
    ended = subprocess.run(
        [program("helm"), "show", "chart", str(copy / "helm")], capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr
    write_version("9.8.7", copy)
    assert version_problems(copy, "9.8.7") == []


@pytest.mark.parametrize("text", ["", "1.2", "v1.2.3", "1.2.3; rm -rf /"])
def test_a_text_that_is_no_version_changes_nothing(text: str, copy: Path) -> None:
    with pytest.raises(SystemExit, match="is not a version"):
        write_version(text, copy)
    assert version_problems(copy, __version__) == []


def test_one_place_with_an_old_version_is_a_problem(copy: Path) -> None:
    chart = copy / "helm" / "Chart.yaml"
    chart.write_text(chart.read_text().replace("appVersion: ", "appVersion: 'old'  # "))
    assert version_problems(copy, __version__) == [
        "helm/Chart.yaml: no version is found; correct the pattern in release.py"
    ]


@pytest.mark.parametrize(
    ("changed", "problem"),
    [
        (("- A change.\n", ""), "CHANGELOG.md: no section [1.2.3] - YYYY-MM-DD with text"),
        (("2026-01-31", "soon"), "CHANGELOG.md: no section [1.2.3] - YYYY-MM-DD with text"),
        (
            ("[Unreleased]\n", "[Unreleased]\n\n- New.\n"),
            "CHANGELOG.md: the section Unreleased is not empty; move its text to 1.2.3",
        ),
    ],
)
def test_a_changelog_without_the_release_is_a_problem(changed: tuple[str, str], problem: str, copy: Path) -> None:
    (copy / "CHANGELOG.md").write_text(RELEASED)
    assert changelog_problems(copy, "1.2.3") == []
    assert release_notes(copy, "1.2.3") == "- A change."
    (copy / "CHANGELOG.md").write_text(RELEASED.replace(*changed))
    assert changelog_problems(copy, "1.2.3") == [problem]


def test_a_dependency_out_of_its_range_is_a_problem(copy: Path) -> None:
    lock = copy / "requirements.lock"
    lock.write_text(re.sub(r"(?m)^boto3==\S+", "boto3==1.0.0", lock.read_text()))
    assert lock_problems(copy) == ["requirements.lock: boto3<2,>=1.44 is locked at 1.0.0; run make lock"]


def test_a_tag_of_another_version_is_a_problem() -> None:
    assert f"tag: v9.9.9, expected v{__version__}" in problems_of_release("v9.9.9")


@pytest.mark.parametrize("python", ["3.11", "3.12", "3.13", "3.14"])
def test_every_locked_package_has_a_wheel_for_arm64(python: str, tmp_path: Path) -> None:
    # The GNU C library of Debian 13, on which the image is built, and older ones.
    platforms = [f"--platform=manylinux_2_{minor}_aarch64" for minor in range(17, 42)]
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--quiet", "--dry-run"]
    target = [
        f"--target={tmp_path}",
        "--ignore-installed",
        "--no-deps",
        "--only-binary=:all:",
        f"--python-version={python}",
    ]
    lock = ["--require-hashes", "-r", str(ROOT / "requirements.lock")]
    ended = subprocess.run(
        [*command, *target, *platforms, "--platform=manylinux2014_aarch64", *lock],
        capture_output=True,
        text=True,
        check=False,
    )
    if "NewConnectionError" in ended.stderr:
        skip_or_fail("PyPI cannot be reached")
    assert ended.returncode == 0, ended.stderr


def test_the_workflows_pin_each_action_by_its_commit_and_name_its_version() -> None:
    uses = [line.strip() for file in WORKFLOWS for line in file.read_text().splitlines() if "uses: " in line]
    pinned = re.compile(r"(- )?uses: (\./\S+|[\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+)")
    assert uses
    assert [line for line in uses if not pinned.fullmatch(line)] == []


def test_a_failed_command_of_a_pipe_fails_its_step() -> None:
    for file in WORKFLOWS:
        workflow = yaml.safe_load(file.read_text())
        steps = [step for job in workflow["jobs"].values() for step in job.get("steps", ())]
        pipes = [step["run"] for step in steps if re.search(r"[^|]\|[^|]", step.get("run", ""))]
        # Only with this name, GitHub runs bash with the option pipefail.
        assert not pipes or workflow["defaults"]["run"]["shell"] == "bash", f"{file.name}: {pipes}"


def test_the_image_for_two_platforms_is_built_by_the_builder_of_buildx() -> None:
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "release.yml").read_text())
    steps = workflow["jobs"]["image"]["steps"]
    (builder,) = (step["id"] for step in steps if "docker/setup-buildx-action@" in step.get("uses", ""))
    (build,) = (step for step in steps if "--platform linux/amd64,linux/arm64" in step.get("run", ""))
    assert build["env"] == {"BUILDX_BUILDER": f"${{{{ steps.{builder}.outputs.name }}}}"}


def test_a_comparison_has_the_ratio_of_each_figure_of_both_tables() -> None:
    before = "## T\n\n| calls | figure | ratio |\n| --- | ---: | ---: |\n| all | 1,000 | 2.00 |\n| old | 5 ms |  |\n"
    after = "| calls | figure | ratio |\n| --- | ---: | ---: |\n| all | 500 | 1.00 |\n| new | 5 s |  |\n"
    assert comparison([figures(before)], [figures(after)]).splitlines()[2:] == [
        "| all | figure | 1000 | 500 |  | 0.50 |",
        "| all | ratio | 2 | 1 |  | 0.50 |",
    ]
