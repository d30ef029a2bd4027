"""The layers: imports point down only, AWS's library stays in one place, and generic code knows no kind by name."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from exporter.kinds import KINDS

REPOSITORY = Path(__file__).parents[1]
LAYERS: tuple[tuple[str, ...], ...] = (
    (
        "exporter",
        "exporter.clock",
        "exporter.duration",
        "exporter.errors",
        "exporter.log",
        "exporter.simulated",
        "exporter.thread",
    ),
    ("exporter.answer", "exporter.flags", "exporter.model", "exporter.problems", "exporter.yaml_text"),
    ("exporter.estimate", "exporter.metric", "exporter.shards", "exporter.store", "exporter.verdict"),
    ("exporter.kind", "exporter.selfmetrics"),
    ("exporter.config", "exporter.families", "exporter.kinds", "exporter.meaning"),
    (
        "exporter.aws",
        "exporter.cells",
        "exporter.documents",
        "exporter.exposition",
        "exporter.outcome",
        "exporter.overview",
        "exporter.selection",
    ),
    (
        "exporter.discovery",
        "exporter.monitoring",
        "exporter.scopes",
        "exporter.simulator",
        "exporter.state",
        "exporter.support",
        "exporter.tagging",
    ),
    ("exporter.terminal", "exporter.watching"),
    ("exporter.memory",),
    ("exporter.tracker",),
    ("exporter.cell_refresh",),
    ("exporter.probe", "exporter.refresh"),
    ("exporter.generation", "exporter.web"),
    ("exporter.drill", "exporter.service"),
    ("exporter.commands",),
    ("exporter.cli",),
    ("exporter.__main__",),
)
"""The parts from the bottom up. A part may import those of the rows below its own; a package also its own modules."""

ONLY_IN = {
    "argparse": "exporter.flags",
    "bcrypt": "exporter.web",
    "boto3": "exporter.aws",
    "botocore": "exporter.aws",
    "rich": "exporter.terminal",
    "sqlite3": "exporter.state",
    "ssl": "exporter.web",
    "uvicorn": "exporter.web",
}
"""Libraries that one part hides from all others."""

KINDS_KNOWN_TO = ("exporter.commands", "exporter.service")
NAMES_OF_KINDS_IN = ("exporter.kinds",)
MOST_LINES = 250

SOURCES = sorted((REPOSITORY / "exporter").rglob("*.py"))
EVERY_FILE = sorted(
    file for folder in ("exporter", "tests", "benchmarks") for file in REPOSITORY.glob(f"{folder}/**/*.py")
)
LEVELS = {part: level for level, parts in enumerate(LAYERS) for part in parts}


def module_of(file: Path) -> str:
    """Return the dotted name of a source file."""
    return ".".join(file.relative_to(REPOSITORY).with_suffix("").parts).removesuffix(".__init__")


def part_of(module: str) -> str:
    """Return the part of the table that a module belongs to."""
    return ".".join(module.split(".")[:2])


def imported(file: Path) -> Iterator[str]:
    """Give the name of every module that a file imports when it runs; what only type checkers see is left out."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    unseen = {inner for node in ast.walk(tree) if _is_for_type_checkers(node) for inner in ast.walk(node)}
    for node in ast.walk(tree):
        if node in unseen:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: a relative import"
            yield from (_module_in(node.module or "", alias.name) for alias in node.names)


def _module_in(module: str, name: str) -> str:
    """Return the module that ``from module import name`` reaches: a submodule, or the module itself."""
    place = REPOSITORY.joinpath(*module.split("."), name)
    return f"{module}.{name}" if place.is_dir() or place.with_suffix(".py").exists() else module


def _is_for_type_checkers(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


def mutable(value: ast.expr | None) -> bool:
    """Tell whether an expression makes a value that somebody could change."""
    if isinstance(value, ast.Call):
        return isinstance(value.func, ast.Name) and value.func.id in ("dict", "list", "set", "defaultdict", "deque")
    return isinstance(value, ast.Dict | ast.List | ast.Set | ast.DictComp | ast.ListComp | ast.SetComp)


def is_constant(target: ast.expr) -> bool:
    """Tell whether a name is written as that of a constant, or as Python's own."""
    return isinstance(target, ast.Name) and (target.id.lstrip("_").isupper() or target.id.startswith("__"))


every_source = pytest.mark.parametrize("file", SOURCES, ids=module_of)


def test_the_table_names_every_part_once() -> None:
    assert sorted(part for parts in LAYERS for part in parts) == sorted({part_of(module_of(file)) for file in SOURCES})


def test_the_architecture_tells_what_every_part_does() -> None:
    text = (REPOSITORY / "docs" / "architecture.md").read_text()
    rows = [line.split("|")[1] for line in text.splitlines() if line.startswith("| `")]
    told = sorted(name for row in rows for name in re.findall(r"`(\w+)/?`", row))
    assert told == sorted(part.partition(".")[2] for part in LEVELS if part not in ("exporter", "exporter.__main__"))


@every_source
def test_imports_point_down_only(file: Path) -> None:
    own = part_of(module_of(file))
    parts = {part_of(module) for module in imported(file) if module.partition(".")[0] == "exporter"}
    assert {part for part in parts if part != own and LEVELS[part] >= LEVELS[own]} == set()


@every_source
def test_a_kind_imports_no_other_kind_and_a_command_alone_puts_all_of_them_in(file: Path) -> None:
    module = module_of(file)
    kinds = {name for name in imported(file) if part_of(name) == "exporter.kinds"}
    if part_of(module) == "exporter.kinds":
        assert module == "exporter.kinds" or not kinds & {f"exporter.kinds.{kind.name}" for kind in KINDS}
    else:
        assert not kinds or module.startswith(KINDS_KNOWN_TO)


@every_source
def test_a_library_is_imported_where_it_is_hidden_and_nowhere_else(file: Path) -> None:
    places = {library: ONLY_IN.get(library.partition(".")[0]) for library in imported(file)}
    assert {library for library, place in places.items() if place not in (None, part_of(module_of(file)))} == set()


@every_source
def test_nothing_that_ships_imports_tests_or_benchmarks(file: Path) -> None:
    assert {name for name in imported(file) if name.partition(".")[0] in ("tests", "benchmarks")} == set()


@every_source
def test_generic_code_knows_no_kind_by_name(file: Path) -> None:
    if part_of(module_of(file)) in NAMES_OF_KINDS_IN:
        return
    tree = ast.parse(file.read_text(encoding="utf-8"))
    texts = [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    assert [text for text in texts for kind in KINDS if kind.name in text] == []


@every_source
def test_a_module_holds_constants_and_no_state(file: Path) -> None:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    changed = [node.lineno for node in ast.walk(tree) if isinstance(node, ast.Global | ast.Nonlocal)]
    for node in tree.body:
        if isinstance(node, ast.Assign | ast.AnnAssign) and mutable(node.value):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            changed += [node.lineno for target in targets if not is_constant(target)]
    assert changed == []


@pytest.mark.parametrize("file", EVERY_FILE, ids=module_of)
def test_a_file_is_short_enough_to_be_read(file: Path) -> None:
    assert len(file.read_text(encoding="utf-8").splitlines()) <= MOST_LINES
