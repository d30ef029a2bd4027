"""Only S3 in the partition of the Region gets a request for a report, and nothing repeats the link."""

import json
from collections.abc import Iterator
from pathlib import Path

import botocore
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from exporter.aws.report_files import DNS_SUFFIXES, FileSettings, Origin, is_safe_link, read_file
from exporter.aws.sdk_settings import endpoint_origins
from exporter.core.errors import ApiError, Reason
from tests.support.certificates import Authority
from tests.support.exporter_server import aws_environment
from tests.support.servers import hanging_endpoint, serve_app

SAFE = [
    ("eu-west-1", "https://bucket.s3.eu-west-1.amazonaws.com/key?X-Amz-Signature=00"),
    ("eu-west-1", "https://bucket.s3.amazonaws.com/key"),
    ("eu-west-1", "https://s3.eu-west-1.amazonaws.com/bucket/key"),
    ("eu-west-1", "https://s3-eu-west-1.amazonaws.com/bucket/key"),
    ("eu-west-1", "https://s3.amazonaws.com:443/bucket/key"),
    ("eu-west-1", "https://a.dotted.bucket.s3.dualstack.us-east-1.amazonaws.com/key"),
    ("eu-west-1", "https://BUCKET.S3.EU-WEST-1.AMAZONAWS.COM/key"),
    ("us-gov-west-1", "https://b.s3-fips.us-gov-west-1.amazonaws.com/key"),
    ("cn-north-1", "https://bucket.s3.cn-north-1.amazonaws.com.cn/key"),
]
UNSAFE = [
    ("eu-west-1", "http://bucket.s3.eu-west-1.amazonaws.com/key"),
    ("eu-west-1", "ftp://bucket.s3.eu-west-1.amazonaws.com/key"),
    ("eu-west-1", "//bucket.s3.eu-west-1.amazonaws.com/key"),
    ("eu-west-1", "file:///etc/passwd"),
    ("eu-west-1", ""),
    ("eu-west-1", "https:///key"),
    ("eu-west-1", "https://bucket.s3.eu-west-1.amazonaws.com:8443/key"),
    ("eu-west-1", "https://bucket.s3.eu-west-1.amazonaws.com:99999/key"),
    ("eu-west-1", "https://user@bucket.s3.eu-west-1.amazonaws.com/key"),
    ("eu-west-1", "https://user:word@bucket.s3.eu-west-1.amazonaws.com/key"),
    ("eu-west-1", "https://s3.amazonaws.com@evil.example/key"),
    ("eu-west-1", "https://evil.example\\@s3.amazonaws.com/key"),
    ("eu-west-1", "https://evil.example\\.s3.amazonaws.com/key"),
    ("eu-west-1", "https://bucket.s3.eu-west-1.amazonaws.com.evil.example/key"),
    ("eu-west-1", "https://s3.eu-west-1.amazonaws.com.cn/bucket/key"),
    ("eu-west-1", "https://evils3.amazonaws.com/key"),
    ("eu-west-1", "https://s3.evilamazonaws.com/key"),
    ("eu-west-1", "https://s3-evil.amazonaws.com/key"),
    ("eu-west-1", "https://x.execute-api.eu-west-1.amazonaws.com/key"),
    ("eu-west-1", "https://iot.eu-west-1.amazonaws.com/key"),
    ("eu-west-1", "https://.s3.amazonaws.com/key"),
    ("eu-west-1", "https://s3.amazonaws.com./key"),
    ("eu-west-1", "https://s\u0455.amazonaws.com/key"),
    ("eu-west-1", "https://s3.amazonaws.com/key\r\nHost: evil.example"),
    ("eu-west-1", "https://169.254.169.254/latest/meta-data"),
    ("eu-west-1", "https://[::1]/key"),
    ("eu-west-1", "https://[::1/key"),
    ("eu-west-1", "https://localhost/key"),
    ("cn-north-1", "https://bucket.s3.eu-west-1.amazonaws.com/key"),
    ("cn-north-1", "https://bucket.s3.eu-west-1.amazonaws.com.cn/key"),
    ("us-gov-west-1", "https://bucket.s3.eu-west-1.amazonaws.com/key"),
    ("unknown-region-1", "https://bucket.s3.amazonaws.com/key"),
]


@pytest.mark.parametrize(("region", "link"), SAFE)
def test_a_link_to_s3_is_safe(region: str, link: str) -> None:
    assert is_safe_link(link, region)


@pytest.mark.parametrize(("region", "link"), UNSAFE)
def test_any_other_link_is_not_safe(region: str, link: str) -> None:
    assert not is_safe_link(link, region)


def test_the_suffixes_are_those_of_botocore() -> None:
    file = Path(botocore.__file__).parent / "data" / "partitions.json"
    partitions = json.loads(file.read_text(encoding="utf-8"))["partitions"]
    known = {partition["id"]: partition["outputs"]["dnsSuffix"] for partition in partitions}
    assert known == DNS_SUFFIXES


def test_a_link_may_lead_to_the_configured_endpoint_and_to_no_other_port_of_it() -> None:
    with aws_environment("http://localhost:4566", AWS_ENDPOINT_URL_S3="https://s3.local"):
        origins = endpoint_origins(("iot", "s3"))
    assert is_safe_link("http://localhost:4566/report", "eu-west-1", origins)
    assert is_safe_link("https://s3.local/report", "eu-west-1", origins)
    for link in ("http://localhost:4567/", "https://localhost:4566/", "http://s3.local/", "http://u@localhost:4566/"):
        assert not is_safe_link(link, "eu-west-1", origins)
    with aws_environment("http://localhost:4566", AWS_IGNORE_CONFIGURED_ENDPOINT_URLS="true"):
        assert endpoint_origins(("iot", "s3")) == frozenset()


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("tls"), "ca")


@pytest.fixture(scope="module")
def requests() -> list[dict[str, str]]:
    return []


@pytest.fixture(scope="module")
def server(authority: Authority, requests: list[dict[str, str]]) -> Iterator[str]:
    async def respond(request: Request) -> Response:
        requests.append(dict(request.headers))
        return Response(b"a" * 200_000)

    with serve_app(Starlette(routes=[Route("/report", respond)]), authority.issue("server", "127.0.0.1")) as url:
        yield url


def origin_of(url: str) -> Origin:
    scheme, host = url.split("://")
    name, port = host.split(":")
    return scheme, name, int(port)


def read(url: str, verify: bool | str = True, has_time: bool = True, read_timeout: float = 10.0) -> int:
    settings = FileSettings(10.0, read_timeout, verify, {origin_of(url)})
    link = f"{url}/report?X-Amz-Signature=s3cret"
    return read_file(link, "eu-west-1", settings, lambda chunks: sum(map(len, chunks)), lambda: has_time)


def test_a_file_is_read_over_tls_without_credentials(
    server: str, authority: Authority, requests: list[dict[str, str]]
) -> None:
    with aws_environment("http://unused.example"):
        assert read(server, str(authority.file)) == 200_000
    assert not {"authorization", "cookie", "x-amz-security-token"} & set(requests[-1])
    assert requests[-1]["accept-encoding"] == "identity"


def test_an_unknown_authority_is_an_error_without_the_link(server: str) -> None:
    with pytest.raises(ApiError) as refused:
        read(server)
    assert refused.value.reason is Reason.CONNECTION
    assert "S3 cannot be reached" in refused.value.detail
    assert not {"s3cret", "127.0.0.1"} & set(refused.value.detail.split())


def test_a_slow_file_ends_at_the_deadline(server: str, authority: Authority) -> None:
    with pytest.raises(ApiError) as refused:
        read(server, str(authority.file), has_time=False)
    assert (refused.value.reason, "deadline" in refused.value.detail) == (Reason.TIMEOUT, True)


def test_a_hanging_server_is_a_time_out() -> None:
    with hanging_endpoint() as (url, _), pytest.raises(ApiError) as refused:
        read(url, read_timeout=0.2)
    assert (refused.value.reason, refused.value.detail) == (
        Reason.TIMEOUT,
        "a report cannot be read: S3 did not respond before the time-out",
    )
