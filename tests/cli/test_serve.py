"""The exporter as a process: signals, addresses and limits."""

import asyncio
import os
import resource
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

import httpx
import pytest

from exporter.web.listener.server import handle_signal
from tests.support import http_requests
from tests.support.certificates import ALICE, BASIC, basic, server_files
from tests.support.clocks import ManualClock
from tests.support.exporter_server import aws_environment, serve_simulated_aws
from tests.support.exposition_rows import Scrape
from tests.support.http_server import read_to_end
from tests.support.processes import run_exporter, run_exporter_process
from tests.support.scripted_endpoint import ScriptedAws, json_response
from tests.support.servers import hanging_endpoint, serve_app
from tests.support.waiting import TIMEOUT_SECONDS, wait_until

CONFIG = """
accounts: [{account_id: "111122223333", watch: [{kind: thing_registration_task, ids: [a]}]}]
refresh: {deadline: 1h}
"""

# A soft limit of open files that suffices for the test process.
LOW = 512

# More bytes than the buffer of a pipe.
MANY = 100_000
# A server that receives SIGHUP before most of its modules are imported.
SIGHUP_DURING_IMPORT = """
import os, signal, sys
from exporter.cli.main import main

class Finder:
    def find_spec(self, name, path=None, target=None):
        if name == "exporter.cli.commands.serve":
            os.kill(os.getpid(), signal.SIGHUP)

sys.meta_path.insert(0, Finder())
sys.exit(main(["serve", "--config.file=/nonexistent"]))
"""
PROBLEM = (
    "aws-iot-bulk-exporter: /nonexistent: cannot read the file: No such file or directory; correct the path, or create "
    "the file\n"
)

# The limit of the memory of an exporter with one account, in MiB, for Python 3.12 and older. The interpreter and the
# libraries of newer ones need more.
RESIDENT = 68
LARGER = {(3, 13): 2, (3, 14): 9}
# The image sets these. Without them, malloc keeps memory of the start.
IMAGE_SETTINGS = {"MALLOC_ARENA_MAX": "2", "MALLOC_TRIM_THRESHOLD_": "131072"}

Process = subprocess.Popen[str]


@contextmanager
def exporter_process(
    config: Path, *flags: str, endpoint: str = "", addresses: Sequence[str] = ("127.0.0.1:0",)
) -> Iterator[tuple[Process, list[str]]]:
    """Run the exporter, and give the process and one URL for each address. Without an endpoint, AWS returns errors."""
    config.write_text(CONFIG)
    listen = [f"--web.listen-address={address}" for address in addresses]
    command = [sys.executable, "-m", "exporter", f"--config.file={config}", *listen, *flags]
    with serve_app(ScriptedAws().app()) as errors:
        with aws_environment(endpoint or errors):
            process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=dict(os.environ))
        assert process.stderr is not None
        try:
            listening = (line for line in iter(process.stderr.readline, "") if "msg=listening" in line)
            lines = list(islice(listening, len(addresses)))
            yield process, [line.partition("url=")[2].partition("/metrics")[0] for line in lines]
        finally:
            process.kill()
            process.communicate()


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Run an exporter, and give its URL."""
    with exporter_process(tmp_path_factory.mktemp("exporter") / "config.yaml") as (_, (url,)):
        yield url


@pytest.mark.parametrize("path", ["/metrics", "/", "/nothing"])
def test_no_response_has_a_server_header(url: str, path: str) -> None:
    assert "server" not in http_requests.get(url + path).headers


@pytest.mark.parametrize("path", ["/", "/metrics", "/-/healthy", "/-/ready"])
def test_every_path_responds_to_head_without_a_body(url: str, path: str) -> None:
    head, get = http_requests.head(url + path), http_requests.get(url + path)
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-type"] == get.headers["content-type"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_completes_the_current_scrape_cancels_its_call_to_aws_and_exits_with_0(
    tmp_path: Path, number: signal.Signals
) -> None:
    with (
        hanging_endpoint() as (endpoint, aws),
        exporter_process(tmp_path / "config.yaml", endpoint=endpoint) as (process, (url,)),
        ThreadPoolExecutor(1) as scraper,
    ):
        scrape = scraper.submit(httpx.get, f"{url}/metrics", timeout=300)
        aws.settimeout(60)
        connection, _ = aws.accept()
        process.send_signal(number)
        response = scrape.result()
        assert process.wait(timeout=300) == 0
        with connection:
            assert b"/thing-registration-tasks/a " in read_to_end(connection)
    assert response.status_code == 200
    assert "aws_iot_bulk_exporter_up{" in response.text


def test_sighup_reloads_the_file_and_an_invalid_file_keeps_the_configuration(tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    gauge = "aws_iot_bulk_exporter_config_last_reload_successful"
    with exporter_process(config) as (process, (url,)):

        def has_sample(text: str) -> bool | None:
            return text in http_requests.get(f"{url}/metrics").text or None

        assert has_sample('account="default"')
        config.write_text(CONFIG.replace("account_id", "name: renamed, account_id"))
        process.send_signal(signal.SIGHUP)
        wait_until(lambda: has_sample('account="renamed"'), "the new name")
        for bad in ("accounts: 7", "", "{"):
            config.write_text(bad)
            process.send_signal(signal.SIGHUP)
            wait_until(lambda: has_sample(f"{gauge} 0.0"), "the failure")
            assert has_sample('account="renamed"')
            config.write_text(CONFIG)
            assert http_requests.post(f"{url}/-/reload").text == "reloaded\n"
            assert has_sample(f"{gauge} 1.0")
            config.write_text(CONFIG.replace("account_id", "name: renamed, account_id"))
            assert http_requests.post(f"{url}/-/reload").text == "reloaded\n"
        config.unlink()
        assert http_requests.post(f"{url}/-/reload").text.endswith("; correct the path, or create the file\n")
        assert process.poll() is None


def test_a_configuration_file_that_blocks_does_not_delay_the_shutdown(tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    with exporter_process(config) as (process, (url,)):
        assert http_requests.get(f"{url}/-/ready").status_code == 200
        config.unlink()
        os.mkfifo(config)
        process.send_signal(signal.SIGHUP)
        # open() returns when the exporter reads the pipe.
        with config.open("w"):
            assert "aws_iot_bulk_exporter_up{" in http_requests.get(f"{url}/metrics").text
            process.send_signal(signal.SIGTERM)
            assert process.wait(timeout=300) == 0


def test_the_soft_limit_of_open_files_is_raised_to_the_hard_limit(tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (LOW, hard))
    try:
        with exporter_process(tmp_path / "config.yaml") as (process, _):
            assert resource.prlimit(process.pid, resource.RLIMIT_NOFILE) == (hard, hard)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def is_stopping(url: str) -> bool:
    """Return whether an exporter drains its connections, or has ended because its grace period is over."""
    try:
        return http_requests.get(f"{url}/-/ready").status_code == 503
    except httpx.TransportError:
        return True


def test_a_second_signal_aborts_the_check_of_a_password(tmp_path: Path) -> None:
    web = tmp_path / "web.yaml"
    # A check of this hash takes hours.
    web.write_text(f"basic_auth_users: {{alice: $2b$31${'.' * 53}}}\n")
    with (
        exporter_process(tmp_path / "config.yaml", f"--web.config.file={web}") as (process, (url,)),
        ThreadPoolExecutor(1) as client,
    ):
        login = client.submit(httpx.get, url, headers={"authorization": basic("alice", "wrong")}, timeout=300)
        threads = Path(f"/proc/{process.pid}/task")
        wait_until(
            lambda: (http_requests.get(f"{url}/-/healthy").is_success and len([*threads.iterdir()]) > 1) or None,
            "the check of the password",
        )
        process.send_signal(signal.SIGTERM)
        # Two pending signals of a number are one signal.
        wait_until(lambda: is_stopping(url) or None, "the first signal")
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=300) == 0
        with pytest.raises(httpx.TransportError):
            login.result()


def test_every_address_serves_the_same(tmp_path: Path) -> None:
    authority, web = server_files(tmp_path), tmp_path / "web.yaml"
    web.write_text(
        f"tls_server_config: {{cert_file: server.pem, key_file: server.key}}\nbasic_auth_users: {{alice: {ALICE}}}\n"
    )
    addresses = ["127.0.0.1:0", "127.0.0.1:0", *(["[::1]:0"] if socket.has_dualstack_ipv6() else [])]
    flag = f"--web.config.file={web}"
    with (
        exporter_process(tmp_path / "config.yaml", flag, addresses=addresses) as (process, urls),
        httpx.Client(verify=authority.client(), timeout=TIMEOUT_SECONDS) as client,
    ):
        assert len(set(urls)) == len(addresses)
        for url in urls:
            assert url.startswith("https://")
            assert client.get(f"{url}/-/ready").text == "ready\n"
            assert client.get(f"{url}/metrics").status_code == 401
            assert client.get(f"{url}/metrics", headers={"authorization": BASIC["alice"]}).status_code == 200
            assert client.head(f"{url}/metrics", headers={"authorization": BASIC["alice"]}).content == b""
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=300) == 0


@pytest.fixture
def number() -> Iterator[signal.Signals]:
    """Give a signal without other handlers, and restore it after the test."""
    before = signal.getsignal(signal.SIGUSR1)
    yield signal.SIGUSR1
    signal.signal(signal.SIGUSR1, before)


def test_a_signal_is_handled_while_the_wakeup_pipe_of_the_loop_is_full(number: signal.Signals) -> None:
    async def run() -> None:
        loop, handled = asyncio.get_running_loop(), asyncio.Event()
        handle_signal(number, handled.set)
        for _ in range(MANY):
            loop.call_soon_threadsafe(lambda: None)
        os.kill(os.getpid(), number)
        await asyncio.wait_for(handled.wait(), timeout=300)

    asyncio.run(run())


def test_a_signal_wakes_an_idle_loop(number: signal.Signals) -> None:
    async def run() -> None:
        handled = asyncio.Event()
        handle_signal(number, handled.set)
        asyncio.get_running_loop().call_soon(os.kill, os.getpid(), number)
        await asyncio.wait_for(handled.wait(), timeout=300)

    asyncio.run(run())


def test_sighup_during_startup_does_not_end_the_process() -> None:
    ended = subprocess.run([sys.executable, "-c", SIGHUP_DURING_IMPORT], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (2, PROBLEM)


@pytest.mark.skipif(sys.platform != "linux", reason="the metric needs /proc")
@pytest.mark.parametrize(("settings", "more"), [(IMAGE_SETTINGS, 0), ({}, 2)], ids=["image", "pip"])
def test_an_exporter_with_one_account_needs_little_memory(
    settings: dict[str, str], more: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    config = 'accounts: [{account_id: "111122223333", watch: [{kind: thing_registration_task, discover: true}]}]'
    aws = ScriptedAws({"/thing-registration-tasks": json_response({"taskIds": []})})
    with serve_app(aws.app()) as endpoint, run_exporter_process(tmp_path, config, endpoint) as exporter:
        exporter.scrape()
        ((_, resident),) = Scrape(exporter.scrape()).rows("process_resident_memory_bytes")
    assert resident / 2**20 < RESIDENT + more + LARGER.get(sys.version_info[:2], 0)


JOB_SCENARIO = """
accounts: ["111122223333"]
operations:
  - {kind: iot_job, id: rollout, region: eu-west-1, items: 100,
     timeline: [{at: 0s, status: IN_PROGRESS, done: 0.5, failed: 0.1}]}
"""
JOB_CONFIG = """
accounts: [{account_id: "111122223333", regions: [eu-west-1], watch: [{kind: iot_job, discover: true}]}]
"""


@pytest.mark.parametrize(("threshold", "severity"), [(0.05, "medium"), (0.5, "none")])
def test_the_settings_file_of_the_rules_decides_which_operations_need_attention(
    tmp_path: Path, threshold: float, severity: str
) -> None:
    alerts = tmp_path / "alerts.yaml"
    alerts.write_text(f"alerts: {{AwsIotBulkFailureRatioHigh: {{threshold: {threshold}}}}}")
    with (
        serve_simulated_aws(JOB_SCENARIO, ManualClock()) as (endpoint, _),
        run_exporter_process(tmp_path, JOB_CONFIG, endpoint, f"--alerts.file={alerts}") as exporter,
    ):
        exporter.scrape()
        (operation,) = http_requests.get(f"{exporter.url}/api/v1/operations").json()["operations"]
    assert (operation["severity"], operation["needs_attention"]) == (severity, severity != "none")


@pytest.mark.parametrize("command", ["serve", "watch"])
def test_the_errors_of_the_configuration_and_of_the_settings_of_the_rules_are_reported_together(
    tmp_path: Path, command: str
) -> None:
    config, alerts = tmp_path / "config.yaml", tmp_path / "alerts.yaml"
    config.write_text("acounts: []")
    alerts.write_text("parameters: {item: 5}")
    flags = [f"--config.file={config}", f"--alerts.file={alerts}"]
    done = run_exporter(command, *flags)
    assert done.returncode == 2
    problems = done.stderr.splitlines()
    assert any(f"{config}: acounts: " in problem for problem in problems), done.stderr
    assert any(f"{alerts}: parameters.item: " in problem for problem in problems), done.stderr
