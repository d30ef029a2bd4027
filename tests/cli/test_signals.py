"""A busy process handles every signal. A lost signal would be a lost reload or shutdown."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from exporter.web.listener.server import handle_signal

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
PROBLEM = "aws-iot-bulk-exporter: /nonexistent: cannot read the file: No such file or directory\n"


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
        await asyncio.wait_for(handled.wait(), timeout=60)

    asyncio.run(run())


def test_a_signal_wakes_an_idle_loop(number: signal.Signals) -> None:
    async def run() -> None:
        handled = asyncio.Event()
        handle_signal(number, handled.set)
        asyncio.get_running_loop().call_soon(os.kill, os.getpid(), number)
        await asyncio.wait_for(handled.wait(), timeout=60)

    asyncio.run(run())


def test_sighup_during_startup_does_not_end_the_process() -> None:
    ended = subprocess.run([sys.executable, "-c", SIGHUP_DURING_IMPORT], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (2, PROBLEM)
