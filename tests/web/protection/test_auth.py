"""Who may come in: passwords, what a wrong one costs, and what is remembered."""

from __future__ import annotations

import asyncio
import base64
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import bcrypt
import pytest

from exporter.web.protection.auth import REMEMBERED, BasicAuth
from tests.support.http_edge import run_server
from tests.support.passwords import ALICE, BASIC, BOB, basic

USERS = {"alice": ALICE.encode(), "bob": BOB.encode()}


def hash_of(cost: int) -> bytes:
    """Return a hash that says it has this cost."""
    return b"$2b$%02d$" % cost + b"." * 53


class Recorder:
    """Checks passwords by itself, and notes the work of each check as bcrypt would do it."""

    def __init__(self, right: Mapping[bytes, bytes] | None = None) -> None:
        self.right = right or {}
        self.work: list[int] = []

    def __call__(self, password: bytes, hashed: bytes) -> bool:
        self.work.append(2 ** int(hashed[4:6]))
        return self.right.get(hashed) == password


def admitted(auth: BasicAuth, users: Mapping[str, bytes], *headers: str) -> list[bool]:
    """Return whether each header is let in, one after the other."""

    async def ask() -> list[bool]:
        return [await auth.admits(users, header) for header in headers]

    return asyncio.run(ask())


@pytest.mark.parametrize(
    ("header", "is_let_in"),
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
def test_a_user_with_the_right_password_is_let_in_and_nobody_else(header: str, is_let_in: bool) -> None:
    assert admitted(BasicAuth(), USERS, header, header) == [is_let_in, is_let_in]


def test_a_password_may_hold_colons_and_any_letters() -> None:
    hashed = bcrypt.hashpw("a:ß€".encode(), bcrypt.gensalt(4))
    assert admitted(BasicAuth(), {"älice": hashed}, basic("älice", "a:ß€"), basic("älice", "a")) == [True, False]


def test_of_a_long_password_72_bytes_count_as_in_go() -> None:
    hashed = bcrypt.hashpw(b"x" * 72, bcrypt.gensalt(4))
    headers = [basic("alice", "x" * length) for length in (71, 72, 73, 1000)]
    assert admitted(BasicAuth(), {"alice": hashed}, *headers) == [False, True, True, True]


@pytest.mark.parametrize("costs", [(10,), (4, 4), (4, 12), (12, 5, 10)])
def test_a_wrong_password_is_as_much_work_for_any_user_as_for_none(costs: tuple[int, ...]) -> None:
    users = {f"user{number}": hash_of(cost) for number, cost in enumerate(costs)}
    for user in (*users, "nobody"):
        recorder = Recorder()
        assert admitted(BasicAuth(recorder), users, basic(user, "wrong")) == [False]
        assert sum(recorder.work) == 2 ** max(costs)


def test_bcrypt_does_the_work_for_nobody() -> None:
    work: list[bytes] = []

    def check(password: bytes, hashed: bytes) -> bool:
        work.append(hashed)
        return bcrypt.checkpw(password, hashed)

    assert admitted(BasicAuth(check), USERS, basic("nobody", "x")) == [False]
    assert [hashed[:7] for hashed in work] == [b"$2b$04$"]


def test_an_outcome_is_remembered_until_the_hash_changes() -> None:
    recorder = Recorder({hash_of(4): b"right"})
    auth, right, wrong = BasicAuth(recorder), basic("alice", "right"), basic("alice", "wrong")
    assert admitted(auth, {"alice": hash_of(4)}, right, wrong, right, wrong) == [True, False, True, False]
    assert len(recorder.work) == 2
    assert admitted(auth, {"alice": hash_of(5)}, right) == [False]
    assert len(recorder.work) == 3


def test_a_name_cannot_be_shifted_into_its_hash_or_its_password() -> None:
    recorder = Recorder({hash_of(4): b"b"})
    auth = BasicAuth(recorder)
    assert admitted(auth, {"a": hash_of(4)}, basic("a", "b")) == [True]
    assert admitted(auth, {"a": hash_of(4)}, basic("a" + hash_of(4).decode(), "b"), basic("a", "")) == [False, False]


def test_a_flood_of_wrong_passwords_drives_no_right_one_out_and_memory_is_bounded() -> None:
    recorder = Recorder({hash_of(4): b"right"})
    auth, users = BasicAuth(recorder), {"alice": hash_of(4)}
    wrong = [basic("alice", f"wrong{number}") for number in range(REMEMBERED + 1)]
    assert admitted(auth, users, basic("alice", "right"), *wrong)[0]
    recorder.work.clear()
    assert admitted(auth, users, basic("alice", "right"), wrong[-1], wrong[0]) == [True, False, False]
    assert len(recorder.work) == 1


def test_no_password_is_kept_and_what_is_means_nothing_elsewhere() -> None:
    login, users = basic("alice", "s3cret"), {"alice": hash_of(4)}
    auths = [BasicAuth(Recorder()) for _ in range(2)]
    assert [admitted(auth, users, login) for auth in auths] == [[False], [False]]
    (one,), (other,) = (auth._outcomes[False]._keys for auth in auths)
    assert one != other
    assert b"s3cret" not in one


def test_many_logins_at_once_are_one_check_and_health_is_answered_meanwhile(tmp_path: Path) -> None:
    config = tmp_path / "web.yaml"
    config.write_text(f"basic_auth_users: {{alice: {ALICE}}}\n")
    with run_server(config) as server, ThreadPoolExecutor(20) as clients:
        answers = [clients.submit(server.get, authorization=BASIC["alice"]) for _ in range(300)]
        assert server.get("/-/healthy").status_code == 200
        assert {answer.result().status_code for answer in answers} == {200}


def test_a_check_runs_beside_the_event_loop_in_a_thread_that_delays_no_end() -> None:
    seen: list[threading.Thread] = []

    def check(password: bytes, hashed: bytes) -> bool:
        seen.append(threading.current_thread())
        return True

    assert admitted(BasicAuth(check), USERS, BASIC["alice"]) == [True]
    assert seen[0].daemon
    assert seen[0] is not threading.main_thread()


def test_a_check_that_fails_is_told_and_remembered_as_nothing() -> None:
    def fail(password: bytes, hashed: bytes) -> bool:
        raise MemoryError

    auth = BasicAuth(fail)
    for _ in range(2):
        with pytest.raises(MemoryError):
            admitted(auth, USERS, BASIC["alice"])
