"""Valid documents and independent faults in them, each with the path that its message must name."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from tests.properties.json_strategies import Path, with_change
from tests.properties.user_files import ALERTS, ALERTS_FILE, CONFIG, SCENARIO_FILE, SECRET, WEB, WEB_CONFIG, FileType


@dataclass(frozen=True, slots=True)
class Fault:
    """A wrong value and the path at which it is written."""

    path: Path
    value: Any

    @property
    def path_text(self) -> str:
        """The path in the notation of messages."""
        parts = (f"[{part}]" if isinstance(part, int) else f".{part}" for part in self.path)
        return "".join(parts).removeprefix(".")

    def added_to(self, document: Any) -> Any:
        """Return the document with the fault."""

        def write(parent: Any, place: Any) -> None:
            parent[place] = self.value

        return with_change(document, self.path, write)


@dataclass(frozen=True, slots=True)
class FaultPlan:
    """A valid document and the wrong values by path. All faults are independent."""

    file_type: FileType
    document: Any
    wrong: Mapping[Path, Sequence[Any]]

    def some(self) -> st.SearchStrategy[list[Fault]]:
        """Give some of the faults, at most one for each path."""
        faults = [Fault(path, value) for path, values in self.wrong.items() for value in values]
        return st.lists(st.sampled_from(faults), min_size=1, max_size=8, unique_by=lambda fault: fault.path)


def _account(name: str, number: str) -> dict[str, Any]:
    kinds = ("thing_registration_task", "iot_job", "greengrass_bulk_deployment")
    rules = {"max_age": "7d", "max_operations": 10, "id_pattern": "a"}
    watch = [{"kind": kind, "ids": ["a", "b"], "discover": dict(rules)} for kind in kinds]
    role = f"arn:aws:iam::{number}:role/exporter"
    return {
        "name": name,
        "regions": ["eu-west-1", "us-east-1"],
        "role_arn": role,
        "external_id": SECRET,
        "watch": watch,
    }


NO_NUMBER: Sequence[Any] = (0, -1, 1.5, "7", True, None, [], {})
NO_DURATION: Sequence[Any] = ("soon", 10, "", None, "1x", "-1s", "99999w", [])
NO_TEXT: Sequence[Any] = (7, True, None, [], {})
OF_ACCOUNT: Mapping[Path, Sequence[Any]] = {
    ("name",): ("", "x" * 129, 7, None, []),
    ("regions", 1): ("nowhere", "", 7, None, {}),
    ("role_arn",): (f"arn:{SECRET}", SECRET, 7),
    ("external_id",): (f"{SECRET} with spaces", "x", 7, [SECRET]),
    ("session_name",): ("!", "x", 7, None),
    ("surprise",): (SECRET, {}, None),
}
OF_WATCH: Mapping[Path, Sequence[Any]] = {
    ("ids", 0): ("", "..", "x" * 200, "a b", 7, None),
    ("discover", "max_age"): ("soon", 10, "", []),
    ("discover", "max_operations"): NO_NUMBER,
    ("discover", "id_pattern"): ("(", 7, "[", []),
    ("discover", "statuses"): ("InProgress", 7, {}),
    ("discover", "surprise"): (SECRET,),
    ("surprise",): (True,),
}
OF_CONFIG: dict[Path, Sequence[Any]] = {
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
        here: Path = ("accounts", account, "watch", watch)
        OF_CONFIG.update({(*here, *path): values for path, values in OF_WATCH.items()})

VALID: Any = {
    "accounts": [_account("first", "111122223333"), _account("second", "444455556666")],
    "refresh": {},
    "aws": {},
    "labels": {"tags": ["team"]},
}
OF_WEB: Mapping[Path, Sequence[Any]] = {
    ("http_server_config", "http2"): ("maybe", "", []),
    ("http_server_config", "headers", "X-Frame-Options"): ("no", []),
    ("http_server_config", "headers", "X-XSS-Protection"): ("a\nb", "é"),
    ("http_server_config", "surprise"): (SECRET,),
    ("basic_auth_users", "bob"): (SECRET, "", "$2y$10$short"),
    ("rate_limit", "interval"): ("soon", "", []),
    ("rate_limit", "burst"): ("many", "1.5", []),
    ("surprise",): (SECRET,),
}
OF_ALERTS: Mapping[Path, Sequence[Any]] = {
    ("runbooks",): ("", "a b", "$x", 7),
    ("parameters", "ended_seconds"): NO_NUMBER,
    ("parameters", "stalled"): ("soon", "", 7, None, "0s"),
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
OF_SCENARIO: Mapping[Path, Sequence[Any]] = {
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
