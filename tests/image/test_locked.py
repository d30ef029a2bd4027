"""A container without privileges and writable folders serves over TLS with passwords, as any user."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.certificates import BASIC, server_files
from tests.support.containers import LOCKED, log_match, output_of, podman, run_container, run_in_container
from tests.support.raw_listeners import PASSWORD, TLS
from tests.support.waiting import wait_until

# The user of the image, a user as OpenShift assigns it, and an arbitrary user.
USERS = ("65532:65532", "1000690000:0", "12345:23456")
LIMITS = ("--network=none", "--pids-limit=64")
NO_FOLDERS = ("--env=HOME=/nonexistent", "--env=TMPDIR=/nonexistent", "--env=AWS_REGION=eu-west-1", "--workdir=/")
# Prints the response to an authenticated request.
REQUEST = """
import ssl, sys, urllib.request
from pathlib import Path
request = urllib.request.Request("https://127.0.0.1:9443" + sys.argv[1], headers={"Authorization": sys.argv[2]})
context = ssl.create_default_context(cafile="/web/ca.pem")
print(urllib.request.urlopen(request, context=context, timeout=60).read().decode())
"""
OPEN_FILES = """
import os
print(*(os.readlink(f"/proc/1/fd/{fd}") for fd in os.listdir("/proc/1/fd")))
"""


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a web configuration that every user can read."""
    folder = tmp_path_factory.mktemp("web")
    server_files(folder)
    (folder / "web.yaml").write_text(TLS + PASSWORD)
    for file in (folder, *folder.iterdir()):
        file.chmod(0o755)
    return folder


@pytest.fixture(scope="module", params=USERS)
def container(request: pytest.FixtureRequest, web: Path) -> Iterator[str]:
    """Run the exporter without network, capabilities and writable folders, and with a limit of processes."""
    options = (*LOCKED, *LIMITS, *NO_FOLDERS, f"--user={request.param}", f"--volume={web}:/web:ro")
    words = ("serve", "--web.listen-address=:9443", "--web.config.file=/web/web.yaml", "--log.level=debug")
    with run_container(*words, options=options) as id:
        wait_until(log_match(id, "msg=listening"), "the exporter")
        yield id


def response_text(id: str, path: str) -> str:
    """Return the response for a path, requested inside the container."""
    return output_of(run_in_container(id, "python", "-c", REQUEST, path, BASIC["alice"]))


def test_the_exporter_serves(container: str) -> None:
    assert "aws_iot_bulk_exporter_build_info{" in response_text(container, "/metrics")
    assert "<html" in response_text(container, "/")
    assert response_text(container, "/-/healthy") == "healthy"


def test_the_process_has_no_privileges_and_cannot_gain_any(container: str) -> None:
    status = output_of(run_in_container(container, "cat", "/proc/1/status"))
    assert "NoNewPrivs:\t1\n" in status
    assert "Seccomp:\t2\n" in status
    assert [line for line in status.splitlines() if line.startswith("Cap") and not line.endswith("\t" + "0" * 16)] == []


def test_the_process_writes_no_file_and_keeps_no_key_open(container: str) -> None:
    response_text(container, "/metrics")
    assert "memfd" not in output_of(run_in_container(container, "python", "-c", OPEN_FILES))
    # The only new path is the mount point of the volume.
    added = [line for line in output_of(podman("diff", container)).splitlines() if line.startswith("A")]
    assert added == ["A /web"]
