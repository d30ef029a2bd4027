"""Every type of file that users write: valid examples, and how the exporter reads it."""

import contextlib
import io
import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from exporter.cli.commands.simulate import read_scenario
from exporter.cli.main import main
from exporter.config.strict_yaml import parse_yaml
from exporter.core.errors import ConfigError
from tests.support.certificates import ALICE
from tests.support.repository import ROOT

# Written wherever a secret can be. No key contains it, so no message may contain it.
SECRET = "s3cret/which+nobody,may=see"
PROGRAM = "aws-iot-bulk-exporter: "
WEB: Any = {
    "http_server_config": {"http2": True, "headers": {"X-Frame-Options": "deny", "X-XSS-Protection": "0"}},
    "basic_auth_users": {"alice": ALICE},
    "rate_limit": {"interval": "1s", "burst": 5},
}
TLS: Any = {
    "tls_server_config": {
        "cert": SECRET,
        "key": SECRET,
        "client_auth_type": "RequireAndVerifyClientCert",
        "client_ca_file": "clients.pem",
        "min_version": "TLS12",
        "cipher_suites": ["TLS_AES_128_GCM_SHA256"],
        "curve_preferences": ["X25519"],
    }
}
ALERTS: Any = {
    "runbooks": "https://example.com/runbooks",
    "parameters": {"ended_seconds": 3600, "stalled": "1h", "items": 5},
    "labels": {"team": "factory"},
    "alerts": {"AwsIotBulkExporterDown": {"enabled": False}},
}


@dataclass(frozen=True, slots=True)
class FileType:
    """A type of file: valid documents, and a function that returns the messages about a file, or none."""

    name: str
    valid: Sequence[Any]
    problems: Callable[[Path], Sequence[str]]


def command_problems(*arguments: str) -> Callable[[Path], Sequence[str]]:
    """Return a function that runs a command on a file and returns its error lines. Any other output is a failure."""

    def run(path: Path) -> Sequence[str]:
        errors, before = io.StringIO(), signal.getsignal(signal.SIGTERM)
        with contextlib.redirect_stderr(errors), contextlib.redirect_stdout(io.StringIO()):
            status = main([*arguments, str(path)])
        signal.signal(signal.SIGTERM, before)
        lines = errors.getvalue().removesuffix("\n").split("\n") if errors.getvalue() else []
        assert status == (2 if lines else 0)
        assert [line for line in lines if not line.startswith(PROGRAM)] == []
        return [line.removeprefix(PROGRAM).removeprefix(f"{path}: ") for line in lines]

    return run


def scenario_problems(path: Path) -> Sequence[str]:
    """Return the messages about a scenario, without serving a valid one."""
    try:
        read_scenario(path)
    except ConfigError as error:
        problems = error.problems or ("an error without a message",)
        return [line.removeprefix(f"{path}: ") for line in problems]
    return ()


def example_documents(*patterns: str) -> list[Any]:
    """Return the content of files of the repository, with a secret as external id."""
    texts = [path.read_text("utf-8") for pattern in patterns for path in sorted(ROOT.glob(pattern))]
    found = [parse_yaml(text.replace("external_id: change-me", f"external_id: {SECRET}")) for text in texts]
    return [document for document in found if document]


CONFIG = FileType(
    "configuration",
    example_documents("config.example.yaml", "tests/config/good/*.yaml"),
    command_problems("check", "--config.file"),
)
WEB_CONFIG = FileType("web configuration", [WEB, TLS, {**WEB, **TLS}], command_problems("check", "--web.config.file"))
ALERTS_FILE = FileType("alerts", [ALERTS], command_problems("show", "prometheus-rules", "--alerts.file"))
SCENARIO_FILE = FileType("scenario", example_documents("exporter/*/scenarios/*.yaml"), scenario_problems)
FILE_TYPES = (CONFIG, WEB_CONFIG, ALERTS_FILE, SCENARIO_FILE)


def write_document(path: Path, document: Any) -> Path:
    """Write a document as YAML and return its path."""
    path.write_text(yaml.safe_dump(document, sort_keys=False), "utf-8", errors="replace")
    return path
