"""Runs the built image by podman."""

import json
import os
import re
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from tests.support.repository import program, skip_or_fail

VARIABLE = "EXPORTER_IMAGE"
# The restrictions of the chart, and no writable folder at all.
LOCKED = ("--read-only", "--read-only-tmpfs=false", "--cap-drop=ALL", "--security-opt=no-new-privileges")
# Seconds between SIGTERM and SIGKILL in Kubernetes.
GRACE_SECONDS = 30

Ended = subprocess.CompletedProcess[str]


def image() -> str:
    """Return the name of the image under test. Skip the test if there is none, or fail it in CI."""
    return os.environ.get(VARIABLE) or skip_or_fail(f"{VARIABLE} names no image: `make image` builds one")


def podman(*arguments: str, given: str | None = None) -> Ended:
    """Run podman and return its result, whatever its status."""
    command = [program("podman"), *arguments]
    return subprocess.run(command, input=given, capture_output=True, text=True, check=False, timeout=300)


def output_of(ended: Ended) -> str:
    """Return the output of a program. Fail the test if the program failed."""
    assert ended.returncode == 0, ended.stderr
    return ended.stdout.strip()


def inspect(kind: str, name: str) -> dict[str, Any]:
    """Return podman's description of a container, image, pod or network."""
    found = json.loads(output_of(podman(kind, "inspect", name)))
    details: dict[str, Any] = found[0] if isinstance(found, list) else found
    return details


def run_image(*arguments: str, options: tuple[str, ...] = LOCKED) -> Ended:
    """Run the image to its end, without a network."""
    return podman("run", "--rm", "--pull=never", "--network=none", *options, image(), *arguments)


@contextmanager
def run_container(*arguments: str, options: tuple[str, ...] = (*LOCKED, "--network=none")) -> Iterator[str]:
    """Run the image while the block runs, and yield the container's id."""
    id = output_of(podman("create", "--pull=never", *options, image(), *arguments))
    try:
        output_of(podman("start", id))
        yield id
    finally:
        podman("rm", "--force", "--time=0", id)


def run_in_container(id: str, *command: str) -> Ended:
    """Run a command in a container."""
    return podman("exec", id, *command)


def logs(id: str) -> str:
    """Return the output of a container."""
    ended = podman("logs", id)
    return ended.stdout + ended.stderr


def log_match(id: str, pattern: str) -> Callable[[], str | None]:
    """Return a function that searches a container's output for a pattern. It fails if the container has ended."""

    def look() -> str | None:
        match = re.search(pattern, logs(id))
        assert match or inspect("container", id)["State"]["Running"], logs(id)
        return match[0] if match else None

    return look
