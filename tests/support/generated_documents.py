"""Writes the generated parts of documents and templates: ``python -m tests.support.generated_documents``."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from exporter.aws.causes import connections_table
from exporter.aws.credential_sources import sources_table
from exporter.kinds.kind import Kind
from exporter.kinds.registry import KINDS
from exporter.metrics.reference import kinds_table, metrics_table
from exporter.monitoring.alerts import ALERTS
from exporter.monitoring.records import records
from exporter.monitoring.settings import parameters_model
from tests.support.chart_documents import SCHEMA, schema_with_definitions, values_tables
from tests.support.documented_permissions import (
    cloudformation_conditions,
    cloudformation_parameters,
    cloudformation_statements,
    permissions_table,
    terraform_data,
)
from tests.support.rendered_runbooks import INDEX, RENDERED, index_html, runbook_html
from tests.support.repository import ROOT

Kinds = Sequence[Kind[Any]]
Part = Callable[[Kinds], str]


def _alerts_table(kinds: Kinds) -> str:
    rows = (
        (
            f"[{alert.name}](runbooks/{alert.name}.md)",
            alert.severity,
            f"{alert.operator} {alert.threshold:g}",
            alert.for_,
            alert.summary,
        )
        for alert in ALERTS
    )
    return _table(("alert", "severity", "threshold", "for", "meaning"), rows)


def _parameters_table(kinds: Kinds) -> str:
    fields = parameters_model(kinds).model_fields.items()
    rows = ((f"`{name}`", f"`{field.default}`", field.description or "") for name, field in fields)
    return _table(("parameter", "default", "meaning"), rows)


def _records_table(kinds: Kinds) -> str:
    return _table(("metric", "value"), ((f"`{record.name}`", record.help) for record in records(kinds)))


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *rows))


def _runbook(name: str, kinds: Kinds) -> str:
    return runbook_html(name)


# The parts of a template with a role.
CLOUDFORMATION: Mapping[str, Part] = {
    "parameters": cloudformation_parameters,
    "conditions": cloudformation_conditions,
    "statements": cloudformation_statements,
}
# Files with generated parts. Comments mark the start of a part by its name, and its end.
PARTS: Mapping[Path, Mapping[str, Part]] = {
    ROOT / "README.md": {"kinds": kinds_table, "metrics": metrics_table},
    ROOT / "docs" / "monitoring.md": {
        "alerts": _alerts_table,
        "parameters": _parameters_table,
        "records": _records_table,
    },
    ROOT / "docs" / "aws-permissions.md": {
        "permissions": permissions_table,
        "credentials": lambda kinds: sources_table(),
    },
    ROOT / "docs" / "runbooks" / "AwsIotBulkExporterCellDown.md": {"connections": lambda kinds: connections_table()},
    ROOT / "deploy" / "aws" / "cloudformation.yaml": CLOUDFORMATION,
    ROOT / "deploy" / "ecs" / "fargate.yaml": CLOUDFORMATION,
    ROOT / "helm" / "README.md": {"values": lambda kinds: values_tables()},
}
WHOLE: Mapping[Path, Part] = {
    SCHEMA: schema_with_definitions,
    ROOT / "deploy" / "aws" / "terraform" / "documents" / "permissions.json": terraform_data,
    INDEX: lambda kinds: index_html(),
    **{RENDERED / f"{alert.name}.html": partial(_runbook, alert.name) for alert in ALERTS},
}
MARKS = {".md": ("<!-- {} -->", "<!-- end -->"), ".yaml": ("# generated: {}", "# generated: end")}


def generated_text(file: Path) -> str:
    """Return the whole text of a file, with new generated parts."""
    if file in WHOLE:
        return WHOLE[file](KINDS)
    text = file.read_text(encoding="utf-8")
    for name, part in PARTS[file].items():
        text = text_with_part(text, name, part(KINDS), *MARKS[file.suffix])
    return text


def text_with_part(text: str, name: str, part: str, begin: str, end: str) -> str:
    """Return a text with a new part between the marks of this name."""
    first, last = re.escape(begin.format(name)), re.escape(end)
    marked = re.compile(rf"({first}\n).*?(\n *{last})", re.DOTALL)
    assert len(marked.findall(text)) == 1, name
    before, opened, closed, after = marked.split(text)
    return f"{before}{opened}{part}{closed}{after}"


if __name__ == "__main__":
    for file in (*PARTS, *WHOLE):
        file.write_text(generated_text(file), encoding="utf-8")
