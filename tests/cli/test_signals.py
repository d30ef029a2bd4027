"""Signals reach a busy process: those that are lost would be a reload that never comes, or an end that does not."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from exporter.web.listener.server import hear

MANY = 100_000
"""More than any pipe holds."""
HANGS_UP_AT_ONCE = """
import os, signal, sys
from exporter.cli.main import main

class Finder:
    def find_spec(self, name, path=None, target=None):
        if name == "exporter.cli.commands.serve":
            os.kill(os.getpid(), signal.SIGHUP)

sys.meta_path.insert(0, Finder())
sys.exit(main(["serve", "--config.file=/nonexistent"]))
"""
"""A server that gets SIGHUP before most of it is imported."""
PROBLEM = "aws-iot-bulk-exporter: cannot read /nonexistent: No such file or directory\n"


@pytest.fixture
def number() -> Iterator[signal.Signals]:
    """A signal that nobody else listens to, as it was before when the test is over."""
    before = signal.getsignal(signal.SIGUSR1)
    yield signal.SIGUSR1
    signal.signal(signal.SIGUSR1, before)


def test_a_signal_is_heard_while_threads_tell_the_loop_more_than_it_takes(number: signal.Signals) -> None:
    async def run() -> None:
        loop, heard = asyncio.get_running_loop(), asyncio.Event()
        hear(number, heard.set)
        for _ in range(MANY):
            loop.call_soon_threadsafe(lambda: None)
        os.kill(os.getpid(), number)
        await asyncio.wait_for(heard.wait(), timeout=60)

    asyncio.run(run())


def test_a_signal_wakes_a_loop_that_has_nothing_to_do(number: signal.Signals) -> None:
    async def run() -> None:
        heard = asyncio.Event()
        hear(number, heard.set)
        asyncio.get_running_loop().call_soon(os.kill, os.getpid(), number)
        await asyncio.wait_for(heard.wait(), timeout=60)

    asyncio.run(run())


def test_a_reload_that_is_asked_for_while_the_process_starts_does_not_end_it() -> None:
    ended = subprocess.run([sys.executable, "-c", HANGS_UP_AT_ONCE], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (2, PROBLEM)
