"""The image runs as it should in production: no privilege, nothing to write to, and an end that is heard."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import http_requests
from tests.support.certificates import server_files
from tests.support.containers import GRACE_SECONDS, LOCKED, container, done, inside, inspected, podman, printed, run
from tests.support.exposition_rows import STATUS, exposed
from tests.support.waiting import until

DEMO = ("demo", "--web.listen-address=127.0.0.1:0")
LOCAL = "--network=host"
"""The machine's own network: the demo is asked from outside, on a port that is free."""


def url_of(id: str) -> str:
    """The URL that a demo prints, as soon as it does."""
    return until(printed(id, r"http://\S+/metrics"), "the demo's URL")


@pytest.fixture(scope="module")
def demo() -> Iterator[str]:
    """A demo that is being served, with no privilege at all."""
    with container(*DEMO, options=(*LOCKED, LOCAL)) as id:
        yield id


def test_the_demo_answers(demo: str) -> None:
    url = url_of(demo)
    assert until(lambda: exposed(url, STATUS), "operations")


def test_it_runs_as_a_nobody_without_capabilities_that_can_gain_none(demo: str) -> None:
    lines = done(inside(demo, "cat", "/proc/1/status")).splitlines()
    status = {name: value.split() for name, _, value in (line.partition(":") for line in lines)}
    assert status["Uid"] == status["Gid"] == ["65532"] * 4
    assert {int(status[name][0], 16) for name in status if name.startswith("Cap")} == {0}
    assert status["NoNewPrivs"] == ["1"]


@pytest.mark.parametrize("folder", ["/", "/tmp", "/var/tmp", "/run", "/opt/venv"])
def test_nothing_can_be_written(demo: str, folder: str) -> None:
    assert "Read-only file system" in inside(demo, "touch", f"{folder}/file").stderr


def test_it_writes_nothing_where_it_could() -> None:
    with container(*DEMO, options=(LOCAL,)) as id:
        url, before = url_of(id), done(podman("diff", id))
        assert http_requests.get(url).status_code == 200
        done(podman("stop", f"--time={GRACE_SECONDS}", id))
        assert done(podman("diff", id)) == before
        assert not re.search(r" /(home|opt|root|tmp|usr|var)\b", before)


@pytest.mark.parametrize("signal", ["SIGTERM", "SIGINT"])
def test_a_signal_ends_it_with_success(signal: str) -> None:
    with container(*DEMO, options=(*LOCKED, LOCAL, f"--stop-signal={signal}")) as id:
        url_of(id)
        done(podman("stop", f"--time={GRACE_SECONDS}", id))
        assert inspected("container", id)["State"]["ExitCode"] == 0


def test_help_is_told() -> None:
    assert "serve" in done(run("--help"))


def test_a_wrong_configuration_ends_it_with_2_and_the_reason(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text("acounts: []\n")
    tmp_path.chmod(0o755)
    ended = run("--config.file=/config/config.yaml", options=(*LOCKED, f"--volume={tmp_path}:/config:ro"))
    assert (ended.returncode, "acounts" in ended.stderr) == (2, True)


def healthcheck(id: str) -> int | None:
    """Run the HEALTHCHECK of the image; its status, None while it fails."""
    return 0 if podman("healthcheck", "run", id).returncode == 0 else None


def test_the_healthcheck_finds_the_default_port() -> None:
    with container("demo") as id:
        until(lambda: healthcheck(id), "a healthy container")


def test_the_healthcheck_finds_another_port_and_tls(tmp_path: Path) -> None:
    server_files(tmp_path)
    (tmp_path / "web.yaml").write_text("tls_server_config: {cert_file: server.pem, key_file: server.key}\n")
    for file in (tmp_path, *tmp_path.iterdir()):
        file.chmod(0o755)
    variable = "--env=HEALTHCHECK_URL=https://127.0.0.1:9443/-/healthy"
    options = (*LOCKED, "--network=none", f"--volume={tmp_path}:/web:ro", variable)
    with container("demo", "--web.listen-address=:9443", "--web.config.file=/web/web.yaml", options=options) as id:
        until(lambda: healthcheck(id), "a healthy container")


def test_the_healthcheck_finds_out_who_does_not_answer() -> None:
    with container("simulate", "--listen-address=:10099") as id:
        assert podman("healthcheck", "run", id).returncode != 0
