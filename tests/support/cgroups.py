"""Removes the folders of cgroups that containers leave behind."""

import shutil
from pathlib import Path

from tests.support.containers import output_of, podman

ROOT = Path("/sys/fs/cgroup")
# The folder in which podman, with the cgroup manager cgroupfs, creates the folder of each container and pod.
PARENT = "libpod_parent"
# The characters of the id of a container or pod. Other folders are not ours.
ID = "[0-9a-f]" * 64


def remove_unused_cgroups(root: Path = ROOT) -> None:
    """Remove the folders of the containers and pods that do not exist any more.

    Podman does not remove them where a controller of cgroup v1 is not mounted. Then they are common folders in a small
    tmpfs, which is full after about a hundred containers, and no further container starts.
    """
    # In this order: a container that starts meanwhile is not in the list of folders.
    folders = list(root.glob(f"*/{PARENT}/{ID}"))
    used = {*_ids("ps", "--all"), *_ids("pod", "ps")}
    for folder in folders:
        if folder.name not in used:
            # In a mounted controller the files cannot be removed, but a folder can, with its files.
            shutil.rmtree(folder, ignore_errors=True)


def _ids(*command: str) -> list[str]:
    return output_of(podman(*command, "--no-trunc", "--quiet")).split()
