"""Basic authentication: which logins are allowed, the work of a wrong one, and the cache."""

import asyncio
import base64
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import bcrypt
import pytest

from exporter.web.protection.auth import CACHE_SIZE, BasicAuth
from tests.support.certificates import ALICE, BASIC, BOB, basic
from tests.support.http_server import run_server

USERS = {"alice": ALICE.encode(), "bob": BOB.encode()}


def hash_of(cost: int) -> bytes:
    """Return a hash with this cost that no password matches."""
    return b"$2b$%02d$" % cost + b"." * 53


class Recorder:
    """A replacement of bcrypt that records the work of each check."""

    def __init__(self, right: Mapping[bytes, bytes] | None = None) -> None:
        self.right = right or {}
        self.work: list[int] = []

    def __call__(self, password: bytes, hashed: bytes) -> bool:
        self.work.append(2 ** int(hashed[4:6]))
        return self.right.get(hashed) == password


def allowed(auth: BasicAuth, users: Mapping[str, bytes], *headers: str) -> list[bool]:
    """Return for each header whether it is allowed."""

    async def check() -> list[bool]:
        return [await auth.is_allowed(users, header) for header in headers]

    return asyncio.run(check())


@pytest.mark.parametrize(
    ("header", "is_allowed"),
    [
        (BASIC["alice"], True),
        (BASIC["bob"], True),
        (BASIC["alice"].replace("Basic", "bASIC"), True),
        (basic("alice", "builder"), False),
        (basic("alice", ""), False),
        (basic("", ""), False),
        (basic("nobody", "wonderland"), False),
        (basic("Alice", "wonderland"), False),
        (basic("alice", "wonderland\0"), False),
        (basic("alice", "fakepassword"), False),
        (basic("nobody", "fakepassword"), False),
        ("", False),
        ("Basic", False),
        ("Basic =", False),
        ("Basic ä", False),
        ("Bearer " + BASIC["alice"][6:], False),
        (BASIC["alice"] + "!", False),
        ("Basic " + base64.b64encode(b"alice").decode(), False),
        ("Basic " + base64.b64encode(b"\xff:wonderland").decode(), False),
    ],
)
def test_only_a_user_with_the_right_password_is_allowed(header: str, is_allowed: bool) -> None:
    assert allowed(BasicAuth(), USERS, header, header) == [is_allowed, is_allowed]


def test_a_password_can_contain_colons_and_any_characters() -> None:
    hashed = bcrypt.hashpw("a:ß€".encode(), bcrypt.gensalt(4))
    assert allowed(BasicAuth(), {"älice": hashed}, basic("älice", "a:ß€"), basic("älice", "a")) == [True, False]


def test_only_72_bytes_of_a_password_count_as_in_go() -> None:
    hashed = bcrypt.hashpw(b"x" * 72, bcrypt.gensalt(4))
    headers = [basic("alice", "x" * length) for length in (71, 72, 73, 1000)]
    assert allowed(BasicAuth(), {"alice": hashed}, *headers) == [False, True, True, True]


@pytest.mark.parametrize("costs", [(10,), (4, 4), (4, 12), (12, 5, 10)])
def test_a_wrong_password_is_the_same_work_for_every_user_and_for_unknown_ones(costs: tuple[int, ...]) -> None:
    users = {f"user{number}": hash_of(cost) for number, cost in enumerate(costs)}
    for user in (*users, "nobody"):
        recorder = Recorder()
        assert allowed(BasicAuth(recorder), users, basic(user, "wrong")) == [False]
        assert sum(recorder.work) == 2 ** max(costs)


def test_bcrypt_accepts_the_dummy_hash_of_an_unknown_user() -> None:
    work: list[bytes] = []

    def check(password: bytes, hashed: bytes) -> bool:
        work.append(hashed)
        return bcrypt.checkpw(password, hashed)

    assert allowed(BasicAuth(check), USERS, basic("nobody", "x")) == [False]
    assert [hashed[:7] for hashed in work] == [b"$2b$04$"]


def test_an_outcome_is_cached_until_the_hash_changes() -> None:
    recorder = Recorder({hash_of(4): b"right"})
    auth, right, wrong = BasicAuth(recorder), basic("alice", "right"), basic("alice", "wrong")
    assert allowed(auth, {"alice": hash_of(4)}, right, wrong, right, wrong) == [True, False, True, False]
    assert len(recorder.work) == 2
    assert allowed(auth, {"alice": hash_of(5)}, right) == [False]
    assert len(recorder.work) == 3


def test_user_hash_and_password_are_separate_in_the_cache_key() -> None:
    recorder = Recorder({hash_of(4): b"b"})
    auth = BasicAuth(recorder)
    assert allowed(auth, {"a": hash_of(4)}, basic("a", "b")) == [True]
    assert allowed(auth, {"a": hash_of(4)}, basic("a" + hash_of(4).decode(), "b"), basic("a", "")) == [False, False]


def test_many_logins_of_a_client_do_not_delay_another_client() -> None:
    checked = list[bytes]()

    def check(password: bytes, hashed: bytes) -> bool:
        checked.append(password)
        return False

    async def log_in() -> None:
        auth = BasicAuth(check)
        crowd = [auth.is_allowed(USERS, basic("alice", str(number)), b"crowd") for number in range(20)]
        await asyncio.gather(*crowd, auth.is_allowed(USERS, basic("alice", "scraper"), b"scraper"))

    asyncio.run(log_in())
    assert checked.index(b"scraper") == 1


def test_wrong_passwords_evict_no_right_one_and_the_cache_is_bounded() -> None:
    recorder = Recorder({hash_of(4): b"right"})
    auth, users = BasicAuth(recorder), {"alice": hash_of(4)}
    wrong = [basic("alice", f"wrong{number}") for number in range(CACHE_SIZE + 1)]
    assert allowed(auth, users, basic("alice", "right"), *wrong)[0]
    recorder.work.clear()
    assert allowed(auth, users, basic("alice", "right"), wrong[-1], wrong[0]) == [True, False, False]
    assert len(recorder.work) == 1


def test_the_cache_contains_no_password_and_its_keys_differ_between_processes() -> None:
    login, users = basic("alice", "s3cret"), {"alice": hash_of(4)}
    auths = [BasicAuth(Recorder()) for _ in range(2)]
    assert [allowed(auth, users, login) for auth in auths] == [[False], [False]]
    (first,), (second,) = (auth._caches[False] for auth in auths)
    assert first != second
    assert b"s3cret" not in first


def test_health_responds_during_many_logins(tmp_path: Path) -> None:
    config = tmp_path / "web.yaml"
    config.write_text(f"basic_auth_users: {{alice: {ALICE}}}\n")
    with run_server(config) as server, ThreadPoolExecutor(20) as clients:
        responses = [clients.submit(server.get, authorization=BASIC["alice"]) for _ in range(300)]
        assert server.get("/-/healthy").status_code == 200
        assert {response.result().status_code for response in responses} == {200}


def test_a_check_runs_in_a_daemon_thread() -> None:
    threads: list[threading.Thread] = []

    def check(password: bytes, hashed: bytes) -> bool:
        threads.append(threading.current_thread())
        return True

    assert allowed(BasicAuth(check), USERS, BASIC["alice"]) == [True]
    assert threads[0].daemon
    assert threads[0] is not threading.main_thread()


def test_an_error_in_a_check_is_raised_and_not_cached() -> None:
    def fail(password: bytes, hashed: bytes) -> bool:
        raise MemoryError

    auth = BasicAuth(fail)
    for _ in range(2):
        with pytest.raises(MemoryError):
            allowed(auth, USERS, BASIC["alice"])
