"""Every file that somebody writes for the exporter: how it is read, and right ones to begin with."""

from __future__ import annotations

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
from exporter.web.protection.config_file import FLAG
from tests.support.passwords import ALICE
from tests.support.repository import ROOT

# Stands wherever a secret may stand; no key looks like it, so that no line may hold it.
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
class Sort:
    """A sort of file: its documents that are right, and what says whether one is: lines, none where it is."""

    name: str
    right: Sequence[Any]
    problems: Callable[[Path], Sequence[str]]


def problems_by(*arguments: str) -> Callable[[Path], Sequence[str]]:
    """Return what runs the program on a file and gives its complaints. Fails where it complains in another way."""

    def run(path: Path) -> Sequence[str]:
        told, before = io.StringIO(), signal.getsignal(signal.SIGTERM)
        with contextlib.redirect_stderr(told), contextlib.redirect_stdout(io.StringIO()):
            status = main([*arguments, str(path)])
        signal.signal(signal.SIGTERM, before)
        lines = told.getvalue().removesuffix("\n").split("\n") if told.getvalue() else []
        assert status == (2 if lines else 0)
        assert [line for line in lines if not line.startswith(PROGRAM)] == []
        return [line.removeprefix(PROGRAM).removeprefix(f"{FLAG}: ") for line in lines]

    return run


def of_scenario(path: Path) -> Sequence[str]:
    """Return what is wrong with a scenario, without serving one that is right."""
    try:
        read_scenario(path)
    except ConfigError as error:
        return error.problems or ("a refusal without a reason",)
    return ()


def documents(*patterns: str) -> list[Any]:
    """Return the content of files of the repository, with a secret where one may stand."""
    texts = [path.read_text("utf-8") for pattern in patterns for path in sorted(ROOT.glob(pattern))]
    found = [parse_yaml(text.replace("external_id: change-me", f"external_id: {SECRET}")) for text in texts]
    return [one for one in found if one]


CONFIG = Sort(
    "configuration", documents("config.example.yaml", "tests/config/good/*.yaml"), problems_by("check", "--config.file")
)
WEB_CONFIG = Sort("web configuration", [WEB, TLS, {**WEB, **TLS}], problems_by("check", FLAG))
ALERTS_FILE = Sort("alerts", [ALERTS], problems_by("show", "prometheus-rules", "--alerts.file"))
SCENARIO_FILE = Sort("scenario", documents("exporter/*/scenarios/*.yaml"), of_scenario)
SORTS = (CONFIG, WEB_CONFIG, ALERTS_FILE, SCENARIO_FILE)


def written(path: Path, document: Any) -> Path:
    """Write a document as YAML and return its path."""
    path.write_text(yaml.safe_dump(document, sort_keys=False), "utf-8", errors="replace")
    return path
