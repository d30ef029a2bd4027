"""A cluster leaves nothing behind on this machine, also if its tests are killed in the middle of its start."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.cluster.leftovers import leftovers, namespaces_of, processes_in, settings_of_this_machine
from tests.cluster.machine import machine_name, unused_number
from tests.cluster.node import run_cluster
from tests.support.containers import VARIABLE
from tests.support.repository import ROOT, processes_of, program
from tests.support.waiting import wait_until

pytestmark = pytest.mark.usefixtures("machine_for_nodes")
# Files that the start of a cluster writes, in this order. The last one ends the start.
STAGES = ("machine.log", "kube-apiserver.log", "kubelet.log", "running.log")


@contextmanager
def starting_cluster(folder: Path, number: int) -> Iterator[subprocess.Popen[bytes]]:
    """Start a cluster by a process group of its own, and kill the group at the end of the block."""
    command = [sys.executable, "-m", "tests.cluster.node", str(folder), str(number)]
    with (
        (folder / "output.log").open("wb") as output,
        subprocess.Popen(command, cwd=ROOT, stdout=output, stderr=output, start_new_session=True) as process,
    ):
        try:
            yield process
        finally:
            # The process may have ended with an error, which the test shows.
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


@pytest.mark.parametrize("stage", STAGES)
def test_nothing_remains_if_the_tests_are_killed(tmp_path: Path, stage: str) -> None:
    before, number = settings_of_this_machine(), unused_number()
    with starting_cluster(tmp_path, number) as process:

        def is_reached() -> bool:
            assert process.poll() is None, (tmp_path / "output.log").read_text()
            return (tmp_path / stage).exists()

        wait_until(lambda: is_reached() or None, stage, timeout=300)
        namespaces = namespaces_of(processes_of(machine_name(number)))
        processes = processes_in(namespaces)
    wait_until(lambda: leftovers(tmp_path, number, namespaces, processes) == [] or None, "the end of the cluster")
    assert settings_of_this_machine() == before


def test_only_a_process_that_was_in_the_namespaces_before_remains_in_them(tmp_path: Path) -> None:
    command = [program("unshare"), "--mount", "sh", "-c", "echo started; exec cat"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout
        process.stdout.readline()
        namespaces, number = namespaces_of([process.pid]), unused_number()
        assert leftovers(tmp_path, number, namespaces) == []
        assert leftovers(tmp_path, number, namespaces, processes_in(namespaces)) == [f"process {process.pid}"]


def test_nothing_remains_if_the_node_cannot_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before, number = settings_of_this_machine(), unused_number()
    monkeypatch.setenv(VARIABLE, "localhost/missing:1")
    with pytest.raises(subprocess.CalledProcessError, match="podman"), run_cluster(tmp_path, number):
        pass
    assert leftovers(tmp_path, number, set()) == []
    assert settings_of_this_machine() == before
