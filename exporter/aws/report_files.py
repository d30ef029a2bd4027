"""Files behind the presigned links in AWS's responses: which links are safe to open, and their content as a stream.

AWS: https://docs.aws.amazon.com/AmazonS3/latest/userguide/using-presigned-url.html
A link is a secret until it expires. No error, log line or result contains any part of it.
"""

import re
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple, TypeVar
from urllib.parse import SplitResult, urlsplit

from botocore.awsrequest import AWSRequest
from botocore.httpsession import URLLib3Session
from botocore.utils import get_environ_proxies
from urllib3.exceptions import HTTPError
from urllib3.exceptions import ReadTimeoutError as BodyTimeoutError

from exporter.aws.errors import translate
from exporter.config.partitions import REGION_PATTERNS, partition_of
from exporter.core.errors import ApiError, Reason

T = TypeVar("T")

# The DNS suffixes of the partitions, from botocore's file partitions.json. A test compares them.
DNS_SUFFIXES = {
    "aws": "amazonaws.com",
    "aws-cn": "amazonaws.com.cn",
    "aws-us-gov": "amazonaws.com",
    "aws-iso": "c2s.ic.gov",
    "aws-iso-b": "sc2s.sgov.gov",
    "aws-iso-e": "cloud.adc-e.uk",
    "aws-iso-f": "csp.hci.ic.gov",
    "aws-eusc": "amazonaws.eu",
}
# A name of a bucket can contain dots. Its labels cannot be empty.
_BUCKET = r"[a-z0-9][a-z0-9-]*(?:\.[a-z0-9][a-z0-9-]*)*"
# A link is ASCII without spaces. Parsers disagree about a backslash.
_LINK = re.compile(r"[!-\[\]-~]{1,16384}")
CHUNK_BYTES = 65_536

# The scheme, host and port of a URL.
Origin = tuple[str, str, int]


class FileSettings(NamedTuple):
    """How files are read: the time-outs in seconds, the file with authorities of TLS, and additional hosts."""

    connect_timeout: float
    read_timeout: float
    verify: bool | str
    origins: Collection[Origin]


def origin(parts: SplitResult) -> Origin | None:
    """Return the origin of a URL, or None if it is invalid or has a login."""
    try:
        port = parts.port
    except ValueError:
        return None
    if not parts.hostname or "@" in parts.netloc:
        return None
    return parts.scheme, parts.hostname, port or {"http": 80}.get(parts.scheme, 443)


def is_safe_link(link: str, region: str, origins: Collection[Origin] = ()) -> bool:
    """Return whether a link leads to S3 in the partition of a Region, over HTTPS, or to one of the origins."""
    try:
        found = origin(urlsplit(link)) if _LINK.fullmatch(link) else None
    except ValueError:
        return False
    if found is None:
        return False
    scheme, host, port = found
    return found in origins or (scheme == "https" and port == 443 and _is_s3_host(host, partition_of(region)))


def _is_s3_host(host: str, partition: str) -> bool:
    """Return whether a host is one of S3: with the bucket in the host or in the path, regional, dual-stack or FIPS."""
    if partition not in DNS_SUFFIXES:
        return False
    suffix, region = re.escape(DNS_SUFFIXES[partition]), f"(?:{REGION_PATTERNS[partition]})"
    service = rf"s3(?:-fips)?(?:\.dualstack)?(?:[.-]{region})?"
    return re.fullmatch(rf"(?:{_BUCKET}\.)?{service}\.{suffix}", host, re.ASCII) is not None


def read_file(
    link: str, region: str, settings: FileSettings, read: Callable[[Iterable[bytes]], T], has_time: Callable[[], bool]
) -> T:
    """Return what ``read`` makes of the chunks of a file, which are downloaded only as far as ``read`` takes them.

    The request has no credentials, and a redirect is an error. Raises ApiError, also when ``has_time`` returns False.
    """
    if not is_safe_link(link, region, settings.origins):
        raise ApiError(Reason.MALFORMED, detail="the link of a report does not lead to S3 over https, so it is ignored")
    with _errors_without_link():
        # The stubs know fewer types of these two parameters than botocore, which passes the same ones.
        trust: dict[str, Any] = {
            "verify": settings.verify,
            "timeout": (settings.connect_timeout, settings.read_timeout),
        }
        session = URLLib3Session(proxies=get_environ_proxies(link), **trust)
        try:
            return read(_chunks(session, link, has_time))
        finally:
            session.close()


def _chunks(session: URLLib3Session, link: str, has_time: Callable[[], bool]) -> Iterator[bytes]:
    # S3 must not compress the file: a small compressed file can have any size.
    request = AWSRequest("GET", link, headers={"Accept-Encoding": "identity"}, stream_output=True).prepare()
    body = session.send(request).raw
    try:
        _check(body.status, body.headers.get("content-encoding", ""))
        # Unlike read, read1 returns what has arrived, so that a slow server cannot hide the deadline.
        size = 0
        while chunk := body.read1(CHUNK_BYTES, decode_content=False):
            size += len(chunk)
            if not has_time():
                raise ApiError(Reason.TIMEOUT, detail="the download of a report took longer than its deadline")
            yield chunk
        # read1 does not compare them.
        if str(size) != body.headers.get("content-length", str(size)):
            raise ConnectionError
    finally:
        # Not release_conn, which would read the rest of the file.
        body.close()


def _check(status: int, encoding: str) -> None:
    if 300 <= status < 400:
        raise ApiError(Reason.MALFORMED, detail=f"the link of a report redirects (HTTP {status}), so it is ignored")
    if status == 403:
        cause = "it has expired, or a policy denies it; run the command again for a new link"
        raise ApiError(Reason.ACCESS_DENIED, detail=f"S3 refused the link of a report (HTTP 403): {cause}")
    if status != 200:
        reason = Reason.SERVER_ERROR if status >= 500 else Reason.OTHER
        raise ApiError(reason, detail=f"S3 returned HTTP {status} for the link of a report")
    if encoding.strip().lower() not in ("", "identity"):
        raise ApiError(Reason.MALFORMED, detail="a report is compressed, which the exporter does not read")


@contextmanager
def _errors_without_link() -> Iterator[None]:
    try:
        yield
    except ApiError:
        raise
    except (HTTPError, ConnectionError) as error:
        is_timeout = isinstance(error, BodyTimeoutError)
        fault = "S3 sent nothing more before the time-out" if is_timeout else "the connection failed before its end"
        reason = Reason.TIMEOUT if is_timeout else Reason.CONNECTION
        raise ApiError(reason, detail=f"a report cannot be read: {fault}") from None
    except Exception as error:
        # The sentence names the host, which contains the bucket.
        found = translate(error)
        raise ApiError(
            found.reason, found.code, f"a report cannot be read: {_FAULTS.get(found.reason, _OTHER)}"
        ) from None


_OTHER = "the request failed"
_FAULTS: dict[Any, str] = {
    Reason.TIMEOUT: "S3 did not respond before the time-out",
    Reason.CONNECTION: "S3 cannot be reached; allow HTTPS to S3 in the firewall, the proxy or the VPC endpoint",
}
