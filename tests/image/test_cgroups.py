"""The folders of cgroups that containers leave behind."""

from pathlib import Path

from tests.support.cgroups import PARENT, ROOT, remove_unused_cgroups
from tests.support.containers import run_container

UNUSED = "0" * 64


def test_the_cgroups_of_a_container_remain_while_it_runs_and_others_are_removed(tmp_path: Path) -> None:
    parents = [tmp_path / controller / PARENT for controller in ("hugetlb", "perf_event")]
    with run_container("demo") as id:
        for folder in (parent / name for parent in parents for name in (id, UNUSED, "conmon")):
            (folder / "conmon").mkdir(parents=True)
            (folder / "conmon" / "tasks").touch()
        remove_unused_cgroups(tmp_path)
    for parent in parents:
        assert {folder.name for folder in parent.iterdir()} == {id, "conmon"}


def test_the_cgroups_of_an_ended_container_are_removed() -> None:
    with run_container("demo") as id:
        pass
    remove_unused_cgroups()
    assert list(ROOT.glob(f"*/{PARENT}/{id}")) == []
