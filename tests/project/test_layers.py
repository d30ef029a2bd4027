"""The layers: packages import downwards only, modules form no circle, and each library has its place."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from exporter.kinds.registry import KINDS
from tests.support.release import requirements
from tests.support.repository import ROOT

LAYERS: tuple[tuple[str, ...], ...] = (
    ("core",),
    ("kinds",),
    ("config", "metrics"),
    ("aws", "collector"),
    ("monitoring", "simulator", "state", "web"),
    ("app",),
    ("cli",),
)
"""The packages from the bottom up. A package may import those of the rows above its own in this table."""

LIBRARIES = {
    "argparse": ("exporter.cli",),
    "bcrypt": ("exporter.web.protection",),
    "boto3": ("exporter.aws",),
    "botocore": ("exporter.aws",),
    "jinja2": ("exporter.web.ui",),
    "prometheus_client": ("exporter.app", "exporter.cli.commands.check", "exporter.metrics", "exporter.web"),
    "pydantic": (
        "exporter.cli.watch_output",
        "exporter.config",
        "exporter.metrics.summary",
        "exporter.monitoring.settings",
        "exporter.simulator.organization_sections",
        "exporter.simulator.scenario",
        "exporter.simulator.scenario_fields",
        "exporter.state.codec",
        "exporter.web.api",
        "exporter.web.protection",
    ),
    "rich": ("exporter.cli.watch_output", "exporter.cli.watch_table"),
    "sqlite3": ("exporter.state.database",),
    "ssl": ("exporter.aws.causes", "exporter.aws.connection_settings", "exporter.web"),
    "starlette": ("exporter.simulator", "exporter.web"),
    "trustme": ("exporter.simulator.certificates",),
    "uvicorn": ("exporter.web.listener",),
}
"""The libraries that only some packages or modules may import."""

MAY_IMPORT_KINDS = ("exporter.kinds.registry", "exporter.cli.commands", "exporter.app.exporter")
KIND_MODULES = {f"exporter.kinds.{kind.name}" for kind in KINDS}
# The modules of the package that say nothing of a single kind, nor of those that AWS rolls out as jobs.
GENERIC_KINDS_MODULES = {
    f"exporter.kinds.{name}"
    for name in ("kind", "metric", "phase", "registry", "response", "simulated_operation", "thresholds")
}
SOURCES = sorted((ROOT / "exporter").rglob("*.py"))
LEVELS = {package: level for level, packages in enumerate(LAYERS) for package in packages}


def module_of(file: Path) -> str:
    """Return the dotted name of a source file."""
    return ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def package_of(module: str) -> str:
    """Return the name of the package directly below ``exporter`` that holds a module; empty for ``exporter`` itself."""
    return module.partition(".")[2].partition(".")[0]


def is_inside(module: str, places: tuple[str, ...]) -> bool:
    """Return whether a module is one of the places or lies in one of them."""
    return any(module == place or module.startswith(f"{place}.") for place in places)


@cache
def imports_of(file: Path) -> frozenset[str]:
    """Return the modules that a file imports at run time. Imports for type checkers only are left out."""
    return frozenset(_imports_of(file))


def _imports_of(file: Path) -> Iterator[str]:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    for_type_checkers = {child for node in ast.walk(tree) if _is_for_type_checkers(node) for child in ast.walk(node)}
    for node in ast.walk(tree):
        if node in for_type_checkers:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: a relative import"
            yield from (_imported_module(node.module or "", alias.name) for alias in node.names)


def _imported_module(module: str, name: str) -> str:
    """Return the module that ``from module import name`` reaches: a submodule, or the module itself."""
    path = ROOT.joinpath(*module.split("."), name)
    return f"{module}.{name}" if path.is_dir() or path.with_suffix(".py").exists() else module


def _is_for_type_checkers(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


def is_mutable(value: ast.expr | None) -> bool:
    """Return whether an expression makes a value that can be changed in place."""
    if isinstance(value, ast.Call):
        return isinstance(value.func, ast.Name) and value.func.id in ("dict", "list", "set", "defaultdict", "deque")
    return isinstance(value, ast.Dict | ast.List | ast.Set | ast.DictComp | ast.ListComp | ast.SetComp)


def is_constant(target: ast.expr) -> bool:
    """Return whether a name is written like a constant or a Python special name."""
    return isinstance(target, ast.Name) and (target.id.lstrip("_").isupper() or target.id.startswith("__"))


every_source = pytest.mark.parametrize("file", SOURCES, ids=module_of)


def test_the_exporter_holds_the_twelve_packages_and_nothing_else() -> None:
    entries = {entry.name for entry in (ROOT / "exporter").iterdir() if entry.name != "__pycache__"}
    assert entries == {*LEVELS, "__init__.py", "__main__.py", "py.typed"}
    assert len(LEVELS) == 12


@pytest.mark.parametrize("package", LEVELS)
def test_a_package_says_what_belongs_into_it_and_what_does_not(package: str) -> None:
    init = ROOT / "exporter" / package / "__init__.py"
    text = ast.get_docstring(ast.parse(init.read_text(encoding="utf-8")))
    assert text is not None
    assert text.count(".") >= 2


@pytest.mark.parametrize("package", LEVELS)
def test_the_architecture_describes_every_package(package: str) -> None:
    assert f"| `{package}/` |" in (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")


def test_the_diagram_of_the_packages_shows_every_import_and_no_other() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    drawn = {(start, end) for start, end in re.findall(r"^ +(\w+) --> (\w+)$", text, re.MULTILINE)}
    reachable = set(drawn)
    for _ in LAYERS:
        reachable |= {(start, end) for start, middle in reachable for next_start, end in drawn if middle == next_start}
    imported = {
        (package_of(module_of(file)), package_of(module))
        for file in SOURCES
        for module in imports_of(file)
        if is_inside(module, ("exporter",))
    }
    used = {(start, end) for start, end in imported if start in LEVELS and end in LEVELS and start != end}
    assert drawn <= used
    assert used <= reachable


@every_source
def test_imports_point_down_only(file: Path) -> None:
    package = package_of(module_of(file))
    imported = {package_of(module) for module in imports_of(file) if is_inside(module, ("exporter",))} - {"", package}
    if package in LEVELS:
        assert {name for name in imported if LEVELS[name] >= LEVELS[package]} == set()


def test_no_modules_import_each_other_in_a_circle() -> None:
    graph = {module_of(file): imports_of(file) - {module_of(file)} for file in SOURCES}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(f"import circle: {' -> '.join(error.args[1])}")


@every_source
def test_a_kind_imports_no_other_kind_and_generic_code_imports_none(file: Path) -> None:
    module = module_of(file)
    imported = imports_of(file) & {*KIND_MODULES, "exporter.kinds.registry"}
    assert not imported or is_inside(module, MAY_IMPORT_KINDS)


@every_source
def test_generic_code_imports_nothing_that_only_some_kinds_share(file: Path) -> None:
    imported = {module for module in imports_of(file) if is_inside(module, ("exporter.kinds",))}
    if package_of(module_of(file)) != "kinds":
        assert imported <= GENERIC_KINDS_MODULES


@every_source
def test_a_library_is_imported_only_where_it_belongs(file: Path) -> None:
    for library in {name.partition(".")[0] for name in imports_of(file)} & set(LIBRARIES):
        assert is_inside(module_of(file), LIBRARIES[library]), library


@every_source
def test_nothing_that_ships_imports_tests_or_benchmarks(file: Path) -> None:
    assert not any(is_inside(name, ("tests", "benchmarks")) for name in imports_of(file))


@every_source
def test_generic_code_knows_no_kind_by_name(file: Path) -> None:
    if package_of(module_of(file)) == "kinds":
        return
    tree = ast.parse(file.read_text(encoding="utf-8"))
    texts = [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    assert [text for text in texts for kind in KINDS if kind.name in text] == []


@every_source
def test_a_module_holds_constants_and_no_state(file: Path) -> None:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    changed = [node.lineno for node in ast.walk(tree) if isinstance(node, ast.Global | ast.Nonlocal)]
    for node in tree.body:
        if isinstance(node, ast.Assign | ast.AnnAssign) and is_mutable(node.value):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            changed += [node.lineno for target in targets if not is_constant(target)]
    assert changed == []


def test_every_dependency_is_imported() -> None:
    modules = {"pyyaml": "yaml", "prometheus-client": "prometheus_client"}
    names = [requirement.name for requirement in requirements(ROOT / "setup.cfg", "options", "install_requires")]
    imported = {module.partition(".")[0] for file in SOURCES for module in imports_of(file)}
    assert [name for name in names if modules.get(name, name) not in imported] == []
