"""The image runs without privileges and writable folders, and handles signals."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import http_requests
from tests.support.certificates import server_files
from tests.support.containers import (
    GRACE_SECONDS,
    LOCKED,
    inspect,
    log_match,
    output_of,
    podman,
    run_container,
    run_image,
    run_in_container,
)
from tests.support.exposition_rows import STATUS, metrics_with
from tests.support.waiting import wait_until

DEMO = ("demo", "--web.listen-address=127.0.0.1:0")
# The tests connect to an unused port of the host.
HOST_NETWORK = "--network=host"


def url_of(id: str) -> str:
    """Wait until a demo prints its URL, and return it."""
    return wait_until(log_match(id, r"http://\S+/metrics"), "the demo's URL")


@pytest.fixture(scope="module")
def demo() -> Iterator[str]:
    """Run a demo without privileges."""
    with run_container(*DEMO, options=(*LOCKED, HOST_NETWORK)) as id:
        yield id


def test_the_demo_exports_operations(demo: str) -> None:
    url = url_of(demo)
    assert wait_until(lambda: metrics_with(url, STATUS), "operations")


def test_the_process_has_no_capabilities_and_cannot_gain_any(demo: str) -> None:
    lines = output_of(run_in_container(demo, "cat", "/proc/1/status")).splitlines()
    status = {name: value.split() for name, _, value in (line.partition(":") for line in lines)}
    assert status["Uid"] == status["Gid"] == ["65532"] * 4
    assert {int(status[name][0], 16) for name in status if name.startswith("Cap")} == {0}
    assert status["NoNewPrivs"] == ["1"]


@pytest.mark.parametrize("folder", ["/", "/tmp", "/var/tmp", "/run", "/opt/venv"])
def test_no_folder_is_writable(demo: str, folder: str) -> None:
    assert "Read-only file system" in run_in_container(demo, "touch", f"{folder}/file").stderr


def test_the_process_writes_no_file_in_a_writable_container() -> None:
    with run_container(*DEMO, options=(HOST_NETWORK,)) as id:
        url, before = url_of(id), output_of(podman("diff", id))
        assert http_requests.get(url).status_code == 200
        output_of(podman("stop", f"--time={GRACE_SECONDS}", id))
        assert output_of(podman("diff", id)) == before
        assert not re.search(r" /(home|opt|root|tmp|usr|var)\b", before)


@pytest.mark.parametrize("signal", ["SIGTERM", "SIGINT"])
def test_a_signal_ends_the_container_with_status_0(signal: str) -> None:
    with run_container(*DEMO, options=(*LOCKED, HOST_NETWORK, f"--stop-signal={signal}")) as id:
        url_of(id)
        output_of(podman("stop", f"--time={GRACE_SECONDS}", id))
        assert inspect("container", id)["State"]["ExitCode"] == 0


def test_the_container_prints_the_help() -> None:
    assert "serve" in output_of(run_image("--help"))


def test_an_invalid_configuration_exits_with_2_and_a_message(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text("acounts: []\n")
    tmp_path.chmod(0o755)
    ended = run_image("--config.file=/config/config.yaml", options=(*LOCKED, f"--volume={tmp_path}:/config:ro"))
    assert (ended.returncode, "acounts" in ended.stderr) == (2, True)


def healthcheck(id: str) -> int | None:
    """Run the HEALTHCHECK of the image, and return its status, or None while it fails."""
    return 0 if podman("healthcheck", "run", id).returncode == 0 else None


def test_the_healthcheck_uses_the_default_port() -> None:
    with run_container("demo") as id:
        wait_until(lambda: healthcheck(id), "a healthy container")


def test_the_healthcheck_can_use_another_port_and_tls(tmp_path: Path) -> None:
    server_files(tmp_path)
    (tmp_path / "web.yaml").write_text("tls_server_config: {cert_file: server.pem, key_file: server.key}\n")
    for file in (tmp_path, *tmp_path.iterdir()):
        file.chmod(0o755)
    variable = "--env=HEALTHCHECK_URL=https://127.0.0.1:9443/-/healthy"
    options = (*LOCKED, "--network=none", f"--volume={tmp_path}:/web:ro", variable)
    with run_container("demo", "--web.listen-address=:9443", "--web.config.file=/web/web.yaml", options=options) as id:
        wait_until(lambda: healthcheck(id), "a healthy container")


def test_the_healthcheck_fails_without_a_response() -> None:
    with run_container("simulate", "--listen-address=:10099") as id:
        assert podman("healthcheck", "run", id).returncode != 0
