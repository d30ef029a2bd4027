"""Calls to AWS that wait until a test releases them."""

from collections.abc import Callable


class HeldCalls:
    """The calls to AWS, which wait while ``held`` is a list."""

    def __init__(self) -> None:
        self.held: list[Callable[[], None]] | None = None

    def begin(self, call: Callable[[], None]) -> None:
        """Start a call, or let it wait."""
        if self.held is None:
            call()
        else:
            self.held.append(call)

    def release(self) -> None:
        """Start the calls that wait, and all later ones."""
        held, self.held = self.held or [], None
        for call in held:
            call()
