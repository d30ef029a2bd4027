"""The numbers of cases on the page about tested faults are those of the tests."""

import re

import pytest

from tests.security import (
    planted_secrets,
    test_framing,
    test_injection,
    test_paths,
    test_planted_commands,
    test_reflection,
)
from tests.support.aws_with_secrets import SECRETS
from tests.support.repository import ROOT
from tests.support.secret_canaries import canary, encodings

OF_WEB = ("key", "hash of a password")
PLANTED = (SECRETS, planted_secrets.OF_THE_ENVIRONMENT, planted_secrets.OF_FILES, planted_secrets.OF_REQUESTS, OF_WEB)
FIGURES: dict[str, tuple[int, ...]] = {
    "test_framing": (len(test_framing.CASES),),
    "test_paths": (len(test_paths.METHODS), len(test_paths.FILES), len(test_paths.PAST_THE_PASSWORD)),
    "test_reflection": (len(test_reflection.NAMES), len(test_reflection.PATHS), len(test_reflection.BREAKS)),
    "test_planted": (len(list(encodings(canary("any")))), sum(map(len, PLANTED))),
    "test_planted_commands": (len(planted_secrets.BAD_CONFIGS), len(test_planted_commands.BAD_WEB)),
    "test_injection": (len(test_injection.HOSTILE),),
}


@pytest.mark.parametrize(("name", "figures"), FIGURES.items(), ids=FIGURES)
def test_the_page_shows_the_numbers_of_cases(name: str, figures: tuple[int, ...]) -> None:
    page = (ROOT / "docs" / "tested-faults.md").read_text(encoding="utf-8")
    (row,) = re.findall(rf"^\| (.*) \| `make test ARGS=tests/security/{name}\.py` \|$", page, re.MULTILINE)
    assert tuple(map(int, re.findall(r"\b\d+\b", row))) == figures
