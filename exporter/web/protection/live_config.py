"""The current web configuration: its files are read again when they change, and the last valid version stays in use."""

from pathlib import Path

from exporter.config.strict_yaml import problems_in, read_text
from exporter.core.errors import ConfigError
from exporter.core.log import Log
from exporter.web.protection.config_file import WebConfig, read_web_config
from exporter.web.protection.tls import Tls

# The modification time, size and inode of a file; None if the file does not exist. A new content changes one of them.
FileState = tuple[int, int, int] | None


class LiveWebConfig:
    """The web configuration of a file. Without a file: unauthenticated plain HTTP.

    The constructor raises ConfigError. Later, an invalid file is logged once, and the last valid version stays in use.
    Passwords and TLS cannot be removed while the process runs: a file emptied by mistake would open the exporter to
    every client.
    """

    def __init__(self, path: Path | None, log: Log) -> None:
        self._path = path
        self._log = log
        self._seen: dict[Path, FileState] = {}
        self._logged: tuple[str, ...] = ()
        self._current = WebConfig() if path is None else self._read(path)

    def current(self) -> WebConfig:
        """Return the configuration for a request that begins now."""
        if self._path and any(_file_state(path) != state for path, state in self._seen.items()):
            self._reload(self._path)
        return self._current

    def tls(self) -> Tls | None:
        """Return the TLS for a connection that begins now, or None for plain HTTP."""
        return self.current().tls

    def _read(self, path: Path) -> WebConfig:
        self._seen = {}
        return read_web_config(path, self._read_file)

    def _read_file(self, path: Path) -> str:
        # The state is noted before the read, so that a change in between counts as a change.
        self._seen[path] = _file_state(path)
        return read_text(path)

    def _reload(self, path: Path) -> None:
        try:
            new = self._read(path)
            with problems_in(path):
                self._check_protection(new)
        except ConfigError as error:
            if error.problems != self._logged:
                problems = "; ".join(error.lines)
                self._log.error("web configuration file is invalid, the last valid one stays in use", problems=problems)
            self._logged = error.problems
        else:
            self._current, self._logged = new, ()
            self._log.info("web configuration file reloaded")

    def _check_protection(self, new: WebConfig) -> None:
        removed = {
            "basic_auth_users": bool(self._current.users) and not new.users,
            "tls_server_config": self._current.tls is not None and new.tls is None,
        }
        if found := [key for key, is_removed in removed.items() if is_removed]:
            raise ConfigError(f"{key}: was removed; restart the exporter to run without it" for key in found)


def _file_state(path: Path) -> FileState:
    try:
        found = path.stat()
    except (OSError, ValueError):
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
