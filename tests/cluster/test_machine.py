"""The check whether this machine can run a node."""

import subprocess
import sys

import pytest

from tests.cluster.machine import problem
from tests.support.repository import ROOT, program


@pytest.mark.parametrize("capability", ["sys_admin", "net_admin"])
def test_a_machine_without_a_capability_cannot_run_a_node(capability: str) -> None:
    code = "from tests.cluster.machine import problem; print(problem())"
    command = [program("setpriv"), f"--bounding-set=-{capability}", sys.executable, "-c", code]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=60)
    assert "not permitted" in done.stdout or "cgroup v1" in done.stdout


def test_a_machine_with_cgroup_v2_cannot_run_a_node(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.cluster.machine.CONTROLLERS", ROOT)
    assert "cgroup v1" in problem()
