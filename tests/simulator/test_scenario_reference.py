"""The generated page about scenarios describes each key, and its examples are valid."""

import pytest

from exporter.kinds.registry import KINDS
from exporter.simulator.reference import EXAMPLES, SECTIONS, scenarios_document
from exporter.simulator.scenario import Scenario, parse_scenario, scenario_text

PAGE = scenarios_document()
SCHEMA = Scenario.model_json_schema(by_alias=True)


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_example_is_a_valid_scenario(name: str) -> None:
    assert scenario_text(name) in PAGE
    assert parse_scenario(scenario_text(name), KINDS).operations


def test_the_examples_show_quotas_latency_and_several_equal_operations() -> None:
    scenario = parse_scenario(scenario_text("many-jobs"), KINDS)
    assert (scenario.quotas, scenario.latency, scenario.operations[0].count) == (True, 0.05, 400)


@pytest.mark.parametrize("section", SECTIONS)
def test_every_key_has_a_description(section: str) -> None:
    schema = SCHEMA if section == "Scenario" else SCHEMA["$defs"][section]
    assert {name for name, key in schema["properties"].items() if not key.get("description")} == set()
    assert {name for name in schema["properties"] if f"\n| `{name}` |" not in PAGE} == set()
