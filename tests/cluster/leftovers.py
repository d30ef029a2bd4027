"""Finds what a cluster leaves behind on this machine."""

import subprocess
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from tests.cluster.machine import machine_name, traces_of
from tests.support.repository import processes_of, program

NAMESPACES = ("mnt", "net", "pid")
# Settings of the kernel that kubelet changes.
SETTINGS = ("kernel/panic", "kernel/panic_on_oops", "vm/overcommit_memory")
# Folders that containerd, kubelet and the network plugins create, and the cgroups that they use without a root.
FOLDERS = (
    "/sys/fs/cgroup/memory/k8s.io",
    "/sys/fs/cgroup/memory/kubepods",
    "/run/containerd",
    "/var/lib/cni",
    "/var/lib/containerd",
    "/var/lib/kubelet",
    "/var/log/pods",
)
# The beginning of the names of chains that kube-proxy, kubelet and the network plugins create.
CHAINS = (":KUBE-", ":CNI-")


def settings_of_this_machine() -> dict[str, str]:
    """Return what the programs of a cluster would change on this machine. It must be the same afterwards."""
    settings = {name: (Path("/proc/sys") / name).read_text() for name in SETTINGS}
    folders = {folder: str(sorted(Path(folder).glob("*"))) for folder in FOLDERS}
    rules = subprocess.run([program("iptables-save")], capture_output=True, text=True, check=True).stdout.splitlines()
    return {**settings, **folders, "iptables": "\n".join(rule for rule in rules if rule.startswith(CHAINS))}


def namespaces_of(processes: Iterable[int | str]) -> set[str]:
    """Return the namespaces of processes, apart from those of this process."""
    return _all_namespaces(processes) - _all_namespaces(["self"])


def _all_namespaces(processes: Iterable[int | str]) -> set[str]:
    found = set()
    for path in (Path(f"/proc/{process}/ns/{kind}") for process in processes for kind in NAMESPACES):
        # The process may end at any time, and that of the machine itself may be hidden.
        with suppress(OSError):
            found.add(str(path.readlink()))
    return found


def processes_in(namespaces: set[str]) -> list[str]:
    """Return the ids of the processes in any of the namespaces."""
    return [path.name for path in Path("/proc").glob("[0-9]*") if namespaces & _all_namespaces([path.name])]


def leftovers(folder: Path, number: int, namespaces: set[str], processes: Iterable[str] = ()) -> list[str]:
    """Return what remains of a cluster with this folder, machine and namespaces, in words.

    ``processes`` were in the namespaces while it ran. The kernel gives the number of an ended namespace to a new one,
    so that any later process can seem to be in it.
    """
    name = machine_name(number)
    mounts = Path("/proc/self/mountinfo").read_text().splitlines()
    return [
        *processes_of(folder).values(),
        *processes_of(name).values(),
        *(f"process {id}" for id in processes if namespaces & _all_namespaces([id])),
        *(mount for mount in mounts if any(word in mount for word in (str(folder), *namespaces))),
        *map(str, traces_of(number)),
    ]
