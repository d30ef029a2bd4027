"""The exporter never outputs a secret of its input: not at debug level, not in an error, not in a crash."""

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

PAGES: tuple[str, ...] = ("/metrics", "/", "/config", "/api/v1/operations", "/api/v1/cells", "/api/v1/openapi.json")
PAGES += ("/-/healthy", "/-/ready")
PROBES = [("default", Path(path).name) for path in RESPONSES if path.startswith("/thing-registration-tasks/")]
STATE = "state.db"
# A tag can become a label in the next configuration, so the state file keeps it.
KEPT = f"AWS: a tag that is no label in {STATE}"


@dataclass(frozen=True, slots=True)
class ProcessOutput:
    """The input of a process, all its output by source, and all lines that AWS received."""

    planted: Planted
    outputs: Mapping[str, bytes]
    received: str


@pytest.fixture(scope="module", params=["logfmt", "json"])
def process(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> ProcessOutput:
    """The output of a whole process life: with keys in its environment, or with a profile and JSON logs."""
    folder, aws = tmp_path_factory.mktemp("planted"), AwsWithSecrets()
    with serve_app(aws.app()) as endpoint:
        planted = plant(folder, endpoint, by_profile=request.param == "json")
        state = folder / STATE
        verbose = ("--log.level=debug", f"--log.format={request.param}")
        flags = (f"--config.file={planted.config}", f"--state.file={state}", *verbose)
        with run_listener(folder, planted.web, planted.environment, flags, planted.authority) as listener:
            outputs = {
                **page_responses(listener),
                **secret_request_responses(listener),
                **reload_responses(listener, planted.config),
            }
            outputs |= {"command line": Path(f"/proc/{listener.process.pid}/cmdline").read_bytes()}
            outputs |= {STATE: wait_until(lambda: state_content(state), "the state file"), "log": crash_log(listener)}
    return ProcessOutput(planted, outputs, "\n".join(aws.received))


def client_of(listener: RawListener, **headers: str) -> httpx.Client:
    """Return a client with the password."""
    assert listener.client
    return httpx.Client(base_url=listener.url, verify=listener.client, auth=LOGIN, headers=headers, timeout=60)


def response_bytes(response: httpx.Response) -> bytes:
    """Return a response with its status and headers."""
    return b"\r\n".join([str(response.status_code).encode(), *map(b": ".join, response.headers.raw), response.content])


def page_responses(listener: RawListener) -> dict[str, bytes]:
    """Return the responses of all pages in all formats, from the first and from later scrapes."""
    openmetrics = {"Accept": "application/openmetrics-text"}
    with client_of(listener) as client:
        outputs = {f"first {path}": response_bytes(client.get(path)) for path in PAGES}
        outputs |= {path: response_bytes(client.get(path)) for path in PAGES}
        outputs |= {"OpenMetrics": response_bytes(client.get("/metrics", headers=openmetrics))}
        for account, id in [*PROBES, ("assumed", "good"), ("shut out", "good")]:
            query = {"kind": "thing_registration_task", "account": account, "id": id}
            outputs[f"/probe of {account} {id}"] = response_bytes(client.get("/probe", params=query))
    return outputs


def secret_request_responses(listener: RawListener) -> dict[str, bytes]:
    """Return the responses to requests that contain secrets, both valid and invalid requests."""
    had = {place.removeprefix("requests: "): secret for place, secret in OF_REQUESTS.items()}
    carried = {"Cookie": f"session={had['cookie']}", "X-Amz-Security-Token": had["header"], "Referer": had["header"]}
    query = {had["parameter"]: had["value of a parameter"]}
    probe = dict.fromkeys(("kind", "id", "region"), had["value of a parameter"])
    bearer = {"Authorization": f"Bearer {had['bearer token']}"}
    with client_of(listener, **carried) as client:
        responses = {f"carried to {path}": client.get(path) for path in PAGES}
        responses |= {f"{path} with a parameter": client.get(path, params=query) for path in (*PAGES[:5], "/probe")}
        responses |= {
            "a probe of nothing": client.get("/probe", params=probe),
            "a token": client.get("/", auth=None, headers=bearer),
            "a wrong password": client.get("/", auth=("alice", had["wrong password"])),
            "a path": client.get(f"/{had['path']}"),
            "a body": client.put("/", content=had["body"]),
            "a method": client.delete(f"/metrics?{had['parameter']}"),
        }
    return {name: response_bytes(response) for name, response in responses.items()}


def reload_responses(listener: RawListener, config: Path) -> dict[str, bytes]:
    """Return the responses to reloads of invalid files. Only the log shows errors of the web configuration."""
    outputs = {}
    with client_of(listener) as client:
        for name, text in BAD_CONFIGS.items():
            config.write_text(text)
            outputs[f"reload of {name}"] = response_bytes(client.post("/-/reload"))
        config.write_text(CONFIG)
        outputs["reload"] = response_bytes(client.post("/-/reload"))
        web = listener.output.with_name("web.yaml")
        good = web.read_text()
        for bad in (good[:-1], good.replace("basic_auth_users", "users"), good.replace("$2b$", "$9z$"), good * 2):
            web.write_text(bad)
            outputs[f"a web configuration of {len(bad)} characters"] = response_bytes(client.get("/-/healthy"))
        web.write_text(good)
    return outputs


def state_content(state: Path) -> bytes | None:
    """Return the content of the state file, or None until it contains the ended operations."""
    held = state.read_bytes() if state.exists() else b""
    return held if all(id in held for id in (b"good", b"bulk", b"deployment")) else None


def crash_log(listener: RawListener) -> bytes:
    """Crash the process and return its log, which includes the output of Python's fault handler."""
    resource.prlimit(listener.process.pid, resource.RLIMIT_CORE, (0, 0))
    listener.process.send_signal(signal.SIGABRT)
    listener.process.wait(60)
    return listener.output.read_bytes()


def test_no_output_contains_a_secret(process: ProcessOutput) -> None:
    assert [leak for leak in leaks(process.planted.secrets, process.outputs) if leak != KEPT] == []


def test_the_exporter_has_read_the_responses_with_secrets(process: ProcessOutput) -> None:
    pages = ("/metrics", "OpenMetrics", "/", "/api/v1/operations")
    for path in (*pages, "/probe of default good", "/probe of assumed good"):
        assert SHOWN_INPUT.encode() in process.outputs[path], path
    for reason in (b"access_denied", b"throttled", b"malformed", b"server_error"):
        assert reason in process.outputs["log"]
        assert reason in process.outputs["/metrics"]
    assert b"AWS does not know the configured id" in process.outputs["log"]
    assert b"Fatal Python error: Aborted" in process.outputs["log"]
    assert b"probe failed" in process.outputs["log"]
    assert b"the last valid one stays in use" in process.outputs["log"]
    assert b"<secret>" in process.outputs["/config"]


def test_every_invalid_file_and_request_was_refused(process: ProcessOutput) -> None:
    statuses = {name: process.outputs[name][:3] for name in process.outputs}
    assert {statuses[f"reload of {name}"] for name in BAD_CONFIGS} == {b"500"}
    assert statuses["reload"] == statuses["/metrics"] == b"200"
    assert statuses["a token"] == statuses["a wrong password"] == b"401"
    assert (statuses["a path"], statuses["a body"], statuses["a method"]) == (b"404", b"413", b"405")
    assert statuses["a probe of nothing"] == statuses["/api/v1/operations with a parameter"] == b"400"


def test_the_exporter_has_used_the_secrets(process: ProcessOutput) -> None:
    keys = "files: {} of the profile" if "AWS_ACCESS_KEY_ID" not in process.planted.environment else "environment: {}"
    sent = [key.format(part) for key in (keys, "AWS: {} of a role") for part in ("access key", "session token")]
    sent += ["files: external id", "files: external id of a role that is refused", "environment: query of the endpoint"]
    assert [place for place in sent if process.planted.secrets[place] not in process.received] == []
    read_paths = {path for path in RESPONSES if f"GET {path}?" in process.received}
    assert read_paths == RESPONSES.keys() - {"/tags"}
