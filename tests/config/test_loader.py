"""The configuration: every fault at once, each in a line of its own with its path, and never a value."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.config.loader import parse_config, read_config
from exporter.config.sections import Account, Aws, Config, Discover, Labels, Refresh, Watch
from exporter.config.validation import keys_of
from exporter.core.errors import ConfigError
from exporter.kinds.kind import Kind
from exporter.kinds.registry import KINDS

FOLDER = Path(__file__).parent
BAD = sorted((FOLDER / "bad").glob("*.yaml"))
GOOD = sorted((FOLDER / "good").glob("*.yaml"))
ROLE = "arn:aws:iam::111122223333:role/exporter"
SECRET = "s3cret/which+nobody,may=see"
"""An external id as AWS allows it; no key looks like it, so that no line may hold it."""

every_kind = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)


def problems_of(text: str) -> tuple[str, ...]:
    """Return what is wrong with a configuration, nothing if it is right; each problem is one plain line."""
    found: tuple[str, ...] = ()
    try:
        parse_config(text, KINDS)
    except ConfigError as error:
        found = error.problems or ("a refusal without a reason",)
    assert [line for line in found if not line.isprintable()] == []
    return found


def watching(kind: str, **rules: object) -> str:
    return yaml.safe_dump({"accounts": [{"watch": [{"kind": kind, **rules}]}]})


@pytest.mark.parametrize("path", BAD, ids=lambda path: path.stem)
def test_a_bad_file_gives_exactly_its_lines(path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        read_config(path, KINDS)
    assert list(caught.value.problems) == path.with_suffix(".txt").read_text(encoding="utf-8").splitlines()
    assert [line for line in caught.value.problems if not line.isprintable() or "s3cret" in line] == []


def test_every_expectation_has_its_file() -> None:
    assert {path.stem for path in (FOLDER / "bad").glob("*.txt")} == {path.stem for path in BAD}


@pytest.mark.parametrize("path", GOOD, ids=lambda path: path.stem)
def test_a_good_file_is_read(path: Path) -> None:
    assert read_config(path, KINDS).accounts


@every_kind
def test_an_empty_id_and_one_that_is_too_long_are_refused_for_each_kind(kind: Kind[Any]) -> None:
    assert problems_of(watching(kind.name, ids=["x" * kind.id_length])) == ()
    assert problems_of(watching(kind.name, ids=["", "x" * (kind.id_length + 1)])) == (
        "accounts[0].watch[0].ids[0]: is empty",
        f"accounts[0].watch[0].ids[1]: longer than {kind.id_length} characters",
    )


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (b"accounts: \x00\n", "line 1: no valid YAML: a character that it does not allow"),
        (b"accounts: \xff\n", "cannot read {path}: not UTF-8 text"),
        ("accounts: [ä]".encode("utf-16"), "cannot read {path}: not UTF-8 text"),
    ],
)
def test_a_file_that_is_no_text_is_one_line(tmp_path: Path, content: bytes, line: str) -> None:
    path = tmp_path / "config.yaml"
    path.write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        read_config(path, KINDS)
    assert caught.value.problems == (line.format(path=path),)


def test_a_byte_order_mark_is_no_fault(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_bytes(b"\xef\xbb\xbfrefresh: {min_age: 1m}\n")
    assert read_config(path, KINDS).refresh.min_age == 60


def test_a_missing_file_and_a_directory_are_one_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        read_config(tmp_path / "none.yaml", KINDS)
    assert caught.value.problems == (f"cannot read {tmp_path}/none.yaml: No such file or directory",)
    with pytest.raises(ConfigError) as caught:
        read_config(tmp_path, KINDS)
    assert caught.value.problems == (f"cannot read {tmp_path}: Is a directory",)


def test_without_a_file_every_default_holds() -> None:
    config = read_config(None, KINDS)
    (account,) = config.accounts
    assert (account.name, account.regions, account.known_id) == ("default", (), "")
    assert (config.refresh.min_age, config.refresh.deadline, config.refresh.stale_after) == (10, 9, 600)
    assert (config.aws.api_budget, config.aws.max_attempts) == (0.5, 2)
    assert (config.aws.connect_timeout, config.aws.read_timeout) == (4, 8)
    assert config.labels.tags == ()


def test_by_default_the_active_operations_of_each_supported_kind_are_watched() -> None:
    watched = {watch.kind: watch for watch in read_config(None, KINDS).accounts[0].watch}
    assert list(watched) == [kind.name for kind in KINDS if kind.by_default]
    for kind in KINDS:
        if kind.by_default:
            discover = watched[kind.name].discover
            assert discover is not None
            assert set(discover.statuses) == kind.active


def discover_of(kind: Kind[Any], rules: object) -> Discover | None:
    return parse_config(watching(kind.name, ids=["a"], discover=rules), KINDS).accounts[0].watch[0].discover


@every_kind
def test_discovery_is_off_on_or_follows_rules(kind: Kind[Any]) -> None:
    assert discover_of(kind, False) is None
    on = discover_of(kind, True)
    assert on is not None
    assert (on.statuses, on.max_age, on.max_operations, on.id_pattern) == ((), None, 1000, None)
    by_rules = discover_of(kind, {"max_operations": 5, "max_age": "7d", "id_pattern": "^a"})
    assert by_rules is not None
    assert (by_rules.max_operations, by_rules.max_age) == (5, 604800)
    assert by_rules.id_pattern is not None
    assert by_rules.id_pattern.search("abc")


def test_a_regular_expression_that_python_warns_of_is_used_without_a_warning() -> None:
    rules = discover_of(KINDS[0], {"id_pattern": "[[a]"})
    assert rules is not None
    assert rules.id_pattern is not None
    assert rules.id_pattern.search("[")


@every_kind
def test_an_option_is_there_where_its_kind_has_it_and_nowhere_else(kind: Kind[Any]) -> None:
    own = {option.name for option in kind.options}
    for name in OPTIONS:
        text = watching(kind.name, ids=["a"], **{name: True})
        if name in own:
            assert parse_config(text, KINDS).accounts[0].watch[0].options == {name}
        else:
            assert problems_of(text) == (f"accounts[0].watch[0].{name}: unknown key",)


def test_neither_an_external_id_nor_a_role_is_in_the_text_of_a_configuration() -> None:
    config = parse_config(yaml.safe_dump({"accounts": [{"role_arn": ROLE, "external_id": SECRET}]}), KINDS)
    for shown in (repr(config), str(config), repr(config.accounts), f"{config.accounts[0]!s}"):
        assert SECRET not in shown
        assert ROLE not in shown
    assert config.accounts[0].external_id is not None
    assert config.accounts[0].external_id.get_secret_value() == SECRET


OPTIONS = {option.name for kind in KINDS for option in kind.options}
KNOWN = {*keys_of(Config, Account, Watch, Discover, Refresh, Aws, Labels), *OPTIONS}
KEYS = st.sampled_from(sorted(KNOWN | {SECRET, f"external_id:{SECRET}"}))
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.dates()
    | st.text(max_size=5)
    | st.binary(max_size=5)
    | st.sampled_from([SECRET, ROLE + SECRET, *(kind.name for kind in KINDS), "eu-west-1", "10s", "Failed", "("])
)
STRUCTURES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4), max_leaves=20
)
WORDS = [SECRET, "accounts", "external_id", "- ", ": ", "\n", "\n  ", "{", "}", "[", "]", ",", "&", "*", "!", "!!"]
WORDS += ["'", '"', "|", ">", "%", "@", "?", "#", "<<", "~", "\t", "\\", "---", "0x", "2026-10-07", "\x07", "\ufeff"]


@settings(deadline=None)
@given(st.lists(st.sampled_from(WORDS), max_size=25).map("".join))
def test_whatever_yaml_says_is_read_or_refused_without_a_secret(text: str) -> None:
    assert [line for line in problems_of(text) if SECRET in line] == []


@settings(deadline=None)
@given(st.text())
def test_whatever_text_is_read_or_refused_in_plain_lines(text: str) -> None:
    problems_of(text)


@settings(deadline=None)
@given(STRUCTURES)
def test_whatever_structure_is_read_or_refused_without_a_secret(raw: object) -> None:
    assert [line for line in problems_of(yaml.safe_dump(raw)) if SECRET in line] == []
