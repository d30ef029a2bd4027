"""The web configuration file: valid files load, and all faults are reported at once, without secrets."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from exporter.config.strict_yaml import read_text
from exporter.config.validation import keys_of
from exporter.core.errors import ConfigError
from exporter.web.protection.config_fields import go_duration
from exporter.web.protection.config_file import MODELS, WebConfig, read_web_config
from tests.support.certificates import PASSPHRASE
from tests.support.repository import ROOT, program

FOLDER = Path(__file__).parent
PAGE = ROOT / "docs" / "web-config.md"
KNOWN = keys_of(*MODELS)
BAD = sorted((FOLDER / "bad").glob("*.yaml"))
GOOD = sorted((FOLDER / "good").glob("*.yaml"))
# Good files with keys that the promtool of Linux distributions does not know yet.
UNKNOWN_TO_PROMTOOL = {
    "client-names",
    "no-client-names",
    "rate-limit",
    "rate-limit-in-nanoseconds",
    "rate-limit-without-effect",
}
# Bad files that promtool accepts, and why they are bad here.
STRICTER = {
    "sections-without-content": "all lines of a section may have been commented out by mistake",
    "tls-without-anything": "exporter-toolkit serves plain HTTP without a certificate",
    "tls-settings-without-a-certificate": "exporter-toolkit serves plain HTTP without a certificate",
    "certificates-without-verification": "not possible in Python",
    "certificates-without-verification-by-another-name": "not possible in Python",
    "several-curves": "not possible in Python",
    "min-version-above-max-version": "no client could connect",
    "cipher-suites-of-other-versions": "no client could connect",
    "a-user-with-a-colon": "the user could never log in",
    "an-invalid-authority": "no client could connect",
    "hashes-that-match-no-password": "no user could log in",
}


# The files name certificates.
pytestmark = pytest.mark.usefixtures("authority")


def read(folder: Path, text: str) -> WebConfig:
    """Write a web configuration to a folder and read it."""
    file = folder / "web.yaml"
    file.write_text(text, encoding="utf-8")
    return read_web_config(file, read_text)


def problems_of(folder: Path, text: str) -> list[str]:
    """Return the problems without the path of the file. No line may contain a secret."""
    problems: tuple[str, ...] = ()
    try:
        read(folder, text)
    except ConfigError as error:
        problems = error.problems or ("an error without a problem",)
    path = f"{folder / 'web.yaml'}: "
    assert [line for line in problems if not line.startswith(path)] == []
    assert [line for line in problems if not line.isprintable() or "s3cret" in line] == []
    return [line.removeprefix(path) for line in problems]


@pytest.mark.parametrize("path", GOOD, ids=lambda path: path.stem)
def test_a_good_file_is_read(folder: Path, path: Path) -> None:
    config = read(folder, path.read_text())
    assert (config.tls is not None) == ("cert_file" in path.read_text())
    assert ("$2" in path.read_text()) == bool(config.users)


@pytest.mark.parametrize("path", BAD, ids=lambda path: path.stem)
def test_a_bad_file_gives_the_expected_problems(folder: Path, path: Path) -> None:
    assert problems_of(folder, path.read_text()) == path.with_suffix(".txt").read_text().splitlines()


def test_every_expectation_has_its_file() -> None:
    assert {path.stem for path in (FOLDER / "bad").glob("*.txt")} == {path.stem for path in BAD}


@pytest.mark.parametrize(
    "path",
    [path for path in (*GOOD, *BAD) if path.stem not in UNKNOWN_TO_PROMTOOL],
    ids=lambda path: f"{path.parent.name}-{path.stem}",
)
def test_promtool_accepts_and_rejects_the_same_files(folder: Path, path: Path) -> None:
    problems = problems_of(folder, path.read_text())
    command = [program("promtool"), "check", "web-config", str(folder / "web.yaml")]
    promtool = subprocess.run(command, capture_output=True, check=False)
    assert (promtool.returncode == 0) == (not problems or path.stem in STRICTER)


def test_headers_and_rate_limit_are_read(folder: Path) -> None:
    config = read(folder, (FOLDER / "good" / "headers.yaml").read_text())
    assert config.headers == (
        (b"strict-transport-security", b"max-age=31536000; includeSubDomains"),
        (b"x-content-type-options", b"nosniff"),
        (b"x-frame-options", b"sameorigin"),
        (b"x-xss-protection", b"1"),
    )
    limit = read(folder, (FOLDER / "good" / "rate-limit.yaml").read_text()).rate_limit
    assert (limit.interval, limit.burst) == (61.5, 20)


DURATIONS = [("1s", 1), ("1.5s", 1.5), (".5s", 0.5), ("1.s", 1), ("1h30m", 5400), ("-1.5h", -5400), ("+5s", 5)]
SHORT_DURATIONS = [("300ms", 0.3), ("7us", 7e-6), ("7µs", 7e-6), ("7μs", 7e-6), ("7ns", 7e-9)]
NANOSECONDS = [("0", 0), ("1000000000", 1), ("-1", -1e-9)]


@pytest.mark.parametrize(("text", "seconds"), [*DURATIONS, *SHORT_DURATIONS, *NANOSECONDS])
def test_a_duration_is_read_as_go_reads_it(text: str, seconds: float) -> None:
    assert go_duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "s", "-", ".", "1 s", "1d", "1S", "1e3s", "٣s", "1s ", "s1"])
def test_a_duration_that_go_does_not_read_is_rejected(folder: Path, text: str) -> None:
    found = problems_of(folder, yaml.safe_dump({"rate_limit": {"interval": text, "burst": 1}}))
    assert found == ["rate_limit.interval: expected a duration such as 500ms, 1s or 1h30m"]


def test_certificates_and_keys_can_be_in_files_or_inline(folder: Path) -> None:
    cert, key = ((folder / name).read_text() for name in ("server.pem", "server.key"))
    inline = {"cert": cert, "key": key, "client_ca": (folder / "ca.pem").read_text()}
    policy = {"client_auth_type": "RequireAndVerifyClientCert"}
    for section in (
        {**inline, **policy},
        {"cert_file": str(folder / "server.pem"), "key": key},
        {"cert": cert, "key_file": "server.key"},
        {**inline, **policy, "cert_file": "server.pem", "key_file": "server.key", "key": "s3cret"},
    ):
        assert problems_of(folder, yaml.safe_dump({"tls_server_config": section})) == []


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has files in memory")
def test_an_inline_key_needs_no_folder_to_write_to(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(folder / "none"))
    inline = {"cert": (folder / "server.pem").read_text(), "key": (folder / "server.key").read_text()}
    assert problems_of(folder, yaml.safe_dump({"tls_server_config": inline})) == []


@pytest.mark.parametrize("where", ["key", "key_file"])
def test_an_encrypted_key_is_rejected_without_a_prompt(folder: Path, where: str) -> None:
    key = "encrypted.key" if where == "key_file" else (folder / "encrypted.key").read_text()
    section = {"cert_file": "server.pem", where: key}
    assert b"ENCRYPTED" in (folder / "encrypted.key").read_bytes()
    found = problems_of(folder, yaml.safe_dump({"tls_server_config": section}))
    assert found == [f"tls_server_config.{where}: is encrypted; use a key without a passphrase"]
    assert PASSPHRASE.decode() not in "".join(found)


def test_the_repr_of_a_configuration_contains_no_secret(folder: Path) -> None:
    config = read(folder, (FOLDER / "good" / "users.yaml").read_text())
    assert config.users
    assert "$2" not in repr(config)


def test_the_documentation_names_every_key() -> None:
    page = PAGE.read_text()
    sections = {"tls_server_config", "http_server_config", "rate_limit"}
    assert [key for key in KNOWN if not re.search(rf"`(\w+\.)?{key}`", page) and key not in sections] == []


def test_the_examples_of_the_documentation_are_valid(folder: Path) -> None:
    web, prometheus = re.findall(r"^```yaml\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    assert problems_of(folder, web.replace("server.crt", "server.pem")) == []
    file = folder / "prometheus.yml"
    file.write_text(
        prometheus.replace("/etc/prometheus/ca.crt", "ca.pem").replace("/etc/prometheus/password", "ca.pem")
    )
    subprocess.run([program("promtool"), "check", "config", file], check=True, capture_output=True)


LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.dates()
    | st.text(max_size=5)
    | st.sampled_from(["s3cret", "server.pem", "server.key", "TLS13", "1s", "RequireAndVerifyClientCert", "X25519"])
)
KEYS = st.sampled_from(KNOWN)
VALUES = LEAVES | st.lists(LEAVES, max_size=3) | st.dictionaries(KEYS, LEAVES, max_size=3)
SECTIONS = st.dictionaries(KEYS, VALUES | st.dictionaries(KEYS, VALUES, max_size=6), max_size=5)


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(VALUES | SECTIONS)
def test_any_structure_loads_or_gives_printable_problems_without_secrets(folder: Path, raw: object) -> None:
    problems_of(folder, yaml.safe_dump(raw))
