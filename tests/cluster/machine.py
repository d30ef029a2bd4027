"""Gives a cluster processes, mounts and a network of its own on this machine, and finds what it leaves behind."""

import os
import secrets
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from tests.support.repository import program

SCRIPT = Path(__file__).with_name("machine.sh")
PROGRAMS = ("catatonit", "ip", "nsenter", "pgrep", "setpriv", "unshare")
NUMBERS = range(1, 255)
CONTROLLERS = Path("/sys/fs/cgroup")
INTERFACES = Path("/sys/class/net")
# What the start of a machine needs from the kernel: namespaces, mounts and a pair of network interfaces.
PROBE = "mount -t tmpfs tmpfs /run && ip link add probe type veth peer name peer"


@dataclass(frozen=True, slots=True)
class Machine:
    """Namespaces for a cluster: the id of their first process, and the number in their name and addresses."""

    first: int
    number: int

    @property
    def outside(self) -> str:
        """The address of this machine for the cluster."""
        return f"10.99.{self.number}.1"

    @property
    def address(self) -> str:
        """The address of the cluster for this machine."""
        return f"10.99.{self.number}.2"

    @property
    def pod_network(self) -> str:
        """The network of the pods, to which this machine has a route."""
        return f"10.244.{self.number}.0/24"

    @property
    def name(self) -> str:
        """The name of the network interface and of the cgroups."""
        return machine_name(self.number)

    def inside(self, *command: str) -> list[str]:
        """Return the command that runs a command in the namespaces. If it is ended, the inner command ends too."""
        enter = [program("nsenter"), f"--target={self.first}", "--mount", "--net", "--pid"]
        return [*enter, "--", program("setpriv"), "--pdeathsig", "TERM", *command]

    def run(self, *command: str, given: IO[bytes] | None = None) -> str:
        """Run a command in the namespaces to its end, and return its output."""
        done = subprocess.run(
            self.inside(*command), stdin=given, capture_output=True, text=True, check=False, timeout=300
        )
        assert done.returncode == 0, done.stderr
        return done.stdout


def machine_name(number: int) -> str:
    """Return the name of the network interface and of the cgroups of a machine."""
    return f"cluster-{number:03}"


def problem() -> str:
    """Return why this machine cannot run a node, or an empty text."""
    if not (CONTROLLERS / "memory" / "cgroup.procs").exists():
        return "kubelet 1.34 is tested with cgroup v1, which this machine does not have"
    command = [program("unshare"), "--mount", "--net", "--pid", "--fork", "--mount-proc", "sh", "-c", PROBE]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    if done.returncode != 0:
        return f"the kernel does not allow namespaces: {done.stderr.strip()}"
    return "" if os.access(CONTROLLERS / "memory", os.W_OK) else f"{CONTROLLERS} is not writable"


def traces_of(number: int) -> list[Path]:
    """Return the network interface and the cgroups of a machine."""
    name = machine_name(number)
    return [path for path in (INTERFACES / name, *CONTROLLERS.glob(f"*/{name}")) if path.exists()]


def unused_number() -> int:
    """Return a number that no machine has."""
    return secrets.choice([number for number in NUMBERS if not traces_of(number)])


@contextmanager
def run_machine(number: int, log: Path) -> Iterator[Machine]:
    """Provide namespaces while the block runs. They also end if this process is killed."""
    for name in PROGRAMS:
        program(name)
    command = [str(SCRIPT), machine_name(number), str(number)]
    with (
        log.open("wb") as errors,
        subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            # A signal to the group of the tests does not reach the script.
            start_new_session=True,
        ) as script,
    ):
        assert script.stdout
        first = script.stdout.readline()
        assert first, log.read_text()
        yield Machine(int(first), number)
