"""Every type of file that users write: valid documents, independent faults in them, and the reader of the exporter."""

import contextlib
import io
import signal
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from hypothesis import strategies as st

from exporter.cli.commands.simulate import read_scenario
from exporter.cli.main import main
from exporter.config.strict_yaml import parse_yaml
from exporter.core.errors import ConfigError
from tests.properties.json_strategies import NodePath
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
    "external_url": "https://example.com/exporter",
    "runbooks": "https://example.com/runbooks",
    "parameters": {"ended_seconds": 3600, "rate": "1h", "items": 5},
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


@dataclass(frozen=True, slots=True)
class FaultPlan:
    """A valid document and the wrong values by path. All faults are independent."""

    file_type: FileType
    document: Any
    wrong: Mapping[NodePath, Sequence[Any]]

    def some_faults(self) -> st.SearchStrategy[list[tuple[NodePath, Any]]]:
        """Give some paths and a wrong value for each of them."""
        faults = [(path, value) for path, values in self.wrong.items() for value in values]
        return st.lists(st.sampled_from(faults), min_size=1, max_size=8, unique_by=lambda fault: fault[0])


def _account(name: str, number: str) -> dict[str, Any]:
    kinds = ("thing_registration_task", "iot_job", "greengrass_bulk_deployment")
    rules = {"max_age": "7d", "max_operations": 10, "id_pattern": "a"}
    return {
        "name": name,
        "regions": ["eu-west-1", "us-east-1"],
        "role_arn": f"arn:aws:iam::{number}:role/exporter",
        "external_id": SECRET,
        "watch": [{"kind": kind, "ids": ["a", "b"], "discover": dict(rules)} for kind in kinds],
    }


NO_NUMBER: Sequence[Any] = (0, -1, 1.5, "7", True, None, [], {})
NO_DURATION: Sequence[Any] = ("soon", 10, "", None, "1x", "-1s", "99999w", [])
NO_TEXT: Sequence[Any] = (7, True, None, [], {})
OF_ACCOUNT: Mapping[NodePath, Sequence[Any]] = {
    ("name",): ("", "x" * 129, 7, None, []),
    ("regions", 1): ("nowhere", "", 7, None, {}),
    ("role_arn",): (f"arn:{SECRET}", SECRET, 7),
    ("external_id",): (f"{SECRET} with spaces", "x", 7, [SECRET]),
    ("session_name",): ("!", "x", 7, None),
    ("surprise",): (SECRET, {}, None),
}
OF_WATCH: Mapping[NodePath, Sequence[Any]] = {
    ("ids", 0): ("", "..", "x" * 200, "a b", 7, None),
    ("discover", "max_age"): ("soon", 10, "", []),
    ("discover", "max_operations"): NO_NUMBER,
    ("discover", "id_pattern"): ("(", 7, "[", []),
    ("discover", "statuses"): ("InProgress", 7, {}),
    ("discover", "surprise"): (SECRET,),
    ("surprise",): (True,),
}
OF_CONFIG: dict[NodePath, Sequence[Any]] = {
    ("refresh", "min_age"): NO_DURATION,
    ("refresh", "deadline"): NO_DURATION,
    ("aws", "api_budget"): (0, -1, 1.01, "0.5", True, None, float("nan"), float("inf")),
    ("aws", "max_attempts"): (*NO_NUMBER, 11),
    ("aws", "read_timeout"): NO_DURATION,
    ("labels", "tags", 0): ("", *NO_TEXT),
    ("labels", "surprise"): (SECRET,),
    ("surprise",): (SECRET,),
}
for account in range(2):
    OF_CONFIG.update({("accounts", account, *path): values for path, values in OF_ACCOUNT.items()})
    for watch in range(3):
        here: NodePath = ("accounts", account, "watch", watch)
        OF_CONFIG.update({(*here, *path): values for path, values in OF_WATCH.items()})

VALID: Any = {
    "accounts": [_account("first", "111122223333"), _account("second", "444455556666")],
    "refresh": {},
    "aws": {},
    "labels": {"tags": ["team"]},
}
OF_WEB: Mapping[NodePath, Sequence[Any]] = {
    ("http_server_config", "http2"): ("maybe", "", []),
    ("http_server_config", "headers", "X-Frame-Options"): ("no", []),
    ("http_server_config", "headers", "X-XSS-Protection"): ("a\nb", "é"),
    ("http_server_config", "surprise"): (SECRET,),
    ("basic_auth_users", "bob"): (SECRET, "", "$2y$10$short"),
    ("rate_limit", "interval"): ("soon", "", []),
    ("rate_limit", "burst"): ("many", "1.5", []),
    ("surprise",): (SECRET,),
}
OF_ALERTS: Mapping[NodePath, Sequence[Any]] = {
    ("external_url",): ("", "a b", "example.com", "https://a?b", 7),
    ("runbooks",): ("", "a b", "$x", 7),
    ("parameters", "ended_seconds"): NO_NUMBER,
    ("parameters", "rate"): ("soon", "", 7, None, "0s"),
    ("parameters", "surprise"): (SECRET,),
    ("labels", "team"): ("{{ $value }}", 7, None),
    ("surprise",): (SECRET,),
}
SCENARIO: Any = {
    "accounts": ["111122223333"],
    "operations": [
        {
            "kind": "thing_registration_task",
            "region": "eu-west-1",
            "id": "a",
            "timeline": [{"at": "0s", "status": "InProgress"}, {"at": "1m", "status": "Completed", "done": 1.0}],
        },
        {"kind": "iot_job", "region": "eu-west-1", "items": 5, "timeline": [{"at": "0s", "status": "SCHEDULED"}]},
    ],
    "faults": [{"api": "DescribeJob", "error": "ThrottlingException"}],
}
OF_SCENARIO: Mapping[NodePath, Sequence[Any]] = {
    ("quotas",): ("yes", 1, None),
    ("latency",): ("soon", 1, "-1s"),
    ("operations", 0, "region"): ("nowhere", 7),
    ("operations", 0, "items"): (-1, "7", 1.5),
    ("operations", 0, "tags"): ([], "a"),
    ("operations", 1, "created"): ("soon", 7),
    ("operations", 1, "target"): ("nowhere", 7),
    ("operations", 1, "surprise"): (SECRET,),
    ("faults", 0, "api"): ("Nothing", 7),
    ("faults", 0, "share"): (2, "1"),
    ("faults", 0, "service"): ("nothing", 7),
}
PLANS = (
    FaultPlan(CONFIG, VALID, OF_CONFIG),
    FaultPlan(WEB_CONFIG, WEB, OF_WEB),
    FaultPlan(ALERTS_FILE, ALERTS, OF_ALERTS),
    FaultPlan(SCENARIO_FILE, SCENARIO, OF_SCENARIO),
)
