"""The end of a request: no bytes after it count as another request, and an unclear end is refused."""

from collections.abc import Mapping

import pytest

from tests.support.raw_listeners import RawListener

HEAD = b"GET /-/healthy HTTP/1.1\r\nHost: x\r\n"
HIDDEN = b"GET /-/healthy?hidden HTTP/1.1\r\nHost: x\r\n\r\n"
REFUSED, TOO_LARGE, TOO_LONG, VERSION = [400], [413], [431], [505]


def with_length(length: str, body: bytes = b"") -> bytes:
    """Return a request with a Content-Length header."""
    return HEAD + f"Content-Length: {length}\r\n\r\n".encode() + body


def with_coding(header: str, body: bytes = b"0\r\n\r\n") -> bytes:
    """Return a request with a header of transfer codings, and the end of a chunked body."""
    return HEAD + f"{header}\r\n\r\n".encode() + body


CASES: Mapping[str, tuple[bytes, list[int]]] = {
    # Lengths.
    "no body": (with_length("0"), [200, 200]),
    "one length, twice": (HEAD + b"Content-Length: 0\r\n" + with_length("0").removeprefix(HEAD), [200, 200]),
    "two lengths": (HEAD + b"Content-Length: 0\r\n" + with_length("5", b"hello").removeprefix(HEAD), REFUSED),
    "two lengths in a list": (with_length("0, 5", b"hello"), REFUSED),
    "a body that is a request": (with_length(str(len(HIDDEN)), HIDDEN), TOO_LARGE),
    "a body that is longer than it says": (with_length("5", b"hello" + HIDDEN), TOO_LARGE),
    "a missing body": (with_length("999"), TOO_LARGE),
    "a length of zeros": (with_length("00", HIDDEN), TOO_LARGE),
    "a length with a plus": (with_length("+0", HIDDEN), REFUSED),
    "a length below zero": (with_length("-1", HIDDEN), REFUSED),
    "a length with an underscore": (with_length("0_0", HIDDEN), REFUSED),
    "a length in hexadecimal": (with_length("0x0", HIDDEN), REFUSED),
    "a length with a comma": (with_length("0,", HIDDEN), REFUSED),
    "a length in other digits": (with_length("\u0660", HIDDEN), REFUSED),
    "a length of thirty digits": (with_length("9" * 30), REFUSED),
    "an empty length": (with_length("", HIDDEN), REFUSED),
    "a space after the name of a length": (HEAD + b"Content-Length : 44\r\n\r\n" + HIDDEN, REFUSED),
    "a folded length": (HEAD + b"Content-Length:\r\n 44\r\n\r\n" + HIDDEN, TOO_LARGE),
    "a length with a body in HTTP/1.0": (b"GET / HTTP/1.0\r\nContent-Length: 44\r\n\r\n" + HIDDEN, TOO_LARGE),
    # Transfer codings.
    "an empty chunked body": (with_coding("Transfer-Encoding: chunked"), TOO_LARGE),
    "a length and chunks": (with_coding("Content-Length: 4\r\nTransfer-Encoding: chunked"), TOO_LARGE),
    "chunks and a length": (with_coding("Transfer-Encoding: chunked\r\nContent-Length: 4"), TOO_LARGE),
    "a request after chunks": (with_coding("Transfer-Encoding: chunked", b"0\r\n\r\n" + HIDDEN), TOO_LARGE),
    "chunks in HTTP/1.0": (b"GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + HIDDEN, TOO_LARGE),
    "chunks in capitals": (with_coding("TRANSFER-ENCODING: CHUNKED"), TOO_LARGE),
    "a folded coding": (with_coding("Transfer-Encoding:\r\n chunked"), TOO_LARGE),
    "a coding and a tab": (with_coding("Transfer-Encoding:\tchunked"), TOO_LARGE),
    "a line that ends by LF alone": (with_coding("Transfer-Encoding: chunked\nX: y"), TOO_LARGE),
    "a space after the name of a coding": (with_coding("Transfer-Encoding : chunked"), REFUSED),
    "an unknown coding": (with_coding("Transfer-Encoding: xchunked"), REFUSED),
    "identity": (with_coding("Transfer-Encoding: identity"), REFUSED),
    "two codings": (with_coding("Transfer-Encoding: chunked, identity"), REFUSED),
    "chunked twice": (with_coding("Transfer-Encoding: chunked, chunked"), REFUSED),
    "two headers of codings": (with_coding("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity"), REFUSED),
    "a vertical tab": (with_coding("Transfer-Encoding:\x0bchunked"), REFUSED),
    "a coding in quotes": (with_coding('Transfer-Encoding: "chunked"'), REFUSED),
    "a chunk extension": (with_coding("Transfer-Encoding: chunked", b'0;a="\r\n\r\n' + HIDDEN), TOO_LARGE),
    "a chunk without a size": (with_coding("Transfer-Encoding: chunked", b"ZZ\r\n" + HIDDEN), REFUSED),
    "a chunk of a huge size": (with_coding("Transfer-Encoding: chunked", b"f" * 30 + b"\r\n" + HIDDEN), REFUSED),
    "a chunk that is longer than its size": (with_coding("Transfer-Encoding: chunked", b"1\r\nabc" + HIDDEN), REFUSED),
    "a trailer without a colon": (with_coding("Transfer-Encoding: chunked", b"0\r\nX\r\n\r\n" + HIDDEN), REFUSED),
    # Lines.
    "ends of lines by LF alone": (b"GET /-/healthy HTTP/1.1\nHost: x\n\n", [200, 200]),
    "ends of lines by CR alone": (b"GET /-/healthy HTTP/1.1\rHost: x\r\r", REFUSED),
    "CR in a value": (HEAD + b"A: b\rContent-Length: 44\r\n\r\n" + HIDDEN, REFUSED),
    "NUL in a value": (HEAD + b"A: b\0c\r\n\r\n", REFUSED),
    "a folded value": (HEAD + b"A: b\r\n c\r\n\r\n", [200, 200]),
    "a folded first header": (b"GET /-/healthy HTTP/1.1\r\n Host: x\r\n\r\n", REFUSED),
    "a header without a colon": (HEAD + b"A\r\n\r\n", REFUSED),
    "a header without a name": (HEAD + b": a\r\n\r\n", REFUSED),
    "an empty line at first": (b"\r\n" + HEAD + b"\r\n", REFUSED),
    "no version": (b"GET /-/healthy\r\n\r\n", REFUSED),
    "spaces": (b"GET  /-/healthy HTTP/1.1\r\nHost: x\r\n\r\n", REFUSED),
    "tabs": (b"GET\t/-/healthy\tHTTP/1.1\r\nHost: x\r\n\r\n", REFUSED),
    "no ASCII": ("GET /é HTTP/1.1\r\nHost: x\r\n\r\n".encode(), REFUSED),
    "a version of two digits": (b"GET /-/healthy HTTP/1.10\r\nHost: x\r\n\r\n", REFUSED),
    "an unknown version": (b"GET /-/healthy HTTP/1.2\r\nHost: x\r\n\r\n", VERSION),
    "HTTP/2 by its preface": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0", VERSION),
    "no host": (b"GET /-/healthy HTTP/1.1\r\n\r\n", REFUSED),
    "two hosts": (HEAD + b"Host: y\r\n\r\n", REFUSED),
    # Other things than a path.
    "another host's URL": (b"GET http://127.0.0.1:22/-/healthy HTTP/1.1\r\nHost: x\r\n\r\n", [200, 200]),
    "an authority": (b"GET 127.0.0.1:22 HTTP/1.1\r\nHost: x\r\n\r\n", [400, 200]),
    "no path at all": (b"GET * HTTP/1.1\r\nHost: x\r\n\r\n", [400, 200]),
    "options of the server": (b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n", [405, 200]),
    # Other methods and protocols.
    "a tunnel": (b"CONNECT 127.0.0.1:22 HTTP/1.1\r\nHost: x\r\n\r\n", [405, 200]),
    "a trace": (b"TRACE /-/healthy HTTP/1.1\r\nHost: x\r\nCookie: a\r\n\r\n", [405, 200]),
    "a method of five thousand letters": (b"G" * 5000 + b" /-/healthy HTTP/1.1\r\nHost: x\r\n\r\n", [405, 200]),
    "HTTP/2 by an upgrade": (
        HEAD + b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQCAAAA\r\n\r\n",
        [200, 200],
    ),
    "a web socket": (
        HEAD + b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        [200, 200],
    ),
    "a client that expects 100-continue": (HEAD + b"Expect: 100-continue\r\n\r\n", [200, 200]),
    "the same with a body": (HEAD + b"Expect: 100-continue\r\nContent-Length: 5\r\n\r\n", TOO_LARGE),
    # Sizes: the last one of each is longer than 16 KiB with all that belongs to it.
    "a long value": (HEAD + b"X: " + b"x" * 16_000 + b"\r\n\r\n", [200, 200]),
    "a value that is too long": (HEAD + b"X: " + b"x" * 16_384 + b"\r\n\r\n", TOO_LONG),
    "a query that is too long": (b"GET /-/healthy?" + b"x" * 16_384 + b" HTTP/1.1\r\nHost: x\r\n\r\n", TOO_LONG),
    "a name that is too long": (HEAD + b"x" * 16_384 + b": x\r\n\r\n", TOO_LONG),
    "a method that is too long": (b"G" * 16_384 + b" /-/healthy HTTP/1.1\r\nHost: x\r\n\r\n", TOO_LONG),
    "a thousand headers": (HEAD + b"A: b\r\n" * 1000 + b"\r\n", [200, 200]),
    "five thousand empty headers": (HEAD + b"A:\r\n" * 5000 + b"\r\n", TOO_LONG),
}


@pytest.mark.parametrize(("sent", "statuses"), CASES.values(), ids=CASES)
def test_only_a_clear_request_keeps_the_connection(
    open_listener: RawListener, sent: bytes, statuses: list[int]
) -> None:
    found = open_listener.statuses(sent)
    # If a head that is too long arrives in pieces, h11 returns 400 before the server can return 431.
    assert found == statuses or (statuses == TOO_LONG and found == REFUSED)


def test_pipelined_requests_get_their_responses_in_order(open_listener: RawListener) -> None:
    sent = (HEAD + b"\r\n") * 3 + HEAD.replace(b"healthy", b"nowhere") + b"\r\n"
    assert open_listener.statuses(sent) == [200, 200, 200, 404, 200]


def test_invalid_requests_add_no_line_to_the_log(open_listener: RawListener) -> None:
    before = open_listener.output.read_text()
    for sent, _ in CASES.values():
        open_listener.responses(sent)
    assert open_listener.output.read_text() == before
