"""No secret that the exporter is given comes out of it again: not at debug level, not in an error, not when it dies."""

from __future__ import annotations

import resource
import signal
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from tests.security.planted_secrets import BAD_CONFIGS, CONFIG, LOGIN, OF_REQUESTS, Planted, plant
from tests.support.aws_with_secrets import RESPONSES, SHOWN_INPUT, AwsWithSecrets
from tests.support.raw_listeners import RawListener, run_listener
from tests.support.secret_canaries import leaks
from tests.support.servers import serve_app
from tests.support.waiting import wait_until

PAGES = (
    "/metrics",
    "/",
    "/config",
    "/api/v1/operations",
    "/api/v1/cells",
    "/api/v1/openapi.json",
    "/-/healthy",
    "/-/ready",
)
PROBES = [("default", Path(path).name) for path in RESPONSES if path.startswith("/thing-registration-tasks/")]
STATE = "state.db"
# A tag may become a label with the next configuration, which must find it.
KEPT = f"AWS: a tag that is no label in {STATE}"


@dataclass(frozen=True, slots=True)
class Told:
    """What a process was given, what it said of it, and what reached AWS."""

    planted: Planted
    outputs: Mapping[str, bytes]
    received: str


@pytest.fixture(scope="module", params=["logfmt", "json"])
def told(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Told:
    """Everything that a process says in its life: with keys in its environment, or in a profile and logs as JSON."""
    folder, aws = tmp_path_factory.mktemp("planted"), AwsWithSecrets()
    with serve_app(aws.app()) as endpoint:
        planted = plant(folder, endpoint, by_profile=request.param == "json")
        state = folder / STATE
        verbose = ("--log.level=debug", f"--log.format={request.param}")
        flags = (f"--config.file={planted.config}", f"--state.file={state}", *verbose)
        with run_listener(folder, planted.web, planted.environment, flags, planted.authority) as opened:
            outputs = {**answers(opened), **refusals(opened), **reloads(opened, planted.config)}
            outputs |= {"command line": Path(f"/proc/{opened.process.pid}/cmdline").read_bytes()}
            outputs |= {STATE: wait_until(lambda: content(state), "the state file"), "log": end(opened)}
    return Told(planted, outputs, "\n".join(aws.received))


def client_of(opened: RawListener, **headers: str) -> httpx.Client:
    """Return a client that knows the password."""
    assert opened.client
    return httpx.Client(base_url=opened.url, verify=opened.client, auth=LOGIN, headers=headers, timeout=60)


def whole(response: httpx.Response) -> bytes:
    """Return an answer with its headers."""
    return b"\r\n".join([str(response.status_code).encode(), *map(b": ".join, response.headers.raw), response.content])


def answers(opened: RawListener) -> dict[str, bytes]:
    """Return what each page says, in each format, before and after AWS has been asked."""
    openmetrics = {"Accept": "application/openmetrics-text"}
    with client_of(opened) as client:
        told = {f"first {path}": whole(client.get(path)) for path in PAGES}
        told |= {path: whole(client.get(path)) for path in PAGES}
        told |= {"OpenMetrics": whole(client.get("/metrics", headers=openmetrics))}
        for account, id in [*PROBES, ("assumed", "good"), ("shut out", "good")]:
            query = {"kind": "thing_registration_task", "account": account, "id": id}
            told[f"/probe of {account} {id}"] = whole(client.get("/probe", params=query))
    return told


def refusals(opened: RawListener) -> dict[str, bytes]:
    """Return what requests are answered that carry secrets of their own, right ones and wrong ones."""
    had = {place.removeprefix("requests: "): secret for place, secret in OF_REQUESTS.items()}
    carried = {"Cookie": f"session={had['cookie']}", "X-Amz-Security-Token": had["header"], "Referer": had["header"]}
    query = {had["parameter"]: had["value of a parameter"]}
    probe = {
        "kind": had["value of a parameter"],
        "id": had["value of a parameter"],
        "region": had["value of a parameter"],
    }
    with client_of(opened, **carried) as client:
        told = {f"carried to {path}": whole(client.get(path)) for path in PAGES}
        told |= {f"{path} with a parameter": whole(client.get(path, params=query)) for path in (*PAGES[:5], "/probe")}
        told |= {"a probe of nothing": whole(client.get("/probe", params=probe))}
        told |= {
            "a token": whole(client.get("/", auth=None, headers={"Authorization": f"Bearer {had['bearer token']}"}))
        }
        told |= {"a wrong password": whole(client.get("/", auth=("alice", had["wrong password"])))}
        told |= {"a path": whole(client.get(f"/{had['path']}")), "a body": whole(client.put("/", content=had["body"]))}
        told |= {"a method": whole(client.delete(f"/metrics?{had['parameter']}"))}
    return told


def reloads(opened: RawListener, config: Path) -> dict[str, bytes]:
    """Return what reloads of broken files are answered; what the web configuration's are comes to the log alone."""
    told = {}
    with client_of(opened) as client:
        for name, text in BAD_CONFIGS.items():
            config.write_text(text)
            told[f"reload of {name}"] = whole(client.post("/-/reload"))
        config.write_text(CONFIG)
        told["reload"] = whole(client.post("/-/reload"))
        web = opened.output.with_name("web.yaml")
        good = web.read_text()
        for bad in (good[:-1], good.replace("basic_auth_users", "users"), good.replace("$2b$", "$9z$"), good * 2):
            web.write_text(bad)
            told[f"a web configuration of {len(bad)} characters"] = whole(client.get("/-/healthy"))
        web.write_text(good)
    return told


def content(state: Path) -> bytes | None:
    """Return what the state file holds, None until the ended operations are in it."""
    held = state.read_bytes() if state.exists() else b""
    return held if all(id in held for id in (b"good", b"bulk", b"deployment")) else None


def end(opened: RawListener) -> bytes:
    """Return the whole log, with what Python's fault handler says of a process that is made to crash."""
    resource.prlimit(opened.process.pid, resource.RLIMIT_CORE, (0, 0))
    opened.process.send_signal(signal.SIGABRT)
    opened.process.wait(60)
    return opened.output.read_bytes()


def test_no_secret_comes_out(told: Told) -> None:
    assert [one for one in leaks(told.planted.secrets, told.outputs) if one != KEPT] == []


def test_the_outputs_are_those_of_an_exporter_that_read_the_answers(told: Told) -> None:
    for path in (
        "/metrics",
        "/",
        "/api/v1/operations",
        "OpenMetrics",
        "/probe of default good",
        "/probe of assumed good",
    ):
        assert SHOWN_INPUT.encode() in told.outputs[path], path
    for reason in (b"access_denied", b"throttled", b"malformed", b"server_error", b"not_found"):
        assert reason in told.outputs["log"]
        assert reason in told.outputs["/metrics"]
    assert b"Fatal Python error: Aborted" in told.outputs["log"]
    assert b"probe failed" in told.outputs["log"]
    assert b"the last good one stays" in told.outputs["log"]
    assert b"<secret>" in told.outputs["/config"]


def test_each_bad_file_was_refused_and_each_bad_request_too(told: Told) -> None:
    statuses = {name: told.outputs[name][:3] for name in told.outputs}
    assert {statuses[f"reload of {name}"] for name in BAD_CONFIGS} == {b"500"}
    assert statuses["reload"] == statuses["/metrics"] == b"200"
    assert [statuses[name] for name in ("a token", "a wrong password", "a path", "a body", "a method")] == [
        b"401",
        b"401",
        b"404",
        b"413",
        b"405",
    ]
    assert statuses["a probe of nothing"] == statuses["/api/v1/operations with a parameter"] == b"400"


def test_the_secrets_were_really_used(told: Told) -> None:
    keys = "files: {} of the profile" if "AWS_ACCESS_KEY_ID" not in told.planted.environment else "environment: {}"
    sent = [key.format(part) for key in (keys, "AWS: {} of a role") for part in ("access key", "session token")]
    sent += ["files: external id", "files: external id of a role that is refused", "environment: query of the endpoint"]
    assert [place for place in sent if told.planted.secrets[place] not in told.received] == []
    asked = {path for path in RESPONSES if f"GET {path}?" in told.received}
    assert asked == RESPONSES.keys() - {"/tags"}
