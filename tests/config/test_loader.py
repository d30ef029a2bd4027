"""The configuration file: every problem is reported at once, each in one line with its path and without a value."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.config.duration import format_duration, parse_duration
from exporter.config.fields import MASK
from exporter.config.loader import masked_yaml, parse_config, read_config
from exporter.config.sections import Account, Aws, Config, Discover, Labels, Refresh, Watch
from exporter.config.validation import keys_of
from exporter.core.errors import ConfigError
from exporter.kinds.kind import Kind
from exporter.kinds.registry import KINDS
from tests.support import http_requests
from tests.support.exporter_server import serve_exporter

FOLDER = Path(__file__).parent
BAD = sorted((FOLDER / "bad").glob("*.yaml"))
GOOD = sorted((FOLDER / "good").glob("*.yaml"))
ROLE = "arn:aws:iam::111122223333:role/exporter"
# A valid external id. No key looks like it, so that no line may contain it.
SECRET = "s3cret/which+nobody,may=see"
FULL = f"""
accounts:
  - name: factory
    regions: [eu-west-1, us-east-1]
    role_arn: {ROLE}
    external_id: {SECRET}
    watch:
      - {{kind: thing_registration_task, ids: [a, b], discover: {{statuses: [Failed], max_age: 7d, id_pattern: "^x"}}}}
      - {{kind: greengrass_bulk_deployment, ids: [c], details: true}}
  - {{name: "gäste: [*]", account_id: "444455556666"}}
refresh: {{min_age: 90s, deadline: 500ms, stale_after: 1h30m}}
aws: {{api_budget: 0.25}}
labels: {{tags: [team]}}
"""

every_kind = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)


def problems_of(text: str) -> tuple[str, ...]:
    """Return the problems of a configuration, which are empty if it is valid. Each problem is one printable line."""
    problems: tuple[str, ...] = ()
    try:
        parse_config(text, KINDS)
    except ConfigError as error:
        problems = error.problems or ("an error without a problem",)
    assert [line for line in problems if not line.isprintable()] == []
    return problems


def watching(kind: str, **rules: object) -> str:
    return yaml.safe_dump({"accounts": [{"watch": [{"kind": kind, **rules}]}]})


@pytest.mark.parametrize("path", BAD, ids=lambda path: path.stem)
def test_an_invalid_file_gives_exactly_the_expected_lines(path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        read_config(path, KINDS)
    expected = path.with_suffix(".txt").read_text(encoding="utf-8").splitlines()
    assert list(caught.value.problems) == [f"{path}: {line}" for line in expected]
    assert [line for line in caught.value.problems if not line.isprintable() or "s3cret" in line] == []


def test_every_expectation_has_its_file() -> None:
    assert {path.stem for path in (FOLDER / "bad").glob("*.txt")} == {path.stem for path in BAD}


@pytest.mark.parametrize("path", GOOD, ids=lambda path: path.stem)
def test_a_valid_file_is_read(path: Path) -> None:
    assert read_config(path, KINDS).accounts


@every_kind
def test_an_empty_id_and_one_that_is_too_long_are_refused_for_each_kind(kind: Kind[Any]) -> None:
    assert problems_of(watching(kind.name, ids=["x" * kind.id_length])) == ()
    assert problems_of(watching(kind.name, ids=["", "x" * (kind.id_length + 1)])) == (
        "accounts[0].watch[0].ids[0]: is empty; set a value or remove the entry",
        f"accounts[0].watch[0].ids[1]: longer than {kind.id_length} characters",
    )


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("control.yaml", "invalid YAML: line 1, column 11: a character that YAML does not allow"),
        ("lines.yaml", "invalid YAML: line 3, column 3: a character that YAML does not allow"),
        ("bytes.yaml", "cannot read the file: not UTF-8 text; save the file as UTF-8"),
        ("utf16.yaml", "cannot read the file: not UTF-8 text; save the file as UTF-8"),
        ("missing.yaml", "cannot read the file: No such file or directory; correct the path, or create the file"),
        ("", "cannot read the file: Is a directory; use the path of a file, not of a folder"),
    ],
)
def test_a_file_that_cannot_be_read_gives_one_line(tmp_path: Path, name: str, problem: str) -> None:
    (tmp_path / "control.yaml").write_bytes(b"accounts: \x00\n")
    (tmp_path / "lines.yaml").write_bytes(b"\naccounts:\n  \x00\n")
    (tmp_path / "bytes.yaml").write_bytes(b"accounts: \xff\n")
    (tmp_path / "utf16.yaml").write_text("accounts: [ä]", encoding="utf-16")
    with pytest.raises(ConfigError) as caught:
        read_config(tmp_path / name, KINDS)
    assert caught.value.problems == (f"{tmp_path / name}: {problem}",)


def test_a_byte_order_mark_is_valid(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_bytes(b"\xef\xbb\xbfrefresh: {min_age: 1m}\n")
    assert read_config(path, KINDS).refresh.min_age == 60


def test_without_a_file_every_setting_has_its_default() -> None:
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
            assert discover.finds_unknown


def discover_of(kind: Kind[Any], rules: object) -> Any:
    watch = parse_config(watching(kind.name, ids=["a"], discover=rules), KINDS).accounts[0].watch[0]
    return watch.model_dump()["discover"]


@every_kind
def test_discovery_is_off_on_or_uses_rules(kind: Kind[Any]) -> None:
    defaults = {"statuses": (), "unknown_statuses": False, "max_age": None, "max_operations": 1000, "id_pattern": None}
    by_rules = {**defaults, "max_age": 604800, "max_operations": 5, "id_pattern": re.compile("^a")}
    assert discover_of(kind, False) is None
    assert discover_of(kind, True) == defaults
    assert discover_of(kind, {"max_operations": 5, "max_age": "7d", "id_pattern": "^a"}) == by_rules


def test_a_regular_expression_with_a_python_warning_is_used_without_the_warning() -> None:
    assert discover_of(KINDS[0], {"id_pattern": "[[a]"})["id_pattern"].search("[")


@every_kind
def test_an_option_is_valid_for_its_own_kind_only(kind: Kind[Any]) -> None:
    own = {option.name for option in kind.options}
    for name in OPTIONS:
        text = watching(kind.name, ids=["a"], **{name: True})
        if name in own:
            assert parse_config(text, KINDS).accounts[0].watch[0].options == {name}
        else:
            assert problems_of(text) == (f"accounts[0].watch[0].{name}: unknown key",)


def test_the_text_of_a_configuration_contains_neither_an_external_id_nor_a_role() -> None:
    config = parse_config(yaml.safe_dump({"accounts": [{"role_arn": ROLE, "external_id": SECRET}]}), KINDS)
    for text in (repr(config), str(config), repr(config.accounts), f"{config.accounts[0]!s}"):
        assert SECRET not in text
        assert ROLE not in text
    assert config.accounts[0].external_id is not None
    assert config.accounts[0].external_id.get_secret_value() == SECRET


@pytest.mark.parametrize("text", ["", FULL], ids=["the default", "a full one"])
def test_the_masked_yaml_describes_the_same_configuration(text: str) -> None:
    config = parse_config(text, KINDS)
    again = parse_config(masked_yaml(config).replace(MASK, SECRET), KINDS)
    assert again.model_dump() == config.model_dump()


def test_the_masked_yaml_contains_defaults_and_no_secret() -> None:
    text = masked_yaml(parse_config(FULL, KINDS))
    assert SECRET not in text
    lines = (f"external_id: {MASK}", "session_name: aws-iot-bulk-exporter", "min_age: 1m30s", "deadline: 500ms")
    assert [line for line in lines if f"{line}\n" not in text] == []


def test_the_config_page_is_plain_text_that_is_not_cached() -> None:
    with serve_exporter(FULL, "http://127.0.0.1:1") as exporter:
        response = http_requests.get(f"{exporter.url}/config")
    assert response.text == masked_yaml(parse_config(FULL, KINDS))
    assert response.headers["content-type"] == "text/plain; charset=utf-8"
    assert response.headers["x-content-type-options"] == "nosniff"
    assert response.headers["cache-control"] == "no-store"


@given(st.integers(min_value=-(10**9), max_value=10**11))
def test_a_formatted_duration_is_parsed_to_the_same_value(milliseconds: int) -> None:
    assert parse_duration(format_duration(milliseconds / 1000)) == pytest.approx(milliseconds / 1000, rel=1e-12)


@pytest.mark.parametrize("text", ["0ms", "0.25ms", "10s", "1h30m", "7d", "-5m", "1d1ms"])
def test_a_duration_in_its_shortest_form_stays_as_it_is(text: str) -> None:
    assert format_duration(parse_duration(text)) == text


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


@settings(deadline=None, max_examples=200)
@given(st.lists(st.sampled_from(WORDS), max_size=25).map("".join) | STRUCTURES.map(yaml.safe_dump))
def test_any_yaml_is_accepted_or_refused_without_a_secret(text: str) -> None:
    assert [line for line in problems_of(text) if SECRET in line] == []


@settings(deadline=None)
@given(st.text())
def test_any_text_is_accepted_or_refused_in_printable_lines(text: str) -> None:
    problems_of(text)
