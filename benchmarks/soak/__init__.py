"""Load for minutes on a real ``serve`` and a real ``simulate``: what must stay flat, and what must never happen."""
