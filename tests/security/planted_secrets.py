"""Secrets in all input of the exporter: its environment, its files, AWS's responses, and requests."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import bcrypt

from tests.support.aws_with_secrets import SECRETS as OF_AWS
from tests.support.certificates import Authority, server_files
from tests.support.secret_canaries import canaries

OF_THE_ENVIRONMENT = canaries(
    "environment",
    "access key, secret key, session token, container token, password of the endpoint, query of the endpoint, "
    "password of another program, token of the metadata service",
)
OF_FILES = canaries(
    "files",
    "access key of the profile, secret key of the profile, session token of the profile, password, external id, "
    "external id of a role that is refused, external id below a wrong key, external id in broken YAML",
)
OF_REQUESTS = canaries(
    "requests", "wrong password, bearer token, cookie, parameter, value of a parameter, body, header, path"
)
LOGIN = ("alice", OF_FILES["files: password"])
CONFIG = f"""
accounts:
  - account_id: "111122223333"
    regions: [eu-west-1]
    watch:
      - kind: thing_registration_task
        ids: [good, denied, throttled, broken, page, cut, odd, down, moved, gone, code]
        discover: true
      - {{kind: greengrass_bulk_deployment, ids: [bulk, refused], discover: true, details: true}}
      - {{kind: iot_job, ids: [job]}}
      - {{kind: greengrass_deployment, ids: [deployment]}}
  - name: assumed
    regions: [eu-west-1]
    role_arn: arn:aws:iam::444455556666:role/assumed
    external_id: {OF_FILES["files: external id"]}
    watch: [{{kind: thing_registration_task, ids: [good, gone]}}]
  - name: shut out
    regions: [eu-west-1]
    role_arn: arn:aws:iam::777788889999:role/refused
    external_id: {OF_FILES["files: external id of a role that is refused"]}
    watch: [{{kind: thing_registration_task, discover: true}}]
labels: {{tags: [team]}}
aws: {{api_budget: 1.0}}
"""
WRONG, BROKEN = OF_FILES["files: external id below a wrong key"], OF_FILES["files: external id in broken YAML"]
# Mistakes in configurations that contain a secret.
BAD_CONFIGS: Mapping[str, str] = {
    "a wrong key": f"accounts: [{{name: a, externalid: {WRONG}}}]",
    "a wrong section": f"aws: {{external_id: {WRONG}, secret: {WRONG}}}",
    "a wrong type": f"accounts: [{{name: a, external_id: [{WRONG}]}}]",
    "a list for a mapping": f"accounts: {{external_id: {WRONG}}}",
    "a secret as a key": f"accounts: [{{name: a, {WRONG}: x}}]",
    "no space behind a colon": f"accounts: [{{external_id:{WRONG}}}]",
    "no valid value": f"accounts: [{{name: a, external_id: '{WRONG} with spaces'}}]",
    "as a Region": f"accounts: [{{name: a, regions: [{WRONG}]}}]",
    "as a role": f"accounts: [{{name: a, role_arn: 'arn:aws:iam::1:role/{WRONG}'}}]",
    "as an account's number": f"accounts: [{{name: a, account_id: {WRONG}}}]",
    "as a time": f"refresh: {{min_age: {WRONG}}}",
    "as a kind": f"accounts: [{{watch: [{{kind: {WRONG}, ids: [a]}}]}}]",
    "an open quote": f'accounts: [{{external_id: "{BROKEN}}}]',
    "an open bracket": f"accounts: [{{external_id: {BROKEN}",
    "a tab": f"accounts:\n\t- external_id: {BROKEN}",
    "an alias": f"accounts: [{{external_id: *{BROKEN}}}]",
    "a tag": f"accounts: [{{external_id: !{BROKEN} x}}]",
    "an anchor twice": f"a: &{BROKEN} 1\nb: &{BROKEN} 2",
    "a key twice": f"{BROKEN}: 1\n{BROKEN}: 2",
    "two documents": f"accounts: []\n---\nexternal_id: {BROKEN}",
    "a control character": f"accounts: [{{external_id: {BROKEN}\x01}}]",
    "only a secret": BROKEN,
}


@dataclass(frozen=True, slots=True)
class Planted:
    """The input of a process, and the secrets in it by place."""

    secrets: Mapping[str, str]
    environment: Mapping[str, str]
    web: str
    authority: Authority
    config: Path


def plant(folder: Path, endpoint: str, by_profile: bool) -> Planted:
    """Write the files of a process and return its input. Its credentials are in a profile or in its environment."""
    authority, config = server_files(folder), folder / "config.yaml"
    config.write_text(CONFIG)
    key = (folder / "server.key").read_text()
    hashed = bcrypt.hashpw(LOGIN[1].encode(), bcrypt.gensalt(4)).decode()
    pair = {"cert_file": "server.pem", **({"key": key} if by_profile else {"key_file": "server.key"})}
    web = json.dumps({"tls_server_config": pair, "basic_auth_users": {LOGIN[0]: hashed}})
    of_web = {"files: key": "".join(key.split("\n")[1:3]), "files: hash of a password": hashed[-31:]}
    secrets = {**OF_AWS, **OF_THE_ENVIRONMENT, **OF_FILES, **OF_REQUESTS, **of_web}
    return Planted(secrets, environment(folder, endpoint, by_profile), web, authority, config)


def environment(folder: Path, endpoint: str, by_profile: bool) -> dict[str, str]:
    """Return the whole environment of a process."""
    had = OF_THE_ENVIRONMENT
    login = f"user:{had['environment: password of the endpoint']}@"
    profile = folder / "credentials"
    names = ("aws_access_key_id", "aws_secret_access_key", "aws_session_token")
    pairs = dict(zip(names, (value for place, value in OF_FILES.items() if "profile" in place), strict=True))
    profile.write_text("\n".join(["[default]", *(f"{name} = {value}" for name, value in pairs.items()), ""]))
    keys = ("environment: access key", "environment: secret key", "environment: session token")
    given = {name.upper(): had[place] for name, place in zip(names, keys, strict=True)}
    return {
        **({} if by_profile else given),
        "AWS_SHARED_CREDENTIALS_FILE": str(profile),
        "AWS_ENDPOINT_URL": endpoint.replace("://", f"://{login}")
        + f"/?token={had['environment: query of the endpoint']}",
        "AWS_REGION": "eu-west-1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONTAINER_AUTHORIZATION_TOKEN": had["environment: container token"],
        "AWS_METADATA_SERVICE_TOKEN": had["environment: token of the metadata service"],
        "DATABASE_PASSWORD": had["environment: password of another program"],
        "PYTHONFAULTHANDLER": "1",
        "HOME": str(folder),
    }
