"""The exporter as users run it: a process of its own, and signals."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.support.exporting import aws_environment
from tests.support.scripted import ScriptedAws
from tests.support.servers import hanging, serving
from tests.support.waiting import until

CONFIG = """
accounts: [{account_id: "111122223333", watch: [{kind: thing_registration_task, ids: [a]}]}]
refresh: {deadline: 1h}
"""


@contextmanager
def exporter_process(config: Path, endpoint: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Run the exporter as users do; give the process and its URL."""
    config.write_text(CONFIG)
    command = [sys.executable, "-m", "exporter", f"--config.file={config}", "--web.listen-address=127.0.0.1:0"]
    with aws_environment(endpoint):
        process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=dict(os.environ))
    assert process.stderr is not None
    try:
        found = re.search(r"url=(\S+)/metrics", process.stderr.readline())
        assert found is not None
        yield process, found[1]
    finally:
        process.kill()
        process.communicate()


def test_no_answer_names_the_server(tmp_path: Path) -> None:
    with serving(ScriptedAws().app()) as endpoint, exporter_process(tmp_path / "config.yaml", endpoint) as (_, url):
        for path in ("/metrics", "/", "/nothing"):
            assert "server" not in httpx.get(url + path).headers


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_process_well_and_a_scrape_in_flight_is_answered(
    tmp_path: Path, number: signal.Signals
) -> None:
    with (
        hanging() as (endpoint, aws),
        exporter_process(tmp_path / "config.yaml", endpoint) as (process, url),
        ThreadPoolExecutor(1) as scraper,
    ):
        scrape = scraper.submit(httpx.get, f"{url}/metrics", timeout=60)
        aws.settimeout(60)
        connection, _ = aws.accept()
        process.send_signal(number)
        response = scrape.result()
        assert process.wait(timeout=60) == 0
        connection.close()
    assert response.status_code == 200
    assert "aws_iot_bulk_exporter_up{" in response.text


def test_sighup_reads_the_file_again_and_a_bad_one_ends_nothing(tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    gauge = "aws_iot_bulk_exporter_config_last_reload_successful"
    with serving(ScriptedAws().app()) as endpoint, exporter_process(config, endpoint) as (process, url):

        def shows(row: str) -> bool | None:
            return row in httpx.get(f"{url}/metrics", timeout=60).text or None

        assert shows('account="default"')
        config.write_text(CONFIG.replace("account_id", "name: renamed, account_id"))
        process.send_signal(signal.SIGHUP)
        until(lambda: shows('account="renamed"'), "the new name")
        for bad in ("accounts: 7", "", "{"):
            config.write_text(bad)
            process.send_signal(signal.SIGHUP)
            until(lambda: shows(f"{gauge} 0.0"), "the failure")
            assert shows('account="renamed"')
            config.write_text(CONFIG)
            assert httpx.post(f"{url}/-/reload", timeout=60).text == "reloaded\n"
            assert shows(f"{gauge} 1.0")
            config.write_text(CONFIG.replace("account_id", "name: renamed, account_id"))
            assert httpx.post(f"{url}/-/reload", timeout=60).text == "reloaded\n"
        config.unlink()
        assert httpx.post(f"{url}/-/reload", timeout=60).text.endswith("No such file or directory\n")
        assert process.poll() is None
