"""The document about scenarios, which is generated from their model."""

from collections.abc import Mapping

from exporter.config.key_tables import key_tables
from exporter.simulator.scenario import Scenario, scenario_text

# Scenarios of this package that the document shows, each with its title.
EXAMPLES: Mapping[str, str] = {
    "one-task": "One registration task",
    "many-jobs": "Many jobs and a quota",
    "outage": "Two accounts and an outage",
    "organization": "An organization",
}
SECTIONS: Mapping[str, str] = {
    "Scenario": "Scenario",
    "PlannedOperation": "Operation",
    "Point": "Point",
    "FailureReason": "Failure reason",
    "Fault": "Fault",
    "Role": "Role",
    "SimulatedOrganization": "Organization",
    "Unit": "Organizational unit",
    "MemberAccount": "Account of an organization",
    "OptInRegion": "Opt-in Region",
}
INTRODUCTION = """\
# Scenarios of the simulated AWS

The command `aws-iot-bulk-exporter show scenarios` prints this page.

A scenario is a YAML file with the operations and the faults of a simulated AWS. The demo, the fire drill and `simulate`
use scenarios. With one you can try a configuration, alerts and dashboards without an AWS account:

```sh
aws-iot-bulk-exporter show scenario > scenario.yaml
aws-iot-bulk-exporter simulate --scenario=scenario.yaml
```

The first command prints the scenario of the demo, which you can edit. The second command prints the environment
variables with which an exporter uses the simulated AWS. If a scenario is invalid, the command ends with status 2 and
prints the first 20 problems, each with the file and the key.

- **Times.** The times of a timeline start at the creation of the operation. All other times start at the start of the
  simulator. A duration is a text such as `90s`, `5m` or `1h30m`.
- **Counts.** `done` and `failed` are shares of `items`, and `done` includes `failed`. Both grow evenly between two
  points. A point keeps the values of the point before it, except those that it sets.
- **Quotas.** The simulator has the quotas of AWS and throttles requests above them. It checks that requests are signed,
  but not the signature.
- **Organizations.** The accounts of an organization need not be listed in `accounts`. An operation or a fault selects
  an account by its id. AWS Organizations has the APIs that read an organization, for its management account and its
  delegated administrators. The roles of suspended accounts cannot be assumed.
- **Regions.** ListRegions of AWS Account Management has every Region that botocore knows, with its status in the
  account. With `opt_in_regions`, calls in a disabled Region are refused. Without it, they are accepted.
- **Faults.** A fault selects requests by account, Region, service, API and id. At most one of `error`, `body`, `pages`,
  `skew` and the edits (`replace`, `remove`, `double`) changes the response. At most one of `cut`, `drip` and `hang`
  breaks its delivery. `delay` and `headers` can be added to each of them.
"""


def scenarios_document() -> str:
    """Return docs/scenarios.md: the format, examples, and a table of keys for each section."""
    examples = (f"### {title}\n\n```yaml\n{scenario_text(name)}```\n" for name, title in EXAMPLES.items())
    return "\n".join((INTRODUCTION, "## Examples\n", *examples, key_tables(Scenario, SECTIONS), ""))
