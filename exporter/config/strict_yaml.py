"""Read YAML strictly: a duplicate key or a second document is an error."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from exporter.core.errors import ConfigError
from exporter.core.file_faults import read_fault

# Characters. The limit protects the memory when the path is a device that never ends.
MAX_CHARACTERS = 16 * 1024 * 1024
# PyYAML raises these for a value that does not fit its tag or form, such as month 13 or ``!!bool 7``.
UNREADABLE = (ValueError, LookupError, TypeError, AttributeError, RecursionError)
TEXT = "tag:yaml.org,2002:str"
MERGE = "tag:yaml.org,2002:merge"
NULL = "tag:yaml.org,2002:null"


class _StrictError(yaml.MarkedYAMLError):
    """A fault that this module finds. Its text is fixed, so that it cannot contain a part of the file."""

    def __init__(self, fault: str, node: yaml.Node) -> None:
        super().__init__(problem=fault, problem_mark=node.start_mark)


# The messages of PyYAML can quote the file, which may contain a secret. These replace them.
FAULTS = {
    yaml.composer.ComposerError: "unknown alias, duplicate anchor or second document",
    yaml.constructor.ConstructorError: "unknown tag, or a value of the wrong type",
}


SYNTAX_ERROR = "syntax error"
# Replace it, by the character at the place of the fault.
SYNTAX_FAULTS = {
    "\t": "unexpected tab; use spaces",
    ":": "unexpected colon; put the text in quotes, or correct the indentation",
    **dict.fromkeys("@`%", "text cannot begin with this character; put it in quotes"),
}


class _StrictLoader(yaml.SafeLoader):
    """The safe loader of PyYAML, which keeps the last of two equal keys, changed to reject duplicate keys."""

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        node = super().compose_mapping_node(anchor)
        seen: set[str] = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode) or key.tag not in (TEXT, MERGE):
                raise _StrictError("the key is not text; put it in quotes", key)
            if key.value in seen and key.tag == TEXT:
                raise _StrictError("duplicate key", key)
            seen.add(key.value)
        return node

    def compose_scalar_node(self, anchor: Any) -> yaml.ScalarNode:
        node = super().compose_scalar_node(anchor)
        if re.search("[\ud800-\udfff]", node.value):
            raise _StrictError("invalid Unicode character", node)
        return node

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        try:
            return super().construct_object(node, deep)
        except UNREADABLE:
            raise _StrictError("invalid value; if it is text, put it in quotes", node) from None


# The rules of PyYAML that recognize an empty value, null and a merge key, by the first letter of the value.
TEXT_RULES = {
    letter: [(tag, pattern) for tag, pattern in rules if tag in (NULL, MERGE)]
    for letter, rules in _StrictLoader.yaml_implicit_resolvers.items()
}


class _TextLoader(_StrictLoader):
    """The strict loader that reads every value as text, except empty values, null and merge keys."""

    yaml_implicit_resolvers = TEXT_RULES


@contextmanager
def problems_in(path: Path | None) -> Iterator[None]:
    """Begin each problem of a ConfigError with the path of the file, if any, and report equal problems once."""
    try:
        yield
    except ConfigError as error:
        place = f"{path}: " if path else ""
        raise ConfigError(place + problem for problem in dict.fromkeys(error.problems)) from None


def read_text(path: Path) -> str:
    """Return the content of a file. Raises ConfigError without the path, which ``problems_in`` adds."""
    try:
        with path.open(encoding="utf-8") as file:
            text = file.read(MAX_CHARACTERS + 1)
    except (OSError, ValueError) as error:
        cause = _read_fault(error)
        raise ConfigError([f"cannot read the file: {cause}"]) from None
    if len(text) > MAX_CHARACTERS:
        raise ConfigError([f"cannot read the file: longer than {MAX_CHARACTERS:,} characters; use a shorter file"])
    return text


def _read_fault(error: Exception) -> str:
    if isinstance(error, OSError):
        return read_fault(error)
    if isinstance(error, UnicodeDecodeError):
        return "not UTF-8 text; save the file as UTF-8"
    return "the path has a null character; remove it"


def parse_yaml(text: str) -> Any:
    """Return the content of a YAML text, or None if it is empty.

    Raises ConfigError with line and column, but without a part of the text, which may contain a secret.
    """
    return _parse(text, _StrictLoader)


def parse_yaml_as_text(text: str) -> Any:
    """Return the same as ``parse_yaml``, but numbers, switches and dates as text.

    A Go program reads ``1: 1`` as two texts where it expects text. A file that both programs read needs the same rule.
    """
    return _parse(text, _TextLoader)


def _parse(text: str, loader: type[_StrictLoader]) -> Any:
    try:
        return loader(text).get_single_data()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        fault = error.problem if isinstance(error, _StrictError) else _fault(error, text)
        place = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
    except yaml.reader.ReaderError as error:
        before = text[: error.position]
        place = f"line {before.count(chr(10)) + 1}, column {len(before) - before.rfind(chr(10))}: "
        fault = "a character that YAML does not allow"
    except (yaml.YAMLError, *UNREADABLE):
        place, fault = "", "nested too deeply, or a value that YAML does not allow"
    raise ConfigError([f"invalid YAML: {place}{fault}"])


def _fault(error: yaml.MarkedYAMLError, text: str) -> str:
    """Return the fault that PyYAML has found, without a part of the text."""
    mark = error.problem_mark
    character = text[mark.index : mark.index + 1] if mark else ""
    return FAULTS.get(type(error)) or SYNTAX_FAULTS.get(character, SYNTAX_ERROR)
