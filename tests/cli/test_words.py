"""Numbers and names in the sentences of the commands."""

import pytest

from exporter.cli.words import names, quantity


@pytest.mark.parametrize(("number", "text"), [(0, "0 cells"), (1, "1 cell"), (200_000, "200,000 cells")])
def test_a_number_has_thousands_separators_and_the_right_form_of_its_noun(number: int, text: str) -> None:
    assert quantity(number, "cell") == text


@pytest.mark.parametrize(
    ("number", "text"),
    [(1, "j"), (10, "j, j, j, j, j, j, j, j, j, j"), (2000, "j, j, j, j, j, j, j, j, j, j and 1,990 more")],
)
def test_a_long_list_of_names_ends_with_the_number_of_further_ones(number: int, text: str) -> None:
    assert names(["j"] * number) == text
