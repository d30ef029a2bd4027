"""The loop in virtual time waits for the calls of its own exporter."""

import threading

from exporter.core.thread import start_thread
from tests.support.virtual_loop import VirtualLoop


def test_the_loop_does_not_wait_for_a_call_that_began_before_it() -> None:
    end = threading.Event()

    def wait() -> None:
        end.wait()

    start_thread(wait)
    try:
        loop = VirtualLoop()
        loop.pass_time(5.0)
        assert loop.at == 5.0
        loop.close()
    finally:
        end.set()
