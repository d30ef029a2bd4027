"""As locked up as a container gets, it serves over TLS with passwords: as any user, with nothing to write to."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.certificates import server_files
from tests.support.containers import LOCKED, container, done, inside, podman, printed
from tests.support.passwords import BASIC
from tests.support.raw_listeners import PASSWORD, TLS
from tests.support.waiting import until

USERS = ("65532:65532", "1000690000:0", "12345:23456")
"""The image's own, one that OpenShift would choose, and any other."""
NOWHERE = ("--env=HOME=/nonexistent", "--env=TMPDIR=/nonexistent", "--env=AWS_REGION=eu-west-1", "--workdir=/")
ASK = """
import ssl, sys, urllib.request
from pathlib import Path
request = urllib.request.Request("https://127.0.0.1:9443" + sys.argv[1], headers={"Authorization": sys.argv[2]})
context = ssl.create_default_context(cafile="/web/ca.pem")
print(urllib.request.urlopen(request, context=context, timeout=60).read().decode())
"""
"""A program that prints what a path is answered, to whoever trusts the authority and knows the password."""
OPEN_FILES = """
import os
print(*(os.readlink(f"/proc/1/fd/{fd}") for fd in os.listdir("/proc/1/fd")))
"""


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a web configuration that every user may read."""
    folder = tmp_path_factory.mktemp("web")
    server_files(folder)
    (folder / "web.yaml").write_text(TLS + PASSWORD)
    for file in (folder, *folder.iterdir()):
        file.chmod(0o755)
    return folder


@pytest.fixture(scope="module", params=USERS)
def served(request: pytest.FixtureRequest, web: Path) -> Iterator[str]:
    """The exporter, with no network, no capability, no folder to write to, and few processes."""
    options = (
        *LOCKED,
        *NOWHERE,
        f"--user={request.param}",
        "--network=none",
        "--pids-limit=64",
        f"--volume={web}:/web:ro",
    )
    words = ("serve", "--web.listen-address=:9443", "--web.config.file=/web/web.yaml", "--log.level=debug")
    with container(*words, options=options) as id:
        until(printed(id, "msg=listening"), "the exporter")
        yield id


def answered(id: str, path: str) -> str:
    """Return what a path is answered inside."""
    return done(inside(id, "python", "-c", ASK, path, BASIC["alice"]))


def test_it_serves(served: str) -> None:
    assert "aws_iot_bulk_exporter_build_info{" in answered(served, "/metrics")
    assert "<html" in answered(served, "/")
    assert answered(served, "/-/healthy") == "healthy"


def test_it_has_no_privilege_and_can_gain_none(served: str) -> None:
    status = done(inside(served, "cat", "/proc/1/status"))
    assert "NoNewPrivs:\t1\n" in status
    assert "Seccomp:\t2\n" in status
    assert [line for line in status.splitlines() if line.startswith("Cap") and not line.endswith("\t" + "0" * 16)] == []


def test_it_writes_nothing_and_keeps_no_key_open(served: str) -> None:
    answered(served, "/metrics")
    assert "memfd" not in done(inside(served, "python", "-c", OPEN_FILES))
    added = [line for line in done(podman("diff", served)).splitlines() if line.startswith("A")]
    assert added == ["A /web"]  # where the folder is mounted
