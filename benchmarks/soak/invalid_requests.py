"""Invalid requests from a seed: almost valid ones, truncated ones, and random bytes."""

from collections.abc import Callable, Sequence
from random import Random
from urllib.parse import quote

ROUTES = (
    "/",
    "/metrics",
    "/probe",
    "/config",
    "/-/healthy",
    "/-/ready",
    "/-/reload",
    "/api/v1/operations",
    "/api/v1/cells",
    "/api/v1/openapi.json",
    "/static/",
)
METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "TRACE", "PATCH", "CONNECT", "BREW", "get", "G\x00T", "")
NAMES = ("kind", "id", "region", "account", "q", "view", "status", "sort", "order", "limit", "name[]", "debug")
VALUES = ("iot_job", "attention", "-1", "1e9", "../../etc/passwd", "%00", "\u202e\U0001f4a9", "'\"><script>", "a" * 300)
HEADERS = (
    "Accept: application/openmetrics-text;version=99;q=x, */*;q=-1",
    "Accept-Encoding: gzip;q=2, \x80",
    "X-Prometheus-Scrape-Timeout-Seconds: nan",
    "X-Prometheus-Scrape-Timeout-Seconds: 1e-9",
    "Authorization: Basic !!!",
    "Sec-Fetch-Site: cross-site",
    "Host: again",
    "Content-Length: 7",
    "Content-Length: -1",
    "Content-Length: 5\r\nContent-Length: 6",
    "Transfer-Encoding: chunked",
    "Transfer-Encoding: gzip, chunked",
    "Expect: 100-continue",
    "Upgrade: websocket\r\nConnection: Upgrade",
    "Connection: close",
    "X-Long: " + "x" * 20_000,
    "No colon",
    " folded",
    "Bad\x00Name: x",
)
VERSIONS = ("HTTP/1.1", "HTTP/1.1", "HTTP/1.1", "HTTP/1.0", "HTTP/2.0", "HTTP/9.9", "")
TLS_HELLO = bytes.fromhex("16030100c8010000c40303") + bytes(200)
HTTP2 = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00"


def invalid_request(random: Random) -> bytes:
    """Return one request. Most of them are complete and have a fault."""
    return random.choices((_invalid_request, _truncated_request, _random_bytes), (8, 1, 1))[0](random)


def _invalid_request(random: Random) -> bytes:
    route = random.choice(ROUTES)
    target = random.choice((_insert_fragment, _percent_encode, _add_query, _add_query))(random, route)
    # A reload is a valid request, and it is logged.
    method = random.choice([method for method in METHODS if (method, route) != ("POST", "/-/reload")])
    fields = ["Host: localhost", *random.sample(HEADERS, random.randrange(4))]
    head = f"{method} {target} {random.choice(VERSIONS)}\r\n" + "".join(f"{field}\r\n" for field in fields) + "\r\n"
    return head.encode() + random.choice((b"", b"", b"", b"a body", b"5\r\nhello\r\n0\r\n\r\n", bytes(99)))


def _add_query(random: Random, route: str) -> str:
    pairs = (f"{random.choice(NAMES)}={quote(random.choice(VALUES))}" for _ in range(random.randrange(1, 5)))
    return f"{route}?{'&'.join(pairs)}"


def _insert_fragment(random: Random, route: str) -> str:
    index = random.randrange(len(route) + 1)
    return (
        route[:index]
        + random.choice(("//", "/../", "%2e%2e/", "%", "%zz", "\\", "\x7f", ";", "#", " "))
        + route[index:]
    )


def _percent_encode(random: Random, route: str) -> str:
    return "".join(
        f"%{ord(character):02x}" if random.random() < 0.5 else character for character in route
    ) + random.choice(("", "/", "?"))


def _truncated_request(random: Random) -> bytes:
    request = _invalid_request(random)
    return request[: random.randrange(len(request))]


def _random_bytes(random: Random) -> bytes:
    variants: Sequence[Callable[[], bytes]] = (
        lambda: TLS_HELLO,
        lambda: HTTP2,
        lambda: random.randbytes(random.randrange(1, 2000)),
        lambda: b"\r\n" * random.randrange(1, 200),
        lambda: b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * random.randrange(1, 4000),
        lambda: b"\x00" * random.randrange(1, 70_000),
    )
    return random.choice(variants)()
