"""Credentials from all sources of boto3: Kubernetes, profiles, and a role that is assumed with them."""

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tests.support.exporter_server import ServedExporter, aws_environment, serve_exporter, serve_simulation
from tests.support.scripted_endpoint import HttpResponse, ScriptedAws, json_response
from tests.support.servers import serve_app

COUNT = 'aws_iot_thing_registration_task_succeeded_things{aws_account_id="444455556666",aws_region="eu-west-1",id="x"'
TASK = json_response({"status": "InProgress", "successCount": 1})
WATCH = "watch: [{kind: thing_registration_task, ids: [x]}]"
CONFIG = f"accounts: [{{account_id: '444455556666', {WATCH}}}]"
XML = {"content-type": "text/xml"}
NO_KEYS = {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}
KEYS = {"AccessKeyId": "ASIA", "SecretAccessKey": "secret", "Token": "token", "Expiration": "2099-01-01T00:00:00Z"}
IDENTITY = (
    '<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult>'
    "<Arn>arn:aws:sts::444455556666:assumed-role/reader/x</Arn><UserId>x</UserId><Account>444455556666</Account>"
    "</GetCallerIdentityResult></GetCallerIdentityResponse>"
)


def role_credentials(action: str) -> HttpResponse:
    body = (
        f'<{action}Response xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><{action}Result>'
        "<AssumedRoleUser><Arn>arn:aws:sts::444455556666:assumed-role/reader/x</Arn>"
        "<AssumedRoleId>AROA:x</AssumedRoleId></AssumedRoleUser><Credentials><AccessKeyId>ASIA</AccessKeyId>"
        "<SecretAccessKey>secret</SecretAccessKey><SessionToken>token</SessionToken>"
        f"<Expiration>2099-01-01T00:00:00Z</Expiration></Credentials></{action}Result></{action}Response>"
    )
    return HttpResponse(body.encode(), headers=XML)


def scrape(aws: ScriptedAws, config: str, **environment: str) -> str:
    """Return a scrape with these environment variables and without access keys."""
    with serve_app(aws.app()) as endpoint, serve_exporter(config, endpoint) as exporter:
        variables = {name: value.replace("ENDPOINT", endpoint) for name, value in environment.items()}
        with aws_environment(endpoint, **NO_KEYS, **variables):
            return exporter.scrape()


@pytest.fixture
def token_file(tmp_path: Path) -> str:
    file = tmp_path / "token"
    file.write_text("a-token")
    return str(file)


def test_irsa_gives_a_service_account_its_role(token_file: str) -> None:
    aws = ScriptedAws({"/": role_credentials("AssumeRoleWithWebIdentity"), "/thing-registration-tasks/x": TASK})
    role = {"AWS_ROLE_ARN": "arn:aws:iam::444455556666:role/reader", "AWS_WEB_IDENTITY_TOKEN_FILE": token_file}
    assert COUNT in scrape(aws, f"accounts: [{{{WATCH}}}]", **role)
    assert aws.requests == ["/", "/thing-registration-tasks/x"]


def test_pod_identity_gives_a_pod_its_role(token_file: str) -> None:
    identity = HttpResponse(IDENTITY.encode(), headers=XML)
    responses = {"/v1/credentials": json_response(KEYS), "/": identity, "/thing-registration-tasks/x": TASK}
    agent = {
        "AWS_CONTAINER_CREDENTIALS_FULL_URI": "ENDPOINT/v1/credentials",
        "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": token_file,
    }
    assert COUNT in scrape(ScriptedAws(responses), f"accounts: [{{{WATCH}}}]", **agent)


def test_a_role_is_assumed_with_the_credentials_of_a_profile(tmp_path: Path) -> None:
    aws = ScriptedAws({"/": role_credentials("AssumeRole"), "/thing-registration-tasks/x": TASK})
    shared = tmp_path / "credentials"
    shared.write_text("[plant]\naws_access_key_id = AKIA\naws_secret_access_key = secret\n")
    profile = {"AWS_PROFILE": "plant", "AWS_SHARED_CREDENTIALS_FILE": str(shared)}
    config = f"accounts: [{{role_arn: 'arn:aws:iam::444455556666:role/reader', {WATCH}}}]"
    assert COUNT in scrape(aws, config, **profile)


def test_a_cell_recovers_from_missing_credentials() -> None:
    aws = ScriptedAws({"/thing-registration-tasks/x": TASK})
    with serve_app(aws.app()) as endpoint, serve_exporter(CONFIG, endpoint) as exporter:
        with aws_environment(endpoint, **NO_KEYS):
            assert 'reason="credentials"} 1.0' in exporter.scrape()
        assert COUNT in exporter.scrape()


def test_a_denied_role_is_not_requested_with_every_call() -> None:
    refused = (
        '<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type>Sender</Type>'
        "<Code>AccessDenied</Code><Message>no</Message></Error><RequestId>1</RequestId></ErrorResponse>"
    )
    aws = ScriptedAws({"/": HttpResponse(refused.encode(), 403, XML)})
    watch = "watch: [{kind: thing_registration_task, ids: [x], discover: true}]"
    config = f"accounts: [{{role_arn: 'arn:aws:iam::444455556666:role/reader', {watch}}}]"
    with serve_app(aws.app()) as endpoint, serve_exporter(config, endpoint) as exporter:
        assert 'reason="access_denied"} 1.0' in exporter.scrape()
        assert aws.requests == ["/"]
        exporter.scrape()
    assert aws.requests == ["/", "/"]


ROLE = """
accounts:
  - role_arn: arn:aws:iam::444455556666:role/reader
    watch: [{kind: thing_registration_task, ids: [x, y, z]}]
"""
SCENARIO = """
accounts: ["111122223333", "444455556666"]
operations:
  - &task {kind: thing_registration_task, account: "444455556666", id: x, region: eu-west-1,
           timeline: [{at: 0s, status: InProgress}]}
  - {<<: *task, id: y}
  - {<<: *task, id: z}
"""


def test_a_role_is_assumed_again_after_aws_refuses_its_session() -> None:
    with serve_simulation(ROLE, SCENARIO) as simulation:
        scrape = simulation.exporter.scrape
        assert simulation.requests_of(scrape).count("/") == 1
        simulation.exporter.clock.advance(3600)
        assert 'reason="credentials"} 1.0' in scrape()
        assert simulation.requests_of(lambda: COUNT in scrape() or pytest.fail("no sample")).count("/") == 1
        assert simulation.requests_of(scrape).count("/") == 0


def test_a_role_with_refused_sessions_is_assumed_at_most_once_a_minute() -> None:
    refused = "faults: [{service: iot, error: ExpiredTokenException, status: 403}]\n"
    with serve_simulation(ROLE, SCENARIO + refused) as simulation:
        requests = [simulation.requests_of(lambda: simulation.exporter.scrape(after=20)) for _ in range(9)]
    assert [paths.count("/") for paths in requests] == [1, 0, 0, 0, 1, 0, 0, 0, 1]


def write_keys(file: Path, name: str) -> None:
    file.write_text(f"[default]\naws_access_key_id = AKIA{name}\naws_secret_access_key = secret\n")


@contextmanager
def serve_with_key_file(
    config: str, respond: Callable[[Request], Awaitable[Response]], file: Path
) -> Iterator[ServedExporter]:
    """Serve an exporter whose AWS is a function, and whose access keys are in a file."""
    app = Starlette(routes=[Route("/{path:path}", respond, methods=["GET", "POST"])])
    with (
        serve_app(app) as endpoint,
        serve_exporter(config, endpoint) as exporter,
        aws_environment(endpoint, **NO_KEYS, AWS_SHARED_CREDENTIALS_FILE=str(file)),
    ):
        yield exporter


def test_replaced_keys_are_read_after_aws_refuses_the_old_ones(tmp_path: Path) -> None:
    async def respond(request: Request) -> Response:
        if "Credential=AKIANEW/" in request.headers["authorization"]:
            return JSONResponse({"status": "InProgress", "successCount": 1})
        return JSONResponse({}, 403, {"x-amzn-errortype": "UnrecognizedClientException"})

    shared = tmp_path / "credentials"
    with serve_with_key_file(CONFIG, respond, shared) as exporter:
        write_keys(shared, "OLD")
        assert 'reason="credentials"} 1.0' in exporter.scrape()
        write_keys(shared, "NEW")
        exporter.scrape()
        assert COUNT in exporter.scrape()


def test_data_of_one_account_is_not_exposed_for_another(tmp_path: Path) -> None:
    numbers = {"OLD": "111122223333", "NEW": "444455556666"}
    refused = set[str]()

    async def respond(request: Request) -> Response:
        name = request.headers["authorization"].partition("AKIA")[2][:3]
        if name in refused:
            return JSONResponse({}, 403, {"x-amzn-errortype": "UnrecognizedClientException"})
        if request.url.path == "/":
            return Response(IDENTITY.replace(numbers["NEW"], numbers[name]), media_type="text/xml")
        has_ended = name == "OLD" and request.url.path.endswith("x")
        return JSONResponse({"status": "Completed" if has_ended else "InProgress", "successCount": 1})

    shared = tmp_path / "credentials"
    config = "accounts: [{watch: [{kind: thing_registration_task, ids: [x, y]}]}]"
    with serve_with_key_file(config, respond, shared) as exporter:
        write_keys(shared, "OLD")
        assert 'id="x",kind="thing_registration_task",status="Completed"} 1.0' in exporter.scrape()
        write_keys(shared, "NEW")
        refused.add("OLD")
        exporter.scrape()
        exposed = exporter.scrape()
    assert COUNT in exposed
    assert 'status="Completed"} 1.0' not in exposed
    assert numbers["OLD"] not in "".join(row for row in exposed.splitlines(True) if "succeeded_things" in row)
