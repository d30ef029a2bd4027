"""The dashboards match Grafana's TypeScript types of the versions 10 to 13."""

import json
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.support.dashboards import PRINTED
from tests.support.repository import ROOT, program, skip_or_fail

SOURCE = ROOT / "tests" / "monitoring" / "grafana_types"
LOCK = SOURCE / "package-lock.json"
VERSIONS = sorted(json.loads((SOURCE / "package.json").read_text())["devDependencies"].keys() - {"typescript"})
IMPORT = 'import type { Annotation, Custom, Drawn, Field, Options, Section, Variable, Whole } from "./model";'

# The name of a constant, a correct text in it, and a mistake that replaces the text.
MISTAKES = (
    ("dashboard", '"graphTooltip": 1', '"graphTooltip": 7'),
    ("dashboard", '"schemaVersion": 39', '"schemaVersion": "39"'),
    ("variable_account", '"includeAll": true', '"includeEverything": true'),
    ("section", '"collapsed": false', '"closed": false'),
    ("panel1", '"mode": "absolute"', '"mode": "absolut"'),
    ("options1", '"graphMode": "none"', '"graphMode": "nothing"'),
    ("options1", '"reduceOptions"', '"reducedOptions"'),
    ("options8", '"sortBy"', '"footer": {"enablePagination": 1}, "sortBy"'),
    ("custom12", '"drawStyle": "line"', '"drawStyle": "lines"'),
    ("custom8_4", '"type": "color-background"', '"type": "background"'),
    ("annotation0", '"iconColor"', '"color"'),
    ("annotation0", '"titleFormat"', '"title"'),
    ("options13", '"pending": true', '"waiting": true'),
    ("options13", '"viewMode": "list"', '"viewMode": "lines"'),
)


@pytest.fixture(scope="module")
def compiler(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the types and the compiler in the versions of the lock file."""
    folder = tmp_path_factory.mktemp("types")
    shutil.copytree(SOURCE, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("node_modules"))
    command = [program("npm"), "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
    program("node")
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=300)
    return folder if done.returncode == 0 else skip_or_fail(f"npm installed no types: {done.stderr}")


def compiler_errors(compiler: Path, version: str, sources: Mapping[str, str]) -> list[str]:
    """Return the errors of sources that use the types of one version of Grafana."""
    types = f"./node_modules/{version}"
    options = {
        "strict": True,
        "noEmit": True,
        "skipLibCheck": True,
        "module": "esnext",
        "moduleResolution": "bundler",
        "paths": {"@grafana/schema": [types], "@grafana/schema/*": [f"{types}/*"]},
    }
    files = {f"{name}.ts": source for name, source in sources.items()}
    files["tsconfig.json"] = json.dumps({"compilerOptions": options, "files": list(files)})
    for name, content in files.items():
        (compiler / name).write_text(content, encoding="utf-8")
    command = [program("node"), "node_modules/typescript/bin/tsc", "--project", "tsconfig.json", "--pretty", "false"]
    done = subprocess.run(command, cwd=compiler, capture_output=True, text=True, check=False, timeout=300)
    assert (done.returncode == 0) == (done.stdout == ""), done.stderr
    return [line for line in done.stdout.splitlines() if not line.startswith(" ")]


def typescript(dashboard: dict[str, Any]) -> str:
    """Return a dashboard as typed constants, one for each part. The compiler checks one large literal less strictly."""
    constants = (f"export const {name}: {type} = {json.dumps(value)};" for name, type, value in _constants(dashboard))
    return "\n".join((IMPORT, *constants, ""))


def _constants(dashboard: dict[str, Any]) -> Iterator[tuple[str, str, object]]:
    yield (
        "dashboard",
        "Whole",
        {key: dashboard[key] for key in dashboard if key not in ("annotations", "panels", "templating")},
    )
    for number, annotation in enumerate(dashboard["annotations"]["list"]):
        yield f"annotation{number}", "Annotation", annotation
    for variable in dashboard["templating"]["list"]:
        yield f"variable_{variable['name']}", "Variable", variable
    for panel in dashboard["panels"]:
        if panel["type"] == "row":
            yield f"section{panel['id']}", "Section", panel
        else:
            yield from _panel(panel)


def _panel(panel: dict[str, Any]) -> Iterator[tuple[str, str, object]]:
    id, type = panel["id"], f'"{panel["type"]}"'
    yield f"panel{id}", "Drawn", panel
    yield f"options{id}", f"Options<{type}>", panel["options"]
    yield f"custom{id}", f"Custom<{type}>", panel["fieldConfig"]["defaults"]["custom"]
    for number, override in enumerate(panel["fieldConfig"]["overrides"]):
        properties = {entry["id"]: entry["value"] for entry in override["properties"]}
        standard = {name: value for name, value in properties.items() if not name.startswith("custom.")}
        custom = {name.partition(".")[2]: value for name, value in properties.items() if name not in standard}
        yield f"field{id}_{number}", "Field", standard
        yield f"custom{id}_{number}", f"Custom<{type}>", custom


def mistakes() -> dict[str, str]:
    """Return a source for each mistake, by name."""
    lines = "".join(map(typescript, (PRINTED["dashboard"], PRINTED["dashboard-operation"]))).splitlines()
    sources = {}
    for number, (constant, correct, mistake) in enumerate(MISTAKES):
        line = next(line for line in lines if line.startswith(f"export const {constant}"))
        assert correct in line
        sources[f"mistake{number}"] = f"{IMPORT}\n{line.replace(correct, mistake, 1)}\n"
    return sources


@pytest.fixture(scope="module", params=VERSIONS)
def errors(compiler: Path, request: pytest.FixtureRequest) -> list[str]:
    """The errors of the dashboards and of the mistakes with the types of each version. One run reads the types once."""
    dashboards = {subject: typescript(dashboard) for subject, dashboard in PRINTED.items()}
    return compiler_errors(compiler, request.param, dashboards | mistakes())


def test_the_dashboards_have_the_types_of_grafana(errors: list[str]) -> None:
    assert [line for line in errors if not line.startswith("mistake")] == []


def test_the_types_reject_every_mistake(errors: list[str]) -> None:
    found = {line.partition(".ts(")[0] for line in errors if line.startswith("mistake")}
    assert sorted(found) == sorted(mistakes())


def test_the_lock_file_names_no_host() -> None:
    assert "://" not in LOCK.read_text(encoding="utf-8")
