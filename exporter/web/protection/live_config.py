"""The web configuration as it is now: its files are read again when they change, and the last good state stays."""

from __future__ import annotations

from pathlib import Path

from exporter.config.strict_yaml import read_text
from exporter.core.errors import ConfigError
from exporter.core.log import Log
from exporter.web.protection.config_file import FLAG, WebConfig, read_web_config
from exporter.web.protection.tls import Tls

Look = tuple[int, int, int] | None
"""What of a file changes when its content does; None for one that is not there."""


class LiveWebConfig:
    """What a file says now, or everybody let in over plain HTTP where there is none. Raises ConfigError at first.

    Later it raises nothing: what cannot be used is logged once, and the last good state stays. Neither passwords nor
    TLS end while the process runs, since a file that was emptied by mistake would let everybody in.
    """

    def __init__(self, path: Path | None, log: Log) -> None:
        self._path = path
        self._log = log
        self._seen: dict[Path, Look] = {}
        self._said: tuple[str, ...] = ()
        self._current = WebConfig() if path is None else self._read(path)

    def current(self) -> WebConfig:
        """Return what holds for a request that begins now."""
        if self._path and any(_look(path) != look for path, look in self._seen.items()):
            self._read_again(self._path)
        return self._current

    def tls(self) -> Tls | None:
        """Return what holds for a connection that begins now, None for plain HTTP."""
        return self.current().tls

    def _read(self, path: Path) -> WebConfig:
        self._seen = {}
        return read_web_config(path, self._read_file)

    def _read_file(self, path: Path, shown: str) -> str:
        self._seen[path] = _look(path)  # before it is read: a change in between is seen as one
        return read_text(path, shown)

    def _read_again(self, path: Path) -> None:
        try:
            new = self._read(path)
            self._refuse_to_open(new)
        except ConfigError as error:
            if error.problems != self._said:
                said = "; ".join(error.problems)
                self._log.error("the web configuration is bad, the last good one stays", problems=said)
            self._said = error.problems
        else:
            self._current, self._said = new, ()
            self._log.info("the web configuration was read again")

    def _refuse_to_open(self, new: WebConfig) -> None:
        gone = {
            "basic_auth_users": bool(self._current.users) and not new.users,
            "tls_server_config": self._current.tls is not None and new.tls is None,
        }
        if found := [f"{FLAG}: {key}: is gone; if that is meant, restart" for key, is_gone in gone.items() if is_gone]:
            raise ConfigError(found)


def _look(path: Path) -> Look:
    try:
        found = path.stat()
    except (OSError, ValueError):
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
